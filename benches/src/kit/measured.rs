//! What a child process took: processor time, peak memory, wall clock.
//!
//! `getrusage(RUSAGE_CHILDREN)` adds up all children and keeps only the largest peak, so each child gets a parent of
//! its own: the harness runs itself as `measured OUT PROGRAM…`, which runs the one program and writes one record.
//! Processor time includes the program's own children that it waited for (rsync's second process); peak memory is
//! that of the largest single process, and never less than this parent's own few MiB, which a new process starts from.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// What one process took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// Seconds of processor time in user mode.
    pub(crate) user_s: f64,
    /// Seconds of processor time in the kernel.
    pub(crate) system_s: f64,
    /// Seconds of the clock.
    pub(crate) wall_s: f64,
    /// Largest resident set of a single process, KiB.
    pub(crate) peak_kib: i64,
    /// Exit status; none after a signal.
    pub(crate) status: Option<i32>,
}

impl Measure {
    /// Seconds of processor time.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Invocation {
    /// A program without arguments.
    pub(crate) fn of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new() }
    }

    /// With one more argument.
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With more arguments.
    pub(crate) fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// As a person would read it.
    pub(crate) fn text(&self) -> String {
        let words = std::iter::once(self.program.as_os_str()).chain(self.arguments.iter().map(OsString::as_os_str));
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Runs it measured and returns its measure and its standard output. Fails unless it ends with status 0.
pub(crate) fn run(invocation: &Invocation, scratch: &Path) -> Result<(Measure, String)> {
    let record = scratch.join("measure.json");
    let said = surroundings(&mut Command::new(std::env::current_exe()?))
        .arg("measured")
        .arg(&record)
        .arg(&invocation.program)
        .args(&invocation.arguments)
        .output()
        .with_context(|| format!("running {}", invocation.text()))?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() {
        bail!("{}: not measured: {}", invocation.text(), complaint.trim());
    }
    let measure: Measure = serde_json::from_slice(&fs::read(&record)?)?;
    // A record that is read twice would be a measure of something else.
    fs::remove_file(&record)?;
    if measure.status != Some(0) {
        // With --json errors are answers, too.
        let answer = String::from_utf8_lossy(&said.stdout);
        let told = if complaint.trim().is_empty() { &answer } else { &complaint };
        bail!("{}: ended with {:?}: {}", invocation.text(), measure.status, told.trim());
    }
    Ok((measure, String::from_utf8(said.stdout)?))
}

/// Nothing of the person's own settings reaches a peer.
fn surroundings(command: &mut Command) -> &mut Command {
    command
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .env_remove("RSYNC_RSH")
        .env_remove("DEPSYNC_LOG")
        .stdin(Stdio::null())
}

#[derive(Args)]
pub struct MeasuredArgs {
    /// Where the record goes
    record: PathBuf,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    program: Vec<OsString>,
}

/// Runs one program, its streams being this process's own, and writes what it took.
pub(crate) fn measure(args: &MeasuredArgs) -> Result<()> {
    let began = Instant::now();
    let status = Command::new(&args.program[0]).args(&args.program[1..]).status()?;
    let wall_s = began.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let measure = Measure {
        user_s: seconds(usage.user_time()),
        system_s: seconds(usage.system_time()),
        wall_s,
        peak_kib: usage.max_rss(),
        status: status.code(),
    };
    Ok(serde_json::to_writer(File::create(&args.record)?, &measure)?)
}

/// Precise enough: a measure is far from the 2^53 microseconds at which a float would round.
#[allow(clippy::cast_precision_loss)]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_both_modes() {
        let measure = Measure { user_s: 0.25, system_s: 0.5, wall_s: 9.0, peak_kib: 1, status: Some(0) };
        assert!((measure.cpu_s() - 0.75).abs() < 1e-12);
        let text = serde_json::to_string(&measure).expect("encodes");
        assert_eq!(text, r#"{"user_s":0.25,"system_s":0.5,"wall_s":9.0,"peak_kib":1,"status":0}"#);
        assert_eq!(serde_json::from_str::<Measure>(&text).expect("decodes"), measure);
    }

    #[test]
    fn the_child_is_what_is_measured() {
        let scratch = tempfile::tempdir().expect("a directory");
        let record = scratch.path().join("record");
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 7";
        let program = ["sh", "-c", busy].map(OsString::from).to_vec();
        measure(&MeasuredArgs { record: record.clone(), program }).expect("measures");
        let measure: Measure = serde_json::from_slice(&fs::read(record).expect("a record")).expect("decodes");
        assert_eq!(measure.status, Some(7));
        assert!(measure.cpu_s() > 0.005, "{measure:?}");
        assert!(measure.wall_s > 0.005 && measure.peak_kib > 0, "{measure:?}");
    }

    #[test]
    fn an_invocation_reads_as_it_was_given() {
        assert_eq!(Invocation::of("find").args([".", "-printf"]).arg("").text(), "find . -printf ");
    }
}
