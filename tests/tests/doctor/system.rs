use super::{Scene, W};

#[test]
fn a_clock_that_is_wrong() {
    let mut scene = Scene::new();
    for (offset, failed, warnings, word) in [
        ("-365d", &["clock", "hub-clock"][..], &[][..], "364 d later"),
        ("-20m", &[], &["clock", "hub-clock"], "19 min later"),
        ("+365d", &["hub-clock"], &[], "nothing is dated later"),
        ("+0d", &[], &[], "nothing is dated later"),
    ] {
        scene.bench.set_clock(offset);
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
    scene.bench.set_clock("+30d");
    scene.does("update far hub --node far");
    scene.bench.set_clock("+0d");
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
