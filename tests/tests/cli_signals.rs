//! How the program stops when it is told to: by a signal, by its timeout, by somebody else's lock.

use std::fs::File;
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

fn waiting(bench: &Bench) -> Child {
    let mut command = bench.command(&["--json", "update", "worker", "hub", "--state", "state"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    // The handlers stand before the node is opened; half a second is long for that and short for the lock's ten.
    std::thread::sleep(Duration::from_millis(500));
    child
}

#[test]
fn a_signal_ends_the_wait_with_its_own_status() {
    let (bench, _lock) = locked();
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let child = waiting(&bench);
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
