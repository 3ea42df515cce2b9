//! The changes: what they write, and where.
//!
//! The last 16 bytes of whatever is written say which change it is of, in an archive as its comment: so a look at the end
//! of a file tells what has arrived. Lengths differ from change to change, so that nobody misses one who compares lengths
//! and whole seconds. The same seed gives the same changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use depsync_tests::dice::Dice;
use depsync_tests::jar::{Entry, deflated, jar};

use crate::model::{Kind, Workload};

/// Files of a directory.
const A_DIRECTORY: usize = 50;
/// Bytes of a file that nothing changes.
const SIZE: usize = 2048;
/// Where archives are.
const ARCHIVES: &str = "webapps";
/// Where all else is.
const CONF: &str = "conf";
/// Bytes of a class.
const CLASS: usize = 4096;

/// The mark at the end of whatever a change writes.
pub(super) const MARK: usize = 16;

/// A change: paths, and what is to be there; nothing is a removal.
pub(super) struct Change {
    pub(super) number: u64,
    pub(super) files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Change {
    /// Saves it, as an editor or a build does: archives under another name first.
    pub(super) fn save(&self, top: &Path) -> Result<()> {
        for (path, bytes) in &self.files {
            let path = top.join(path);
            match bytes {
                None => fs::remove_file(&path)?,
                Some(bytes) if path.extension().is_some_and(|extension| extension == "war") => {
                    let beside = path.with_extension("tmp");
                    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &path))?;
                }
                Some(bytes) => fs::write(&path, bytes)?,
            }
        }
        Ok(())
    }
}

/// A tree, and changes to it.
pub(super) struct Load {
    tree: usize,
    number: u64,
    dice: Dice,
    /// Which files are gone at the moment.
    removed: Vec<usize>,
}

impl Load {
    /// A tree of so many files.
    pub(super) fn of(tree: u64, seed: u64) -> Result<Self> {
        Ok(Self { tree: usize::try_from(tree)?, number: 0, dice: Dice::new(seed), removed: Vec::new() })
    }

    /// Makes the tree in `top`, which does not exist.
    pub(super) fn make(&self, top: &Path) -> Result<()> {
        fs::create_dir(top).with_context(|| format!("making {}", top.display()))?;
        for name in [ARCHIVES, CONF] {
            fs::create_dir(top.join(name))?;
        }
        for number in 0..self.tree {
            let path = top.join(path(number));
            if number % A_DIRECTORY == 0 {
                fs::create_dir(path.parent().context("a file lies in a directory")?)?;
            }
            fs::write(path, text(number, 0, SIZE))?;
        }
        Ok(())
    }

    /// The directories that changes happen in.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = (0..self.hot())
            .step_by(A_DIRECTORY)
            .filter_map(|number| path(number).parent().map(Path::to_owned))
            .collect();
        found.push(PathBuf::from(ARCHIVES));
        found
    }

    /// The next change of such a workload.
    pub(super) fn next(&mut self, of: &Workload) -> Result<Change> {
        self.number += 1;
        let number = self.number;
        let (count, bytes) = (usize::try_from(of.files)?.min(self.hot()), usize::try_from(of.bytes)?);
        // One that goes round: it hits each file equally, and no two of a moment the same.
        let first = (usize::try_from(number)? * 7919) % self.hot();
        let chosen = (0..count).map(|offset| (first + offset) % self.hot());
        let files = match of.kind {
            Kind::Config => {
                let edited = |at: usize| (path(at), Some(edit(at, number, bytes / count)));
                chosen.map(edited).collect()
            }
            Kind::Release => {
                let replaced = |at: usize| (path(at), Some(text(at, number, bytes / count)));
                chosen.map(replaced).collect()
            }
            Kind::Delete => {
                self.removed = chosen.collect();
                self.removed.iter().map(|at| (path(*at), None)).collect()
            }
            Kind::Archive => {
                let name = format!("{ARCHIVES}/shop-{}.war", bytes >> 10);
                vec![(PathBuf::from(name), Some(archive(bytes, number, &mut self.dice)))]
            }
        };
        Ok(Change { number, files })
    }

    /// The change that brings back what the last one has removed; none if it has removed nothing.
    pub(super) fn restore(&mut self) -> Option<Change> {
        let removed = std::mem::take(&mut self.removed);
        if removed.is_empty() {
            return None;
        }
        self.number += 1;
        let files = removed.into_iter().map(|at| (path(at), Some(text(at, self.number, SIZE)))).collect();
        Some(Change { number: self.number, files })
    }

    /// How many files changes go to.
    fn hot(&self) -> usize {
        self.tree.min(1000)
    }
}

fn path(number: usize) -> PathBuf {
    PathBuf::from(format!("{CONF}/part-{:04}/item-{number:06}.xml", number / A_DIRECTORY))
}

/// Which change a file is of, from its last bytes.
pub(super) fn mark_of(end: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(end.get(end.len().checked_sub(MARK)?..)?).ok()?;
    u64::from_str_radix(text, 16).ok()
}

fn mark(number: u64) -> String {
    format!("{number:016x}")
}

