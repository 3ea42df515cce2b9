//! The far side's disk is full: a clear error, nothing but whole things in the hub, and success once there is room.

use std::path::Path;

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::hash::Domain;
use depsync_engine::transport::{OpenMode, Transport};
use depsync_tests::mounted::{Tmpfs, as_root};
use depsync_tests::node::{Files, noise};
use depsync_tests::sshd::Sshd;

use crate::{large, opened, place, small};

/// Room that everything here fits in, in KiB.
const PLENTY: usize = 64 << 10;

/// Every pack is what its name says.
fn check_packs(hub: &Path) {
    for shard in std::fs::read_dir(hub.join("packs")).expect("packs").flatten() {
        for pack in std::fs::read_dir(shard.path()).expect("a shard").flatten() {
            let bytes = std::fs::read(pack.path()).expect("a pack");
            assert_eq!(Domain::Pack.digest(&bytes).to_string(), pack.file_name().to_string_lossy());
        }
    }
}

/// Publishes `next` with less and less missing room, until it goes through.
fn publish_with(hub: &Path, mount: &Tmpfs, sshd: &Sshd, next: &Files, step: usize) -> usize {
    let cx = Context::new();
    let (mut manager, _) = opened(sshd.storage(hub));
    manager.update(&cx).expect("updates");
    let (old, before) = (manager.files.clone(), manager.applied);
    let mut failures = 0;
    for room in (0..).map(|count| count * step) {
        mount.resize(mount.used() + room);
        let ended = manager.publish(&cx, next);
        let facts = manager.transport.open(&cx, OpenMode::Existing).expect("the hub, full or not");
        assert_eq!((facts.capabilities.publish_refused, facts.capabilities.reports), (None, true), "{room} KiB");
        if let Err(error) = &ended {
            failures += 1;
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{room} KiB: {error}");
            assert!(error.to_string().contains("rsync+ssh://"), "the far place is named: {error}");
        }
        mount.resize(PLENTY);
        check_packs(hub);
        let (mut worker, _) = opened(sshd.storage(hub));
        worker.update(&cx).expect("updates");
        let done = ended.is_ok();
        assert_eq!((&worker.files, worker.applied == before), if done { (next, false) } else { (&old, true) });
        if done {
            break;
        }
    }
    // There is room again for whoever comes.
    let (mut manager, _) = opened(sshd.storage(hub));
    manager.update(&cx).expect("updates");
    let mut more = next.clone();
    more.extend(small(&noise(77, 100)));
    manager.must_publish(&more);
    failures
}

#[test]
fn a_publish_without_room_is_refused_and_goes_through_later() {
    if !as_root("full::a_publish_without_room_is_refused_and_goes_through_later") {
        return;
    }
    let hub = place();
    let mount = Tmpfs::mount(hub.path(), PLENTY);
    let sshd = Sshd::start();
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    manager.must_publish(&small(b"1"));
    assert!(publish_with(hub.path(), &mount, &sshd, &small(&noise(5, 9000)), 4) >= 3);
    assert!(publish_with(hub.path(), &mount, &sshd, &large(6), 2 << 10) >= 2);
}
