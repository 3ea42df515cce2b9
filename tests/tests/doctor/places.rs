use std::process::Command;

use depsync_tests::mounted::{Bind, Tmpfs, as_root};
use depsync_tests::node::noise;

use super::{M, Scene, W};

#[test]
fn a_directory_that_is_gone_empty_or_none() {
    let scene = Scene::new();
    std::fs::rename(scene.path("w"), scene.path("away")).expect("moved");
    scene.asks(W).has_only(&["directory"], &[]).tells("directory", &["is gone", "revision 1", "verify --repair"]);
    std::fs::create_dir(scene.path("w")).expect("mkdir");
    scene.asks(W).has_only(&["directory"], &[]).tells("directory", &["is empty", "5 entries", "mount"]);
    std::fs::remove_dir(scene.path("w")).expect("removed");
    scene.bench.write("w", "a file");
    scene.asks(W).has_only(&["directory"], &[]).tells("directory", &["is not a directory"]);
    std::fs::remove_file(scene.path("w")).expect("removed");
    std::fs::rename(scene.path("away"), scene.path("w")).expect("moved");
    scene.asks(W).has_only(&[], &[]);
    scene.bench.write("lone.toml", "dir = 'nothing'\nhub = 'hub'\nrole = 'manager'\n");
    scene
        .asks("doctor --config lone.toml")
        .has_only(&["directory"], &[])
        .tells("directory", &["a manager publishes it"]);
    scene.asks("doctor no/where hub").has_only(&["directory"], &[]).tells("directory", &["make the directory above"]);
}

#[test]
fn rights_that_are_missing() {
    let mut scene = Scene::new();
    scene.without_power();
    for (place, failed) in [("w", "directory"), (".w.depsync/state.db", "state")] {
        scene.chmod(place, 0o444);
        let said = scene.asks_amid_work(W);
        scene.chmod(place, if place == "w" { 0o755 } else { 0o644 });
        said.has_only(&[failed], &[]).tells(failed, &["this user may not write there", "belongs"]);
    }
    scene.chmod(".w.depsync", 0o500);
    let said = scene.asks_amid_work(W);
    scene.chmod(".w.depsync", 0o700);
    said.has_only(&["state"], &[]).tells("state", &["cannot be written to", "as the user whom it belongs to"]);
    // Who only publishes need not write.
    scene.chmod("m", 0o555);
    let said = scene.asks(M);
    scene.chmod("m", 0o755);
    said.has_only(&[], &["directory"]).tells("directory", &["nothing can be applied here"]);
    scene.asks(W).has_only(&[], &[]);
}

#[test]
fn mounts_that_are_read_only_full_or_others() {
    if !as_root("places::mounts_that_are_read_only_full_or_others") {
        return;
    }
    let scene = Scene::new();
    let remount = |name: &str, how: &str| {
        let status = Command::new("mount").args(["-o", &format!("remount,bind,{how}")]).arg(scene.path(name)).status();
        assert!(status.is_ok_and(|status| status.success()), "remount {name}");
    };
    // A state that was made while nothing was mounted is found again.
    let mount = Bind::mount(&scene.path("w"), &scene.path("w"));
    let said = scene.asks(W);
    said.has_only(&["staging"], &[]).tells("staging", &["on another mount"]).tells("directory", &["a mount point"]);
    remount("w", "ro");
    scene.asks(W).has_only(&["directory", "staging"], &[]).tells("directory", &["mounted read-only", "remount,rw"]);
    drop(mount);
    let mount = Bind::mount(&scene.path(".w.depsync"), &scene.path(".w.depsync"));
    remount(".w.depsync", "ro");
    let said = scene.asks(W);
    assert!(said.with("failed").contains(&"state"), "{}", said.text());
    drop(mount);
    scene.asks(W).has_only(&[], &[]);
}

#[test]
fn room_that_is_used_up() {
    if !as_root("places::room_that_is_used_up") {
        return;
    }
    let scene = Scene::new();
    let disk = scene.path("disk");
    std::fs::create_dir(&disk).expect("mkdir");
    let mount = Tmpfs::mount(&disk, 128 << 10);
    scene.does("update disk/w hub --node d");
    let line = "doctor disk/w hub --node d";
    scene.asks(line).has_only(&[], &[]);
    mount.resize(mount.used() + (8 << 10));
    scene.asks(line).has_only(&[], &["directory-space", "state-space"]).tells("state-space", &["room for 8.0 MiB"]);
    // There is room for what is new, not for all of a revision at once.
    mount.resize(128 << 10);
    std::fs::write(scene.path("m/big"), noise(1, 70 << 20)).expect("a file");
    scene.does("publish m hub --node m");
    scene.does(line.replace("doctor", "update").as_str());
    mount.resize(mount.used() + (66 << 10));
    let said = scene.asks(line);
    said.has_only(&[], &["directory-space"])
        .tells("directory-space", &["replaces everything needs 70.0 MiB and 6 files"]);
    mount.resize(mount.used() + 512);
    scene.asks(line).has_only(&["directory-space", "state-space"], &[]).tells("state-space", &["make room there"]);
    mount.resize(1 << 20);
    mount.leave_files(Some(3));
    scene.asks(line).has_only(&["directory-space", "state-space"], &[]).tells("state-space", &["and 3 files"]);
    mount.leave_files(None);
    scene.asks(line).has_only(&[], &[]);
}

#[test]
fn a_state_that_is_damaged_interrupted_or_anothers() {
    let scene = Scene::new();
    let database = scene.path(".w.depsync/state.db");
    let sound = std::fs::read(&database).expect("a file");
    for damage in [0..16, 4096..4200] {
        let mut bytes = sound.clone();
        bytes[damage].fill(0x5a);
        std::fs::write(&database, bytes).expect("damaged");
        let said = scene.asks(W);
        said.has_only(&["database"], &[]).tells("database", &["state.db", "move the state directory aside"]);
        // The hub is looked at all the same, by a node that knows nothing of it.
        said.tells("hub", &["has not met yet"]).tells("nodes", &["2 nodes"]);
    }
    std::fs::write(&database, &sound).expect("put back");
    let cache = scene.path(".w.depsync/cache.db");
    let mut bytes = std::fs::read(&cache).expect("a file");
    bytes[..16].fill(0);
    std::fs::write(&cache, bytes).expect("damaged");
    scene.asks(W).has_only(&[], &["database"]).tells("database", &["cache.db is damaged", "the next command"]);
    scene.does("update w hub --node w");
    scene.asks(W).has_only(&[], &[]);
    let said = scene.asks("doctor w hub --node w --deployment other");
    assert!(said.with("failed").contains(&"database"), "{}", said.text());
    said.tells("database", &["follows deployment `main`"]);

    scene.bench.write("m/a.txt", "the second a.txt\n");
    scene.does("publish m hub --node m");
    let interrupted = (1..60).any(|step| {
        let output = scene.bench.output(&["--die-at-step", &step.to_string(), "update", "w", "hub", "--node", "w"]);
        !output.status.success() && scene.asks_amid_work(W).with("warning").contains(&"update")
    });
    assert!(interrupted, "an update that was killed while it changed something is seen");
    scene.asks(W).has_only(&[], &["update"]).tells("update", &["was interrupted", "finishes it"]);
    scene.does("update w hub --node w");
    scene.asks(W).has_only(&[], &[]).tells("head", &["revision 2 of", "2 is applied here"]);
}
