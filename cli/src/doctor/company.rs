//! The daemon of this node, and the other nodes.

use super::judge::{self, seconds};
use super::{Check, Patient};
use crate::text::clean;
use crate::units::{counted, roughly};

/// How many times a daemon may be expected in vain.
const BEATS: u64 = 3;

/// Both.
pub(super) fn look(patient: &Patient<'_>) -> Vec<Check> {
    vec![daemon(patient), nodes(patient)]
}

fn daemon(patient: &Patient<'_>) -> Check {
    const NAME: &str = "daemon";
    let setbacks = patient.findings.as_ref().map_or(0, |findings| findings.setbacks);
    let working: Vec<String> = patient
        .processes
        .iter()
        .map(|process| {
            let busy = if process.is_busy { ", at work" } else { "" };
            format!("process {} ({}){busy}", process.pid, clean(&process.words))
        })
        .collect();
    if setbacks > 0 {
        let found = format!("it has failed {} in a row; {}", counted(setbacks as usize, "time"), shown(&working));
        return Check::warning(NAME, found, "its log says why: `journalctl -u depsync@NAME`, or its output");
    }
    let spoke = patient.findings.as_ref().and_then(|findings| findings.spoke.zip(findings.beat));
    if let Some((spoke, beat)) = spoke.filter(|_| !patient.processes.iter().any(|process| process.is_daemon)) {
        let silence = seconds(patient.cx.now().duration_since(spoke));
        if silence > BEATS.saturating_mul(beat.as_secs()) {
            let found =
                format!("a daemon reported {} ago, and none runs here that this user can see", roughly(silence));
            return Check::warning(NAME, found, "start it again: `systemctl start depsync@NAME`, or `depsync run`");
        }
    }
    Check::ok(NAME, shown(&working))
}

fn shown(working: &[String]) -> String {
    if working.is_empty() { "none runs here that this user can see".to_owned() } else { working.join(", ") }
}

fn nodes(patient: &Patient<'_>) -> Check {
    if patient.nodes.is_empty() {
        return Check::skipped("nodes", "none has been heard of");
    }
    judge::nodes(&patient.nodes)
}
