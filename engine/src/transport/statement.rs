//! What a hub says of a revision, whatever it keeps it in: a record of ours, or a commit that somebody made by hand.

use jiff::Timestamp;

use crate::hash::Digest;
use crate::name::{NodeId, Revision};
use crate::record::{Acceptance, Envelope};

/// See the module. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The revision: its number, and a hash of what is said.
    pub revision: Revision,
    /// The same hash of the revision before it; none for the first.
    pub parent: Option<Digest>,
    /// The root of its tree, if that is known without measuring it: see [`super::Transport::root`].
    pub root: Option<Digest>,
    /// Who published, for people.
    pub author: String,
    /// The node that published, if it was one.
    pub node: Option<NodeId>,
    /// What that node drew for this publish.
    pub nonce: Option<String>,
    /// When.
    pub time: Timestamp,
    /// Why, for people.
    pub message: String,
    /// The accidents that the publisher confirmed.
    pub accepts: Vec<Acceptance>,
    /// How many bytes it has brought to the hub, if that is known.
    pub bytes: Option<u64>,
}

impl Statement {
    /// Whether the revision comes right after `parent`.
    pub fn follows(&self, parent: Option<Revision>) -> bool {
        self.parent == parent.map(|parent| parent.record)
            && parent.is_none_or(|parent| parent.number < self.revision.number)
    }

    /// Whether the publisher confirmed `accident`.
    pub fn accepts(&self, accident: &Acceptance) -> bool {
        self.accepts.contains(accident)
    }
}

impl From<&Envelope> for Statement {
    fn from(record: &Envelope) -> Self {
        let payload = record.payload();
        Self {
            revision: record.revision(),
            parent: payload.parent,
            root: Some(payload.root),
            author: payload.author.clone(),
            node: Some(payload.node.clone()),
            nonce: Some(payload.nonce.clone()),
            time: payload.time,
            message: payload.message.clone(),
            accepts: payload.accepts.clone(),
            bytes: Some(payload.packs.iter().map(|pack| pack.length).fold(0, u64::saturating_add)),
        }
    }
}
