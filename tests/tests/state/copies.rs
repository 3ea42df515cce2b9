//! The state is a copy: an older one of its own, another node's, another deployment's, or one that is used twice.

use depsync_tests::cluster::copy_tree;
use depsync_tests::snapshot::snapshot;

use super::{PUBLISH, Scene, UPDATE, UPDATE_M};

#[test]
fn a_state_put_back_from_a_backup_goes_on_from_there() {
    let mut scene = Scene::new();
    scene.save("second");
    scene.write("m/b.txt", "the third b.txt\n");
    scene.remove("m/e.txt");
    scene.quietly(PUBLISH);
    scene.quietly(UPDATE);
    let before = (scene.tree("m"), scene.tree("w"));
    scene.note("both states are of revision 2, the directories of revision 3");
    for node in ["m", "w"] {
        scene.put_back("second", node, node);
    }
    scene.say("status m hub --node m", 0);
    scene.say(PUBLISH, 0);
    scene.say(UPDATE_M, 0);
    scene.say(UPDATE, 0);
    assert!((scene.tree("m"), scene.tree("w")) == before);

    scene.note("the same, and the directories too are of revision 2: a node that is behind");
    for node in ["m", "w"] {
        scene.put_back("second", node, node);
        scene.write(&format!("{node}/b.txt"), "the first b.txt\n");
        scene.write(&format!("{node}/e.txt"), "the first e.txt\n");
    }
    scene.say(PUBLISH, 0);
    scene.say(UPDATE_M, 0);
    scene.say(UPDATE, 0);
    assert!((scene.tree("m"), scene.tree("w")) == before, "what was removed did not come back");
    assert_eq!(scene.published("x"), ["a.txt", "b.txt", "conf/c.xml", "conf/d.xml"]);
    scene.golden("state_backup");
}

/// The agreement of a state put back is older than what this node itself published since: its own revisions are taken for
/// somebody else's, and an edit made since is a conflict that says so, not a loss.
#[test]
fn an_edit_after_a_backup_is_kept() {
    let mut scene = Scene::new();
    scene.save("second");
    scene.write("m/b.txt", "the third b.txt\n");
    scene.quietly(PUBLISH);
    scene.put_back("second", "m", "m");
    scene.write("m/b.txt", "edited since\n");
    scene.write("m/e.txt", "edited since, too\n");
    scene.note("the manager's state is of revision 2; b.txt was published in 3 and edited again, e.txt was edited");
    scene.say(PUBLISH, 4);
    assert_eq!(scene.read("m/b.txt").as_deref(), Some("edited since\n"));
    scene.say("resolve b.txt --mine --dir m --hub hub", 0);
    scene.say(PUBLISH, 0);
    scene.say(UPDATE, 0);
    assert!(scene.tree("w") == scene.tree("m"));
    scene.golden("state_backup_edited");
}

#[test]
fn a_copy_that_is_used_beside_its_original_is_named() {
    let mut scene = Scene::new();
    scene.note("directory and state of the manager are copied, and the copy works under the same name");
    for (from, to) in [("m", "n"), (".m.depsync", ".n.depsync")] {
        std::fs::create_dir(scene.path(to)).expect("mkdir");
        copy_tree(&scene.path(from), &scene.path(to));
    }
    scene.write("n/b.txt", "of the copy\n");
    scene.say("publish n hub", 0);
    scene.say("status m hub", 0);
    scene.write("m/e.txt", "of the original\n");
    scene.say("publish m hub", 0);
    scene.say("status n hub", 0);
    scene.note("nothing is lost by it");
    scene.quietly("update m hub");
    scene.quietly("update n hub");
    assert!(scene.tree("m") == scene.tree("n"));
    assert_eq!(scene.read("m/b.txt").as_deref(), Some("of the copy\n"));
    assert_eq!(scene.read("m/e.txt").as_deref(), Some("of the original\n"));
    scene.note("each under a name of its own");
    scene.write("n/e.txt", "of the copy\n");
    scene.quietly("publish n hub --node n");
    scene.quietly("update m hub --node m");
    scene.say("status m hub", 0);
    scene.golden("state_clone");
}

#[test]
fn another_ones_state() {
    let mut scene = Scene::new();
    scene.save("second");
    scene.quietly(
        "publish other hub --deployment other --node other".replace("other hub", "w hub --state other").as_str(),
    );
    scene.note("the state of another deployment");
    let before = (scene.tree("m"), scene.hub());
    scene.say("publish m hub --node m --state other", 2);
    assert!((scene.tree("m"), scene.hub()) == before);

    scene.note("the worker's state in the manager's place, and the other way round: what it agreed on is compared with what is here");
    scene.put_back("second", "w", "m");
    scene.put_back("second", "m", "w");
    scene.write("m/b.txt", "edited\n");
    scene.say(PUBLISH, 0);
    scene.say(UPDATE, 0);
    assert!(scene.tree("w") == scene.tree("m"));
    scene.golden("state_of_others");
}

/// Directory and state are moved to another place, as to another machine: the node goes on as before.
#[test]
fn a_node_that_moves_with_its_state_goes_on() {
    let scene = Scene::new();
    let before = scene.tree("w");
    std::fs::create_dir(scene.path("elsewhere")).expect("mkdir");
    for name in ["w", ".w.depsync"] {
        let to = scene.path(&format!("elsewhere/{name}"));
        std::fs::create_dir(&to).expect("mkdir");
        copy_tree(&scene.path(name), &to);
        scene.remove(name);
    }
    let said = scene.bench.run("update elsewhere/w hub");
    assert!(said.contains("nothing to do: revision 2 of main is in place"), "{said}");
    let said = scene.bench.run("verify elsewhere/w hub");
    assert!(said.ends_with("--- exit 0\n"), "{said}");
    assert!(snapshot(&scene.path("elsewhere/w")) == before);
}
