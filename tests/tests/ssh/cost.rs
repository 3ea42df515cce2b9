//! What calls cost: round trips, and processes.

use depsync_engine::context::Context;
use depsync_engine::transport::{Look, Transport};
use depsync_tests::node::noise;
use depsync_tests::sshd::Sshd;

use crate::{large, opened, place, small};

#[test]
fn looking_is_one_round_trip_and_a_small_publish_two() {
    let cx = Context::new();
    let (sshd, hub) = (Sshd::start_logging(), place());
    let (mut manager, trips) = opened(sshd.storage(hub.path()));
    manager.must_publish(&small(b"1"));
    let (mut worker, worker_trips) = opened(sshd.storage(hub.path()));
    worker.update(&cx).expect("updates");
    for round in 2..5u8 {
        let before = worker_trips.round_trips();
        worker.transport.head(&cx, Look::Glance).expect("a head");
        assert_eq!(worker_trips.round_trips() - before, 1, "nothing new");
        let before = trips.round_trips();
        manager.must_publish(&small(&noise(round.into(), 1024)));
        assert!(trips.round_trips() - before <= 3, "{}", trips.round_trips() - before);
        worker.update(&cx).expect("updates");
        assert_eq!(worker.files, manager.files);
    }
    // Each has one connection and one shell on the far side; no file is worth a process.
    assert_eq!(sshd.accepted(), 2);
    assert_eq!(sshd.commands().len(), 2, "{:?}", sshd.commands());
}

#[test]
fn a_large_publish_is_one_rsync_over_the_same_connection() {
    let (sshd, hub) = (Sshd::start_logging(), place());
    let (mut manager, trips) = opened(sshd.storage(hub.path()));
    manager.must_publish(&small(b"1"));
    let (before, commands) = (trips.round_trips(), sshd.commands().len());
    let all = large(20);
    manager.must_publish(&all);
    assert!(trips.round_trips() - before <= 3, "{}", trips.round_trips() - before);
    let commands = sshd.commands().split_off(commands);
    assert!(commands.len() == 1 && commands[0].starts_with("rsync --server"), "{commands:?}");
    assert_eq!(sshd.accepted(), 1);
    let (mut worker, _) = opened(sshd.storage(hub.path()));
    worker.update(&Context::new()).expect("updates");
    assert_eq!(worker.files, all);
}
