//! What the system allows this user: watches, and open files.

use rustix::fs::inotify::{self, CreateFlags};
use rustix::process::{Resource, getrlimit};

use super::judge::{self, Watching};
use super::processes::watched_directories;
use super::{Check, Patient};

/// All of them.
pub(super) fn look(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = vec![watches(patient)];
    checks.push(match number("fs/inotify/max_queued_events") {
        Some(most) => judge::events(most),
        None => Check::skipped("watch-queue", "the system does not say"),
    });
    checks.push(judge::open_files(getrlimit(Resource::Nofile).current));
    checks
}

fn watches(patient: &Patient<'_>) -> Check {
    const NAME: &str = "watches";
    let Some(limit) = number("fs/inotify/max_user_watches") else {
        return Check::skipped(
            NAME,
            "directories cannot be watched on this system: everything is scanned in every period",
        );
    };
    let Some(size) = patient.size else {
        return Check::skipped(NAME, "it is not known how many directories there are");
    };
    // A user namespace may have a limit of its own.
    let of_namespace = number("user/max_inotify_watches").filter(|own| *own < limit);
    let watching = Watching {
        limit: of_namespace.unwrap_or(limit),
        used: watched_directories(),
        of_namespace: of_namespace.is_some(),
        can_begin: inotify::init(CreateFlags::CLOEXEC).is_ok(),
    };
    let is_watched = patient.processes.iter().any(|process| process.is_daemon);
    judge::watches(watching, size.directories + 1, is_watched)
}

/// A number of the system's.
fn number(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}
