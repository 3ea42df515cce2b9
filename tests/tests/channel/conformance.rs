//! What every channel must do. A kit gives one that speaks, and as many that hear as are asked for.

use std::sync::Arc;

use depsync_engine::channel::{Channel, Listener};

use super::{Ear, announcement};

/// Channels of one kind, which belong together.
pub(crate) trait Kit {
    /// Somebody who speaks.
    fn speaker(&self) -> Arc<dyn Channel>;

    /// Lets somebody hear what the speaker says, until what is given goes.
    fn hearer(&self, listener: &Arc<dyn Listener>) -> Box<dyn Send>;
}

/// All of it.
pub(crate) fn all(kit: &impl Kit) {
    what_is_announced_is_heard_by_all(kit);
    who_comes_late_hears_the_last(kit);
    many_are_heard_as_the_newest(kit);
    who_goes_is_not_missed(kit);
}

fn what_is_announced_is_heard_by_all(kit: &impl Kit) {
    let speaker = kit.speaker();
    let (ears, listeners): (Vec<_>, Vec<_>) = (0..5).map(|_| Ear::new()).unzip();
    let _hearers: Vec<_> = listeners.iter().map(|listener| kit.hearer(listener)).collect();
    for ear in &ears {
        ear.wait_for("connected", |_, connected| connected > 0);
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
    let speaker = kit.speaker();
    for number in 1..=3 {
        speaker.announce(&announcement("late", number));
    }
    let (ear, listener) = Ear::new();
    let _hearer = kit.hearer(&listener);
    let last = announcement("late", 3);
    let (heard, connected) = ear.wait_for("the last", |heard, _| heard.contains(&last));
    let late = heard.iter().filter(|one| one.deployment == last.deployment);
    assert_eq!(late.count(), 1, "only the last: {heard:?}");
    assert!(connected > 0);
}

/// Nobody has to hear each of them, and the last is never lost.
fn many_are_heard_as_the_newest(kit: &impl Kit) {
    let speaker = kit.speaker();
    let (ear, listener) = Ear::new();
    let _hearer = kit.hearer(&listener);
    ear.wait_for("connected", |_, connected| connected > 0);
    for number in 1..=5_000 {
        speaker.announce(&announcement("many", number));
    }
    let last = announcement("many", 5_000);
    let (heard, _) = ear.wait_for("the last", |heard, _| heard.contains(&last));
    let numbers: Vec<u64> =
        heard.iter().filter(|one| one.deployment == last.deployment).map(|one| one.revision.number).collect();
    assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:?}");
}

fn who_goes_is_not_missed(kit: &impl Kit) {
    let speaker = kit.speaker();
    let (ear, listener) = Ear::new();
    drop(kit.hearer(&listener));
    let (other, listener) = Ear::new();
    let _hearer = kit.hearer(&listener);
    let one = announcement("gone", 1);
    speaker.announce(&one);
    other.wait_for("it", |heard, _| heard.contains(&one));
    drop(ear);
}
