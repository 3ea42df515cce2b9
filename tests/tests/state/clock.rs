//! The clock is wrong by a year, in both directions: this node's, by libfaketime, and the hub's, by the times of its files.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{PUBLISH, Scene, UPDATE, UPDATE_M};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|found| found.modified()).expect("a time")
}

fn folders(scene: &Scene, node: &str) -> Vec<String> {
    let listing = std::fs::read_dir(scene.path(&format!(".{node}.depsync/recovery"))).expect("a listing");
    let mut names: Vec<String> =
        listing.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_clock_of_a_node_jumps() {
    let mut scene = Scene::new();
    for (round, offset) in ["-365d", "+0d", "+365d", "+0d"].into_iter().enumerate() {
        scene.note(&format!("the clock of both is set to {offset}"));
        scene.bench.set_clock(offset);
        scene.write("m/b.txt", &format!("round {round}\n"));
        let before = modified(&scene.path("w/b.txt"));
        scene.say(PUBLISH, 0);
        scene.say(UPDATE, 0);
        scene.say(PUBLISH, 0);
        scene.say(UPDATE, 0);
        scene.say("verify w hub --node w", 0);
        scene.quietly(UPDATE_M);
        assert!(scene.tree("w") == scene.tree("m"), "{offset}");
        let after = modified(&scene.path("w/b.txt"));
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        assert_ne!(seconds(before), seconds(after), "{offset}: a server sees that the file is another one");
    }
    scene.golden("state_clock");
}

#[test]
fn a_clock_set_forward_does_not_empty_the_recovery_area() {
    let mut scene = Scene::new();
    for round in 0..6 {
        scene.write("w/b.txt", &format!("drift {round}\n"));
        scene.quietly(UPDATE);
    }
    let kept = folders(&scene, "w");
    assert_eq!(kept.len(), 6);
    scene.bench.set_clock("+365d");
    scene.write("w/b.txt", "drift in the future\n");
    scene.quietly(UPDATE);
    let left = folders(&scene, "w");
    assert_eq!(left[..4], kept[2..], "two of six went, the oldest, and one came");
    assert_eq!(left.len(), 5);
    scene.bench.set_clock("+0d");
    scene.write("w/b.txt", "drift\n");
    scene.quietly(UPDATE);
    let now = folders(&scene, "w");
    assert!(left.iter().all(|folder| now.contains(folder)) && now.len() == 6, "what is dated in the future stays");
}

/// Files from the future, as an unpacked archive of a machine with a wrong clock has them, are files like others.
#[test]
fn files_of_the_future() {
    let scene = Scene::new();
    for node in ["m", "w"] {
        let file = File::open(scene.path(&format!("{node}/b.txt"))).expect("open");
        file.set_modified(SystemTime::now() + YEAR).expect("a time");
    }
    for _ in 0..2 {
        let said = scene.bench.run(PUBLISH);
        assert!(said.contains("nothing to publish: revision 2 of main stands"), "{said}");
        let said = scene.bench.run(UPDATE);
        assert!(said.contains("nothing to do: revision 2 of main is in place"), "{said}");
    }
    scene.write("m/b.txt", "changed\n");
    let file = File::open(scene.path("m/b.txt")).expect("open");
    file.set_modified(SystemTime::now() + YEAR).expect("a time");
    scene.quietly(PUBLISH);
    scene.quietly(UPDATE);
    assert_eq!(scene.read("w/b.txt").as_deref(), Some("changed\n"));
    assert!(modified(&scene.path("w/b.txt")) <= SystemTime::now(), "what depsync writes is never of the future");
}

/// The hub's clock was a year ahead when gc announced what it would delete and a publisher died, and was put right.
#[test]
fn the_clock_of_the_hub_jumps() {
    let mut scene = Scene::new();
    let gc = "gc --dir m --hub hub --keep-revisions 1 --keep-age 0s";
    scene.write("m/a.txt", "the third a.txt\n");
    scene.quietly(PUBLISH);
    scene.quietly(UPDATE);
    scene.note("condemned by a clock that was a year ahead");
    scene.say(gc, 0);
    scene.write("hub/tmp/left-behind", "x");
    for name in ["hub/gc/condemned", "hub/tmp/left-behind"] {
        let file = File::open(scene.path(name)).expect("open");
        file.set_modified(SystemTime::now() + YEAR).expect("a time");
    }
    scene.note("the clock is right again: the leftover goes, the grace period begins anew");
    scene.say(gc, 0);
    assert!(modified(&scene.path("hub/gc/condemned")) <= SystemTime::now());
    scene.say(gc, 0);
    let turn = std::fs::read_dir(scene.path("hub/gc/turns")).expect("turns").next().expect("one").expect("one").path();
    for path in [scene.path("hub/gc/condemned"), turn] {
        File::open(path)
            .and_then(|file| file.set_modified(SystemTime::now() - Duration::from_secs(2 * 86_400)))
            .expect("a time");
    }
    scene.note("two days later");
    scene.say(gc, 0);
    scene.say(gc, 0);
    let wanted = scene.published("x");
    assert_eq!(wanted, ["a.txt", "b.txt", "conf/c.xml", "conf/d.xml", "e.txt"]);
    scene.golden("state_gc_clock");
}
