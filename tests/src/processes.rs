//! The processes of this machine, as `/proc` shows them, and what they have taken.

use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

/// A process that has not ended.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) state: char,
}

/// Every process that this one can see.
pub(crate) fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(look).collect()
}

/// The process `pid`, unless it has ended.
pub(crate) fn look(pid: u32) -> Option<Process> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    // The name before it may hold anything, brackets too.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    let state = words.next().and_then(|word| word.chars().next())?;
    let parent = words.next()?.parse().ok()?;
    (!matches!(state, 'Z' | 'X')).then_some(Process { pid, parent, state })
}

/// Seconds of processor time of those of a process's children that have ended, with their children's, as far as each
/// was waited for.
pub(crate) fn spent_by_children(pid: u32) -> f64 {
    times(pid).map_or(0.0, |[_, theirs]| theirs)
}

/// The same with its own, and with that of all that run and descend from it.
pub fn spent(pid: u32) -> f64 {
    let all = all();
    let (mut family, mut looked) = (vec![pid], 0);
    while let Some(&parent) = family.get(looked) {
        family.extend(all.iter().filter(|process| process.parent == parent).map(|process| process.pid));
        looked += 1;
    }
    family.into_iter().filter_map(times).flatten().sum()
}

/// Seconds of processor time of a process, and of its children that it has waited for.
fn times(pid: u32) -> Option<[f64; 2]> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    // The 14th to 17th of all words, in ticks, of which Linux shows a hundred a second.
    let words: Vec<u32> =
        text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).map_while(|word| word.parse().ok()).collect();
    let [user, system, of_children, system_of_children] = words[..] else { return None };
    let [own, theirs] = [user + system, of_children + system_of_children].map(|ticks| f64::from(ticks) / 100.0);
    // Its own is to be had to the nanosecond, as long as it runs.
    Some([clock(pid).unwrap_or(own), theirs])
}

fn clock(pid: u32) -> Option<f64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.cast_signed())).ok()?;
    let time: Duration = clock.now().ok()?.into();
    Some(time.as_secs_f64())
}
