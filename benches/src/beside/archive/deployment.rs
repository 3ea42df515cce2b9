//! A deployment of one archive by depsync: a hub in a directory, a manager, and workers.
//!
//! Each command must say of the change what it was, root for root, and a worker's archive is compared byte by byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::pairs::Pair;
use super::peers::same;
use super::row::{Part, Row, Step, Who};
use crate::kit::answer::{Answer, Deed};
use crate::kit::measured::{Invocation, run as measured};
use crate::kit::setting::SETTLE;
use crate::kit::written::Snapshot;

/// How hard depsync is to look for what is alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Effort {
    /// As little as possible
    Fast,
    /// Some
    Balanced,
    /// As long as it takes
    Small,
}

impl Effort {
    /// The word on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Small => "small",
        }
    }
}

/// See the module.
pub(super) struct Deployment<'a> {
    place: PathBuf,
    depsync: &'a Path,
    effort: Option<Effort>,
    part: Part,
    archive: String,
    file_name: String,
    /// The archive that is published, its version, and the root that depsync gave it.
    newest: PathBuf,
    version: Option<usize>,
    root: String,
    rows: &'a mut Vec<Row>,
}

impl<'a> Deployment<'a> {
    /// An empty one, in the new directory `place`.
    pub(super) fn new(
        place: PathBuf,
        depsync: &'a Path,
        effort: Option<Effort>,
        (part, archive, file_name): (Part, &str, String),
        rows: &'a mut Vec<Row>,
    ) -> Result<Self> {
        fs::create_dir_all(place.join("manager"))?;
        Ok(Self {
            place,
            depsync,
            effort,
            part,
            archive: archive.to_owned(),
            file_name,
            newest: PathBuf::new(),
            version: None,
            root: String::new(),
            rows,
        })
    }

    /// The old archive and the new one, to a worker, and the new one to another.
    pub(super) fn bring(&mut self, pair: &Pair) -> Result<()> {
        self.publish(&pair.old, None, Step::FirstPublish)?;
        self.update("worker", Step::FirstUpdate)?;
        self.publish(&pair.new, None, Step::Publish)?;
        self.update("worker", Step::Update)?;
        self.update("fresh", Step::Fresh)
    }

    /// Puts an archive, of this version, into the manager's directory and publishes it.
    pub(super) fn publish(&mut self, archive: &Path, version: Option<usize>, step: Step) -> Result<()> {
        let fresh = self.place.join("fresh");
        fs::copy(archive, &fresh).with_context(|| format!("copying {}", archive.display()))?;
        fs::rename(&fresh, self.place.join("manager").join(&self.file_name))?;
        (self.newest, self.version) = (archive.to_owned(), version);
        let mut words = vec!["publish"];
        if let Some(effort) = self.effort {
            words.extend(["--effort", effort.word()]);
        }
        self.root = self.run("manager", &words, step)?;
        Ok(())
    }

    /// Updates a worker, which is made if it is not there.
    pub(super) fn update(&mut self, worker: &str, step: Step) -> Result<()> {
        let root = self.run(worker, &["update"], step)?;
        ensure!(root == self.root, "{worker} has the root {root}, not {}", self.root);
        same(&self.newest, &self.place.join(worker).join(&self.file_name))
    }

    /// Publishes again what was published as the revision `version`, which was this archive.
    pub(super) fn roll_back(&mut self, archive: &Path, version: usize) -> Result<()> {
        (self.newest, self.version) = (archive.to_owned(), Some(version));
        self.root = self.run("manager", &["rollback", &version.to_string()], Step::Rollback)?;
        Ok(())
    }

    /// Runs a command of a node, and gives the root that it says.
    fn run(&mut self, node: &str, words: &[&str], step: Step) -> Result<String> {
        thread::sleep(SETTLE);
        let (hub, dir) = (self.place.join("hub"), self.place.join(node));
        let is_new = matches!(step, Step::FirstPublish | Step::FirstUpdate | Step::Fresh);
        let fixed = Invocation::of(self.depsync).args(["--json", "--no-progress", "--node", node, "--dir"]).arg(dir);
        let invocation = fixed.arg("--hub").arg(&hub).args(words);
        let before = Snapshot::of(&hub)?.size();
        let (measure, said) = measured(&invocation, &self.place)?;
        let after = Snapshot::of(&hub)?.size();
        let deed = if is_new { Deed::Anything } else { Deed::OneModified };
        let answer = Answer::of(deed, &said).with_context(|| invocation.text())?;
        self.rows.push(Row {
            part: self.part,
            archive: self.archive.clone(),
            version: self.version,
            who: Who::Depsync,
            step,
            whole: fs::metadata(&self.newest)?.len(),
            bytes: answer.bytes,
            hub_grown: Some(after.cast_signed() - before.cast_signed()),
            hub: Some(after),
            measure,
        });
        Ok(answer.root)
    }
}
