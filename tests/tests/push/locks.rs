//! One push at a time to a directory; a dead one holds nothing.

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Scene, node};

fn signal(child: &std::process::Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a signal");
}

fn changed() -> Scene {
    let scene = Scene::new(1);
    scene.write("a", "1");
    scene.must_push("");
    scene.write("a", "2");
    scene
}

#[test]
fn no_second_push_over_the_first() {
    let scene = changed();
    let mut first = scene.stopped_push("push.record-busy");
    let (answer, exit) = scene.push("--timeout 3");
    assert_eq!((exit, &answer["error"]["kind"]), (5, &"locked".into()), "{answer:#}");
    // Somebody else has another state, and the same node.
    scene.bench.write("other/x", "1");
    let (answer, exit) = scene.bench.json("--dir other --node other push");
    let error = &node(&answer, 1)["error"];
    assert_eq!((exit, &error["kind"]), (Some(5), &"locked".into()), "{answer:#}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("ops is pushing")), "{error:#}");
    signal(&first, Signal::CONT);
    assert!(first.wait().expect("ends").success());
    scene.all_identical("the first one went on");
}

#[test]
fn a_dead_push_holds_nothing() {
    let scene = changed();
    let mut first = scene.stopped_push("push.record-busy");
    signal(&first, Signal::KILL);
    first.wait().expect("dies");
    scene.must_push("");
    assert_eq!(scene.on_record(1), Some(2));
}

#[test]
fn a_lock_whose_owner_is_gone_is_taken_over_by_anybody() {
    let scene = changed();
    let far = &scene.nodes[0];
    // As a shell leaves it that was killed together with its machine.
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for owner in [format!("999999999 1 {host} 0f somebody"), format!("1 999 {host} 0f somebody"), String::new()] {
        std::fs::write(far.beside().join("lock.7000"), format!("{owner}\n")).expect("a lock");
        scene.write("a", &owner);
        scene.must_push("");
        std::fs::remove_file(far.beside().join("lock.7001")).expect("the next number was taken");
    }
    std::fs::write(far.beside().join("lock.7000"), "1 1 another-host 0f somebody\n").expect("a lock");
    let (answer, exit) = scene.push("");
    assert_eq!((exit, &node(&answer, 1)["error"]["kind"]), (5, &"locked".into()), "{answer:#}");
}
