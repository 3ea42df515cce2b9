//! Nodes that somebody else has changed, or that nobody has ever pushed to.

use std::os::unix::fs::MetadataExt;

use crate::scene::{Scene, node};

fn three_files() -> Scene {
    let scene = Scene::new(1);
    for name in ["app/a", "app/b", "conf/c", "conf/d"] {
        scene.write(name, format!("{name} 1"));
    }
    scene.must_push("");
    scene
}

#[test]
fn what_was_edited_there_is_kept_aside_before_it_is_replaced() {
    let scene = three_files();
    let far = &scene.nodes[0];
    far.write("app/a", "edited there");
    far.write("conf/c", "removed here, edited there");
    scene.write("app/a", "app/a 2");
    std::fs::remove_file(scene.source().join("conf/c")).expect("removes");
    let answer = node(&scene.must_push(""), 1);
    assert_eq!(answer["drift"].as_array().map(Vec::len), Some(2), "{answer:#}");
    let kept: Vec<_> = far.kept().into_iter().collect();
    let wanted = [("app/a", "edited there"), ("conf/c", "removed here, edited there")];
    assert_eq!(kept, wanted.map(|(path, text)| (path.to_owned(), text.to_owned())));
}

#[test]
fn a_check_finds_and_repairs_what_a_push_does_not_look_at() {
    let scene = three_files();
    let far = &scene.nodes[0];
    let untouched = std::fs::metadata(far.path("app/b")).expect("there");
    far.write("app/a", "app/a X");
    std::fs::remove_file(far.path("conf/c")).expect("removes");
    far.write("server.log", "nobody's");
    let quick = node(&scene.push("").0, 1);
    assert_eq!((&quick["changed"], &quick["checked"]), (&false.into(), &false.into()));
    let (answer, exit) = scene.push("--check");
    let found = node(&answer, 1);
    assert_eq!((exit, &found["checked"], &found["untracked"]), (0, &true.into(), &1.into()), "{answer:#}");
    assert_eq!(found["drift"].as_array().map(Vec::len), Some(2), "{answer:#}");
    assert_eq!((far.read("app/a"), far.read("conf/c")), ("app/a 1".to_owned(), "conf/c 1".to_owned()));
    assert_eq!(far.kept().into_iter().collect::<Vec<_>>(), [("app/a".to_owned(), "app/a X".to_owned())]);
    assert_eq!(far.read("server.log"), "nobody's");
    let after = std::fs::metadata(far.path("app/b")).expect("there");
    assert_eq!((after.ino(), after.mtime_nsec()), (untouched.ino(), untouched.mtime_nsec()));
    let (answer, _) = scene.push("--prune");
    assert!(!far.path("server.log").exists(), "{answer:#}");
    assert_eq!(far.kept().get("server.log").map(String::as_str), Some("nobody's"));
    scene.all_identical("after pruning");
}

#[test]
fn a_directory_that_is_gone_there_makes_everything_be_looked_at() {
    let scene = three_files();
    let far = &scene.nodes[0];
    std::fs::remove_dir_all(far.path("app")).expect("removes");
    std::fs::create_dir(far.dir().parent().expect("a parent").join("elsewhere")).expect("a directory");
    std::os::unix::fs::symlink("../elsewhere", far.path("app")).expect("a link");
    scene.write("app/a", "app/a 2");
    let answer = node(&scene.must_push(""), 1);
    assert_eq!(answer["checked"], true, "{answer:#}");
    let elsewhere = far.dir().parent().expect("a parent").join("elsewhere");
    assert_eq!(std::fs::read_dir(elsewhere).expect("there").count(), 0, "nothing is written through a link");
}

#[test]
fn a_node_never_seen_before_is_adopted_as_far_as_it_is_equal() {
    let scene = Scene::new(1);
    let far = &scene.nodes[0];
    for name in ["same", "other"] {
        scene.write(name, format!("{name} of the source"));
    }
    std::fs::create_dir(far.dir()).expect("a directory");
    far.write("same", "same of the source");
    far.write("other", "other of this node");
    far.write("own", "of the server");
    let before = std::fs::metadata(far.path("same")).expect("there").ino();
    let (answer, exit) = scene.push("");
    let found = node(&answer, 1);
    assert_eq!((exit, &found["modified"], &found["untracked"]), (0, &1.into(), &1.into()), "{answer:#}");
    assert_eq!(std::fs::metadata(far.path("same")).expect("there").ino(), before);
    assert_eq!((far.read("other"), far.read("own")), ("other of the source".to_owned(), "of the server".to_owned()));
    assert_eq!(far.kept().get("other").map(String::as_str), Some("other of this node"));
    assert_eq!(scene.on_record(1), Some(1));
}

#[test]
fn a_lost_state_finds_by_the_mark_what_was_there() {
    let scene = three_files();
    std::fs::remove_file(scene.source().join("conf/c")).expect("removes");
    // The hub survives, what was known of the nodes does not.
    let state = scene.bench.path(".deploy.depsync");
    for entry in std::fs::read_dir(&state).expect("the state") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            std::fs::remove_file(path).expect("removes");
        }
    }
    let (answer, exit) = scene.push("");
    assert_eq!((exit, &answer["error"]["kind"]), (3, &"refused".into()), "a first contact: {answer:#}");
    let update = scene.bench.run("update");
    assert!(update.ends_with("exit 0\n"), "{update}");
    let (answer, exit) = scene.push("--to 1");
    assert_eq!((exit, &node(&answer, 1)["checked"]), (0, &true.into()), "{answer:#}");
    scene.all_identical("with a new state");
}

#[test]
fn another_pusher_is_noticed() {
    let scene = three_files();
    let far = &scene.nodes[0];
    scene.bench.write("other/x", "1");
    let list = std::fs::read_to_string(scene.bench.path("nodes-list.txt")).expect("a list");
    scene.bench.write("other-list.txt", list);
    let words = "--dir other --node other push --nodes other-list.txt";
    let (answer, exit) = scene.bench.json(words);
    assert_eq!((exit, &node(&answer, 1)["checked"]), (Some(0), &true.into()), "{answer:#}");
    assert!(far.path("x").exists());
    let answer = node(&scene.push("").0, 1);
    assert_eq!((&answer["checked"], &answer["untracked"]), (&true.into(), &1.into()), "{answer:#}");
}
