//! What the engine answers: plain data, ready for a person or for JSON.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::inventory::Ghosts;
use super::standing::Standing;
use crate::content::Freight;
use crate::error::Error;
use crate::hash::Digest;
use crate::name::{DeploymentName, HubId, NodeId, Revision};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::revdb::Held;
use crate::tree::{Change, Entry};

/// A path and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The path; the deployment directory itself if there is none.
    pub path: Option<RelPath>,
    /// For people.
    pub reason: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// A path that was changed here and in the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The path.
    pub path: RelPath,
    /// What was done here: `added`, `modified` or `removed`.
    pub mine: &'static str,
    /// What was done in the hub.
    pub theirs: &'static str,
    /// The hub's revision in which it was found.
    pub revision: u64,
}

/// How many changes of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) modified: u64,
    pub(super) removed: u64,
    /// Bytes of the files that were added or modified.
    pub(super) bytes: u64,
}

impl Counts {
    pub(super) fn of(changes: &Packed<Change>) -> Self {
        let mut counts = Self::default();
        for change in changes.iter() {
            match (&change.before, &change.after) {
                (None, _) => counts.added += 1,
                (_, None) => counts.removed += 1,
                _ => counts.modified += 1,
            }
            counts.bytes += change.after.as_ref().map_or(0, Entry::size);
        }
        counts
    }
}

/// What `publish` and `rollback` did.
#[derive(Debug, Serialize)]
pub struct PublishOutcome {
    /// The revision that stands now; none while the deployment has none.
    pub revision: Option<u64>,
    /// Its root.
    pub root: Digest,
    /// The revision before it, if a new one was published.
    pub parent: Option<u64>,
    /// Whether a revision was published (or would be, in a dry run).
    pub changed: bool,
    /// Entries added.
    pub added: u64,
    /// Entries modified, permission bits included.
    pub modified: u64,
    /// Entries removed.
    pub removed: u64,
    /// Paths held back, with the reason.
    pub held: Vec<Remark>,
    /// Paths left alone because somebody else changed them too.
    pub conflicts: Vec<Conflict>,
    /// Paths that could not be read.
    pub problems: Vec<Remark>,
    /// Bytes of the files that were added or modified.
    pub bytes_changed: u64,
    /// Bytes written to the hub (or that would be, in a dry run).
    pub bytes_sent: u64,
    /// What these would be, file by file: in a dry run, where the hub is of a kind that can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freight: Option<Vec<Freight>>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What was done, path by path.
    #[serde(skip)]
    pub changes: Packed<Change>,
    /// What went wrong beside the main job: a report that could not be written, sockets that were skipped.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// What `update` did.
#[derive(Debug, Serialize)]
pub struct UpdateOutcome {
    /// The revision applied before.
    pub from: Option<u64>,
    /// The revision applied now.
    pub to: Option<u64>,
    /// The root of that revision.
    pub root: Digest,
    /// Whether anything in the directory was changed (or would be, in a dry run).
    pub changed: bool,
    /// Entries added.
    pub added: u64,
    /// Entries modified, permission bits included.
    pub modified: u64,
    /// Entries removed.
    pub removed: u64,
    /// Paths left alone because they were changed here, too.
    pub conflicts: Vec<Conflict>,
    /// Paths that could not be read or replaced.
    pub problems: Vec<Remark>,
    /// Bytes read from the hub.
    pub bytes_fetched: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Paths whose local content was moved to the recovery area before it was replaced.
    pub kept_aside: Vec<RelPath>,
    /// Paths that somebody has changed here and that were left so, as asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<RelPath>,
    /// Whether an interrupted update was finished first.
    pub recovered: bool,
    /// The revision that this node holds: it was not well with it, and has gone back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldRevision>,
    /// The revision this node is pinned to.
    pub pinned: Option<u64>,
    /// What is known of the revision and not here; none where everything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ghosts: Option<Ghosts>,
    /// What was done, path by path.
    #[serde(skip)]
    pub changes: Packed<Change>,
    /// What went wrong beside the main job.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// A revision that a node does not go to again before there is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldRevision {
    /// Its number.
    pub revision: u64,
    /// Why, for people.
    pub reason: String,
}

impl From<Held> for HeldRevision {
    fn from(held: Held) -> Self {
        Self { revision: held.revision.number, reason: held.reason }
    }
}

impl fmt::Display for HeldRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {} is held back on this node: {}", self.revision, self.reason)
    }
}

