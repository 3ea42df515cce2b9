//! How the program ends: the one table from what happened to an exit status. It is part of the interface.

use depsync_engine::error::ErrorKind;

/// An exit status and its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Refused by a guard; nothing was changed.
    Refused,
    /// Somebody else published the same paths; the others went through.
    Conflict,
    /// Hub unreachable or deployment locked; worth trying again.
    TryAgain,
    /// Verification failed: damaged, forged or unreadable content; nothing was applied.
    Damaged,
    /// Something was changed, and `--detailed-exitcode` asked to be told.
    Changed,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Conflict => 4,
            Self::TryAgain => 5,
            Self::Damaged => 6,
            Self::Changed => 10,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The status of a failure. An interrupted command's depends on the signal; `signals` knows it.
    pub(crate) const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Conflict => Self::Conflict,
            // A lost answer is decided by the next run, which reads the head again and compares.
            ErrorKind::Unreachable | ErrorKind::Locked | ErrorKind::DeadlineExceeded | ErrorKind::Indeterminate => {
                Self::TryAgain
            }
            ErrorKind::Damaged => Self::Damaged,
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// The status of a command that went through: conflicts before problems before "something was changed".
    pub(crate) const fn of_deed(conflicts: bool, problems: bool, changed: bool) -> Self {
        match (conflicts, problems, changed) {
            (true, _, _) => Self::Conflict,
            (_, true, _) => Self::Failed,
            (_, _, true) => Self::Changed,
            _ => Self::Done,
        }
    }

    /// "Something was changed" is success unless somebody asked.
    pub(crate) fn unless_detailed(self, detailed: bool) -> Self {
        if self == Self::Changed && !detailed { Self::Done } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_stable() {
        for (kind, code) in [
            (ErrorKind::Usage, 2),
            (ErrorKind::Refused, 3),
            (ErrorKind::Conflict, 4),
            (ErrorKind::Unreachable, 5),
            (ErrorKind::Locked, 5),
            (ErrorKind::DeadlineExceeded, 5),
            (ErrorKind::Indeterminate, 5),
            (ErrorKind::Damaged, 6),
            (ErrorKind::NotFound, 1),
            (ErrorKind::AlreadyExists, 1),
            (ErrorKind::PermissionDenied, 1),
            (ErrorKind::NoSpace, 1),
            (ErrorKind::Unsupported, 1),
            (ErrorKind::Io, 1),
            (ErrorKind::Internal, 1),
            (ErrorKind::Cancelled, 130),
        ] {
            assert_eq!(Exit::of(kind).code(), code, "{kind:?}");
        }
        assert_eq!(Exit::Terminated.code(), 143);
    }

    #[test]
    fn a_change_is_told_only_when_asked_and_never_hides_trouble() {
        assert_eq!(Exit::of_deed(false, false, true).unless_detailed(false).code(), 0);
        assert_eq!(Exit::of_deed(false, false, true).unless_detailed(true).code(), 10);
        assert_eq!(Exit::of_deed(false, false, false).unless_detailed(true).code(), 0);
        assert_eq!(Exit::of_deed(true, true, true).unless_detailed(true).code(), 4);
        assert_eq!(Exit::of_deed(false, true, true).unless_detailed(true).code(), 1);
    }
}
