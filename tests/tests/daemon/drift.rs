use std::fs;
use std::path::Path;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::write_tree;

use super::{hub, worker};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A hub with one revision.
fn site() -> Site {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("a", "as it should be"), ("conf/b", "b"), ("log.txt", "empty")]);
    site.publish("m").expect("publishes");
    site
}

#[test]
fn it_is_brought_back_and_kept_aside() {
    let site = site();
    let mut daemon = worker(&site.dir("w"), &hub(&site)).start();
    daemon.wait_for_event("watching");
    wait_until("it is there", || site.dir("w").join("a").exists());
    write_tree(&site.dir("w"), &[("a", "somebody was here"), ("own", "the server's")]);
    fs::remove_dir_all(site.dir("w").join("conf")).expect("remove");
    let healed = daemon.wait_for("healed", |event| event["event"] == "updated" && event["from"] == event["to"]);
    assert_eq!(healed["kept_aside"], serde_json::json!(["a"]), "{healed}");
    wait_until("all is back", || text(&site.dir("w").join("conf/b")) == "b");
    assert_eq!(text(&site.dir("w").join("a")), "as it should be");
    assert_eq!(text(&site.dir("w").join("own")), "the server's", "nobody tracks it");
    daemon.stop();
}

#[test]
fn it_is_only_told_where_that_is_asked_for() {
    let site = site();
    let mut daemon = Post::new(&site.dir("w"), hub(&site), &["--period", "300ms", "--heal", "report"]).start();
    daemon.wait_for_event("watching");
    wait_until("it is there", || site.dir("w").join("a").exists());
    write_tree(&site.dir("w"), &[("a", "somebody was here")]);
    daemon.wait_for("drift", |event| event["drift"] == serde_json::json!(["a"]));
    // The managers hear of it.
    let report = || {
        let nodes = site.node("m").status(&site.context()).expect("status").nodes;
        nodes.into_iter().map(|node| node.report).find(|report| report.node.as_str() == "w").expect("a report")
    };
    wait_until("the report says so", || report().problem.as_deref() == Some("a"));
    assert_ne!(report().measured, report().root);
    // A new revision goes past it.
    write_tree(&site.dir("m"), &[("conf/b", "newer")]);
    site.publish("m").expect("publishes");
    wait_until("what is new is there", || text(&site.dir("w").join("conf/b")) == "newer");
    assert_eq!(text(&site.dir("w").join("a")), "somebody was here");
    // One that changes it takes its place, and keeps it aside.
    write_tree(&site.dir("m"), &[("a", "newest")]);
    site.publish("m").expect("publishes");
    wait_until("the newest is there", || text(&site.dir("w").join("a")) == "newest");
    // It is told a moment after it is there.
    daemon.wait_for("the third revision", |event| event["event"] == "updated" && event["to"] == 3);
    let told = daemon.stop();
    let last = told.iter().rev().find(|event| event["event"] == "updated").expect("an update");
    assert_eq!((&last["kept_aside"], &last["drift"]), (&serde_json::json!(["a"]), &serde_json::Value::Null), "{last}");
}

#[test]
fn what_a_server_rewrites_is_left_to_it() {
    let site = site();
    let mut daemon = worker(&site.dir("w"), &hub(&site)).start();
    let log = site.dir("w").join("log.txt");
    wait_until("it is there", || text(&log) == "empty");
    for round in 0.. {
        if !daemon.events("rewritten").is_empty() {
            break;
        }
        assert!(round < 20, "{}", daemon.everything());
        fs::write(&log, format!("line {round}")).expect("write");
        wait_until("it is back, or given up", || text(&log) == "empty" || !daemon.events("rewritten").is_empty());
    }
    assert_eq!(daemon.wait_for_event("rewritten")["paths"], serde_json::json!(["log.txt"]));
    let updates = daemon.events("updated").len();
    fs::write(&log, "the server's line").expect("write");
    daemon.wait_for("left", |event| event["drift"] == serde_json::json!(["log.txt"]));
    for round in 0..4 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        fs::write(&log, format!("the server's line {round}")).expect("write");
    }
    std::thread::sleep(std::time::Duration::from_millis(800));
    assert_eq!(text(&log), "the server's line 3");
    assert_eq!(daemon.events("updated").len(), updates + 1, "{}", daemon.everything());
    // Other drift is still brought back.
    fs::write(site.dir("w").join("a"), "somebody was here").expect("write");
    wait_until("it is brought back", || text(&site.dir("w").join("a")) == "as it should be");
    assert_eq!(text(&log), "the server's line 3");
    daemon.stop();
}
