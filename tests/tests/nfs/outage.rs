//! The server stopped and the cable cut: commands end by their deadline with exit 5, and the next one goes on.

use std::path::Path;
use std::time::{Duration, Instant};

use depsync_tests::nfs::{Client, Scene};
use depsync_tests::snapshot::{check_same, snapshot};
use depsync_tests::uml::say;
use rustix::process::{Pid, Signal, kill_process};

use crate::member::{Ended, Member};

/// The deadline of commands that are to miss it, in seconds, and how much later their process may be gone: this machine
/// is slow, and may have others beside it.
pub(crate) const DEADLINE: u32 = 2;
pub(crate) const LEEWAY: Duration = Duration::from_secs(12);
/// The deadline of those that are to go through: also while the server waits for clients to come back.
const ENOUGH: u32 = 60;

/// A manager and a worker over one hub, and what their clients are.
pub(crate) struct Pair {
    pub(crate) manager: Member,
    pub(crate) worker: Member,
    pub(crate) number: u32,
}

impl Pair {
    /// Both over `client`, in sync.
    pub(crate) fn new(top: &Path, name: &str, client: &Client) -> Self {
        let hub = client.path().join(name);
        std::fs::create_dir(&hub).expect("mkdir");
        let of = |who: &str| Member::new(top, &format!("{name}-{who}"), &hub);
        let mut pair = Self { manager: of("m"), worker: of("w"), number: 0 };
        pair.edit();
        pair.goes_on(1);
        pair
    }

    /// Something new to publish.
    pub(crate) fn edit(&mut self) {
        self.number += 1;
        self.manager.write("file", &self.number.to_string());
        self.manager.write(&format!("new/{}", self.number), &"content ".repeat(4000));
    }

    /// A status that cannot ask the hub says what is known here.
    fn knows_what_is_here(&self) {
        let status = self.worker.run("status", DEADLINE);
        ends_in_time(&status, "status");
        for known in [format!("revision {}", self.number - 1), "root  ".to_owned(), "head  ".to_owned()] {
            assert!(status.said.contains(&known), "status without {known}: {status:?}");
        }
    }

    /// Everything goes through, and nothing was lost or done twice.
    pub(crate) fn goes_on(&self, revision: u64) {
        for (member, command) in [(&self.manager, "publish"), (&self.worker, "update")] {
            let ended = member.run(command, ENOUGH);
            assert_eq!(ended.status, Some(0), "{command}: {ended:?}");
        }
        check_same(&snapshot(&self.worker.dir), &snapshot(&self.manager.dir), &self.worker.name);
        let nothing = self.manager.publish("nothing").expect("publishes");
        assert_eq!((nothing.revision, nothing.changed), (Some(revision), false));
        let verified = self.worker.open().and_then(|node| node.verify(&Default::default(), false)).expect("verifies");
        assert!(verified.matches);
    }
}

fn ends_in_time(ended: &Ended, what: &str) {
    assert_eq!(ended.status, Some(5), "{what}: {ended:?}");
    assert!(ended.took < Duration::from_secs(DEADLINE.into()) + LEEWAY, "{what}: {ended:?}");
}

fn gives_up(ended: &Ended, what: &str) {
    ends_in_time(ended, what);
    assert!(ended.said.contains("error: "), "{what}: {ended:?}");
}

/// Everything that a node may want while the server is gone ends in time, with exit 5; then all goes on.
pub(crate) fn gone(pairs: &mut [Pair; 2], cut: impl FnOnce(), mend: impl FnOnce()) {
    pairs.iter_mut().for_each(Pair::edit);
    cut();
    // All at once: what takes long is to wait.
    std::thread::scope(|scope| {
        for pair in &*pairs {
            scope.spawn(|| gives_up(&pair.manager.run("publish", DEADLINE), "publish"));
            scope.spawn(|| gives_up(&pair.worker.run("update", DEADLINE), "update"));
            scope.spawn(|| pair.knows_what_is_here());
        }
    });
    mend();
    for pair in pairs {
        pair.goes_on(pair.number.into());
    }
}

/// A soft mount gives up by itself, with `EIO`: that is exit 5 as well, and not a broken disk.
pub(crate) fn a_soft_mount_gives_up(scene: &Scene, pair: &mut Pair) {
    pair.edit();
    scene.cables[1].pull();
    let ended = pair.worker.run("update", 10 * ENOUGH);
    assert_eq!(ended.status, Some(5), "{ended:?}");
    assert!(ended.said.contains("does not answer") && !ended.said.contains("deadline"), "{ended:?}");
    scene.cables[1].plug();
    pair.goes_on(pair.number.into());
}

/// Whether a process has said what to do at a signal; on a machine with much to do that takes its time.
fn catches(process: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the status of our child");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("the signals it catches");
    let caught = u64::from_str_radix(caught.trim(), 16).expect("a mask");
    caught & (1 << (signal.as_raw() - 1)) != 0
}

/// A command without a deadline ends at the first signal.
pub(crate) fn a_signal_ends_it(scene: &Scene, pair: &mut Pair) {
    pair.edit();
    scene.cables[0].pull();
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut child = pair.manager.command("publish").spawn().expect("the program starts");
        let listens = Instant::now();
        while !catches(child.id(), signal) {
            assert!(listens.elapsed() < Duration::from_secs(ENOUGH.into()), "{signal:?} is not caught");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(1000));
        assert!(child.try_wait().expect("our child").is_none(), "it waits for the server");
        let id = Pid::from_raw(child.id().cast_signed()).expect("a process");
        kill_process(id, signal).expect("kill");
        let began = Instant::now();
        assert_eq!(child.wait().expect("it ends").code(), Some(status), "{signal:?}");
        assert!(began.elapsed() < LEEWAY, "{signal:?}: {:?}", began.elapsed());
    }
    scene.cables[0].plug();
    pair.goes_on(pair.number.into());
}

/// The cable is cut while a publish is at work, at many moments: it goes through, or gives up, and then goes through
/// once.
pub(crate) fn cut_at_work(scene: &Scene, pair: &mut Pair) {
    let (mut through, mut gave_up) = (0, 0);
    for moment in 0..5 {
        pair.edit();
        let mut command = pair.manager.command("publish");
        command.args(["--timeout", &DEADLINE.to_string()]);
        let began = Instant::now();
        let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = child.spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(40 + 20 * moment));
        scene.cables[0].pull();
        let ended = Ended::of(&child.wait_with_output().expect("it ends"), began);
        scene.cables[0].plug();
        if ended.status == Some(0) {
            through += 1;
        } else {
            gives_up(&ended, "a publish that was cut off");
            gave_up += 1;
        }
        pair.goes_on(pair.number.into());
    }
    say(&format!("{through} went through, {gave_up} gave up"));
    assert!(gave_up > 0, "no publish was cut off");
}
