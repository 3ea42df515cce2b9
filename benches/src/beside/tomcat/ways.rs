//! Who brings an archive to where the server looks, and how.
//!
//! `cp` is the program, and it writes into the file that is there: at once, or as slowly as what it reads from is. That
//! is a pipe which this harness fills at a pace; or at full speed, but for a while nothing comes in the middle of it, as
//! where a network does not move. depsync is two daemons over a hub; the manager's directory gets the archive by `cp`.
//! `rsync` gives a file its name when it is whole, as depsync does.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::TomcatArgs;
use crate::kit::crew::Crew;

/// How often the daemons ask.
const PERIOD: &str = "1s";
/// How long an archive may be under way.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    Depsync,
    DepsyncSlow,
    DepsyncStalled,
    Cp,
    CpSlow,
    CpStalled,
    Rsync,
}

impl Way {
    pub(super) const ALL: [Self; 7] =
        [Self::Depsync, Self::DepsyncSlow, Self::DepsyncStalled, Self::Cp, Self::CpSlow, Self::CpStalled, Self::Rsync];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Depsync => "depsync",
            Self::DepsyncSlow => "depsync, slow cp",
            Self::DepsyncStalled => "depsync, stalled cp",
            Self::Cp => "cp",
            Self::CpSlow => "slow cp",
            Self::CpStalled => "stalled cp",
            Self::Rsync => "rsync -a",
        }
    }

    fn is_depsync(self) -> bool {
        matches!(self, Self::Depsync | Self::DepsyncSlow | Self::DepsyncStalled)
    }
}

/// A way that is open: its directories, and its daemons.
pub(super) struct Road {
    way: Way,
    place: PathBuf,
    pace: u64,
    stall: Duration,
    crew: Crew,
}

impl Road {
    /// Makes the directories in `place`, and starts what works there.
    pub(super) fn open(way: Way, place: &Path, depsync: &Path, args: &TomcatArgs) -> Result<Self> {
        let (pace, stall) = (u64::from(args.pace) << 20, Duration::from_secs(args.stall.into()));
        let mut road = Self { way, place: place.to_owned(), pace, stall, crew: Crew::default() };
        fs::create_dir(road.webapps())?;
        if way.is_depsync() {
            fs::create_dir(road.source())?;
            // So that a directory that loses all its archives is not an empty one, which would be refused.
            for name in ["one.txt", "two.txt", "three.txt"] {
                fs::write(road.source().join(name), name)?;
            }
            let hub = place.join("hub");
            for (dir, role) in [(road.source(), "manager"), (road.webapps(), "worker")] {
                let mut command = Command::new(depsync);
                command.args(["--json", "--dir"]).arg(&dir).arg("--hub").arg(&hub);
                command
                    .args(["run", "--role", role, "--seed", "--period", PERIOD])
                    .current_dir(place)
                    .env_remove("DEPSYNC_LOG");
                road.crew.start(&mut command, &dir.with_extension("log"))?;
            }
        }
        Ok(road)
    }

    /// Where the server looks.
    pub(super) fn webapps(&self) -> PathBuf {
        self.place.join("webapps")
    }

    /// Where archives are put: there, or in the manager's directory.
    fn source(&self) -> PathBuf {
        self.place.join(if self.way.is_depsync() { "manager" } else { "webapps" })
    }

    /// Puts an archive there under `name`; it is whole when this is over.
    pub(super) fn bring(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let target = self.source().join(name);
        if matches!(self.way, Way::Cp | Way::Depsync | Way::Rsync) {
            let archive = self.place.join("archive");
            fs::write(&archive, bytes)?;
            let mut command = Command::new(if self.way == Way::Rsync { "rsync" } else { "cp" });
            if self.way == Way::Rsync {
                command.arg("-a");
            }
            let status = command.arg(&archive).arg(&target).status()?;
            ensure!(status.success(), "{command:?}: {status}");
            return Ok(());
        }
        let mut cp = Command::new("cp").arg("/dev/stdin").arg(&target).stdin(Stdio::piped()).spawn()?;
        let mut pipe = cp.stdin.take().context("a pipe")?;
        match self.way {
            Way::CpStalled | Way::DepsyncStalled => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                pipe.write_all(first)?;
                thread::sleep(self.stall);
                pipe.write_all(second)?;
            }
            _ => {
                let (begun, mut handed) = (Instant::now(), 0);
                for piece in bytes.chunks(64 << 10) {
                    pipe.write_all(piece)?;
                    handed += piece.len() as u64;
                    let due = Duration::from_micros(handed * 1_000_000 / self.pace);
                    thread::sleep(due.saturating_sub(begun.elapsed()));
                }
            }
        }
        drop(pipe);
        let status = cp.wait()?;
        ensure!(status.success(), "cp: {status}");
        Ok(())
    }

    /// Waits until an archive is where the server looks.
    pub(super) fn wait_for(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let begun = Instant::now();
        while fs::read(self.webapps().join(name)).ok().as_deref() != Some(bytes) {
            ensure!(begun.elapsed() < PATIENCE, "{name} never came: {}", self.crew.told());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Takes an archive away.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.source().join(name))?)
    }

    /// Ends it. The daemons must not have ended before.
    pub(super) fn close(mut self) -> Result<()> {
        self.crew.check()?;
        drop(std::mem::take(&mut self.crew));
        // Gone before the next one comes: each is some copies of an archive in memory.
        Ok(fs::remove_dir_all(&self.place)?)
    }
}
