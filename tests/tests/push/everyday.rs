//! First push, a change, a removal, nothing; every kind of entry; what it costs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use depsync_tests::node::noise;

use crate::scene::{Scene, node};

#[test]
fn a_first_push_a_change_a_removal_and_nothing() {
    let scene = Scene::new(1);
    scene.write("app/WEB-INF/web.xml", "<web-app/>");
    scene.write("app/it's \"a\" $name", "quotes");
    scene.write("conf/a", "1");
    std::os::unix::fs::symlink("a", scene.source().join("conf/link")).expect("a link");
    let first = scene.must_push("-m one");
    assert_eq!(first["revision"], 1, "{first:#}");
    assert_eq!(scene.on_record(1), Some(1));

    scene.write("conf/a", "2");
    scene.write("conf/b", "new");
    std::fs::remove_dir_all(scene.source().join("app")).expect("removes");
    scene.write("app", "a file now");
    let second = node(&scene.must_push(""), 1);
    assert_eq!((&second["added"], &second["modified"]), (&1.into(), &2.into()), "{second:#}");
    assert_eq!(second["checked"], false, "only what changes is looked at");
    assert_eq!(scene.on_record(1), Some(2));

    let third = scene.must_push("");
    assert_eq!((&third["changed"], &node(&third, 1)["changed"]), (&false.into(), &false.into()));
}

#[test]
fn a_small_change_in_a_large_file_sends_little_and_names_only_what_changed() {
    let scene = Scene::new(1);
    let mut large = noise(1, 8 << 20);
    scene.write("app.bin", &large);
    for number in 0..50 {
        scene.write(&format!("conf/{number}"), "same");
    }
    scene.must_push("");
    large[5 << 20] ^= 1;
    scene.write("app.bin", &large);
    let commands = scene.nodes[0].sshd.commands().len();
    let second = node(&scene.must_push(""), 1);
    let sent = second["bytes_sent"].as_u64().expect("a number");
    assert!(sent < 200 << 10, "{sent} bytes of 8 MiB");
    let asked = scene.nodes[0].sshd.commands();
    assert_eq!(asked.len() - commands, 2, "a shell and one rsync: {asked:#?}");
}

#[test]
fn nothing_changed_is_one_shell_and_no_rsync() {
    let scene = Scene::new(1);
    scene.write("a", "1");
    scene.must_push("");
    let before = scene.nodes[0].sshd.commands().len();
    scene.must_push("");
    assert_eq!(scene.nodes[0].sshd.commands().len() - before, 1);
}

/// Whatever rsync calls its own things, and names that it could take for something else.
#[test]
fn names_that_rsync_knows_are_names_like_others() {
    let scene = Scene::new(1);
    for name in
        [".partial/x", "a/.rsync-filter", ".rsync-partial/y", "-e", "a/--delete", "*", "[a]", "a/:C", "CVS/z", "core"]
    {
        scene.write(name, name);
    }
    scene.must_push("");
    scene.write("a/more", "1");
    scene.write(".partial/x", "2");
    scene.must_push("");
}

#[test]
fn nodes_that_need_different_files_get_what_they_need() {
    let scene = Scene::new(3);
    for number in 0..40 {
        scene.write(&format!("large/{number}"), noise(number, 100 << 10));
    }
    scene.write("app/small", "1");
    assert_eq!(scene.push("--only web-1").1, 0);
    scene.write("app/small", "2");
    let done = scene.must_push("");
    let sent = |number: usize| node(&done, number)["bytes_sent"].as_u64().expect("a number");
    assert!(sent(2) > 4_000_000 && sent(3) > 4_000_000, "{done:#}");
    scene.write("app/small", "3");
    assert!(node(&scene.must_push(""), 2)["bytes_sent"].as_u64().is_some_and(|sent| sent < 10 << 10));
}

