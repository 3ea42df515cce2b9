//! How a deployment changes: how often, how much at a time, and for how many, as its newest revisions tell.
//!
//! For whoever has to choose how it is carried. Sizes are those of whole files that are new or others, not what
//! travelled. Half of the revisions are no larger than what is said: one import of everything does not hide the habit.

use jiff::Timestamp;
use serde::Serialize;

use super::Node;
use super::outcome::Counts;
use crate::content::kin;
use crate::context::Context;
use crate::error::Result;
use crate::packed::Packed;
use crate::tree::{Change, Entry, Tree};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Habits {
    /// How many revisions were looked at: those behind the first one, which is no change.
    pub revisions: usize,
    /// When the oldest of them and the newest were made.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Revisions a second from the oldest to the newest; none of fewer than two.
    pub rate: Option<f64>,
    /// The most revisions within a minute.
    pub busiest_minute: usize,
    /// Files that a revision changes, adds or removes: the median.
    pub files: u64,
    /// Bytes of the files that are new or others: the median.
    pub bytes: u64,
    /// The share of revisions most of whose bytes are archives.
    pub archives: f64,
    /// The share of revisions that mostly remove.
    pub removals: f64,
    /// Files and directories of the deployment now.
    pub tree_entries: u64,
    /// Their bytes.
    pub tree_bytes: u64,
    /// Nodes that have reported, this one among them.
    pub nodes: usize,
}

/// What one revision has changed.
struct Step {
    files: u64,
    bytes: u64,
    is_archives: bool,
    is_removal: bool,
}

impl Step {
    fn of(changes: &Packed<Change>) -> Self {
        let counts = Counts::of(changes);
        let (mut files, mut removed, mut archives) = (0, 0, 0);
        for change in changes.iter() {
            let is_file = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| !entry.is_directory());
            files += u64::from(is_file(&change.before) || is_file(&change.after));
            removed += u64::from(is_file(&change.before) && change.after.is_none());
            if kin::is_archive(&change.path) {
                archives += change.after.as_ref().map_or(0, Entry::size);
            }
        }
        Self { files, bytes: counts.bytes, is_archives: archives * 2 > counts.bytes, is_removal: removed * 2 > files }
    }
}

impl Node {
    /// How the deployment has changed in its newest revisions, at most `limit`.
    pub fn habits(&self, cx: &Context, limit: usize) -> Result<Habits> {
        let log = self.log(cx, limit.saturating_add(1))?;
        let mut steps = Vec::new();
        for pair in log.windows(2) {
            cx.check()?;
            let [newer, older] = pair else { continue };
            let before = Some((older.revision, older.root));
            // What gc has taken tells nothing any more.
            if let Some(changes) = self.changes_between(cx, before, (newer.revision, newer.root))? {
                steps.push(Step::of(&changes));
            }
        }
        let times: Vec<Timestamp> =
            log.iter().take(log.len().saturating_sub(1).max(1)).map(|entry| entry.time).collect();
        let totals = match log.first().and_then(|newest| newest.root) {
            Some(root) => Tree::new(&*self.db, root).totals()?,
            None => Default::default(),
        };
        let share = |of: fn(&Step) -> bool| {
            if steps.is_empty() {
                0.0
            } else {
                steps.iter().filter(|step| of(step)).count() as f64 / steps.len() as f64
            }
        };
        Ok(Habits {
            revisions: log.len().saturating_sub(1),
            times: times.last().copied().zip(times.first().copied()),
            rate: rate(&times),
            busiest_minute: if log.len() > 1 { busiest_minute(&times) } else { 0 },
            files: median(steps.iter().map(|step| step.files)),
            bytes: median(steps.iter().map(|step| step.bytes)),
            archives: share(|step| step.is_archives),
            removals: share(|step| step.is_removal),
            tree_entries: totals.entries,
            tree_bytes: totals.bytes,
            nodes: self.roster(cx, None)?.len(),
        })
    }
}

/// Per second, of times newest first.
fn rate(times: &[Timestamp]) -> Option<f64> {
    let (newest, oldest) = (times.first()?, times.last()?);
    let seconds = newest.duration_since(*oldest).as_secs_f64();
    (times.len() > 1 && seconds > 0.0).then(|| (times.len() - 1) as f64 / seconds)
}

fn busiest_minute(times: &[Timestamp]) -> usize {
    let within = |(at, newest): (usize, &Timestamp)| {
        times[at..].iter().take_while(|time| newest.duration_since(**time).as_secs() < 60).count()
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(seconds: &[i64]) -> Vec<Timestamp> {
        seconds.iter().map(|second| Timestamp::from_second(1_700_000_000 + second).expect("a time")).collect()
    }

    #[test]
    fn a_rate_is_what_lies_between_the_first_and_the_last() {
        assert_eq!(rate(&times(&[100, 50, 0])), Some(0.02));
        assert_eq!((rate(&times(&[5])), rate(&[]), rate(&times(&[5, 5]))), (None, None, None));
    }

    #[test]
    fn the_busiest_minute_is_found_anywhere() {
        assert_eq!(busiest_minute(&times(&[1000, 559, 520, 510, 500, 100])), 4);
        assert_eq!(busiest_minute(&times(&[1000])), 1);
        assert_eq!(busiest_minute(&[]), 0);
    }

    #[test]
    fn the_median_is_one_of_them() {
        assert_eq!(median([9, 1, 5].into_iter()), 5);
        assert_eq!(median(std::iter::empty()), 0);
    }
}
