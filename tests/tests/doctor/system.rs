use std::path::PathBuf;

use super::{Scene, W};

/// Sets the clock of the program; that of its files stays the system's.
fn set_clock(scene: &mut Scene, offset: &str) {
    let libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    let libraries = libraries.map(|machine| PathBuf::from(format!("/usr/lib/{machine}/faketime/libfaketime.so.1")));
    let library = libraries.iter().find(|library| library.is_file());
    let library = library.expect("libfaketime is missing: apt-get install libfaketime (or ./dev test)");
    let library = library.to_str().expect("a name");
    let others = [("NO_FAKE_STAT", "1"), ("DONT_FAKE_MONOTONIC", "1"), ("FAKETIME", offset), ("LD_PRELOAD", library)];
    scene.bench.set(&others);
}

#[test]
fn a_clock_that_is_wrong() {
    let mut scene = Scene::new();
    for (offset, failed, warnings, word) in [
        ("-365d", &["clock", "hub-clock"][..], &[][..], "364 d later"),
        ("-20m", &[], &["clock", "hub-clock"], "19 min later"),
        ("+365d", &["hub-clock"], &[], "nothing is dated later"),
        ("+0d", &[], &[], "nothing is dated later"),
    ] {
        set_clock(&mut scene, offset);
        let said = scene.asks(W);
        let found = |name: &str| said.with(name).into_iter().filter(|name| name.contains("clock")).collect::<Vec<_>>();
        assert_eq!(
            (found("failed"), found("warning")),
            (failed.to_vec(), warnings.to_vec()),
            "{offset}: {}",
            said.text()
        );
        if offset != "-20m" {
            said.tells("clock", &[word]);
        }
        if offset == "+365d" {
            said.tells("hub-clock", &["behind this node's"]);
        }
    }
    // Another node that reports from the future.
    set_clock(&mut scene, "+30d");
    scene.does("update far hub --node far");
    set_clock(&mut scene, "+0d");
    scene.asks(W).has_only(&["clock"], &[]).tells("clock", &["the report of far", "NTP"]);
}

/// The program in a user namespace of its own, whose limits are these.
fn within(scene: &mut Scene, limits: &str) {
    let script = format!("{limits} && exec \"$@\"");
    scene.bench.through(&["unshare", "-rU", "sh", "-c", &script, "sh"]);
}

#[test]
fn watches_that_do_not_suffice() {
    let mut scene = Scene::new();
    // The user namespace's limit of the whole system's is not less than this one.
    within(&mut scene, "echo 2 >/proc/sys/user/max_inotify_watches");
    let said = scene.asks(W);
    said.has_only(&[], &["watches"]).tells("watches", &["of 2 used, 3 directories", "user.max_inotify_watches"]);
    within(&mut scene, "echo 0 >/proc/sys/user/max_inotify_instances");
    scene.asks(W).has_only(&[], &["watches"]).tells("watches", &["no further process", "max_user_instances"]);
    within(&mut scene, "true");
    scene.asks(W).has_only(&[], &[]);
}

#[test]
fn few_files_at_once() {
    let mut scene = Scene::new();
    scene.bench.through(&["prlimit", "--nofile=200:300"]);
    scene.asks(W).has_only(&[], &["open-files"]).tells("open-files", &["200 at once", "LimitNOFILE"]);
}
