//! Which paths were not measured, and therefore neither changed nor unchanged.

use crate::path::RelPath;
use crate::tree::Change;

/// The paths of a scan that say nothing about the disk: unreadable, still changing, held back (listed, with whatever
/// is beneath them), and whatever the ignore rules hide.
pub struct Unsettled<'a> {
    listed: Vec<RelPath>,
    hidden: &'a dyn Fn(&RelPath, bool) -> bool,
}

/// Why a path was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It was measured.
    Nothing,
    /// It is unreadable, still changing or held back.
    Listed,
    /// The ignore rules hide it.
    Hidden,
}

impl<'a> Unsettled<'a> {
    /// `listed` in any order; `hidden` answers for a path and whether it is a directory.
    pub fn new(mut listed: Vec<RelPath>, hidden: &'a dyn Fn(&RelPath, bool) -> bool) -> Self {
        listed.sort_unstable();
        listed.dedup();
        // A listed path covers what is beneath it, so nested ones add nothing.
        let mut top: Vec<RelPath> = Vec::with_capacity(listed.len());
        for path in listed {
            if !top.last().is_some_and(|last| path.is_beneath(last)) {
                top.push(path);
            }
        }
        Self { listed: top, hidden }
    }

    /// Whether this local difference says nothing. An ignored path is hidden: it looks removed and is not.
    pub(super) fn covers(&self, change: &Change) -> bool {
        let directory = change.before.as_ref().or(change.after.as_ref()).is_some_and(crate::tree::Entry::is_directory);
        self.is_listed(&change.path) || (self.hidden)(&change.path, directory)
    }

    /// What a change of the hub meets here.
    pub(super) fn meets(&self, path: &RelPath) -> Met {
        if self.is_listed(path) {
            Met::Listed
        } else if (self.hidden)(path, false) || (self.hidden)(path, true) {
            Met::Hidden
        } else {
            Met::Nothing
        }
    }

    fn is_listed(&self, path: &RelPath) -> bool {
        let after = self.listed.partition_point(|listed| listed <= path);
        after > 0 && {
            let nearest = &self.listed[after - 1];
            nearest == path || path.is_beneath(nearest)
        }
    }
}
