//! The server's disk is full: an NFS client hears of it late, when what it wrote is flushed.

use std::fs::File;
use std::path::Path;

use depsync_engine::error::ErrorKind;
use depsync_tests::nfs::Scene;
use depsync_tests::node::noise;
use depsync_tests::snapshot::{check_same, snapshot};

use crate::member::Member;

/// A publish that finds no room says so and leaves the hub as it was; with room again it goes through.
pub(crate) fn a_full_server(scene: &Scene, top: &Path) {
    let hubs = scene.clients.each_ref().map(|client| client.path().join("full"));
    std::fs::create_dir(&hubs[0]).expect("mkdir");
    let (manager, worker) = (Member::new(top, "full-m", &hubs[0]), Member::new(top, "full-w", &hubs[1]));
    manager.write("file", "old");
    manager.publish("old").expect("publishes");
    worker.update().expect("updates");
    let old = snapshot(&worker.dir);
    manager.write("file", "new");
    std::fs::write(manager.dir.join("large"), noise(7, 4 << 20)).expect("write");
    let filler = scene.server.exported().join("filler");
    let mut failures = 0;
    for room in [0, 64 << 10, 512 << 10] {
        let file = File::create(&filler).expect("create");
        // What was freed lately counts only then.
        rustix::fs::syncfs(&file).expect("sync");
        let found = rustix::fs::fstatvfs(&file).expect("statvfs");
        let length = (found.f_bavail * found.f_frsize).saturating_sub(room + (64 << 10));
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length).expect("fallocate");
        file.sync_all().expect("sync");
        let error = manager.publish("new").expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{room}: {error:?}");
        assert!(error.to_string().contains("/full") && error.advice().is_some(), "{room}: {error:?}");
        failures += 1;
        // A report may find no room either: that is a warning.
        assert!(!worker.update().expect("what is there can be read").changed);
        check_same(&snapshot(&worker.dir), &old, "the worker");
        std::fs::remove_file(&filler).expect("remove");
    }
    assert_eq!(failures, 3);
    assert_eq!(manager.publish("new").expect("there is room").revision, Some(2));
    worker.update().expect("updates");
    check_same(&snapshot(&worker.dir), &snapshot(&manager.dir), "the worker");
}
