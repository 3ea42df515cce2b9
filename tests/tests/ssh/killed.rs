//! An upload is killed at every quarter of its way: the program itself, or its rsync. Then it is done again.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use depsync_tests::cli::Bench;
use depsync_tests::node::noise;
use depsync_tests::snapshot::{check_same, snapshot};
use depsync_tests::sshd::{Relay, Sshd, Way};
use rustix::process::{Pid, Signal, kill_process};

use crate::place;

/// What is uploaded, and how fast: about a second.
const BYTES: u64 = 6 << 20;
const SPEED: &str = "bandwidth-limit = 6000\n";

/// The children of a process that run the program `name`.
fn children(parent: u32, name: &str) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).expect("it runs").flatten();
    let listed = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all: Vec<String> =
        listed.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let is_it = |pid: &&String| {
        std::fs::read_to_string(Path::new("/proc").join(pid).join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    all.iter().filter(is_it).filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Waits until so many bytes of the upload are on their way.
fn wait_for(relay: &Relay, bytes: u64, child: &mut Child) {
    let began = Instant::now();
    while relay.passed(Way::Up) < bytes {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none() && began.elapsed() < Duration::from_secs(60), "{ended:?} too early");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_upload_that_was_killed_is_done_again() {
    let (sshd, hub, mut bench) = (Sshd::start(), place(), Bench::in_memory());
    // A program that is killed leaves what it was about to send.
    bench.write("tmp/.keep", "");
    bench.set(&[("TMPDIR", &bench.path("tmp").display().to_string())]);
    let relay = Relay::to(sshd.port());
    bench.write("depsync.toml", sshd.config(sshd.identity()) + SPEED);
    let far = sshd.url(hub.path(), relay.port());
    let line = ["publish", "manager", &far, "--state", "state", "--json"];
    bench.write("manager/first", "first");
    assert!(bench.output(&line).status.success());
    for (round, (quarter, its_rsync)) in (1..4).flat_map(|quarter| [(quarter, false), (quarter, true)]).enumerate() {
        bench.write("manager/large", noise(round as u64, usize::try_from(BYTES).expect("a length")));
        let before = relay.passed(Way::Up);
        let mut command = bench.command(&line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program runs");
        wait_for(&relay, before + BYTES * quarter / 4, &mut child);
        if its_rsync {
            for rsync in children(child.id(), "rsync") {
                kill_process(rsync, Signal::KILL).expect("it runs");
            }
        } else {
            child.kill().expect("it runs");
        }
        let output = child.wait_with_output().expect("it ends");
        let shown = format!("quarter {quarter}, its rsync: {its_rsync}");
        if its_rsync {
            assert_eq!(output.status.code(), Some(5), "{shown}: {output:?}");
        }
        let revisions = || crate::count(&hub.path().join("d/main/revisions"));
        assert_eq!(revisions(), round + 1, "{shown}: nothing was published");
        let again = bench.output(&line);
        assert!(again.status.success(), "{shown}: {again:?}");
        assert_eq!(revisions(), round + 2, "{shown}");
        let updated = bench.output(&["update", "worker", &hub.path().display().to_string(), "--state", "other"]);
        assert!(updated.status.success(), "{shown}: {updated:?}");
        check_same(&snapshot(&bench.path("worker")), &snapshot(&bench.path("manager")), &shown);
    }
}
