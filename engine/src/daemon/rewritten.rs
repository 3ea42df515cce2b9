//! Drift that keeps coming back: a file that the server itself rewrites is not for us to keep. Pure.
//!
//! A path that was brought back [`TIMES`] times within [`WITHIN`] is given up until another revision is applied.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::path::RelPath;

/// How often a path is brought back.
const TIMES: usize = 3;
/// In which time.
const WITHIN: Duration = Duration::from_secs(3600);
/// The most paths that are counted.
const MOST: usize = 1 << 14;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    healed: BTreeMap<RelPath, Vec<Instant>>,
    left: BTreeSet<RelPath>,
}

impl Rewritten {
    /// What is not brought back any more.
    pub(super) fn left(&self) -> &BTreeSet<RelPath> {
        &self.left
    }

    /// These paths were brought back. Gives those that are given up with it.
    pub(super) fn healed(&mut self, now: Instant, paths: impl IntoIterator<Item = RelPath>) -> Vec<RelPath> {
        let mut given_up = Vec::new();
        for path in paths {
            if self.healed.len() >= MOST && !self.healed.contains_key(&path) {
                self.healed.clear();
            }
            let times = self.healed.entry(path.clone()).or_default();
            times.retain(|time| now.saturating_duration_since(*time) < WITHIN);
            times.push(now);
            if times.len() >= TIMES {
                self.healed.remove(&path);
                if self.left.insert(path.clone()) {
                    given_up.push(path);
                }
            }
        }
        given_up
    }

    /// Another revision was applied.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> RelPath {
        RelPath::try_from(name).expect("a path")
    }

    #[test]
    fn the_third_time_within_an_hour_is_the_last() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let mut rewritten = Rewritten::default();
        assert!(rewritten.healed(now, [path("a"), path("b")]).is_empty());
        assert!(rewritten.healed(now + minute, [path("a")]).is_empty());
        assert!(rewritten.healed(now + 70 * minute, [path("b")]).is_empty());
        assert!(rewritten.healed(now + 71 * minute, [path("b")]).is_empty());
        assert_eq!(rewritten.healed(now + 2 * minute, [path("a")]), [path("a")]);
        assert!(rewritten.left().contains(&path("a")) && rewritten.left().len() == 1);
        rewritten.begin_anew();
        assert!(rewritten.left().is_empty());
    }
}
