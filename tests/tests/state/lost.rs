//! The state directory is gone, or a part of it.

use depsync_tests::cluster::copy_tree;
use depsync_tests::snapshot::snapshot;

use super::{PUBLISH, Scene, UPDATE, UPDATE_M};

#[test]
fn a_node_without_its_state_adopts_what_is_equal() {
    let mut scene = Scene::new();
    let before = (scene.tree("m"), scene.tree("w"), scene.hub());
    for node in ["m", "w"] {
        scene.remove(&format!(".{node}.depsync"));
    }
    scene.note("the state of both is gone, the directories are as they were");
    scene.say(PUBLISH, 0);
    scene.say(UPDATE, 0);
    assert!((scene.tree("m"), scene.tree("w")) == (before.0, before.1));
    assert!(scene.kept("m").is_empty() && scene.kept("w").is_empty());
    let names = |hub: &depsync_tests::snapshot::Snapshot| hub.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&scene.hub()), names(&before.2), "nothing but reports was written");

    scene.note("the worker's is gone, its server wrote a file of its own and somebody edited another");
    scene.remove(".w.depsync");
    scene.write("w/server.log", "started\n");
    scene.write("w/b.txt", "edited\n");
    scene.say(UPDATE, 0);
    assert_eq!(scene.read("w/server.log").as_deref(), Some("started\n"));
    assert_eq!(scene.read("w/b.txt").as_deref(), Some("the first b.txt\n"));
    assert_eq!(scene.kept("w"), [("b.txt".to_owned(), "edited\n".to_owned())].into());
    scene.golden("state_lost");
}

#[test]
fn what_was_removed_does_not_come_back_from_an_old_copy() {
    let mut scene = Scene::new();
    let bring_back = |scene: &Scene, node: &str| {
        scene.remove(&format!(".{node}.depsync"));
        scene.write(&format!("{node}/old.txt"), "the first old.txt\n");
        scene.write(&format!("{node}/gone/page.html"), "the first gone/page.html\n");
        scene.write(&format!("{node}/a.txt"), "the first a.txt\n");
    };
    scene.note("a manager was installed again from an old copy: two files are back, and one is old");
    bring_back(&scene, "m");
    scene.write("m/own.txt", "never published\n");
    let before = (scene.tree("m"), scene.hub());
    scene.say(PUBLISH, 3);
    assert!((scene.tree("m"), scene.hub()) == before);
    scene.say(UPDATE_M, 0);
    assert_eq!(scene.read("m/own.txt").as_deref(), Some("never published\n"));
    assert!(scene.read("m/old.txt").is_none() && !scene.path("m/gone").exists());
    let kept = ["a.txt", "gone/page.html", "old.txt"].map(|name| (name.to_owned(), format!("the first {name}\n")));
    assert_eq!(scene.kept("m"), kept.clone().into());
    scene.say(PUBLISH, 0);
    assert_eq!(scene.published("x"), ["a.txt", "b.txt", "conf/c.xml", "conf/d.xml", "e.txt", "own.txt"]);

    scene.note("the same on a worker, which keeps what its server wrote");
    bring_back(&scene, "w");
    scene.write("w/gone/session.dat", "of the server\n");
    scene.say(UPDATE, 0);
    assert!(scene.read("w/old.txt").is_none() && scene.read("w/gone/page.html").is_none());
    assert_eq!(scene.read("w/gone/session.dat").as_deref(), Some("of the server\n"));
    assert_eq!(scene.kept("w"), kept.into());
    scene.say(UPDATE, 0);

    scene.note("what has the name of something that was removed, and another content, is the manager's own");
    scene.remove(".m.depsync");
    scene.write("m/old.txt", "written anew\n");
    scene.say(UPDATE_M, 0);
    scene.say(PUBLISH, 0);
    assert_eq!(scene.read("m/old.txt").as_deref(), Some("written anew\n"));
    scene.golden("state_relics");
}

/// An update is killed at a step. What it staged is lost, or all of the state. (Killed at every step, with nothing lost:
/// `tests/crash`.)
#[test]
fn an_interrupted_update_without_its_staging_or_its_state() {
    let scene = Scene::new();
    scene.save("second");
    std::fs::create_dir(scene.path("second")).expect("mkdir");
    copy_tree(&scene.path("w"), &scene.path("second"));
    scene.write("m/a.txt", "the third a.txt\n");
    scene.write("m/new/n.txt", "new\n");
    scene.remove("m/e.txt");
    scene.quietly(PUBLISH);
    let mut journalled = 0;
    for (lost, stride) in [("staging", 2), ("state", 5)] {
        for step in (1..100).step_by(stride) {
            scene.put_back("second", "w", "w");
            scene.remove("w");
            std::fs::create_dir(scene.path("w")).expect("mkdir");
            copy_tree(&scene.path("second"), &scene.path("w"));
            let killed = scene.bench.run(&format!("{UPDATE} --die-at-step {step}"));
            if killed.ends_with("--- exit 0\n") {
                assert!(step > 15, "{step} steps cannot be all");
                break;
            }
            if lost == "state" {
                scene.remove(".w.depsync");
            } else if let Ok(runs) = std::fs::read_dir(scene.path(".w.depsync/staging")) {
                journalled += runs.count();
                scene.remove(".w.depsync/staging");
            }
            let said = scene.bench.run(UPDATE);
            assert!(said.ends_with("--- exit 0\n"), "{lost} lost at step {step}: {said}");
            assert!(scene.tree("w") == snapshot(&scene.path("m")), "{lost} lost at step {step}: {said}");
        }
    }
    assert!(journalled > 3, "some were killed with something staged");
}
