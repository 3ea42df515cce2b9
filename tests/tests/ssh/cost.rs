//! What calls cost: round trips, and processes.

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Look, Transport};
use depsync_tests::node::noise;
use depsync_tests::sshd::Sshd;
use depsync_transports::Storage;
use depsync_transports::storage::Placed;

use crate::{count, large, opened, place, small};

#[test]
fn looking_is_one_round_trip_and_a_small_publish_three() {
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
        assert_eq!(trips.round_trips() - before, 3, "the head, the pack, the commit");
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
    assert_eq!(trips.round_trips() - before, 3, "as a small one");
    let commands = sshd.commands().split_off(commands);
    assert!(commands.len() == 1 && commands[0].starts_with("rsync --server"), "{commands:?}");
    assert_eq!(sshd.accepted(), 1);
    let (mut worker, _) = opened(sshd.storage(hub.path()));
    worker.update(&Context::new()).expect("updates");
    assert_eq!(worker.files, all);
}

#[test]
fn a_first_update_is_one_rsync_and_a_handful_of_round_trips() {
    let (sshd, hub) = (Sshd::start_logging(), place());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    let mut all = large(40);
    manager.must_publish(&all);
    let packs = count(&hub.path().join("packs"));
    assert!(packs >= 5, "{packs} packs");
    let (mut worker, trips) = opened(sshd.storage(hub.path()));
    let (before, commands) = (trips.round_trips(), sshd.commands().len());
    worker.update(&Context::new()).expect("updates");
    assert_eq!(worker.files, all);
    let taken = trips.round_trips() - before;
    assert!(taken <= 8, "{taken} round trips for {packs} packs");
    let commands = sshd.commands().split_off(commands);
    assert!(commands.len() == 1 && commands[0].starts_with("rsync --server --sender"), "{commands:?}");
    // A small change is read where it lies.
    all.extend(small(&noise(99, 200_000)));
    manager.must_publish(&all);
    let (before, commands) = (trips.round_trips(), sshd.commands().len());
    worker.update(&Context::new()).expect("updates");
    assert_eq!((&worker.files, trips.round_trips() - before), (&all, 3), "the head, the record, the pack");
    assert_eq!(sshd.commands().len(), commands);
}

#[test]
fn what_is_long_goes_by_rsync_and_what_is_short_does_not() {
    let cx = Context::new();
    let (sshd, hub) = (Sshd::start_logging(), place());
    let storage = sshd.storage(hub.path());
    let name = |text: &str| RelPath::try_from(text).expect(text);
    for (number, length) in [(1, 64 << 10), (2, (64 << 10) + 1), (3, 3 << 20)] {
        // All bytes, also those that a shell could take for something.
        let bytes: Vec<u8> = (0..length).map(|at| (at % 256) as u8).collect();
        storage.replace(&cx, &name("HEADS"), &bytes).expect("replaces");
        assert!(storage.get(&cx, &name("HEADS"), length).expect("reads") == bytes);
        assert_eq!(storage.get(&cx, &name("HEADS"), length - 1).expect_err("too long").kind(), ErrorKind::Damaged);
        assert_eq!(storage.get_range(&cx, &name("HEADS"), 1000, 5).expect("reads"), bytes[1000..1005]);
        let record = name(&format!("d/main/revisions/{number:012}"));
        assert_eq!(storage.create_exclusive(&cx, &record, &bytes).expect("creates"), Placed::Created);
        assert_eq!(storage.create_exclusive(&cx, &record, b"other").expect("looks"), Placed::Existed);
        assert!(storage.get(&cx, &record, length).expect("reads") == bytes);
    }
    assert_eq!(count(&hub.path().join("tmp")), 0);
    assert_eq!(sshd.commands().iter().filter(|command| command.starts_with("rsync")).count(), 4);
}