/// What `status` found.
#[derive(Debug, Serialize)]
pub struct StatusOutcome {
    /// This node.
    pub node: NodeId,
    /// The directory.
    pub dir: String,
    /// The hub's address, without credentials.
    pub hub: String,
    /// The hub's identity, if it is known.
    pub hub_id: Option<HubId>,
    /// The deployment.
    pub deployment: DeploymentName,
    /// Whether this node publishes.
    pub writes: bool,
    /// The revision applied.
    pub applied: Option<u64>,
    /// The root measured on this disk over the tracked paths.
    pub measured: Option<Digest>,
    /// The revision this node is pinned to.
    pub pinned: Option<u64>,
    /// What is known of the revision and not here; none where everything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ghosts: Option<Ghosts>,
    /// The newest revision; none while the hub is out of reach or empty.
    pub head: Option<u64>,
    /// On a worker: tracked paths that differ from the applied revision. On a manager: local changes not yet published.
    pub drift: Vec<RelPath>,
    /// Conflicts that wait for `resolve`.
    pub conflicts: Vec<Conflict>,
    /// Paths held back at the last publish.
    pub held: Vec<Remark>,
    /// The revision that this node holds: it was not well with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_revision: Option<HeldRevision>,
    /// Paths that could not be read.
    pub problems: Vec<Remark>,
    /// What each node has reported, and how it stands.
    pub nodes: Vec<Standing>,
    /// Whether the hub has a place for reports: without one, other nodes are heard of over a channel only.
    pub has_reports: bool,
    /// Why the hub could not be asked.
    #[serde(skip)]
    pub hub_error: Option<Error>,
    /// What else is worth saying: clones, an interrupted update.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// What `verify` found.
#[derive(Debug, Serialize)]
pub struct VerifyOutcome {
    /// The revision that was compared with.
    pub revision: Option<u64>,
    /// Its root.
    pub root: Digest,
    /// The root measured over the tracked paths, every file read.
    pub measured: Digest,
    /// Whether the two agree.
    pub matches: bool,
    /// Tracked paths that differ.
    pub differing: Vec<Remark>,
    /// Paths that could not be read.
    pub problems: Vec<Remark>,
    /// How many paths were brought back (`--repair`).
    pub repaired: u64,
    /// Entries compared.
    pub entries: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// One line of `log`.
#[derive(Debug, Serialize)]
pub struct LogEntry {
    /// Number and record hash.
    #[serde(flatten)]
    pub revision: Revision,
    /// The root, if it is known without measuring it.
    pub root: Option<Digest>,
    /// Who.
    pub author: String,
    /// On which node, if it was one.
    pub node: Option<NodeId>,
    /// When, by that node's clock.
    pub time: Timestamp,
    /// Why.
    pub message: String,
    /// Whether this node has it applied.
    pub applied: bool,
    /// What it has brought, where that was asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub stat: Option<Stat>,
}

/// What a revision has brought to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// How many bytes that was; none if it is not known.
    pub bytes_sent: Option<u64>,
    /// How many bytes the files have that were new in it; none where the trees are gone from the hub.
    pub bytes_changed: Option<u64>,
}

/// What `diff` found.
#[derive(Debug)]
pub struct DiffOutcome {
    /// The differences, in path order.
    pub changes: Packed<Change>,
    /// What of each file would travel, where that was asked for.
    pub freight: Option<Vec<Freight>>,
}

/// What `init` made or found.
#[derive(Debug, Serialize)]
pub struct InitOutcome {
    /// This node.
    pub node: NodeId,
    /// The hub's identity.
    pub hub_id: HubId,
    /// Whether the hub was made by this call.
    pub created: bool,
    /// Where the state lies.
    pub state: String,
}
