//! What the classic cron job is used for: three nodes, two thousand files of real archives and applications.

use std::path::Path;
use std::process::Command;

use depsync_tests::debian;

use crate::scene::{Scene, node};

const PACKAGES: [&str; 4] = ["libtomcat10-java", "tomcat10-examples", "tomcat10-docs", "tomcat10-admin"];
/// How many files the deployment has, at least.
const FILES: usize = 2000;

/// Copies what Debian packs until there are enough files, as several applications.
fn real_input(scene: &Scene) {
    let mut copy = 0;
    while count(&scene.source()) < FILES {
        for package in PACKAGES {
            let to = scene.source().join(format!("copy-{copy}")).join(package);
            std::fs::create_dir_all(&to).expect("a directory");
            let from = debian::unpacked(package).join("usr/share");
            let status = Command::new("cp").arg("-a").arg(&from).arg(&to).status().expect("cp");
            assert!(status.success());
        }
        copy += 1;
    }
}

fn count(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    entries.map(|entry| if entry.file_type().expect("a type").is_dir() { count(&entry.path()) } else { 1 }).sum()
}

/// A jar somewhere in the deployment, below it.
fn some_jar(directory: &Path, top: &Path) -> Option<String> {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().expect("a type"))).expect("an entry");
        if kind.is_dir() {
            if let Some(found) = some_jar(&path, top) {
                return Some(found);
            }
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "jar") {
            return path.strip_prefix(top).ok()?.to_str().map(str::to_owned);
        }
    }
    None
}

#[test]
fn three_nodes_and_two_thousand_files_of_real_archives() {
    let scene = Scene::new(3);
    real_input(&scene);
    let first = scene.must_push("-m first");
    assert!((1..=3).all(|number| scene.on_record(number) == Some(1)), "{first:#}");

    // One file.
    let jar = some_jar(&scene.source(), &scene.source()).expect("a jar");
    let mut bytes = std::fs::read(scene.source().join(&jar)).expect("reads");
    let end = bytes.len();
    bytes.splice(end..end, *b"\n");
    std::fs::write(scene.source().join(&jar), &bytes).expect("writes");
    let second = scene.must_push("");
    let one = node(&second, 1);
    assert_eq!((&one["modified"], &one["checked"]), (&1.into(), &false.into()), "{one:#}");
    assert!(one["bytes_sent"].as_u64().is_some_and(|sent| sent < 64 << 10), "{one:#}");

    // A deletion, while one node is down and another was edited by hand.
    std::fs::remove_dir_all(scene.source().join("copy-0/tomcat10-docs")).expect("removes");
    scene.nodes[1].sshd.stop();
    scene.nodes[2].write(&jar, "edited by hand");
    let (third, exit) = scene.push("");
    assert_eq!((exit, &third["failed"]), (5, &1.into()), "{third:#}");
    assert_eq!((scene.on_record(1), scene.on_record(2), scene.on_record(3)), (Some(3), Some(2), Some(3)));
    scene.identical(&scene.nodes[0], "the one that was there");
    scene.nodes[1].sshd.start_again();
    let fourth = scene.push("--check").0;
    let edited = node(&fourth, 3);
    assert_eq!((edited["drift"][0]["path"].as_str(), &edited["checked"]), (Some(&*jar), &true.into()), "{edited:#}");
    assert_eq!(scene.nodes[2].kept().get(&jar).map(String::as_str), Some("edited by hand"));
    scene.all_identical("after the check");

    // One that is killed while it renames, and another one.
    for number in 0..40 {
        scene.write(&format!("new/{number}.properties"), format!("number={number}\n"));
    }
    let mut killed = scene.stopped_push("push.carry-out");
    killed.kill().expect("a signal");
    killed.wait().expect("dies");
    scene.must_push("");
    assert!((1..=3).all(|number| scene.on_record(number) == Some(4)));
}
