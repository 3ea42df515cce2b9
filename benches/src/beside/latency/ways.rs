//! Who brings a file to the others: the directories, and the daemons that are at work there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use depsync_tests::sshd::{Sshd, free_port};
use serde::Serialize;

use super::LatencyArgs;
use crate::kit::crew::Crew;
use crate::kit::peers::{on_path, version};
use crate::kit::tree::Shape;
use crate::kit::{lsyncd, syncthing};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    /// depsync: the manager serves the channel
    Channel,
    /// depsync without a channel
    Polling,
    /// rsync over ssh, for whatever inotify tells
    Lsyncd,
    /// one process a node, the manager's is connected to all others
    Syncthing,
}

/// A program that is there.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Channel, Self::Polling, Self::Lsyncd, Self::Syncthing];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Channel => "depsync, channel",
            Self::Polling => "depsync, polling alone",
            Self::Lsyncd => "lsyncd, rsync over ssh",
            Self::Syncthing => "syncthing",
        }
    }

    /// Debian's package with its program.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Channel | Self::Polling => "depsync",
            Self::Lsyncd => "lsyncd",
            Self::Syncthing => "syncthing",
        }
    }

    /// Its program, if there is one.
    pub(super) fn program(self, depsync: &Path) -> Option<Program> {
        let path = match self {
            Self::Channel | Self::Polling => depsync.to_owned(),
            Self::Lsyncd | Self::Syncthing => on_path(self.package())?,
        };
        let version = version(&path)?;
        Some(Program { path, version })
    }
}

/// The directories of one way, with its daemons at work.
pub(super) struct Road {
    source: PathBuf,
    workers: Vec<PathBuf>,
    crew: Crew,
    /// Where rsync goes over ssh: the server.
    sshd: Option<Sshd>,
}

impl Road {
    /// Makes the directories in `place`, all equal, and starts what works there.
    pub(super) fn open(way: Way, place: &Path, program: &Program, shape: Shape, args: &LatencyArgs) -> Result<Self> {
        let source = place.join("manager");
        shape.make(&source)?;
        let workers: Vec<PathBuf> = (1..=args.workers).map(|number| place.join(format!("worker-{number}"))).collect();
        for worker in &workers {
            let status = Command::new("cp").arg("-a").arg(&source).arg(worker).status()?;
            ensure!(status.success(), "cp: {status}");
        }
        let mut road = Self { source, workers, crew: Crew::default(), sshd: None };
        match way {
            Way::Channel => road.start_depsync(place, program, args, Some(free_port()))?,
            Way::Polling => road.start_depsync(place, program, args, None)?,
            Way::Lsyncd => {
                let sshd = Sshd::start();
                let workers: Vec<(PathBuf, u16)> = road.workers.iter().map(|dir| (dir.clone(), sshd.port())).collect();
                lsyncd::start(&mut road.crew, place, &program.path, &sshd, &road.source, &workers)?;
                road.sshd = Some(sshd);
            }
            Way::Syncthing => {
                syncthing::start(&mut road.crew, place, &program.path, (&road.source, &road.workers), |port| port)?;
            }
        }
        Ok(road)
    }

    /// Two tables of a configuration for each, and a daemon.
    fn start_depsync(&mut self, place: &Path, program: &Program, args: &LatencyArgs, port: Option<u16>) -> Result<()> {
        for dir in std::iter::once(&self.source).chain(&self.workers) {
            let name = dir.file_name().context("a directory has a name")?.to_string_lossy();
            let role = if *dir == self.source { "manager" } else { "worker" };
            let channel = match port {
                None => String::new(),
                Some(port) if role == "manager" => format!("[channel]\nserve = '127.0.0.1:{port}'\n"),
                Some(port) => format!("[channel]\nlisten = ['http://127.0.0.1:{port}']\n"),
            };
            let config = format!(
                "dir = '{}'\nhub = '{}'\nrole = '{role}'\nnode = '{name}'\n[run]\ndebounce = '{}ms'\nperiod = '{}s'\n{channel}",
                dir.display(),
                place.join("hub").display(),
                args.debounce,
                args.period
            );
            let file = place.join(format!("{name}.toml"));
            fs::write(&file, config)?;
            let command = || {
                let mut command = Command::new(&program.path);
                command.args(["--json", "--config"]).arg(&file).current_dir(place).env_remove("DEPSYNC_LOG");
                command
            };
            if role == "manager" {
                // So that no worker has to wait because there is no hub yet.
                let status = command().args(["--quiet", "publish"]).stdout(std::process::Stdio::null()).status()?;
                ensure!(status.success(), "depsync publish: {status}");
            }
            self.crew.start(command().arg("run"), &place.join(format!("{name}.log")))?;
        }
        Ok(())
    }

    /// Where files are saved.
    pub(super) fn source(&self) -> &Path {
        &self.source
    }

    /// Where they are to come to.
    pub(super) fn workers(&self) -> &[PathBuf] {
        &self.workers
    }

    /// Seconds of processor time so far.
    pub(super) fn spent(&self) -> f64 {
        self.crew.spent() + self.sshd.as_ref().map_or(0.0, Sshd::spent)
    }

    /// Fails if a daemon has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.crew.check()
    }

    /// What the daemons have said.
    pub(super) fn told(&self) -> String {
        self.crew.told()
    }
}
