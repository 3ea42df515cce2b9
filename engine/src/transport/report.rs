//! What a node says of itself: one JSON object that only this node writes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{NodeId, Revision};

/// The most bytes of a report.
pub const MAX_REPORT: usize = 64 << 10;
/// The schema that this version writes.
pub const REPORT_SCHEMA: u32 = 1;

/// How a node's last update or publish ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// The node has what the revision says.
    Applied,
    /// Some paths were left as they were (conflicts, held or unreadable); the others are in place.
    Partial,
    /// Nothing was applied.
    Failed,
    /// Something that a later version may say.
    #[serde(untagged)]
    Unknown(String),
}

/// A node's report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The schema of this object.
    pub schema: u32,
    /// The node.
    pub node: NodeId,
    /// Drawn with the node's state: two nodes of one id but different nonces are clones.
    pub nonce: String,
    /// Whether the node may publish.
    pub writes: bool,
    /// The revision that it has applied, if any.
    pub applied: Option<Revision>,
    /// The root of that revision's tree.
    pub root: Option<Digest>,
    /// The root of the tracked paths as they were measured on the node's disk.
    pub measured: Option<Digest>,
    /// When the report was written, by the node's clock.
    pub time: Timestamp,
    /// When every file was last read, not only looked at.
    pub full_scan: Option<Timestamp>,
    /// Whether the node is pinned to its revision.
    pub pinned: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The program's version.
    pub version: String,
}

impl NodeReport {
    /// The report as a line of JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|source| Error::new(ErrorKind::Internal, "a report cannot be encoded").because(source))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a report.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_REPORT {
            return Err(Error::new(ErrorKind::Damaged, "damaged report: it is longer than 64 KiB"));
        }
        serde_json::from_slice(bytes).map_err(|source| Error::new(ErrorKind::Damaged, "damaged report").because(source))
    }
}
