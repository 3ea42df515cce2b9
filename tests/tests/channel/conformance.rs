//! What every channel must do. A kit gives those who announce and keep the list of nodes, and those who hear and report.

use std::sync::Arc;

use depsync_engine::channel::{Channel, Listener};

use super::{Ear, announcement, report};

/// Channels of one kind, which belong together.
pub(crate) trait Kit {
    /// A manager, where the one before it was. There is one at a time.
    fn manager(&self, listener: &Arc<dyn Listener>) -> Arc<dyn Channel>;

    /// A worker.
    fn worker(&self, listener: &Arc<dyn Listener>) -> Arc<dyn Channel>;
}

/// All of it, each with a kit of its own.
pub(crate) fn all<K: Kit>(kit: impl Fn() -> K) {
    what_is_announced_is_heard_by_all(&kit());
    who_comes_late_hears_the_last(&kit());
    many_are_heard_as_the_newest(&kit());
    who_goes_is_not_missed(&kit());
    what_is_reported_is_heard(&kit());
    many_reports_are_heard_as_the_newest(&kit());
    who_was_away_asks(&kit());
    who_reports_early_is_heard_late(&kit());
}

fn nobody() -> Arc<dyn Listener> {
    Ear::new().1
}

fn what_is_announced_is_heard_by_all(kit: &impl Kit) {
    let speaker = kit.manager(&nobody());
    let (ears, listeners): (Vec<_>, Vec<_>) = (0..5).map(|_| Ear::new()).unzip();
    let _workers: Vec<_> = listeners.iter().map(|listener| kit.worker(listener)).collect();
    for ear in &ears {
        ear.wait_for("connected", |heard| heard.connected > 0);
    }
    for number in 1..=3 {
        let one = announcement("main", number);
        speaker.announce(&one);
        for ear in &ears {
            ear.wait_for_last(&one);
        }
    }
    let other = announcement("other", 1);
    speaker.announce(&other);
    for ear in &ears {
        ear.wait_for_last(&other);
    }
}

fn who_comes_late_hears_the_last(kit: &impl Kit) {
    let speaker = kit.manager(&nobody());
    for number in 1..=3 {
        speaker.announce(&announcement("late", number));
    }
    let (ear, listener) = Ear::new();
    let _worker = kit.worker(&listener);
    // Whether he is told it or looks because he has just come: he misses nothing.
    let heard = ear.wait_for("connected", |heard| heard.connected > 0);
    assert!(heard.announced.iter().all(|one| *one == announcement("late", 3)), "only the last: {heard:?}");
    let next = announcement("late", 4);
    speaker.announce(&next);
    ear.wait_for_last(&next);
}

/// Nobody has to hear each of them, and the last is never lost.
fn many_are_heard_as_the_newest(kit: &impl Kit) {
    let speaker = kit.manager(&nobody());
    let (ear, listener) = Ear::new();
    let _worker = kit.worker(&listener);
    ear.wait_for("connected", |heard| heard.connected > 0);
    for number in 1..=5_000 {
        speaker.announce(&announcement("many", number));
    }
    let last = announcement("many", 5_000);
    let heard = ear.wait_for("the last", |heard| heard.announced.contains(&last));
    let numbers: Vec<u64> = heard.announced.iter().map(|one| one.revision.number).collect();
    assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:?}");
}

fn who_goes_is_not_missed(kit: &impl Kit) {
    let speaker = kit.manager(&nobody());
    let (ear, listener) = Ear::new();
    drop(kit.worker(&listener));
    let (other, listener) = Ear::new();
    let _worker = kit.worker(&listener);
    let one = announcement("gone", 1);
    other.wait_for("connected", |heard| heard.connected > 0);
    speaker.announce(&one);
    other.wait_for_last(&one);
    drop(ear);
}

fn what_is_reported_is_heard(kit: &impl Kit) {
    let (ear, listener) = Ear::new();
    let _manager = kit.manager(&listener);
    let workers: Vec<_> = (0..5).map(|_| kit.worker(&nobody())).collect();
    for number in 1..=3 {
        for (index, worker) in workers.iter().enumerate() {
            worker.report(&report(&format!("w{index}"), number));
        }
        for index in 0..workers.len() {
            let wanted = report(&format!("w{index}"), number);
            ear.wait_for("the report", |heard| heard.reports.contains(&wanted));
        }
    }
}

fn many_reports_are_heard_as_the_newest(kit: &impl Kit) {
    let (ear, listener) = Ear::new();
    let _manager = kit.manager(&listener);
    let (busy, listener) = Ear::new();
    let worker = kit.worker(&listener);
    busy.wait_for("connected", |heard| heard.connected > 0);
    for number in 1..=5_000 {
        worker.report(&report("w", number));
    }
    let last = report("w", 5_000);
    let heard = ear.wait_for("the last", |heard| heard.reports.contains(&last));
    let numbers = heard.reports.iter().map(|report| report.report.applied.map(|revision| revision.number));
    assert!(numbers.is_sorted_by(|left, right| left <= right), "{heard:?}");
}

/// A manager that is started again knows of nobody: he asks, and hears of what was said while he was away.
fn who_was_away_asks(kit: &impl Kit) {
    let manager = kit.manager(&nobody());
    let (worker_ear, listener) = Ear::new();
    let worker = kit.worker(&listener);
    let asked = worker_ear.wait_for("connected", |heard| heard.connected > 0).asked;
    drop(manager);
    worker.report(&report("w", 1));
    let (ear, listener) = Ear::new();
    let _manager = kit.manager(&listener);
    worker_ear.wait_for("asked", |heard| heard.asked > asked);
    worker.report(&report("w", 2));
    ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 2)));
}

fn who_reports_early_is_heard_late(kit: &impl Kit) {
    let (worker_ear, listener) = Ear::new();
    let worker = kit.worker(&listener);
    worker.report(&report("w", 7));
    let (ear, listener) = Ear::new();
    let _manager = kit.manager(&listener);
    worker_ear.wait_for("asked", |heard| heard.asked > 0);
    // What a daemon does when he is asked.
    worker.report(&report("w", 7));
    ear.wait_for("the report", |heard| heard.reports.contains(&report("w", 7)));
}
