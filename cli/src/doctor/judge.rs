//! What numbers mean: from what was measured to a verdict. Looks at nothing itself.

use std::time::Duration;

use depsync_engine::engine::{Standing, State};
use jiff::{SignedDuration, Timestamp};

use super::check::Check;
use crate::units::{bytes, counted, milliseconds, roughly};

/// With less nothing can be written at all: bytes, and files.
const NONE: (u64, u64) = (1 << 20, 16);
/// With less it may soon be so.
const LITTLE: (u64, u64) = (64 << 20, 1000);
/// How far clocks may differ without anybody noticing, and how far before times mean nothing.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(10);
const WRONG: SignedDuration = SignedDuration::from_hours(1);
/// How far the time of a file may be from the clock that gave it.
const COARSE: SignedDuration = SignedDuration::from_secs(2);
/// A hub that needs longer for a look is slow.
const SLOW: Duration = Duration::from_secs(2);
/// The fewest events that the kernel should keep, and the fewest files that should be open at once.
const EVENTS: u64 = 4096;
const FILES: u64 = 256;
/// A certificate that ends sooner should be renewed.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many names are listed.
const NAMED: usize = 5;

/// What a file system has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes: u64,
    /// None where files are not counted.
    pub(super) files: Option<u64>,
}

/// What a directory holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) directories: u64,
}

/// Whether there is room at `place`, also for as much as `copy` more.
pub(super) fn space(name: &'static str, place: &str, room: Room, copy: Option<Size>) -> Check {
    let files = room.files.map_or_else(String::new, |files| format!(" and {}", counted(files as usize, "file")));
    let found = format!("{place}: room for {}{files}", bytes(room.bytes));
    let has_less = |bytes: u64, files: u64| room.bytes < bytes || room.files.is_some_and(|left| left < files);
    if has_less(NONE.0, NONE.1) {
        return Check::failed(name, found, "make room there: nothing can be written any more");
    }
    if let Some(copy) = copy.filter(|copy| has_less(copy.bytes, copy.entries)) {
        let what = format!("{} and {}", bytes(copy.bytes), counted(copy.entries as usize, "file"));
        let advice = format!("make room: a revision that replaces everything needs {what} beside what is there");
        return Check::warning(name, found, advice);
    }
    if has_less(LITTLE.0, LITTLE.1) {
        return Check::warning(name, found, "make room before it is used up");
    }
    Check::ok(name, found)
}

/// Whether what others have dated is in the past, as it should be.
pub(super) fn clock(now: Timestamp, dated: &[(String, Timestamp)]) -> Check {
    const NAME: &str = "clock";
    let Some((who, time)) = dated.iter().max_by_key(|(_, time)| *time) else {
        return Check::skipped(NAME, "there is nothing of others to compare it with");
    };
    let ahead = time.duration_since(now);
    if ahead <= TOLERANCE {
        let ago = roughly(seconds(-ahead));
        return Check::ok(
            NAME,
            format!("nothing is dated later than this node's time; the newest is {who}, {ago} ago"),
        );
    }
    let found = format!("{who} is dated {} later than this node's time", roughly(seconds(ahead)));
    let advice = "one of the two clocks is wrong: set both by NTP (`timedatectl`)";
    if ahead > WRONG { Check::failed(NAME, found, advice) } else { Check::warning(NAME, found, advice) }
}

/// Whether the hub's clock and this node's say the same; the hub's was read between `before` and `after`.
pub(super) fn hub_clock(before: Timestamp, after: Timestamp, hub: Timestamp) -> Check {
    const NAME: &str = "hub-clock";
    let (early, late) = (before.duration_since(hub) - COARSE, hub.duration_since(after) - COARSE);
    let apart = early.max(late);
    if apart <= TOLERANCE {
        return Check::ok(NAME, "the hub's clock says what this node's does");
    }
    let which = if late > early { "ahead of" } else { "behind" };
    let found = format!("the hub's clock is {} {which} this node's", roughly(seconds(apart)));
    let advice = "one of the two is wrong: set both by NTP (`timedatectl`)";
    if apart > WRONG { Check::failed(NAME, found, advice) } else { Check::warning(NAME, found, advice) }
}

/// What becomes of 123456789 nanoseconds in the time of a file.
pub(super) fn file_times(nanoseconds: u32) -> Check {
    const NAME: &str = "file-times";
    match nanoseconds {
        123_456_789 => Check::ok(NAME, "to the nanosecond"),
        1.. => Check::ok(NAME, "to a part of a second"),
        0 => Check::warning(
            NAME,
            "to the second, or coarser",
            "files that have changed lately are read once more: a file system with finer times saves that",
        ),
    }
}

