//! What is to be published, in a directory of ours, where nobody changes it, and checked against what was scanned.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use depsync_engine::content::LocalContent;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Hasher;
use depsync_engine::path::RelPath;
use depsync_engine::transport::Proposal;
use depsync_engine::tree::{Change, Entry};
use rayon::prelude::*;

use super::moves::Moves;

/// Where the directory is, in the room that a node has for this.
const NAME: &str = "publish";

/// Removes what a publish has left that was killed. The caller has the node's lock.
pub(super) fn clear(room: &Path) -> Result<()> {
    remove(&room.join(NAME))
}

/// Removes a directory of ours with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path.display(), source))
        }
        _ => Ok(()),
    }
}

/// A directory of ours. It goes with this, and what a process that was killed has left goes with the next look.
///
/// No two have the same name: the `svnmucc` of a process that was killed may live on and read what it was told to, and
/// must find that or nothing.
struct Directory {
    path: PathBuf,
    room: PathBuf,
}

impl Directory {
    /// The directory `name`, beside no other one.
    fn new(room: &Path, name: &str) -> Result<Self> {
        clear(room)?;
        let path = room.join(NAME).join(name);
        std::fs::create_dir_all(&path).map_err(|source| Error::io("make", path.display(), source))?;
        Ok(Self { path, room: room.to_owned() })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.room) {
            tracing::warn!(%error, "what was to be published is left to the next command that publishes");
        }
    }
}

/// The new contents, in a directory of ours.
pub(super) struct Staged {
    directory: Directory,
    numbers: HashMap<RelPath, usize>,
    /// How many bytes they have.
    pub(super) bytes: u64,
}

impl Staged {
    /// Copies what is to be put. What is not what was scanned is named, and nothing is done.
    pub(super) fn of(
        cx: &Context,
        room: &Path,
        proposal: &Proposal<'_>,
        moves: &Moves,
    ) -> Result<std::result::Result<Self, Vec<RelPath>>> {
        let directory = Directory::new(room, &proposal.draft.nonce)?;
        let mut wanted = Vec::new();
        let mut copied: Option<RelPath> = None;
        for Change { path, before, after } in proposal.changes.iter() {
            let Some(after) = after.filter(|_| !copied.as_ref().is_some_and(|copied| path.is_beneath(copied))) else {
                continue;
            };
            if moves.source(&path).is_some() {
                copied = after.is_directory().then_some(path).or(copied);
            } else if !after.is_directory() && before.as_ref().is_none_or(|before| !before.differs_in_mode_only(&after))
            {
                wanted.push((path, after));
            }
        }
        let mut staged = Self { directory, numbers: HashMap::new(), bytes: 0 };
        let copy = |(number, (path, entry)): (usize, &(RelPath, Entry))| {
            cx.check()?;
            staged.copy(number, path, entry, proposal.content)
        };
        let copies: Vec<Option<u64>> = wanted.par_iter().enumerate().map(copy).collect::<Result<_>>()?;
        let moved: Vec<RelPath> = wanted
            .iter()
            .zip(&copies)
            .filter(|(_, copied)| copied.is_none())
            .map(|((path, _), _)| path.clone())
            .collect();
        if !moved.is_empty() {
            return Ok(Err(moved));
        }
        staged.bytes = copies.into_iter().flatten().sum();
        staged.numbers = wanted.into_iter().enumerate().map(|(number, (path, _))| (path, number)).collect();
        Ok(Ok(staged))
    }

    /// Copies one content; gives its length, or nothing if it is not what it was.
    fn copy(&self, number: usize, path: &RelPath, entry: &Entry, content: &dyn LocalContent) -> Result<Option<u64>> {
        let to = self.directory.path.join(number.to_string());
        let failed = |source| Error::io("write", to.display(), source);
        let mut out = File::create_new(&to).map_err(failed)?;
        match entry {
            Entry::Directory { .. } => Ok(Some(0)),
            Entry::Symlink { target } => {
                out.write_all(&[b"link ", target.as_bytes()].concat()).map_err(failed)?;
                Ok(Some(target.as_bytes().len() as u64))
            }
            Entry::File { hash, size, .. } => {
                let mut from = match content.open(path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                    from => from?,
                };
                let (mut hasher, mut left) = (Hasher::plain(), *size);
                let mut buffer = vec![0; 128 << 10];
                loop {
                    let count = from.read(&mut buffer).map_err(|source| Error::io("read", path, source))?;
                    if count == 0 || count as u64 > left {
                        let same = left == 0 && count == 0 && hasher.finish() == *hash;
                        return Ok(same.then_some(*size));
                    }
                    hasher.update(&buffer[..count]);
                    out.write_all(&buffer[..count]).map_err(failed)?;
                    left -= count as u64;
                }
            }
        }
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.directory.path
    }

    /// Where the content of `path` lies.
    pub(super) fn place(&self, path: &RelPath) -> PathBuf {
        let name = self.numbers.get(path).map_or_else(|| "nothing".to_owned(), usize::to_string);
        self.directory.path.join(name)
    }

    /// Puts something else beside them.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.directory.path.join(name);
        std::fs::write(&path, bytes).map_err(|source| Error::io("write", path.display(), source))?;
        Ok(path)
    }
}
