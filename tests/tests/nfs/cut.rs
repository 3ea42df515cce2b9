//! The cable cut at a named step of a publish, exactly there: the program stops itself, the cable is pulled, it goes on.
//!
//! At most steps the call that follows waits for the server in a way that a dying process breaks off. At [`DIRTY`] it
//! does not: the kernel keeps the process until the server is back, and what must end all the same is the command.

use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use depsync_tests::nfs::Scene;
use depsync_tests::uml::say;
use rustix::process::{Pid, Signal, kill_process};

use crate::member::{Ended, Member};
use crate::outage::{DEADLINE, LEEWAY, Pair};

/// The step after which a revision may stand.
const COMMIT: &str = "hub.commit";
/// Steps at which files of the share are open, or have bytes that the server does not have yet.
const DIRTY: [&str; 3] = ["mount.probe-link", "durable.write", "durable.sync"];
/// How long a process that was stuck may take once the server is back.
const BACK: Duration = Duration::from_secs(20);

/// Whatever the moment, the publish ends in time and the next one goes on; nothing is lost, half done or done twice.
pub(crate) fn every_step_on_the_hub(scene: &Scene, top: &Path) {
    let mut pair = Pair::new(top, "step", &scene.clients[0]);
    pair.edit();
    let passed = steps(&pair.manager);
    let commit = passed.iter().position(|step| step == COMMIT).expect("a publish commits");
    pair.goes_on(pair.number.into());
    let on_hub = passed.iter().filter(|step| step.starts_with("hub."));
    let steps: Vec<&str> = on_hub.map(String::as_str).chain(DIRTY).chain(["durable.link"]).collect();
    say(&steps.join(" "));
    let mut stuck = Vec::new();
    for step in steps {
        pair.edit();
        let cut = Cut::at(step, scene, &pair.manager);
        let first = passed.iter().position(|passed| passed == step).expect("passed before");
        // From the commit on the revision stands, or may stand; what is left to do are hints.
        let status = if first <= commit || step == "durable.link" { 5 } else { 0 };
        assert_eq!(cut.ended.status, Some(status), "{step}: {:?}", cut.ended);
        assert!(cut.ended.took < Duration::from_secs(DEADLINE.into()) + LEEWAY, "{step}: {:?}", cut.ended);
        if lives(cut.process) {
            stuck.push(step);
            // It holds nothing that the next command needs.
            let next = pair.manager.run("publish", 1);
            assert!(next.status == Some(5) && next.said.contains("deadline"), "{step}: {next:?}");
        }
        scene.cables[0].plug();
        let back = Instant::now();
        while lives(cut.process) {
            assert!(back.elapsed() < BACK, "{step}: a process is left behind");
            std::thread::sleep(Duration::from_millis(20));
        }
        pair.goes_on(pair.number.into());
    }
    say(&format!("kept by the kernel until the cable was back: {}", stuck.join(" ")));
}

/// A publish that was cut off.
struct Cut {
    ended: Ended,
    /// The process that was at work, which may be there still.
    process: Pid,
}

impl Cut {
    /// Publishes from `member`, and pulls its cable right before `step`.
    fn at(step: &str, scene: &Scene, member: &Member) -> Self {
        let mut command = member.command("publish");
        command.args(["--timeout", &DEADLINE.to_string(), "--stop-at-step", step]);
        let began = Instant::now();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let process = stopped_below(child.id(), step);
        scene.cables[0].pull();
        kill_process(process, Signal::CONT).expect("it is stopped");
        // Its pipes are to end as well as itself.
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(Duration::from_secs(DEADLINE.into()) + LEEWAY) else {
            scene.cables[0].plug();
            panic!("{step}: the command does not end");
        };
        Self { ended: Ended::of(&output.expect("our child"), began), process }
    }
}

/// The steps that a publish passes, in order.
fn steps(member: &Member) -> Vec<String> {
    let output = member.command("publish").env("DEPSYNC_LOG", "debug").output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let name =
        |line: &str| Some(line.split_once("durable step")?.1.split_once("name=\"")?.1.split_once('"')?.0.to_owned());
    said.lines().filter_map(name).collect()
}

/// Waits until a child of the process `front` has stopped itself.
fn stopped_below(front: u32, step: &str) -> Pid {
    let began = Instant::now();
    while began.elapsed() < LEEWAY {
        for process in std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
            let number = process.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            if let (Some(number), Some(('T', above))) = (number, state(&process.path()))
                && above == front
            {
                return number;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{step}: the program did not stop there");
}

/// Whether a thread of the process is not dead yet. In this machine nobody buries a process that has lost its parent.
fn lives(process: Pid) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())) else { return false };
    threads.filter_map(Result::ok).any(|thread| state(&thread.path()).is_some_and(|(state, _)| state != 'Z'))
}

/// The state of a process or thread that there is, and the process above it.
fn state(directory: &Path) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
