//! A node whose disk is full.

use depsync_tests::mounted::{Tmpfs, as_root};
use depsync_tests::node::noise;

use crate::scene::{Scene, node};

#[test]
fn a_full_disk_there_changes_nothing_live_and_room_helps() {
    if !as_root("full::a_full_disk_there_changes_nothing_live_and_room_helps") {
        return;
    }
    let top = tempfile::tempdir().expect("a directory");
    // Before the server starts: its sessions see what is mounted then.
    let disk = Tmpfs::mount(top.path(), 1024);
    let scene = Scene::below(top.path());
    scene.write("large", noise(1, 300 << 10));
    scene.write("small", "1");
    scene.must_push("");
    scene.write("large", noise(2, 900 << 10));
    scene.write("small", "2");
    let (answer, exit) = scene.push("");
    let error = &node(&answer, 1)["error"];
    assert_eq!((exit, &error["kind"]), (1, &"no-space".into()), "{answer:#}");
    assert_eq!(scene.nodes[0].read("small"), "1");
    assert_eq!(scene.on_record(1), Some(1));
    disk.resize(8 << 10);
    scene.must_push("");
}
