//! A directory as it is, walked and hashed by the demo itself: the independent witness.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::{Digest, Hasher};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fact {
    File { mode: u32, content: Digest },
    Directory { mode: u32 },
    Link { target: PathBuf },
    Other,
}

/// Every path below a directory, and what stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, Fact>);

impl Snapshot {
    /// Walks `dir`.
    pub(super) fn of(dir: &Path) -> Result<Self> {
        let mut facts = BTreeMap::new();
        let mut waiting = vec![PathBuf::new()];
        while let Some(below) = waiting.pop() {
            let place = dir.join(&below);
            let failed = |source| Error::io("look at", place.display(), source);
            for entry in fs::read_dir(&place).map_err(failed)? {
                let path = below.join(entry.map_err(failed)?.file_name());
                let fact = look(&dir.join(&path))?;
                if matches!(fact, Fact::Directory { .. }) {
                    waiting.push(path.clone());
                }
                facts.insert(path, fact);
            }
        }
        Ok(Self(facts))
    }

    /// How many paths there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first path at which the two differ.
    pub(super) fn first_difference(&self, other: &Self) -> Option<PathBuf> {
        let paths = self.0.keys().chain(other.0.keys());
        paths.filter(|path| self.0.get(*path) != other.0.get(*path)).min().cloned()
    }

    /// Of the paths that differ between `old` and `new`, how many stand here as in `old` and as in `new`. A path that
    /// is like neither is an error.
    pub(super) fn old_and_new(&self, old: &Self, new: &Self) -> Result<(usize, usize)> {
        let mut counts = (0, 0);
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(old.0.keys()).chain(new.0.keys()).collect();
        for path in paths {
            let [here, before, after] = [self, old, new].map(|snapshot| snapshot.0.get(path));
            match (here == before, here == after) {
                (true, true) => {}
                (true, false) => counts.0 += 1,
                (false, true) => counts.1 += 1,
                (false, false) => {
                    return Err(Error::new(ErrorKind::Internal, "neither as before the update nor as after it")
                        .at(path.display())
                        .hint("this is a bug in depsync; `depsync demo --keep` leaves the evidence behind"));
                }
            }
        }
        Ok(counts)
    }
}

fn look(path: &Path) -> Result<Fact> {
    let failed = |source| Error::io("look at", path.display(), source);
    let about = fs::symlink_metadata(path).map_err(failed)?;
    let mode = about.permissions().mode() & 0o777;
    Ok(if about.is_dir() {
        Fact::Directory { mode }
    } else if about.is_symlink() {
        Fact::Link { target: fs::read_link(path).map_err(failed)? }
    } else if about.is_file() {
        Fact::File { mode, content: hash(path).map_err(failed)? }
    } else {
        Fact::Other
    })
}

fn hash(path: &Path) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::plain();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_modes_links_and_names_are_seen() {
        let top = tempfile::tempdir().expect("a directory");
        super::super::sample::make(&top.path().join("a")).expect("a tree");
        super::super::sample::copy(&top.path().join("a"), &top.path().join("b")).expect("a copy");
        let old = Snapshot::of(&top.path().join("a")).expect("a");
        let copy = Snapshot::of(&top.path().join("b")).expect("b");
        assert!(old.len() > 20);
        assert_eq!(old.first_difference(&copy), None);

        super::super::sample::change(&top.path().join("a")).expect("a change");
        let new = Snapshot::of(&top.path().join("a")).expect("a");
        assert!(new.first_difference(&old).is_some());
        let (before, after) = (copy.old_and_new(&old, &new).expect("old"), new.old_and_new(&old, &new).expect("new"));
        assert_eq!((before.1, after.0), (0, 0));
        assert_eq!(before.0, after.1);

        let file = old.0.iter().find(|(_, fact)| matches!(fact, Fact::File { .. })).expect("a file").0;
        fs::set_permissions(top.path().join("b").join(file), fs::Permissions::from_mode(0o600)).expect("chmod");
        let chmodded = Snapshot::of(&top.path().join("b")).expect("b");
        assert_eq!(chmodded.first_difference(&old).as_ref(), Some(file));
        assert!(chmodded.old_and_new(&old, &new).is_err());
    }
}
