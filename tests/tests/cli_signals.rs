//! How the program stops when it is told to: by a signal, by its timeout, by somebody else's lock.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use depsync_tests::cli::Bench;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// A bench with a published deployment whose worker `w` is locked by this test for as long as the file lives.
fn locked() -> (Bench, File) {
    let bench = Bench::new();
    bench.write("manager/a", "a");
    assert!(bench.run("publish manager hub").ends_with("--- exit 0\n"));
    assert!(bench.run("update worker hub --state state").ends_with("--- exit 0\n"));
    let lock = File::options().write(true).open(bench.path("state/lock")).expect("the lock of the state");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody else holds it");
    (bench, lock)
}

/// An update that waits for the lock; the hub is given as `hub`.
fn waiting(bench: &Bench, hub: &str) -> Child {
    let mut command = bench.command(&["--json", "update", "worker", hub, "--state", "state"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    // The handlers stand before the node is opened; half a second is long for that and short for the lock's ten.
    std::thread::sleep(Duration::from_millis(500));
    child
}

#[test]
fn a_signal_ends_the_wait_with_its_own_status() {
    let (bench, _lock) = locked();
    // What is on a network mount is asked by a second process.
    let shared = format!("nfs://{}", bench.path("hub").display());
    let signals = [(Signal::INT, 130), (Signal::TERM, 143)];
    for (hub, (signal, status)) in ["hub", &shared].into_iter().flat_map(|hub| signals.map(|signal| (hub, signal))) {
        let child = waiting(&bench, hub);
        let begun = Instant::now();
        kill_process(Pid::from_child(&child), signal).expect("the child is there");
        let output = child.wait_with_output().expect("the program ends");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "at once, not after the lock's patience");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(said["error"]["kind"], "cancelled");
    }
}

#[test]
fn a_timeout_and_a_lock_are_worth_another_try() {
    let (bench, lock) = locked();
    let (said, status) = bench.json("update worker hub --state state --timeout 1");
    assert_eq!(status, Some(5), "{said}");
    assert!(["locked", "deadline"].contains(&said["error"]["kind"].as_str().expect("a kind")), "{said}");
    drop(lock);
    let (said, status) = bench.json("update worker hub --state state --timeout 60");
    assert_eq!((status, said["to"].as_u64()), (Some(0), Some(1)), "{said}");
}

/// The process below `front`.
fn envoy(front: &Child) -> Pid {
    let id = front.id();
    let below = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("the program runs");
    Pid::from_raw(below.trim().parse().expect("one child")).expect("a process")
}

fn ends(process: Pid) -> bool {
    let path = PathBuf::from(format!("/proc/{}/stat", process.as_raw_nonzero()));
    let begun = Instant::now();
    // Without a parent it may stay as a zombie where nobody buries it.
    while std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z ")) {
        if begun.elapsed() > Duration::from_secs(5) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn two_processes_end_as_one() {
    let (bench, lock) = locked();
    let shared = format!("nfs://{}", bench.path("hub").display());
    // The first is killed: the second goes too, and does not finish the update.
    let mut front = waiting(&bench, &shared);
    let second = envoy(&front);
    front.kill().expect("the child is there");
    front.wait().expect("the child is there");
    assert!(ends(second), "the second process stays");
    // The second is killed: the first ends as that did.
    let front = waiting(&bench, &shared);
    kill_process(envoy(&front), Signal::KILL).expect("it is there");
    let output = front.wait_with_output().expect("the program ends");
    assert_eq!(output.status.signal(), Some(Signal::KILL.as_raw()), "{output:?}");
    // A signal that both get, as those of a terminal, is one signal: the command says how it ended.
    let front = waiting(&bench, &shared);
    let second = envoy(&front);
    for process in [second, Pid::from_child(&front)] {
        kill_process(process, Signal::INT).expect("it is there");
    }
    let output = front.wait_with_output().expect("the program ends");
    assert!(output.status.code() == Some(130) && !output.stdout.is_empty(), "{output:?}");
    drop(lock);
    // What it says and its status come through: a local directory is no share.
    let said = bench.run(&format!("update worker {shared} --state state"));
    assert!(said.contains("not a network file system") && said.ends_with("--- exit 3\n"), "{said}");
}
