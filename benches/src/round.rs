//! Rounds of first, idle and changed publishes and updates, each peer in turn.
//!
//! In a round every peer does a task before anyone does the next, in an order that turns around each time. Idle and
//! changed tasks are done several times a round. After each, the result is checked: trees equal, nothing said to be
//! changed that was not, the same root on both sides.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::measured::{Measure, run as measured};
use crate::peers::{Peer, Programs, Site, Task};
use crate::tree::{self, Layout, Shape};
use crate::written::Snapshot;

/// Repetitions of the cheap tasks in a round.
const REPETITIONS: usize = 3;
/// Longer than any program's doubt of a file that was written just now.
const SETTLE: Duration = Duration::from_millis(100);

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
                    let answer = Answer::of(task, &said).with_context(|| invocation.text())?;
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

/// What depsync says of a publish or an update.
#[derive(Debug, PartialEq)]
struct Answer {
    root: String,
    /// Bytes sent or fetched.
    bytes: u64,
}

impl Answer {
    /// Reads the JSON object; an error if it tells of a change where there was none, or of none where there was one.
    fn of(task: Task, said: &str) -> Result<Self> {
        let object: serde_json::Value = serde_json::from_str(said).with_context(|| format!("not JSON: {said}"))?;
        let idle = matches!(task, Task::IdlePublish | Task::IdleUpdate);
        if object["changed"].as_bool() != Some(!idle) {
            bail!("{}: changed is {}", task.name(), object["changed"]);
        }
        if matches!(task, Task::ChangePublish | Task::ChangeUpdate) {
            let counts = ["added", "modified", "removed"].map(|field| object[field].as_u64());
            ensure!(counts == [Some(0), Some(1), Some(0)], "{}: {counts:?}, not one modified", task.name());
        }
        for list in ["conflicts", "problems", "held"] {
            // An update holds nothing back, and has no list of it.
            let empty = object[list].as_array().map_or(list == "held", Vec::is_empty);
            ensure!(empty, "{}: {list}: {}", task.name(), object[list]);
        }
        let bytes = object["bytes_sent"].as_u64().or(object["bytes_fetched"].as_u64()).context("no bytes")?;
        Ok(Self { root: object["root"].as_str().context("no root")?.to_owned(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = r#"{"root":"7f","changed":true,"added":0,"modified":1,"removed":0,"held":[],
        "conflicts":[],"problems":[],"bytes_sent":644}"#;

    #[test]
    fn an_answer_is_read() {
        let answer = Answer::of(Task::ChangePublish, PUBLISHED).expect("an answer");
        assert_eq!(answer, Answer { root: "7f".to_owned(), bytes: 644 });
        let fetched = PUBLISHED.replace("bytes_sent", "bytes_fetched");
        assert_eq!(Answer::of(Task::ChangeUpdate, &fetched).expect("an answer"), answer);
    }

    #[test]
    fn an_answer_that_cannot_be_right_is_refused() {
        Answer::of(Task::IdlePublish, PUBLISHED).expect_err("idle, but changed");
        for (from, to) in [
            ("true", "false"),
            (r#""modified":1"#, r#""modified":2"#),
            (r#""added":0"#, r#""added":1"#),
            (r#""problems":[]"#, r#""problems":["x"]"#),
            (r#""conflicts":[],"#, ""),
            (r#""held":[]"#, r#""held":["x"]"#),
            (r#""root":"7f","#, ""),
            ("bytes_sent", "bytes"),
            ("}", ""),
        ] {
            Answer::of(Task::ChangePublish, &PUBLISHED.replace(from, to)).expect_err(from);
        }
    }
}
