//! The state is there, and this user may not read or write it. (A full file system: `tests/disk_full.rs`.)

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use depsync_tests::mounted::{Bind, as_root};

use super::{PUBLISH, Scene, UPDATE};

fn chmod(scene: &Scene, name: &str, mode: u32) {
    std::fs::set_permissions(scene.path(name), Permissions::from_mode(mode)).expect("chmod");
}

/// Root may do everything; without its capabilities it is a user like others.
fn without_power(scene: &mut Scene) {
    if rustix::process::geteuid().is_root() {
        scene.bench.through(&["setpriv", "--inh-caps=-all", "--bounding-set=-all"]);
    }
}

#[test]
fn a_state_that_may_not_be_used_is_no_lost_state() {
    let mut scene = Scene::new();
    without_power(&mut scene);
    scene.write("m/b.txt", "edited\n");
    let before = (scene.tree("m"), scene.tree("w"), scene.hub());
    for (name, mode, usual, update) in [
        ("state.db", 0o000, 0o644, 1),
        // An update with nothing to do writes nothing.
        ("state.db", 0o444, 0o644, 0),
        ("cache.db", 0o000, 0o644, 1),
        ("", 0o000, 0o700, 1),
        ("", 0o500, 0o700, 1),
    ] {
        scene.note(&format!("{} has mode {mode:03o}", if name.is_empty() { "the state directory" } else { name }));
        for node in ["m", "w"] {
            chmod(&scene, &format!(".{node}.depsync/{name}"), mode);
        }
        scene.say(PUBLISH, 1);
        scene.say(UPDATE, update);
        for node in ["m", "w"] {
            chmod(&scene, &format!(".{node}.depsync/{name}"), usual);
            // What SQLite made beside it took over its mode.
            let log = ["-wal", "-shm"].map(|suffix| format!(".{node}.depsync/{name}{suffix}"));
            log.iter()
                .filter(|log| !name.is_empty() && scene.path(log).exists())
                .for_each(|log| chmod(&scene, log, usual));
        }
        assert!((scene.tree("m"), scene.tree("w"), scene.hub()) == before, "{name} {mode:o}: nothing was changed");
        assert!(!scene.path("home").exists(), "{name} {mode:o}: no second state was begun");
    }
    scene.note("and given back");
    scene.say(PUBLISH, 0);
    scene.say(UPDATE, 0);
    scene.golden("state_forbidden");
}

#[test]
fn a_state_on_a_read_only_file_system() {
    if !as_root("forbidden::a_state_on_a_read_only_file_system") {
        return;
    }
    let mut scene = Scene::new();
    scene.write("m/b.txt", "edited\n");
    let before = (scene.tree("m"), scene.tree("w"), scene.hub());
    let mounts = ["m", "w"].map(|node| {
        let state = scene.path(&format!(".{node}.depsync"));
        let mount = Bind::mount(&state, &state);
        let status = std::process::Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&state).status();
        assert!(status.is_ok_and(|status| status.success()), "a read-only mount");
        mount
    });
    scene.note("the states are mounted read-only");
    scene.say(PUBLISH, 1);
    scene.say(UPDATE, 1);
    drop(mounts);
    assert!((scene.tree("m"), scene.tree("w"), scene.hub()) == before, "nothing was changed");
    scene.note("and writable again");
    scene.say(PUBLISH, 0);
    scene.say(UPDATE, 0);
    scene.golden("state_read_only");
}
