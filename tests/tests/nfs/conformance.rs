//! The conformance suite on two mounts: each client of a place is on the other one than the client before it, and what is
//! tampered with is changed on the server.

use std::time::Duration;

use depsync_tests::conformance::{BEHAVIOURS, Behaviour};
use depsync_tests::nfs::{Manners, Scene};
use depsync_tests::uml::{Disk, Scenarios, images, inside};

/// Those that go through hundreds of hubs: they have a machine to themselves, and a server that is quick. With
/// delegations each open by the other client waits for a recall, and clients that are told to wait do so for longer each
/// time: minutes, in these.
const ENUMERATIONS: [&str; 5] = [
    "a_fault_at_any_call_of_a_publish_leaves_a_valid_hub",
    "gc_between_any_two_steps_of_a_publish_loses_nothing",
    "a_crash_of_gc_at_any_call_leaves_a_valid_hub",
    "a_stalled_collector_takes_nothing_that_is_needed",
    "an_index_that_is_replaced_is_read_again",
];

fn suite(test: &str, manners: Manners, chosen: impl Fn(&Behaviour) -> bool) {
    let images = images();
    let disk = Disk::ext4(images.path(), "export", 256);
    if !inside(test, &Scene::machine().disk(&disk).limit(Duration::from_secs(500))) {
        return;
    }
    let scene = Scene::set_up(manners);
    let mut scenarios = Scenarios::default();
    for (name, behaviour) in BEHAVIOURS.iter().filter(|behaviour| chosen(behaviour)) {
        scenarios.run(name, || behaviour(&scene.place()));
    }
    scenarios.end();
}

#[test]
fn the_suite() {
    let chosen = |behaviour: &Behaviour| !ENUMERATIONS.contains(&behaviour.0);
    suite("conformance::the_suite", Manners::Real, chosen);
}

#[test]
fn its_enumerations() {
    assert!(ENUMERATIONS.iter().all(|name| BEHAVIOURS.iter().any(|behaviour| behaviour.0 == *name)));
    suite("conformance::its_enumerations", Manners::Quick, |behaviour| ENUMERATIONS.contains(&behaviour.0));
}
