//! `depsync run` in a process of its own: what it tells, line by line, and its end.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::program;

/// How long something may take that is sure to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that can be started, again and again.
#[derive(Clone, Debug)]
pub struct Post {
    dir: PathBuf,
    hub: OsString,
    args: Vec<String>,
    variables: Vec<(OsString, OsString)>,
    through: Vec<String>,
    seeds: bool,
    config: Option<PathBuf>,
}

/// A daemon at work. Dropped, it is killed.
pub struct Daemon {
    child: Child,
    told: Arc<Mutex<Vec<Value>>>,
    complained: Arc<Mutex<String>>,
    shown: String,
}

impl Post {
    /// A daemon for the directory `dir`, whose last name is the node's, with these arguments behind `run`.
    pub fn new(dir: &Path, hub: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        Self {
            dir: dir.to_owned(),
            hub: hub.as_ref().to_owned(),
            args,
            variables: Vec::new(),
            through: Vec::new(),
            seeds: true,
            config: None,
        }
    }

    /// A daemon as a configuration says, with these arguments behind `run`.
    pub fn of(config: &Path, args: &[&str]) -> Self {
        Self { config: Some(config.to_owned()), ..Self::new(config, "", args) }
    }

    /// The same with a variable in its environment.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The same, which does not publish the first revision of a deployment.
    pub fn unseeded(mut self) -> Self {
        self.seeds = false;
        self
    }

    /// The same through a program that becomes the one behind its arguments.
    pub fn through(mut self, words: &[&str]) -> Self {
        self.through = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&self) -> Daemon {
        let mut command = match self.through.split_first() {
            None => Command::new(program()),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program());
                command
            }
        };
        let name = self.dir.file_name().expect("a directory has a name");
        match &self.config {
            Some(config) => command.args(["--json", "--config"]).arg(config),
            None => {
                command.args(["--json", "--node"]).arg(name).arg("--dir").arg(&self.dir).arg("--hub").arg(&self.hub)
            }
        };
        command
            .arg("run")
            .args(&self.args)
            .args(self.seeds.then_some("--seed"))
            .current_dir(self.dir.parent().expect("a parent"));
        command.env_clear().env("USER", "daemon").env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (told, complained) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<String>>::default());
        let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let lines = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lines.lock().expect("no panic").push(line);
            }
        });
        let words = Arc::clone(&complained);
        std::thread::spawn(move || {
            let mut err = err;
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = err.read(&mut buffer) {
                words.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Daemon { child, told, complained, shown: name.to_string_lossy().into_owned() }
    }
}

impl Daemon {
    /// What it has told so far.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().expect("no panic").clone()
    }

    /// The events of this name so far.
    pub fn events(&self, name: &str) -> Vec<Value> {
        self.told().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// Waits until it has told something that `is_it`, and gives that.
    ///
    /// # Panics
    /// If it ends before, or does not in time; with what it has told.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.told().into_iter().find(&is_it) {
                return found;
            }
            let ended = self.child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "{} ended ({ended:?}), waiting for {what}: {}", self.shown, self.everything());
            assert!(Instant::now() < until, "{} never told {what}: {}", self.shown, self.everything());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the first event of this name.
    pub fn wait_for_event(&mut self, name: &str) -> Value {
        self.wait_for(name, |event| event["event"] == name)
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process's number")).expect("not 0");
        kill_process(pid, signal).expect("it is there");
    }

    /// Ends it as a service manager does.
    ///
    /// # Panics
    /// If it does not end well, and soon.
    pub fn stop(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        let until = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = self.child.try_wait().expect("it is ours") {
                break ended;
            }
            assert!(Instant::now() < until, "{} does not end: {}", self.shown, self.everything());
            std::thread::sleep(Duration::from_millis(2));
        };
        // It may not have come so far that it heeds signals, or tells anything.
        if matches!((ended.code(), ended.signal()), (Some(0), _) | (_, Some(15))) && self.told().is_empty() {
            return Vec::new();
        }
        // The last lines are read by a thread.
        let told = |daemon: &Self| daemon.told().last().is_some_and(|event| event["event"] == "stopped");
        while ended.success() && !told(&self) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!((ended.code(), ended.signal()), (Some(0), None), "{}: {}", self.shown, self.everything());
        self.told()
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.end();
    }

    /// The exit status of one that ends by itself.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let ended = self.child.wait().expect("it is ours");
        std::thread::sleep(Duration::from_millis(50));
        (ended.code(), self.everything())
    }

    /// What it has written to stderr so far, in whole lines.
    pub fn complaints(&self) -> String {
        let said = self.complained.lock().expect("no panic").clone();
        said.rfind('\n').map_or_else(String::new, |end| said[..=end].to_owned())
    }

    /// All that it has said, for messages.
    pub fn everything(&self) -> String {
        let told: Vec<String> = self.told().iter().map(ToString::to_string).collect();
        format!("{}\n{}", told.join("\n"), self.complained.lock().expect("no panic"))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something is so.
///
/// # Panics
/// If it is not so in time.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
