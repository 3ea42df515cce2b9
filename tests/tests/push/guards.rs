//! What looks like an accident is refused, for the node that it concerns.

use depsync_tests::sshd::{Programs, Sshd, program};

use crate::scene::{Scene, node};

fn pushed(count: usize) -> Scene {
    let scene = Scene::new(count);
    for number in 0..10 {
        scene.write(&format!("d/{number}"), number.to_string());
    }
    scene.must_push("");
    scene
}

#[test]
fn an_emptied_source_is_refused_and_no_node_hears_of_it() {
    let scene = pushed(1);
    let before = scene.nodes[0].sshd.accepted();
    std::fs::remove_dir_all(scene.source().join("d")).expect("removes");
    let (answer, exit) = scene.push("");
    assert_eq!((exit, &answer["error"]["kind"]), (3, &"refused".into()));
    assert_eq!(scene.nodes[0].sshd.accepted(), before);
    scene.must_push("--allow-mass-delete");
}

#[test]
fn a_node_that_is_empty_missing_or_half_gone_is_refused_until_a_check_says_that_it_is_meant() {
    let scene = pushed(2);
    for how in 0..3 {
        let far = &scene.nodes[0];
        scene.write("d/0", format!("round {how}"));
        match how {
            0 => std::fs::remove_dir_all(far.dir()).expect("removes"),
            1 => std::fs::remove_dir_all(far.path("d")).expect("removes"),
            _ => {
                // The mark is gone, so everything is looked at.
                std::fs::remove_file(far.beside().join("mark")).expect("removes");
                for number in 0..7 {
                    std::fs::remove_file(far.path(&format!("d/{number}"))).expect("removes");
                }
            }
        }
        let (answer, exit) = scene.push("");
        let (failed, fine) = (node(&answer, 1), node(&answer, 2));
        assert_eq!((exit, &failed["error"]["kind"]), (3, &"refused".into()), "{how}: {answer:#}");
        assert!(failed["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--check")), "{failed:#}");
        assert_eq!((&fine["error"], &fine["changed"]), (&serde_json::Value::Null, &true.into()));
        scene.identical(&scene.nodes[1], "the other node");
        scene.must_push("--check");
    }
}

#[test]
fn a_place_for_staging_on_another_file_system_is_refused_with_what_to_do() {
    let scene = Scene::new(1);
    scene.write("a", "1");
    let list = std::fs::read_to_string(scene.bench.path("nodes-list.txt")).expect("a list");
    let elsewhere = tempfile::tempdir_in("/var/tmp").expect("a directory on a disk");
    scene.bench.write("nodes-list.txt", format!("{} staging={}\n", list.trim(), elsewhere.path().display()));
    let (answer, exit) = scene.push("");
    assert_eq!((exit, &node(&answer, 1)["error"]["kind"]), (2, &"usage".into()), "{answer:#}");
    let here = scene.nodes[0].dir().parent().expect("a parent").join("stage");
    std::fs::create_dir(&here).expect("a directory");
    scene.bench.write("nodes-list.txt", format!("{} staging={}\n", list.trim(), here.display()));
    let (answer, exit) = scene.push("");
    assert_eq!(exit, 0, "{answer:#}");
    assert!(!scene.nodes[0].beside().exists() && scene.nodes[0].path("a").exists());
}

#[test]
fn a_far_side_that_lacks_something_says_what() {
    let scene = Scene::new(3);
    scene.write("a", "1");
    let [one, two, three] = &scene.nodes[..] else { panic!("three nodes") };
    std::fs::write(one.dir(), "a file").expect("a file");
    std::fs::remove_dir_all(two.dir().parent().expect("a parent")).expect("removes");
    three.sshd.stop();
    let (answer, exit) = scene.push("");
    assert_eq!(exit, 1, "{answer:#}");
    for (number, kind, word) in
        [(1, "refused", "no directory"), (2, "not-found", "above it does not exist"), (3, "unreachable", "connection")]
    {
        let error = &node(&answer, number)["error"];
        assert_eq!(error["kind"], kind, "{error:#}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(word)), "{error:#}");
    }
    let status = scene.bench.run("status");
    assert!(["web-1", "web-2", "web-3"].iter().all(|name| status.contains(name)), "they are on record: {status}");
}

#[test]
fn busybox_and_rsync_are_enough() {
    let busybox = program("busybox", "busybox");
    let programs = Programs::only(&["rsync"]);
    for name in
        "cat chmod cksum cp find grep head id ln ls mkdir mv readlink rm rmdir sha256sum sh stat sync tr uname xargs"
            .split(' ')
    {
        programs.script(name, &format!("exec {} {name} \"$@\"", busybox.display()));
    }
    let scene = Scene::with(vec![Sshd::with_path(&programs.path())]);
    scene.write("app/a b", "1");
    scene.write("it's", "2");
    std::os::unix::fs::symlink("app", scene.source().join("link")).expect("a link");
    scene.must_push("");
    let far = &scene.nodes[0];
    std::fs::remove_file(scene.source().join("link")).expect("removes");
    std::os::unix::fs::symlink("elsewhere", scene.source().join("link")).expect("a link");
    scene.write("it's", "3");
    scene.must_push("");
    far.write("app/a b", "edited");
    let answer = node(&scene.must_push("--check"), 1);
    assert_eq!(answer["drift"][0]["path"], "app/a b", "{answer:#}");
    assert_eq!(far.kept().get("app/a b").map(String::as_str), Some("edited"));
}
