//! How a node stands, by what it has said and when. Pure: it is told what time it is.
//!
//! The first of these that is so: it was to speak and has not (`silent`), its last work failed (`failed`), it is at work
//! (`updating`), what is on its disk is not what its revision says (`drifted`), there is a newer revision (`behind`).

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::name::Revision;
use crate::revdb::Heard;
use crate::transport::{NodeReport, Outcome};

/// How many times in a row a node has to keep silent that was to speak.
const BEATS: u64 = 3;

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has the newest revision.
    Current,
    /// It is being brought to another one.
    Updating,
    /// It has an older one.
    Behind,
    /// What it has is not what its revision says: somebody changed it, or paths could not be replaced.
    Drifted,
    /// What it did last failed.
    Failed,
    /// It was to report and has not.
    Silent,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Current, Self::Updating, Self::Behind, Self::Drifted, Self::Failed, Self::Silent];

    /// Its name, as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Updating => "updating",
            Self::Behind => "behind",
            Self::Drifted => "drifted",
            Self::Failed => "failed",
            Self::Silent => "silent",
        }
    }
}

/// A node, what it has said last, and what is to be made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What it said.
    #[serde(flatten)]
    pub report: NodeReport,
    /// When it was heard last.
    pub heard: Timestamp,
    /// How it stands.
    pub state: State,
    /// Since when.
    pub state_since: Timestamp,
    /// How many revisions it is behind; none while the newest is not known.
    pub lag: Option<u64>,
    /// For how many seconds there has been a revision that it has not; none if it is not known when that was published.
    pub lag_s: Option<u64>,
}

/// What is known of the hub.
pub(super) struct Newest<'a> {
    pub(super) head: Option<Revision>,
    /// When the first revision behind this number was published.
    pub(super) published_after: &'a dyn Fn(u64) -> Option<Timestamp>,
}

impl Standing {
    pub(super) fn of(heard: Heard, newest: &Newest<'_>, now: Timestamp) -> Self {
        let report = heard.report;
        let heard = heard.at.unwrap_or(report.time);
        let number = report.applied.map_or(0, |applied| applied.number);
        let is_behind = newest.head.is_some_and(|head| {
            head.number > number || (head.number == number && report.applied.is_some_and(|applied| applied != head))
        });
        let missing = if is_behind { (newest.published_after)(number) } else { None };
        let said = report.since.unwrap_or(report.time);
        let differs = report.measured.is_some() && report.measured != report.root;
        let (state, state_since) = if is_silent(&report, heard, now) {
            (State::Silent, heard)
        } else {
            match &report.outcome {
                Outcome::Failed => (State::Failed, said),
                Outcome::Updating => (State::Updating, said),
                Outcome::Drifted | Outcome::Partial => (State::Drifted, said),
                _ if differs => (State::Drifted, said),
                _ if is_behind => (State::Behind, missing.unwrap_or(said)),
                _ => (State::Current, said),
            }
        };
        let lag = newest.head.map(|head| if is_behind { (head.number - number).max(1) } else { 0 });
        let waits = missing.map(|missing| u64::try_from(now.duration_since(missing).as_secs()).unwrap_or(0));
        let lag_s = if is_behind { waits } else { newest.head.map(|_| 0) };
        Self { heard, state, state_since, lag, lag_s, report }
    }
}

/// Whether a node that was to report has not.
fn is_silent(report: &NodeReport, heard: Timestamp, now: Timestamp) -> bool {
    report.beat_s.is_some_and(|beat| {
        let patience = i64::try_from(beat.saturating_mul(BEATS)).unwrap_or(i64::MAX);
        now.duration_since(heard) > SignedDuration::from_secs(patience)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn revision(number: u64) -> Revision {
        Revision { number, record: Digest::of(&number.to_le_bytes()) }
    }

    fn report(number: u64) -> NodeReport {
        NodeReport {
            schema: 1,
            node: "web-1".parse().expect("an id"),
            nonce: "00".into(),
            writes: false,
            applied: Some(revision(number)),
            root: Some(Digest::of(b"root")),
            measured: Some(Digest::of(b"root")),
            time: at(10),
            full_scan: None,
            pinned: false,
            outcome: Outcome::Applied,
            problem: None,
            version: "1".into(),
            since: Some(at(5)),
            duration_ms: None,
            bytes: None,
            beat_s: None,
        }
    }

    fn standing(report: NodeReport, head: Option<u64>, now: i64) -> Standing {
        let published = |number: u64| (number < 9).then(|| at(8 + number as i64));
        let newest = Newest { head: head.map(revision), published_after: &published };
        Standing::of(Heard { report, at: Some(at(12)) }, &newest, at(now))
    }

    fn facts(standing: &Standing) -> (State, Timestamp, Option<u64>, Option<u64>) {
        (standing.state, standing.state_since, standing.lag, standing.lag_s)
    }

    #[test]
    fn a_node_is_current_or_behind_by_the_newest_revision() {
        assert_eq!(facts(&standing(report(3), Some(3), 100)), (State::Current, at(5), Some(0), Some(0)));
        assert_eq!(facts(&standing(report(3), Some(7), 100)), (State::Behind, at(11), Some(4), Some(89)));
        assert_eq!(facts(&standing(report(3), None, 100)), (State::Current, at(5), None, None));
        // It knows of a later one than we do.
        assert_eq!(facts(&standing(report(9), Some(7), 100)), (State::Current, at(5), Some(0), Some(0)));
        // When that was published is not known.
        assert_eq!(facts(&standing(report(9), Some(11), 100)), (State::Behind, at(5), Some(2), None));
        let never = NodeReport { applied: None, ..report(3) };
        assert_eq!(facts(&standing(never, Some(2), 100)), (State::Behind, at(8), Some(2), Some(92)));
        // The same number of another history.
        let other = Revision { record: Digest::of(b"other"), ..revision(3) };
        let other = NodeReport { applied: Some(other), ..report(3) };
        assert_eq!(facts(&standing(other, Some(3), 100)).0, State::Behind);
    }

    #[test]
    fn what_is_wrong_is_said_before_what_is_missing() {
        for (outcome, wanted) in [
            (Outcome::Failed, State::Failed),
            (Outcome::Updating, State::Updating),
            (Outcome::Drifted, State::Drifted),
            (Outcome::Partial, State::Drifted),
            (Outcome::Unknown("teleported".into()), State::Behind),
        ] {
            let found = standing(NodeReport { outcome, ..report(3) }, Some(7), 100);
            assert_eq!((found.state, found.lag), (wanted, Some(4)));
        }
        let changed = NodeReport { measured: Some(Digest::of(b"changed")), ..report(3) };
        assert_eq!(standing(changed, Some(3), 100).state, State::Drifted);
        assert_eq!(standing(NodeReport { measured: None, ..report(3) }, Some(3), 100).state, State::Current);
    }

    #[test]
    fn silent_is_who_was_to_speak_and_has_not() {
        assert_eq!(standing(report(3), Some(3), 1_000_000).state, State::Current);
        let beating = NodeReport { beat_s: Some(30), ..report(3) };
        assert_eq!(standing(beating.clone(), Some(3), 12 + 90).state, State::Current);
        let silent = standing(beating.clone(), Some(3), 12 + 91);
        assert_eq!((silent.state, silent.state_since), (State::Silent, at(12)));
        let failed = NodeReport { outcome: Outcome::Failed, beat_s: Some(u64::MAX), ..beating };
        assert_eq!(standing(failed, Some(3), 1_000_000).state, State::Failed);
    }

    #[test]
    fn names_are_those_of_the_json() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).expect("JSON"), state.name());
        }
    }
}
