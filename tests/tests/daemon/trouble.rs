use std::fs;
use std::time::Duration;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::{check_same, snapshot, write_tree};
use rustix::process::Signal;

use super::{hub, manager, wait_for_equality, worker};

#[test]
fn a_hub_that_is_away_is_waited_for_later_and_later() {
    let site = Site::new();
    let dirs = ["m", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one")]);
    let mut boss = manager(&dirs[0], &hub(&site)).start();
    let post = worker(&dirs[1], &hub(&site));
    let mut follower = post.start();
    wait_for_equality(&dirs);
    let away = site.path().join("away");
    fs::rename(site.hub(), &away).expect("the hub goes");
    write_tree(&dirs[0], &[("a", "two")]);
    for daemon in [&mut boss, &mut follower] {
        let third = daemon.wait_for("failures", |event| event["event"] == "failed" && event["failures"] == 3);
        assert_eq!(third["kind"], "refused", "it has known a hub there: {third}");
        let refused = daemon.events("failed").into_iter().filter(|event| event["kind"] == "refused");
        let waits: Vec<u64> = refused.map(|event| event["again_in_ms"].as_u64().expect("a number")).collect();
        assert!(waits.is_sorted() && waits[2] > 3 * waits[0], "{waits:?}");
    }
    // One that is started again waits as long.
    follower.kill();
    let mut follower = post.start();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(follower.events("failed").len(), 0, "{}", follower.everything());
    fs::rename(&away, site.hub()).expect("the hub comes back");
    boss.wait_for_event("recovered");
    follower.wait_for_event("recovered");
    wait_for_equality(&dirs);
    boss.stop();
    follower.stop();
}

/// An unmounted or emptied directory is no reason to remove everything, or to publish that.
#[test]
fn a_directory_that_is_away_or_emptied_is_an_accident() {
    let site = Site::new();
    let dirs = ["m", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one"), ("b", "two"), ("c/d", "three")]);
    let wanted = snapshot(&dirs[0]);
    let mut boss = manager(&dirs[0], &hub(&site)).start();
    let mut follower = worker(&dirs[1], &hub(&site)).start();
    wait_for_equality(&dirs);
    let away = site.path().join("away");
    fs::rename(&dirs[0], &away).expect("the directory goes");
    boss.wait_for("refused", |event| event["event"] == "failed" && event["kind"] == "refused");
    fs::create_dir(&dirs[0]).expect("an empty mount point");
    let count = boss.events("failed").len();
    wait_until("it is refused again", || boss.events("failed").len() > count);
    check_same(&snapshot(&dirs[1]), &wanted, "the worker");
    fs::remove_dir(&dirs[0]).expect("rmdir");
    fs::rename(&away, &dirs[0]).expect("it comes back");
    boss.wait_for_event("recovered");
    write_tree(&dirs[0], &[("a", "newer")]);
    wait_for_equality(&dirs);
    // The worker's own.
    for entry in fs::read_dir(&dirs[1]).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("remove");
    }
    let is_refused = |event: &serde_json::Value| event["event"] == "failed" && event["kind"] == "refused";
    let refused = follower.wait_for("refused", is_refused);
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("verify --repair")), "{refused}");
    boss.stop();
    follower.stop();
}

/// It is stopped between two steps: what is there is as before or as after.
#[test]
fn it_ends_at_once_and_leaves_nothing_half_done() {
    let site = Site::new();
    let dirs = ["m", "w"].map(|name| site.dir(name));
    for number in 0..300 {
        write_tree(&dirs[0], &[(&*format!("{}/{number}", number % 7), "x".repeat(2000).as_str())]);
    }
    let boss = manager(&dirs[0], &hub(&site)).start();
    for pause in [0, 5, 20, 40, 80, 160, 320] {
        let daemon = worker(&dirs[1], &hub(&site)).start();
        std::thread::sleep(Duration::from_millis(pause));
        daemon.stop();
        for (path, item) in snapshot(&dirs[1]) {
            assert!(matches!(item, depsync_tests::snapshot::Item::Directory(_)) || snapshot(&dirs[0])[&path] == item);
        }
    }
    let follower = worker(&dirs[1], &hub(&site)).start();
    wait_for_equality(&dirs);
    boss.stop();
    follower.stop();
}

#[test]
fn one_that_was_paused_goes_on() {
    let site = Site::new();
    let dirs = ["m", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one")]);
    let boss = manager(&dirs[0], &hub(&site)).start();
    let follower = worker(&dirs[1], &hub(&site)).start();
    wait_for_equality(&dirs);
    follower.signal(Signal::STOP);
    boss.signal(Signal::STOP);
    for number in 0..30 {
        write_tree(&dirs[0], &[(&*format!("d{number}/a"), "x")]);
    }
    write_tree(&dirs[1], &[("a", "drift")]);
    std::thread::sleep(Duration::from_millis(700));
    boss.signal(Signal::CONT);
    follower.signal(Signal::CONT);
    wait_for_equality(&dirs);
    boss.stop();
    follower.stop();
}

#[test]
fn what_makes_no_sense_ends_it_with_the_reason() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("a", "one")]);
    for (args, code, reason) in [
        (&["--auto-checkout=false"][..], 2, "there is nothing to do"),
        (&["--role", "worker", "--auto-commit"], 2, "does not publish"),
        (&["--period", "0"], 2, "never rest"),
        (&["--period", "soon"], 2, "not a span of time"),
    ] {
        let (found, said) = Post::new(&site.dir("m"), hub(&site), args).start().wait();
        assert_eq!(found, Some(code), "{args:?}: {said}");
        assert!(said.contains(reason), "{args:?}: {said}");
    }
}

/// A populated manager that has never met a populated hub is told to look first, and nothing is overwritten.
#[test]
fn first_contacts_are_as_those_of_the_commands() {
    let site = Site::new();
    let dirs = ["m", "other", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one"), ("b", "two")]);
    site.publish("m").expect("publishes");
    write_tree(&dirs[1], &[("a", "another"), ("mine", "only here")]);
    let mut other = manager(&dirs[1], &hub(&site)).start();
    // What the hub has wins, what only this node has is published.
    let published = other.wait_for_event("published");
    assert_eq!((published["revision"].as_u64(), published["added"].as_u64()), (Some(2), Some(1)), "{published}");
    let follower = worker(&dirs[2], &hub(&site)).start();
    wait_until("the worker has all", || dirs[2].join("mine").exists());
    assert_eq!(fs::read_to_string(dirs[2].join("a")).expect("read"), "one");
    let first = other.events("updated").remove(0);
    assert_eq!(first["kept_aside"], serde_json::json!(["a"]), "{first}");
    other.stop();
    follower.stop();
}
