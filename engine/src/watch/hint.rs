//! What was told so far: paths to look at, or everything.

use std::fmt;

use crate::path::RelPath;
use crate::scan::{Part, Reach};

/// The most paths of a hint.
pub const MOST: usize = 1 << 16;

/// What may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing but this.
    Paths(Part),
    /// Anything.
    Everything(Why),
}

/// Why everything has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Nobody has watched it until now.
    New,
    /// More changed than is worth a list.
    Much,
    /// The kernel could not keep up and has dropped events.
    Lost,
    /// There are not enough watches for all directories: from now on some are not watched.
    NoWatches,
    /// A directory could not be watched or listed.
    Unreadable,
    /// The directory itself is gone, moved or unmounted.
    Gone,
    /// What is ignored has changed.
    Rules,
}

impl Why {
    /// Whether changes may go by unseen from now on: then it has to be watched anew, or scanned.
    pub fn lasts(self) -> bool {
        matches!(self, Self::NoWatches | Self::Unreadable | Self::Gone | Self::Rules)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "nobody has watched it until now",
            Self::Much => "too much has changed to name it",
            Self::Lost => "the kernel has dropped events (fs.inotify.max_queued_events)",
            Self::NoWatches => {
                "there are not enough watches for all directories (fs.inotify.max_user_watches; in a container, \
                 user.max_inotify_watches)"
            }
            Self::Unreadable => "a directory could not be read",
            Self::Gone => "the directory is gone, moved or unmounted",
            Self::Rules => "what is ignored has changed",
        })
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::Paths(Part::default())
    }
}

impl Hint {
    /// Adds a path.
    pub(super) fn add(&mut self, path: RelPath, reach: Reach) {
        if let Self::Paths(part) = self {
            part.add(path, reach);
            if part.len() > MOST {
                *self = Self::Everything(Why::Much);
            }
        }
    }

    /// It is everything. What lasts is not forgotten for what does not.
    pub(super) fn everything(&mut self, why: Why) {
        match self {
            Self::Everything(before) if before.lasts() || !why.lasts() => {}
            _ => *self = Self::Everything(why),
        }
    }

    /// Adds another one.
    pub fn add_all(&mut self, other: Self) {
        match other {
            Self::Everything(why) => self.everything(why),
            Self::Paths(more) => {
                if let Self::Paths(part) = self {
                    part.add_all(more);
                    if part.len() > MOST {
                        *self = Self::Everything(Why::Much);
                    }
                }
            }
        }
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Paths(part) if part.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_everything_and_what_lasts_is_kept() {
        let mut hint = Hint::default();
        assert!(hint.is_empty());
        for number in 0..=MOST {
            hint.add(RelPath::new(number.to_string().into_bytes()).expect("a path"), Reach::Itself);
        }
        assert_eq!(hint, Hint::Everything(Why::Much));
        hint.everything(Why::NoWatches);
        hint.everything(Why::Lost);
        hint.add(RelPath::new(*b"a").expect("a path"), Reach::Whole);
        assert_eq!(hint, Hint::Everything(Why::NoWatches));
        let mut other = Hint::default();
        other.add(RelPath::new(*b"b").expect("a path"), Reach::Itself);
        other.add_all(hint.clone());
        assert_eq!(other, hint);
        assert!(!hint.is_empty());
    }
}