#[test]
fn every_kind_may_become_every_other() {
    let scene = Scene::new(1);
    let source = scene.source();
    let make = |name: &str, kind: usize| {
        let path = source.join(name);
        match kind {
            0 => std::fs::write(&path, name).expect("a file"),
            1 => std::os::unix::fs::symlink("target", &path).expect("a link"),
            2 => {
                std::fs::create_dir(&path).expect("a directory");
                std::fs::write(path.join("inner"), name).expect("a file");
            }
            3 => std::os::unix::fs::symlink(".", &path).expect("a link to a directory"),
            _ => {}
        }
    };
    let all = || (0..5).flat_map(|from| (0..5).map(move |to| (from, to, format!("{from}-{to}"))));
    scene.write("stays", "here");
    for (from, _, name) in all() {
        make(&name, from);
    }
    scene.must_push("");
    for (_, to, name) in all() {
        let path = source.join(&name);
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path).expect("removes");
        } else {
            let _ = std::fs::remove_file(&path);
        }
        make(&name, to);
    }
    let answer = node(&scene.must_push("--allow-mass-delete"), 1);
    assert_eq!(answer["drift"].as_array().map(Vec::len), Some(0), "{answer:#}");
    assert!(scene.nodes[0].kept().is_empty());
}

#[test]
fn permissions_go_along_and_a_locked_directory_is_no_obstacle() {
    let scene = Scene::new(1);
    let chmod = |name: &str, mode: u32| {
        std::fs::set_permissions(scene.source().join(name), Permissions::from_mode(mode)).expect("chmod");
    };
    scene.write("bin/run", "#!/bin/sh");
    scene.write("locked/a", "1");
    scene.write("secret", "x");
    chmod("bin/run", 0o755);
    chmod("secret", 0o400);
    chmod("locked", 0o555);
    scene.must_push("");
    let before = std::fs::metadata(scene.nodes[0].path("bin/run")).expect("there").modified().expect("a time");
    chmod("bin/run", 0o700);
    chmod("locked", 0o755);
    scene.write("locked/b", "2");
    chmod("locked", 0o555);
    scene.must_push("");
    let after = std::fs::metadata(scene.nodes[0].path("bin/run")).expect("there").modified().expect("a time");
    assert_eq!(before, after, "only its permissions were changed");
    chmod("locked", 0o755);
}

#[test]
fn one_directory_can_be_pushed_back_to_an_old_revision() {
    let scene = Scene::new(1);
    scene.write("a", "1");
    scene.write("b", "1");
    scene.must_push("");
    scene.write("a", "2");
    std::fs::remove_file(scene.source().join("b")).expect("removes");
    scene.must_push("");
    let (answer, exit) = scene.push("--to 1");
    assert_eq!(
        (exit, &answer["revision"], &answer["published"]),
        (0, &1.into(), &serde_json::Value::Null),
        "{answer:#}"
    );
    let far = &scene.nodes[0];
    assert_eq!((far.read("a"), far.read("b")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(scene.on_record(1), Some(1));
    scene.must_push("");
}

#[test]
fn what_was_pushed_is_known_without_a_hub_and_a_node_is_chosen_by_name() {
    let scene = Scene::new(2);
    let unknown = scene.bench.run("status");
    assert!(unknown.contains("which hub?") && unknown.ends_with("exit 2\n"), "{unknown}");
    scene.write("a", "1");
    let (answer, exit) = scene.push("--only web-2 -m first");
    assert_eq!((exit, answer["nodes"].as_array().map(Vec::len)), (0, Some(1)), "{answer:#}");
    assert!(!scene.nodes[0].dir().exists());
    scene.must_push("");
    assert_eq!((scene.on_record(1), scene.on_record(2)), (Some(1), Some(1)));
    assert!(scene.bench.run("log").contains("first"));
    let (answer, exit) = scene.push("--only web-9");
    assert_eq!((exit, &answer["error"]["kind"]), (2, &"usage".into()));
}

#[test]
fn a_dry_run_tells_what_is_on_record_and_connects_to_nobody() {
    let scene = Scene::new(1);
    scene.write("a", "1");
    scene.must_push("");
    scene.write("b", "2");
    let before = scene.nodes[0].sshd.accepted();
    let (answer, exit) = scene.push("--dry-run");
    assert_eq!((exit, &answer["published"]["added"]), (0, &1.into()), "{answer:#}");
    assert_eq!((scene.nodes[0].sshd.accepted(), scene.nodes[0].path("b").exists()), (before, false));
}
