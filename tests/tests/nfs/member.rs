//! Nodes whose hub is reached through one of the clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::engine::{Node, Options, PublishOptions, PublishOutcome, StatePlace, UpdateOptions, UpdateOutcome};
use depsync_engine::error::Result;
use depsync_tests::cli;
use depsync_tests::cluster::Site;

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) took: Duration,
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn of(output: &Output, began: Instant) -> Self {
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        Self { status: output.status.code(), took: began.elapsed(), said: String::from_utf8_lossy(&said).into_owned() }
    }
}

/// A node: its directory, its state beside it, and the address of its hub.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) hub: String,
}

impl Member {
    /// A node with its directory in `top`, a local one, over the hub `hub`, which must be on a network mount.
    pub(crate) fn new(top: &Path, name: &str, hub: &Path) -> Self {
        let (dir, state) = (top.join(name), top.join(format!("{name}.state")));
        Self { name: name.to_owned(), dir, state, hub: format!("nfs://{}", hub.display()) }
    }

    /// Opens it as its next process would.
    pub(crate) fn open(&self) -> Result<Node> {
        let mut options = Options::new(&self.dir, &self.hub, StatePlace::At(self.state.clone()));
        options.node = Some(self.name.parse().expect("a node id"));
        options.author = "tester".to_owned();
        Site::at(&self.dir).try_open(&Context::new(), options, |transport| transport)
    }

    pub(crate) fn publish(&self, message: &str) -> Result<PublishOutcome> {
        let options = PublishOptions { message: message.to_owned(), ..PublishOptions::default() };
        self.open()?.publish(&Context::new(), &options)
    }

    pub(crate) fn update(&self) -> Result<UpdateOutcome> {
        self.open()?.update(&Context::new(), &UpdateOptions::default())
    }

    /// Runs the program for it, as cron would; what it said and its exit status.
    pub(crate) fn run(&self, command: &str, timeout: u32) -> Ended {
        let mut program = self.command(command);
        program.args(["--timeout", &timeout.to_string()]);
        let began = Instant::now();
        let output = program.output().expect("the program runs");
        Ended::of(&output, began)
    }

    /// The program, to be run for it.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut program = Command::new(cli::program());
        program.arg(command).arg(&self.dir).arg(&self.hub).arg("--state").arg(&self.state);
        program.args(["--node", &self.name, "--no-progress"]).stdin(Stdio::null());
        program
    }

    /// Writes a file of its directory.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("mkdir");
        std::fs::write(path, content).expect("write");
    }

    /// Reads one.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }
}
