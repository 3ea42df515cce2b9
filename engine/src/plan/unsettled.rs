//! Which paths were not measured, and therefore neither changed nor unchanged.

use crate::path::RelPath;
use crate::tree::{Change, Entry};

/// The paths of a scan that say nothing about the disk: unreadable, still changing, held back (listed, with whatever
/// is beneath them), and whatever the ignore rules hide.
///
/// A rule may hide a directory and no file of that name, or the other way round. What counts is what was agreed, what
/// the hub brings, and what stands there on the disk: the last is asked only where it makes a difference.
pub struct Unsettled<'a> {
    listed: Vec<RelPath>,
    hidden: &'a dyn Fn(&RelPath, bool) -> bool,
    occupied: &'a dyn Fn(&RelPath) -> bool,
}

/// Why a path was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It was measured.
    Nothing,
    /// It is unreadable, still changing or held back.
    Listed,
    /// The ignore rules hide what was agreed there: nobody measured it.
    Hidden,
    /// The ignore rules hide what the hub brings, and nothing that was agreed.
    Unwelcome,
}

impl<'a> Unsettled<'a> {
    /// `listed` in any order; `hidden` answers for a path and whether it is a directory, `occupied` for what stands there
    /// on the disk.
    pub fn new(
        mut listed: Vec<RelPath>,
        hidden: &'a dyn Fn(&RelPath, bool) -> bool,
        occupied: &'a dyn Fn(&RelPath) -> bool,
    ) -> Self {
        listed.sort_unstable();
        listed.dedup();
        // A listed path covers what is beneath it, so nested ones add nothing.
        let mut top: Vec<RelPath> = Vec::with_capacity(listed.len());
        for path in listed {
            if !top.last().is_some_and(|last| path.is_beneath(last)) {
                top.push(path);
            }
        }
        Self { listed: top, hidden, occupied }
    }

    /// Whether this local difference says nothing. An ignored path is hidden: it looks removed and is not.
    pub(super) fn covers(&self, change: &Change) -> bool {
        let directory = change.before.as_ref().or(change.after.as_ref()).is_some_and(Entry::is_directory);
        self.is_listed(&change.path) || (self.hidden)(&change.path, directory)
    }

    /// What a change of the hub meets here.
    pub(super) fn meets(&self, change: &Change) -> Met {
        let hides = |entry: &Option<Entry>| {
            entry.as_ref().is_some_and(|entry| (self.hidden)(&change.path, entry.is_directory()))
        };
        if self.is_listed(&change.path) {
            Met::Listed
        } else if hides(&change.before) {
            Met::Hidden
        } else if hides(&change.after) {
            Met::Unwelcome
        } else {
            Met::Nothing
        }
    }

    /// Whether something ignored stands at `path`, where the scan found nothing.
    pub(super) fn occupies(&self, path: &RelPath) -> bool {
        (self.hidden)(path, false) != (self.hidden)(path, true) && (self.occupied)(path)
    }

    fn is_listed(&self, path: &RelPath) -> bool {
        let after = self.listed.partition_point(|listed| listed <= path);
        after > 0 && {
            let nearest = &self.listed[after - 1];
            path.is_within(nearest)
        }
    }
}
