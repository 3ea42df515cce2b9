//! Directories that somebody keeps in step: what a cell needs of them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::kit::tree::equal_beside;
use crate::model::Link;

/// What has been taken since it was started.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// Processor seconds of each node, the manager first.
    pub(super) cpu_s: Vec<f64>,
    /// Those of the hub's server.
    pub(super) hub_cpu_s: f64,
    /// Bytes that passed the line of each node; none where there are no lines.
    pub(super) passed: Vec<u64>,
    /// Bytes of the hub.
    pub(super) hub_size: u64,
    /// What each node has asked the hub for, and how often.
    pub(super) asked: Vec<Vec<(String, f64)>>,
    /// Bytes of content that each node has sent or fetched.
    pub(super) content: Vec<f64>,
}

/// See the module.
pub(super) trait Ground {
    /// Where changes are saved.
    fn source(&self) -> &Path;

    /// Where they are to come to.
    fn workers(&self) -> &[PathBuf];

    /// An entry at the top of workers that is not deployed.
    fn besides(&self) -> Option<&str> {
        None
    }

    /// Whether their hub is a directory that stands for one on a mount.
    fn is_modelled(&self) -> bool {
        false
    }

    /// Puts all nodes behind such a link.
    fn lay(&self, link: &Link, seed: u64);

    /// Fails if somebody who keeps them in step has ended.
    fn check(&mut self) -> Result<()>;

    /// What those have said.
    fn told(&self) -> String;

    /// What has been taken so far.
    fn taken(&self) -> Result<Taken>;

    /// Runs a command as a node, to its end.
    fn run(&self, node: usize, arguments: &[&str]) -> Result<()>;

    /// Fails unless every worker has what the manager has.
    fn verify(&self) -> Result<()> {
        self.workers().iter().try_for_each(|worker| equal_beside(self.source(), worker, self.besides()))
    }
}
