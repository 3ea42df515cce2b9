//! What a push has come to, node by node.

use serde::Serialize;

use super::super::outcome::Counts;
use super::super::{PublishOutcome, Remark};
use crate::error::Error;
use crate::hash::Digest;
use crate::name::NodeId;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::tree::Change;

/// What `push` did.
#[derive(Debug)]
pub struct PushOutcome {
    /// What was published first, if this node publishes and was to.
    pub published: Option<PublishOutcome>,
    /// The revision that the nodes were to get.
    pub revision: u64,
    /// Its root.
    pub root: Digest,
    /// What became of each node, in the order in which they were given.
    pub nodes: Vec<Delivery>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl PushOutcome {
    /// How many nodes do not have what they should.
    pub fn failed(&self) -> usize {
        self.nodes.iter().filter(|node| !node.has_it()).count()
    }
}

/// What became of a push to one node.
#[derive(Debug, Serialize)]
pub struct Delivery {
    /// The node.
    pub node: NodeId,
    /// Where it is.
    pub address: String,
    /// The revision that was confirmed there before.
    pub from: Option<u64>,
    /// The revision that is confirmed there now.
    pub applied: Option<u64>,
    /// Whether anything was changed there.
    pub changed: bool,
    /// Entries added, modified and removed there.
    pub added: u64,
    /// See `added`.
    pub modified: u64,
    /// See `added`.
    pub removed: u64,
    /// Whether everything there was looked at, and not only what a push changes.
    pub checked: bool,
    /// Tracked paths that somebody else had changed there.
    pub drift: Vec<Remark>,
    /// Paths whose content was kept aside there.
    pub kept_aside: Vec<RelPath>,
    /// Where it was kept: a folder beside the directory.
    pub kept_in: Option<String>,
    /// How many entries there are of nobody's concern; known where everything was looked at.
    pub untracked: Option<u64>,
    /// Paths that could not be brought to what they should be.
    pub problems: Vec<Remark>,
    /// What else is worth saying.
    pub warnings: Vec<String>,
    /// Bytes that rsync sent there.
    pub bytes_sent: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it failed, if it did.
    #[serde(skip)]
    pub error: Option<Error>,
}

impl Delivery {
    pub(super) fn new(node: NodeId, address: String) -> Self {
        Self {
            node,
            address,
            from: None,
            applied: None,
            changed: false,
            added: 0,
            modified: 0,
            removed: 0,
            checked: false,
            drift: Vec::new(),
            kept_aside: Vec::new(),
            kept_in: None,
            untracked: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            bytes_sent: 0,
            duration_ms: 0,
            error: None,
        }
    }

    /// Counts what was, or would be, changed.
    pub(super) fn count(&mut self, changes: &Packed<Change>) {
        let Counts { added, modified, removed, .. } = Counts::of(changes);
        (self.added, self.modified, self.removed) = (added, modified, removed);
        self.changed = !changes.is_empty();
    }

    /// Whether the node has what it should.
    pub fn has_it(&self) -> bool {
        self.error.is_none() && self.problems.is_empty()
    }
}