/// Text that compresses to about a half, all of it another in each version.
fn text(file: usize, number: u64, size: usize) -> Vec<u8> {
    let mut dice = Dice::new((file as u64) << 32 ^ number);
    let mut text = String::with_capacity(size + 64);
    // Some lines more or less.
    let size = size.saturating_sub(MARK).saturating_sub(usize::try_from(number % 5).unwrap_or_default() * 17);
    while text.len() < size {
        text.push_str(&format!("{:016x}\n", dice.roll()));
    }
    text.truncate(size);
    text.push_str(&mark(number));
    text.into_bytes()
}

/// The text of a file in which somebody has edited a line.
fn edit(file: usize, number: u64, size: usize) -> Vec<u8> {
    let mut bytes = text(file, 0, size);
    let line = format!("<!-- {} -->", "edited ".repeat(1 + usize::try_from(number % 5).unwrap_or_default()));
    let at = bytes.len() / 2;
    bytes.splice(at..(at + 40).min(bytes.len() - MARK), line.into_bytes());
    let end = bytes.len() - MARK;
    bytes.truncate(end);
    bytes.extend(mark(number).into_bytes());
    bytes
}

/// An archive of about so many bytes, built again with another time, and one class of it edited.
fn archive(bytes: usize, number: u64, dice: &mut Dice) -> Vec<u8> {
    // Half of each class is what does not compress.
    let classes = (bytes / (CLASS / 2 + 150)).clamp(1, 60_000);
    let edited = dice.below(classes);
    let entry = |class: usize| -> Entry {
        let mut content = text(class, u64::MAX, CLASS);
        if class == edited {
            content.splice(CLASS / 3..CLASS / 3 + 8, mark(number).into_bytes());
        }
        deflated(format!("WEB-INF/classes/com/example/shop/Part{class:05}.class"), content)
    };
    let entries: Vec<Entry> = (0..classes).map(entry).collect();
    let mut file = jar(&entries, 0x5a21_0000 + u32::try_from(number % 0xffff).unwrap_or_default());
    let end = file.len() - 2;
    file.truncate(end);
    file.extend(u16::try_from(MARK).unwrap_or_default().to_le_bytes());
    file.extend(mark(number).into_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Link;

    fn workload(kind: Kind, files: u32, bytes: u64) -> Workload {
        Workload { kind, files, bytes, tree: 200, nodes: 1, link: Link::LAN, rate: None }
    }

    #[test]
    fn every_change_says_which_it_is_and_is_about_as_large_as_was_asked_for() {
        let place = tempfile::tempdir().expect("a directory");
        let top = place.path().join("tree");
        let mut load = Load::of(200, 1).expect("a tree");
        load.make(&top).expect("makes");
        for (kind, files, bytes) in [
            (Kind::Config, 1, 2048),
            (Kind::Config, 1, 65_536),
            (Kind::Release, 50, 204_800),
            (Kind::Archive, 1, 1 << 20),
        ] {
            let mut before = Vec::new();
            for _ in 0..2 {
                let change = load.next(&workload(kind, files, bytes)).expect("a change");
                assert_eq!(change.files.len(), files as usize);
                change.save(&top).expect("saves");
                let written: u64 =
                    change.files.iter().map(|(_, bytes)| bytes.as_ref().expect("bytes").len() as u64).sum();
                assert!(written * 10 > bytes * 8 && written * 10 < bytes * 13, "{kind:?}: {written} for {bytes}");
                for (path, _) in &change.files {
                    assert_eq!(mark_of(&fs::read(top.join(path)).expect("reads")), Some(change.number), "{kind:?}");
                    let directory = path.parent().expect("a parent").to_owned();
                    assert!(load.directories().contains(&directory), "{path:?}");
                }
                let lengths: Vec<usize> =
                    change.files.iter().map(|(_, bytes)| bytes.as_ref().expect("bytes").len()).collect();
                assert!(kind == Kind::Archive || lengths != before, "who compares lengths sees it");
                before = lengths;
            }
        }
    }

    #[test]
    fn what_is_removed_comes_back() {
        let place = tempfile::tempdir().expect("a directory");
        let top = place.path().join("tree");
        let mut load = Load::of(200, 1).expect("a tree");
        load.make(&top).expect("makes");
        assert!(load.restore().is_none());
        let change = load.next(&workload(Kind::Delete, 20, 0)).expect("a change");
        change.save(&top).expect("saves");
        assert!(change.files.iter().all(|(path, _)| !top.join(path).exists()));
        load.restore().expect("something").save(&top).expect("saves");
        assert!(change.files.iter().all(|(path, _)| top.join(path).exists()));
        assert!(load.restore().is_none());
    }

    #[test]
    fn an_archive_is_one_and_only_what_was_edited_differs() {
        let mut dice = Dice::new(3);
        let (one, two) = (archive(1 << 20, 1, &mut dice), archive(1 << 20, 2, &mut dice));
        let pieces =
            |bytes: &Vec<u8>| -> std::collections::BTreeSet<Vec<u8>> { bytes.chunks(64).map(<[u8]>::to_vec).collect() };
        assert!(one != two && pieces(&one).len() > 1000);
        assert_eq!(mark_of(&two), Some(2));
    }
}
