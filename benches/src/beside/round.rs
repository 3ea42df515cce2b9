//! Rounds of first, idle and changed publishes and updates, each peer in turn.
//!
//! In a round every peer does a task before anyone does the next, in an order that turns around each time. Idle and
//! changed tasks are done several times a round. After each, the result is checked: trees equal, nothing said to be
//! changed that was not, the same root on both sides.

use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::kit::answer::{Answer, Deed};
use crate::kit::measured::{Measure, run as measured};
use crate::kit::peers::{Peer, Programs, Site, Task};
use crate::kit::setting::SETTLE;
use crate::kit::tree::{self, Layout, Shape};
use crate::kit::written::Snapshot;

/// Repetitions of the cheap tasks in a round.
const REPETITIONS: usize = 3;

/// One measured process.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) layout: Layout,
    pub(crate) files: usize,
    pub(crate) size: usize,
    pub(crate) task: Task,
    pub(crate) peer: Peer,
    pub(crate) round: usize,
    pub(crate) repetition: usize,
    /// Bytes of new or changed files in the peer's hub; none for a peer without a hub.
    pub(crate) hub_bytes: Option<u64>,
    /// What depsync itself says that it sent or fetched.
    pub(crate) said_bytes: Option<u64>,
    #[serde(flatten)]
    pub(crate) measure: Measure,
}

/// One round: new hubs, new workers, one source.
pub(crate) struct Round<'a> {
    pub(crate) programs: &'a Programs,
    /// Who is measured; depsync is always among them.
    pub(crate) peers: &'a [Peer],
    pub(crate) shape: Shape,
    pub(crate) site: &'a Site,
    pub(crate) scratch: &'a Path,
    pub(crate) round: usize,
    pub(crate) rows: &'a mut Vec<Row>,
}

impl Round<'_> {
    /// Does all tasks in order, and checks what each left.
    pub(crate) fn run(&mut self) -> Result<()> {
        if let Some(git) = self.programs.git(self.site).filter(|_| self.peers.contains(&Peer::Git)) {
            measured(&git.args(["init", "-q"]), self.scratch)?;
        }
        let roots = (self.task(Task::FirstPublish, 0)?, self.task(Task::FirstUpdate, 0)?);
        self.check(roots, Task::FirstUpdate)?;
        for repetition in 0..REPETITIONS {
            let roots = (self.task(Task::IdlePublish, repetition)?, self.task(Task::IdleUpdate, repetition)?);
            self.check(roots, Task::IdleUpdate)?;
        }
        for repetition in 0..REPETITIONS {
            self.shape.change(&self.site.source, (1 + self.round * REPETITIONS + repetition) as u64)?;
            let roots = (self.task(Task::ChangePublish, repetition)?, self.task(Task::ChangeUpdate, repetition)?);
            self.check(roots, Task::ChangeUpdate)?;
        }
        Ok(())
    }

    /// Lets each peer do it, and returns the root that depsync then has.
    fn task(&mut self, task: Task, repetition: usize) -> Result<String> {
        thread::sleep(SETTLE);
        let mut peers = self.peers.to_vec();
        if (self.round + repetition) % 2 == 1 {
            peers.reverse();
        }
        let mut root = None;
        for peer in peers {
            let Some(invocation) = self.programs.command(peer, task, self.site) else { continue };
            let hub = self.site.hub(peer);
            let before = hub.map(Snapshot::of).transpose()?;
            let (measure, said) = measured(&invocation, self.scratch)?;
            let hub_bytes = hub
                .zip(before)
                .map(|(hub, before)| anyhow::Ok(Snapshot::of(hub)?.written_since(&before)))
                .transpose()?;
            let mut said_bytes = None;
            match peer {
                Peer::Depsync => {
                    let answer = Answer::of(deed(task), &said).with_context(|| invocation.text())?;
                    (root, said_bytes) = (Some(answer.root), Some(answer.bytes));
                }
                Peer::Git => self.after_git(task, &said)?,
                Peer::Walk => ensure!(
                    said.trim() == self.shape.entries().to_string(),
                    "walk: {} entries, not {}",
                    said.trim(),
                    self.shape.entries()
                ),
                Peer::Rsync | Peer::RsyncDry | Peer::Find => ensure!(said.is_empty(), "{}: {said}", invocation.text()),
            }
            let Shape { layout, files, size } = self.shape;
            let round = self.round;
            let row = Row { layout, files, size, task, peer, round, repetition, hub_bytes, said_bytes, measure };
            self.rows.push(row);
        }
        root.context("depsync is always there")
    }

    /// Commits what git was given, unmeasured, and sees that it was what was changed.
    fn after_git(&self, task: Task, said: &str) -> Result<()> {
        let Some(git) = self.programs.git(self.site) else { return Ok(()) };
        ensure!(said.is_empty(), "git: not idle: {said}");
        if task == Task::IdlePublish {
            return Ok(());
        }
        let arguments: &[&str] = match task {
            Task::FirstPublish => &["ls-files", "--cached"],
            _ => &["diff", "--cached", "--name-only"],
        };
        let (_, listed) = measured(&git.clone().args(arguments), self.scratch)?;
        let wanted = if task == Task::FirstPublish { self.shape.files } else { 1 };
        ensure!(listed.lines().count() == wanted, "git: {} files, not {wanted}", listed.lines().count());
        measured(&git.args(["commit", "-q", "-m", "change"]), self.scratch)?;
        Ok(())
    }

    /// Both sides of depsync have one root, and every copy of the source is equal to it.
    fn check(&self, (published, applied): (String, String), task: Task) -> Result<()> {
        let site = self.site;
        ensure!(published == applied, "after {}: root {published} published, {applied} applied", task.name());
        for copy in [&site.depsync_worker, &site.rsync_hub, &site.rsync_worker] {
            if copy.exists() {
                tree::equal(&site.source, copy).with_context(|| format!("wrong after {}", task.name()))?;
            }
        }
        ensure!(site.depsync_worker.exists(), "{}: depsync made nothing", site.depsync_worker.display());
        Ok(())
    }
}

/// What a task is to do.
fn deed(task: Task) -> Deed {
    match task {
        Task::FirstPublish | Task::FirstUpdate => Deed::Anything,
        Task::IdlePublish | Task::IdleUpdate => Deed::Nothing,
        Task::ChangePublish | Task::ChangeUpdate => Deed::OneModified,
    }
}
