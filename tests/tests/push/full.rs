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

#[test]
fn no_room_for_what_is_asked_is_said_too() {
    if !as_root("full::no_room_for_what_is_asked_is_said_too") {
        return;
    }
    let top = tempfile::tempdir().expect("a directory");
    let disk = Tmpfs::mount(top.path(), 1024);
    let scene = Scene::below(top.path());
    // Empty files need no room themselves; their names do, in what is asked.
    let name = |number: usize| format!("{number:04}-{}", "x".repeat(200));
    for number in 0..400 {
        scene.write(&name(number), "");
    }
    scene.must_push("");
    disk.resize(disk.used() + 24);
    for number in 0..400 {
        std::fs::remove_file(scene.source().join(name(number))).expect("removes");
        scene.write(&format!("{}-2", name(number)), "");
    }
    let (answer, exit) = scene.push("--allow-mass-delete");
    let error = &node(&answer, 1)["error"];
    assert_eq!((exit, &error["kind"]), (1, &"no-space".into()), "{answer:#}");
    disk.resize(1024);
    scene.must_push("");
}
