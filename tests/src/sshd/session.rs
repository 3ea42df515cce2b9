//! The processes of a server's sessions: those beneath its listener, and those that have left that tree but carry the
//! server's mark in their environment.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::processes::{all, look};

/// The variable that sshd sets in each session; its value is the server's directory.
pub(crate) const MARK: &str = "DEPSYNC_TESTS_SSHD";

/// How many connections the listener serves: it starts a process for each.
pub(crate) fn connections(listener: u32) -> usize {
    all().iter().filter(|process| process.parent == listener).count()
}

/// All processes of all sessions.
pub(crate) fn processes(listener: u32, place: &Path) -> Vec<u32> {
    let all = all();
    let mark = format!("{MARK}={}", place.display());
    let mut found: HashSet<u32> = all.iter().map(|process| process.pid).filter(|pid| is_marked(*pid, &mark)).collect();
    loop {
        let known = found.len();
        let is_one = |parent| parent == listener || found.contains(&parent);
        let more: Vec<u32> = all.iter().filter(|process| is_one(process.parent)).map(|process| process.pid).collect();
        found.extend(more);
        if found.len() == known {
            found.remove(&listener);
            return found.into_iter().collect();
        }
    }
}

fn is_marked(pid: u32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

/// Stops the listener, so that no session is added.
pub(crate) fn freeze(listener: u32) {
    signal(listener, Signal::STOP);
    wait(|| look(listener).is_some_and(|process| process.state != 'T'));
}

/// Lets it go on.
pub(crate) fn thaw(listener: u32) {
    signal(listener, Signal::CONT);
}

/// Ends all processes of all sessions of a frozen listener. They are stopped first: one that runs could start another,
/// which nothing leads to once its parent has ended.
pub(crate) fn end(listener: u32, place: &Path) {
    let mut stopped: HashSet<u32> = HashSet::new();
    wait(|| {
        // Asked before the search: what is still on its way to a stop may start one behind the search's back.
        let is_moving = stopped.iter().filter_map(|pid| look(*pid)).any(|process| matches!(process.state, 'R' | 'S'));
        let fresh: Vec<u32> = processes(listener, place).into_iter().filter(|pid| stopped.insert(*pid)).collect();
        for pid in &fresh {
            signal(*pid, Signal::STOP);
        }
        is_moving || !fresh.is_empty()
    });
    wait(|| {
        // The known ones too: nothing leads to one that is still dying when its parent has ended.
        let known = stopped.iter().copied().filter(|pid| look(*pid).is_some());
        let left: HashSet<u32> = processes(listener, place).into_iter().chain(known).collect();
        for pid in &left {
            signal(*pid, Signal::KILL);
        }
        !left.is_empty()
    });
}

/// Waits as long as something is so, but not for ever: a process that cannot be killed is not waited for.
fn wait(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while is_so() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal; a process that is gone has no need of it.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