/// How long the hub took.
pub(super) fn hub(found: &str, took: Duration) -> Check {
    const NAME: &str = "hub";
    let found = format!("{found}, answered in {}", milliseconds(took.as_millis() as u64));
    if took <= SLOW {
        return Check::ok(NAME, found);
    }
    Check::warning(NAME, found, "look at the network and at the hub's host; a longer `period` asks less often")
}

/// What the system allows to watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching {
    /// How many directories this user may watch, and how many are watched.
    pub(super) limit: u64,
    pub(super) used: u64,
    /// Whether the limit is that of a user namespace.
    pub(super) of_namespace: bool,
    /// Whether one more can begin to watch.
    pub(super) can_begin: bool,
}

/// Whether a directory can be watched with `directories` in it; one that `is_watched` needs nothing more.
pub(super) fn watches(watching: Watching, directories: u64, is_watched: bool) -> Check {
    const NAME: &str = "watches";
    let Watching { limit, used, of_namespace, can_begin } = watching;
    let found = format!("{used} of {limit} used, {} here", counted(directories as usize, "directory"));
    let blind = "until then everything is scanned in every period";
    if !can_begin && !is_watched {
        let advice = format!("raise fs.inotify.max_user_instances (`sysctl -w`); {blind}");
        return Check::warning(NAME, format!("{found}; this user may watch with no further process"), advice);
    }
    let needed = if is_watched { 1 } else { directories };
    if limit.saturating_sub(used) < needed {
        let which = if of_namespace { "user.max_inotify_watches" } else { "fs.inotify.max_user_watches" };
        let more = (used + directories).saturating_mul(2).max(65_536);
        return Check::warning(
            NAME,
            found,
            format!("`sysctl -w {which}={more}`, and the same in /etc/sysctl.d; {blind}"),
        );
    }
    Check::ok(NAME, found)
}

/// How many events the kernel keeps for whoever does not read them at once.
pub(super) fn events(most: u64) -> Check {
    const NAME: &str = "watch-queue";
    let found = format!("{most} events are kept");
    if most >= EVENTS {
        return Check::ok(NAME, found);
    }
    let advice = "`sysctl -w fs.inotify.max_queued_events=16384`: when events are dropped, everything is scanned";
    Check::warning(NAME, found, advice)
}

/// How many files may be open at once; none is no limit.
pub(super) fn open_files(most: Option<u64>) -> Check {
    const NAME: &str = "open-files";
    match most {
        None => Check::ok(NAME, "no limit"),
        Some(most) if most >= FILES => Check::ok(NAME, format!("{most} at once")),
        Some(most) => Check::warning(
            NAME,
            format!("{most} at once"),
            format!("allow {FILES} or more (`ulimit -n`; LimitNOFILE= of a service)"),
        ),
    }
}

/// When a certificate ends.
pub(super) fn certificate(path: &str, now: Timestamp, end: Timestamp) -> Check {
    const NAME: &str = "certificate";
    let left = end.duration_since(now);
    let found = format!("{path}: until {}", end.strftime("%Y-%m-%d"));
    if left <= SignedDuration::ZERO {
        return Check::failed(NAME, format!("{found}, which is over"), "renew it, and start the daemon again");
    }
    if left < SOON {
        let advice = format!("renew it within {}, and start the daemon again", roughly(seconds(left)));
        return Check::warning(NAME, found, advice);
    }
    Check::ok(NAME, found)
}

/// How the nodes stand.
pub(super) fn nodes(nodes: &[Standing]) -> Check {
    const NAME: &str = "nodes";
    let bad = |node: &&Standing| matches!(node.state, State::Silent | State::Failed | State::Drifted);
    let bad: Vec<&Standing> = nodes.iter().filter(bad).collect();
    let count = counted(nodes.len(), "node");
    if bad.is_empty() {
        return Check::ok(NAME, format!("{count}, none silent, failed or drifted"));
    }
    let mut names: Vec<String> =
        bad.iter().take(NAMED).map(|node| format!("{} {}", node.report.node, node.state.name())).collect();
    if bad.len() > NAMED {
        names.push(format!("and {} more", bad.len() - NAMED));
    }
    let advice = "`depsync status` says since when, and `depsync status --history NODE` what it said before";
    Check::warning(NAME, format!("{count}: {}", names.join(", ")), advice)
}

/// Whole seconds, whichever way.
pub(super) fn seconds(span: SignedDuration) -> u64 {
    u64::try_from(span.as_secs()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
