//! What is fetched on demand only: which paths, and which of those not fetched yet are wanted now.

use crate::error::Result;
use crate::path::RelPath;
use crate::tree::{Entry, Tree};

/// See the module. What is lazy and not here is a *ghost*: known, and not fetched.
pub struct Lazy<'a> {
    covers: &'a dyn Fn(&RelPath, bool) -> bool,
    summoned: Vec<RelPath>,
}

impl<'a> Lazy<'a> {
    /// `covers` answers for a path and whether it is a directory. `summoned`, in any order, are ghosts that are to be looked
    /// at although the hub has not changed them: those that `covers` does not cover (any more) are brought.
    pub fn new(covers: &'a dyn Fn(&RelPath, bool) -> bool, mut summoned: Vec<RelPath>) -> Self {
        summoned.sort_unstable();
        summoned.dedup();
        Self { covers, summoned }
    }

    /// Nothing is: everything is brought.
    pub fn nothing() -> Self {
        fn never(_: &RelPath, _: bool) -> bool {
            false
        }
        Self { covers: &never, summoned: Vec::new() }
    }

    pub(super) fn covers(&self, path: &RelPath, entry: &Entry) -> bool {
        (self.covers)(path, entry.is_directory())
    }

    pub(super) fn summoned(&self) -> impl Iterator<Item = &RelPath> {
        self.summoned.iter()
    }
}

/// The ghosts beneath a directory, and the directory itself if it is one, in path order.
pub fn ghosts_beneath(agreement: &Tree<'_>, known: &Tree<'_>, directory: &RelPath) -> Result<Vec<(RelPath, Entry)>> {
    let mut ghosts = Vec::new();
    if agreement.root() == known.root() {
        return Ok(ghosts);
    }
    let itself = known.get(directory)?.map(|entry| Ok((directory.clone(), entry)));
    for found in itself.into_iter().chain(known.beneath(directory)) {
        let (path, entry) = found?;
        if agreement.get(&path)?.is_none() {
            ghosts.push((path, entry));
        }
    }
    Ok(ghosts)
}
