//! What the kernel does not tell is found all the same, and it is said that it does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::write_tree;
use rustix::process::Signal;

use super::{hub, wait_for_equality, worker};

/// The limit of a user namespace.
const LIMIT: &str = "/proc/sys/user/max_inotify_watches";

#[test]
fn where_watches_do_not_suffice_it_scans_and_says_so_once_until_they_do() {
    let site = Site::new();
    let (hub, dirs) = (hub(&site), ["m", "w"].map(|name| site.dir(name)));
    write_tree(&dirs[0], &[("a/b/c/one", "1"), ("d/two", "2"), ("e/three", "3")]);
    let few = format!("echo 3 >{LIMIT} && exec \"$@\"");
    let mut boss = Post::new(&dirs[0], &hub, &["--role", "manager", "--period", "300ms", "--scan-period", "2s"])
        .through(&["unshare", "-rU", "sh", "-c", &few, "sh"])
        .start();
    let told = boss.wait_for_event("scanning");
    assert!(told["why"].as_str().is_some_and(|why| why.contains("max_inotify_watches")), "{told}");
    let follower = worker(&dirs[1], &hub).start();
    wait_for_equality(&dirs);
    // Nobody hears of these, wherever they are.
    for round in 0..5 {
        write_tree(&dirs[0], &[("a/b/c/one", &*format!("round {round}")), ("e/new/four", &*round.to_string())]);
        wait_for_equality(&dirs);
    }
    assert_eq!(boss.events("scanning").len(), 1, "{}", boss.everything());
    assert!(boss.events("watching").is_empty() && boss.events("failed").is_empty(), "{}", boss.everything());
    // With more of them it watches again, from the next look at everything on.
    let raised = Command::new("nsenter")
        .args(["--user", "--preserve-credentials", "--target", &boss.id().to_string(), "sh", "-c"])
        .arg(format!("echo 1000 >{LIMIT}"))
        .status()
        .expect("nsenter is missing: apt-get install util-linux");
    assert!(raised.success());
    boss.wait_for_event("watching");
    write_tree(&dirs[0], &[("d/two", "and it is seen")]);
    wait_for_equality(&dirs);
    boss.stop();
    follower.stop();
}

/// It asks nobody by itself for an hour: what is published was seen, or was looked for because events were lost.
#[test]
fn when_events_are_lost_it_looks_at_everything_and_says_so() {
    let site = Site::new();
    let (hub, dirs) = (hub(&site), ["m", "w"].map(|name| site.dir(name)));
    write_tree(&dirs[0], &[("a/one", "1"), ("a/two", "2"), ("b/c/three", "3")]);
    let slow = ["--role", "manager", "--period", "1h", "--scan-period", "2h"];
    let mut boss = Post::new(&dirs[0], &hub, &slow).start();
    boss.wait_for_event("ready");
    wait_until("the hub is there", || site.hub().join("FORMAT").exists());
    let follower = worker(&dirs[1], &hub).start();
    wait_for_equality(&dirs);
    boss.signal(Signal::STOP);
    // Two in turn: the kernel takes equal events in a row for one.
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .expect("Linux says how many events wait");
    for number in 0..=most {
        let name = ["a/one", "a/two"][number % 2];
        fs::set_permissions(dirs[0].join(name), Permissions::from_mode(0o644)).expect("chmod");
    }
    // The queue is full: nobody will be told of this.
    write_tree(&dirs[0], &[("b/c/three", "in silence"), ("b/four", "in silence, too")]);
    boss.signal(Signal::CONT);
    let told = boss.wait_for_event("scanning");
    assert!(told["why"].as_str().is_some_and(|why| why.contains("max_queued_events")), "{told}");
    wait_for_equality(&dirs);
    write_tree(&dirs[0], &[("b/four", "seen again")]);
    wait_for_equality(&dirs);
    let again =
        |event: &serde_json::Value| event["event"] == "watching" && event["time"].as_str() > told["time"].as_str();
    boss.wait_for("watching, again", again);
    assert_eq!((boss.events("scanning").len(), boss.events("failed").len()), (1, 0), "{}", boss.everything());
    boss.stop();
    follower.stop();
}

/// Whatever never comes to rest is published all the same.
#[test]
fn changes_that_never_pause_wait_no_longer_than_max_debounce() {
    let site = Site::new();
    let (hub, dir) = (hub(&site), site.dir("m"));
    write_tree(&dir, &[("file", "0")]);
    let patient = ["--role", "manager", "--period", "1h", "--debounce", "1h", "--max-debounce", "300ms"];
    let mut boss = Post::new(&dir, &hub, &patient).start();
    boss.wait_for_event("ready");
    write_tree(&dir, &[("file", "1")]);
    boss.wait_for("the change", |event| event["event"] == "published" && event["modified"] == 1);
    boss.stop();
}
