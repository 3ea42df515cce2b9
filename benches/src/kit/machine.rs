//! The machine, and the programs, that a measurement holds for.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;

use crate::kit::peers::{Peer, Programs};

/// What the ledger says of a run besides its rows. What cannot be found out is "unknown".
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: Timestamp,
    pub(crate) command_line: Vec<String>,
    pub(crate) commit: String,
    /// Whether this harness was built with optimisation, as then most likely the depsync beside it.
    pub(crate) optimised: bool,
    pub(crate) program: String,
    /// When the measured depsync was built: it may be older than the commit.
    pub(crate) built: Timestamp,
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_kib: u64,
    pub(crate) kernel: String,
    pub(crate) place: String,
    pub(crate) filesystem: String,
    /// Load averages when it began and when it ended: others at work make for noise.
    pub(crate) load: Vec<String>,
    pub(crate) versions: Vec<(Peer, Option<String>)>,
}

impl Machine {
    /// Looks around.
    pub(crate) fn here(place: &Path, programs: &Programs) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
        let magic = rustix::fs::statfs(place).with_context(|| format!("looking at {}", place.display()))?.f_type;
        Ok(Self {
            date: Timestamp::now(),
            command_line: std::env::args().collect(),
            commit: commit().unwrap_or_else(unknown),
            optimised: !cfg!(debug_assertions),
            program: programs.depsync.display().to_string(),
            built: fs::metadata(&programs.depsync)?.modified()?.try_into()?,
            cores: std::thread::available_parallelism()?.get(),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            memory_kib: memory.unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            place: place.display().to_string(),
            filesystem: filesystem(magic),
            load: vec![load()],
            versions: programs.versions(),
        })
    }

    /// Notes that the last row is in.
    pub(crate) fn ended(&mut self) {
        self.load.push(load());
    }

    /// What the machine and the programs are, for people.
    pub(crate) fn facts(&self) -> String {
        let mut text = format!(
            "{} at commit {}{}\n{} cores, {}, {} MiB, Linux {}, {} on {}, load {}\n",
            self.date.strftime("%Y-%m-%d %H:%M UTC"),
            self.commit,
            if self.optimised { "" } else { " (NOT OPTIMISED: the figures mean nothing)" },
            self.cores,
            self.processor,
            self.memory_kib / 1024,
            self.kernel,
            self.filesystem,
            self.place,
            self.load.join(" to "),
        );
        for (peer, version) in self.versions.iter().filter(|(peer, _)| *peer != Peer::RsyncDry && *peer != Peer::Walk) {
            if let Some(version) = version {
                let _ = writeln!(text, "{}: {version}", peer.name());
            }
        }
        let _ = writeln!(text, "depsync was built {}", self.built.strftime("%Y-%m-%d %H:%M UTC"));
        for name in self.missing() {
            let _ = writeln!(text, "MISSING: {name}: not found on this machine, not measured");
        }
        text
    }

    /// Those who could not be measured.
    fn missing(&self) -> Vec<&'static str> {
        self.versions.iter().filter(|(_, version)| version.is_none()).map(|(peer, _)| peer.name()).collect()
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The commit that this harness was built from, with a word if the sources have changed since.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let said = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(git(&["rev-parse", "--short=12", "HEAD"])? + if changed { ", changed" } else { "" })
}

/// The value of the first `name: value` line of a file below `/proc`.
fn field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?.1;
    Some(value.trim().to_owned())
}

/// Magic numbers of statfs(2).
fn filesystem(magic: i64) -> String {
    match magic {
        0x0102_1994 => "tmpfs".to_owned(),
        0xef53 => "ext4".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x6969 => "nfs".to_owned(),
        0x794c_7630 => "overlay".to_owned(),
        other => format!("{other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_found() {
        let text = "processor\t: 0\nmodel name\t: Xeon: fast\n\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Xeon: fast"));
        assert_eq!(field("MemTotal:       65 kB\n", "MemTotal").as_deref(), Some("65 kB"));
        assert_eq!(field("", "MemTotal"), None);
    }

    #[test]
    fn file_systems_have_names() {
        assert_eq!(filesystem(0x0102_1994), "tmpfs");
        assert_eq!(filesystem(0x1234), "0x1234");
    }
}
