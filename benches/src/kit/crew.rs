//! Programs that run until they are told to end: the daemons of a measurement.
//!
//! Each writes into a log of its own. They end with their crew, and none of them may have ended before.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use depsync_tests::processes;
use rustix::process::{Pid, Signal, kill_process};

/// How long one may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Default)]
pub(crate) struct Crew(Vec<Member>);

struct Member {
    child: Child,
    log: PathBuf,
}

impl Crew {
    /// Starts one more. What it says goes to `log`.
    pub(crate) fn start(&mut self, command: &mut Command, log: &Path) -> Result<()> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        self.0.push(Member { child, log: log.to_owned() });
        Ok(())
    }

    /// Fails if one has ended, with what it has said.
    pub(crate) fn check(&mut self) -> Result<()> {
        for Member { child, log } in &mut self.0 {
            if let Some(ended) = child.try_wait()? {
                bail!("it has ended ({ended}): {}", fs::read_to_string(log).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// The process of one of them, the first being 0.
    pub(crate) fn id(&self, number: usize) -> u32 {
        self.0.get(number).map_or(0, |member| member.child.id())
    }

    /// What all have said.
    pub(crate) fn told(&self) -> String {
        self.0.iter().map(|member| fs::read_to_string(&member.log).unwrap_or_default()).collect()
    }

    /// What one of them has said, the first being 0.
    pub(crate) fn log(&self, number: usize) -> String {
        self.0.get(number).map_or_else(String::new, |member| fs::read_to_string(&member.log).unwrap_or_default())
    }

    /// Seconds of processor time of all, with all that they have started, in hundredths for each.
    pub(crate) fn spent(&self) -> f64 {
        self.spent_each().iter().sum()
    }

    /// The same of each.
    pub(crate) fn spent_each(&self) -> Vec<f64> {
        self.0.iter().map(|member| processes::spent(member.child.id())).collect()
    }
}

impl Drop for Crew {
    /// Their children end by them, so they are asked first.
    fn drop(&mut self) {
        for Member { child, .. } in &self.0 {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let until = Instant::now() + PATIENCE;
        for Member { child, .. } in &mut self.0 {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill().and_then(|()| child.wait().map(drop));
        }
    }
}
