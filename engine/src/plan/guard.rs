//! Halting on suspicion: checks that refuse when the situation looks like an accident.
//!
//! A guard never repairs and never guesses. It refuses ([`ErrorKind::Refused`]), says what it saw and how to go on if
//! that was meant.

use crate::error::{Error, ErrorKind, Result};
use crate::tree::Totals;

/// What a guard looks at, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The local directory, before publishing.
    Source,
    /// The hub's revision, before applying.
    Revision,
}

/// Refuses a tree with fewer than half of the entries of the one before it, or none.
///
/// A renamed archive in a deployment of one is an ordinary release: the count is what matters, not the names.
pub fn check_removal(guard: Guard, old: Totals, new: Totals) -> Result<()> {
    if old.entries == 0 || (new.entries > 0 && new.entries.saturating_mul(2) >= old.entries) {
        return Ok(());
    }
    let (what, so) = match guard {
        Guard::Source => ("the directory", "published"),
        Guard::Revision => ("the new revision", "applied"),
    };
    let message = format!("{what} has {} of {} entries left; nothing was {so}", new.entries, old.entries);
    Err(Error::new(ErrorKind::Refused, message)
        .hint("if this is meant, say --allow-mass-delete; if not, see whether a mount or a copy is missing"))
}

/// Where a deployment directory was found, before and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// Refuses a directory that lies on another device than before and does not hold what was agreed on.
///
/// Device numbers may change at a reboot. What makes the change suspicious is other content: a file system that is not
/// mounted, or another one in its place.
pub fn check_place(before: Option<Place>, now: Place, holds_agreement: bool, empty: bool) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    if before.device == now.device || holds_agreement {
        return Ok(());
    }
    let what = if empty { "it is empty" } else { "it does not hold what was agreed on" };
    Err(Error::new(ErrorKind::Refused, format!("the directory is on another device than before, and {what}"))
        .hint("mount the file system that belongs there; if the directory really moved, run `depsync init` once"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: u64) -> Totals {
        Totals { entries, bytes: 0 }
    }

    #[test]
    fn half_is_the_line() {
        for (old, new, passes) in
            [(0, 0, true), (1, 1, true), (1, 0, false), (3, 1, false), (4, 2, true), (5, 2, false)]
        {
            let checked = check_removal(Guard::Source, of(old), of(new));
            assert_eq!(checked.is_ok(), passes, "{old} -> {new}");
            if let Err(error) = checked {
                assert_eq!(error.kind(), ErrorKind::Refused);
            }
        }
    }

    #[test]
    fn another_device_matters_only_with_other_content() {
        let old = Place { device: 1, inode: 2 };
        let new = Place { device: 3, inode: 2 };
        assert!(check_place(None, new, false, true).is_ok());
        assert!(check_place(Some(old), Place { inode: 9, ..old }, false, false).is_ok());
        assert!(check_place(Some(old), new, true, false).is_ok());
        assert_eq!(check_place(Some(old), new, false, true).expect_err("moved").kind(), ErrorKind::Refused);
    }
}
