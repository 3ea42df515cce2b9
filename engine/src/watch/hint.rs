//! What was told so far: paths to look at, or everything.

use std::collections::BTreeMap;
use std::fmt;

use crate::path::RelPath;

/// The most paths of a hint.
pub const MOST: usize = 1 << 16;

/// What may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing but these.
    Paths(Paths),
    /// Anything.
    Everything(Why),
}

/// How much of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It, and nothing beneath it.
    Itself,
    /// It, and everything that is or was beneath it.
    Whole,
}

/// Paths, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    paths: BTreeMap<RelPath, Reach>,
    news: bool,
}

/// Why everything has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
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
            Self::Much => "too much has changed to name it",
            Self::Lost => "the kernel has dropped events (fs.inotify.max_queued_events)",
            Self::NoWatches => "there are not enough watches for all directories (fs.inotify.max_user_watches)",
            Self::Unreadable => "a directory could not be read",
            Self::Gone => "the directory is gone, moved or unmounted",
            Self::Rules => "what is ignored has changed",
        })
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::Paths(Paths::default())
    }
}

impl Hint {
    /// Adds a path.
    pub(super) fn add(&mut self, path: RelPath, reach: Reach) {
        if let Self::Paths(paths) = self {
            let before = paths.paths.entry(path).or_insert(reach);
            *before = reach.max(*before);
            paths.news = true;
            if paths.paths.len() > MOST {
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

    /// Whether something was told since the last time.
    pub(super) fn take_news(&mut self) -> bool {
        match self {
            Self::Paths(paths) => std::mem::take(&mut paths.news),
            Self::Everything(_) => true,
        }
    }
}

impl Paths {
    /// The paths, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&RelPath, Reach)> {
        self.paths.iter().map(|(path, reach)| (path, *reach))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_everything_and_what_lasts_is_kept() {
        let mut hint = Hint::default();
        assert!(!hint.take_news());
        for number in 0..=MOST {
            hint.add(RelPath::new(number.to_string().into_bytes()).expect("a path"), Reach::Itself);
        }
        assert_eq!(hint, Hint::Everything(Why::Much));
        hint.everything(Why::NoWatches);
        hint.everything(Why::Lost);
        hint.add(RelPath::new(*b"a").expect("a path"), Reach::Whole);
        assert_eq!(hint, Hint::Everything(Why::NoWatches));
        assert!(hint.take_news());
    }
}
