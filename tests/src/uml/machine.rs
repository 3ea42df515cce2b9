//! Outside: the process that is the machine, its limits and its end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::init::STATUS;
use super::{Disk, Job};
use crate::debian::unpacked;

/// A machine to be.
#[derive(Debug)]
pub struct Machine {
    memory: String,
    disks: Vec<PathBuf>,
    modules: Vec<&'static str>,
    limit: Duration,
    cut: Option<(String, Duration)>,
}

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program came to its end with this status, and the machine powered off.
    Finished(i32),
    /// Its power was cut, as was asked for.
    Cut,
    /// It was killed at its limit.
    Limit,
    /// It ended without a word of the program's status: the kernel inside broke.
    Broke,
}

/// What became of a machine.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// What the kernel and the program said.
    pub console: String,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A machine with 768 MiB of memory and without disks, for two minutes.
    pub fn new() -> Self {
        let (disks, modules) = Default::default();
        Self { memory: "768M".to_owned(), disks, modules, limit: Duration::from_secs(120), cut: None }
    }

    /// The same with another disk.
    #[must_use]
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disks.push(disk.image().to_owned());
        self
    }

    /// The same with kernel modules loaded.
    #[must_use]
    pub fn modules(mut self, modules: &[&'static str]) -> Self {
        self.modules.extend(modules);
        self
    }

    /// The same with another limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same, whose power is cut so long after a line that begins with `mark` was said.
    #[must_use]
    pub fn cut(mut self, mark: &str, after: Duration) -> Self {
        self.cut = Some((mark.to_owned(), after));
        self
    }

    /// Boots, runs the job, powers off.
    pub fn run(&self, job: &Job) -> Report {
        let shared = scratch();
        job.write(shared.path(), &self.modules);
        let mut child = self.start(shared.path());
        let lines = lines_of(&mut child);
        let mut running = Running { child, ended: false };
        let (console, stopped) = self.listen(&lines);
        running.stop(stopped.is_some());
        let status = console.lines().find_map(|line| line.strip_prefix(STATUS)?.trim().parse().ok());
        let end = match (stopped, status) {
            (_, Some(status)) => End::Finished(status),
            (Some(end), None) => end,
            (None, None) => End::Broke,
        };
        Report { end, console }
    }

    fn start(&self, shared: &Path) -> Child {
        let kernel = unpacked("user-mode-linux").join("usr/bin/linux.uml");
        let this = std::env::current_exe().expect("this binary");
        let init = this.ancestors().nth(2).expect("target/<profile>/deps").join("depsync-tests-init");
        assert!(init.is_file(), "{} is missing: `cargo build --workspace`, or `./dev test`", init.display());
        // A process namespace of its own, whose first process is a shell: when that dies, everything in it does, and it
        // dies with `unshare`, which dies with the test. The kernel itself cannot be the first process: it could not
        // abort.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare"]);
        command.arg(if rustix::process::geteuid().is_root() { "-pf" } else { "-rpf" });
        command.args(["--kill-child=KILL", "sh", "-c", "\"$@\"; exit $?", "sh"]).arg(kernel);
        command.arg(format!("mem={}", self.memory));
        command.args(["rootfstype=hostfs", "rootflags=/", "ro", "quiet", "panic=1", "devtmpfs.mount=0"]);
        command.args(["con=null", "con0=null,fd:1", "ssl=null"]);
        command.arg(format!("uml_dir={}/", shared.display())).arg("umid=machine");
        for (number, image) in self.disks.iter().enumerate() {
            command.arg(format!("ubd{number}={}", image.display()));
        }
        command.arg(format!("init={}", init.display())).arg(format!("{}={}", super::INSIDE, shared.display()));
        command.env("LD_PRELOAD", compiled(shared)).env("TMPDIR", shared).current_dir(shared);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().expect("`setpriv` (util-linux) starts")
    }

    /// Reads until the machine is silent for ever, or must be stopped: then with the reason.
    fn listen(&self, lines: &Receiver<String>) -> (String, Option<End>) {
        let began = Instant::now();
        let (mut until, mut why) = (began + self.limit, End::Limit);
        let mut console = String::new();
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    console.push_str(&line);
                    console.push('\n');
                    if let Some((mark, after)) = &self.cut
                        && line.starts_with(mark.as_str())
                    {
                        (until, why) = (Instant::now() + *after, End::Cut);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return (console, Some(why)),
                Err(RecvTimeoutError::Disconnected) => return (console, None),
            }
        }
    }
}

/// The process that stands for the machine; whatever happens, it does not outlive the test.
struct Running {
    child: Child,
    ended: bool,
}

impl Running {
    /// Waits for the end; with `kill` it is brought about at once, without a word to anything inside.
    fn stop(&mut self, kill: bool) {
        if kill {
            let _ = match self.first_inside() {
                // `unshare` then waits until the kernel has ended the whole namespace.
                Some(first) => kill_process(first, Signal::KILL).map_err(std::io::Error::from),
                None => self.child.kill(),
            };
        }
        let status = self.child.wait().expect("`unshare` is our child");
        self.ended = true;
        // A broken machine is seen by its silence; a signal to `unshare` is somebody else's.
        assert!(kill || status.signal().is_none(), "the machine was ended by somebody else: {status}");
    }

    /// The first process of the namespace, as it is known outside.
    fn first_inside(&self) -> Option<Pid> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let mut console = BufReader::new(child.stdout.take().expect("piped"));
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while console.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let said = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(said).is_err() {
                return;
            }
        }
    });
    lines
}

/// A directory for one machine, in memory where there is a file system for that.
pub(super) fn scratch() -> TempDir {
    let builder = || tempfile::Builder::new().prefix("depsync-machine-").to_owned();
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).expect("a temporary directory")
}

/// Compiles `xstate.c`.
fn compiled(shared: &Path) -> PathBuf {
    let library = shared.join("xstate.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/uml/xstate.c");
    let made = Command::new("gcc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).output();
    let made = made.expect("`gcc` (package gcc) runs");
    assert!(made.status.success(), "xstate.c: {}", String::from_utf8_lossy(&made.stderr));
    library
}
