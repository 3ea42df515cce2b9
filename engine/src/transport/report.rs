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
    /// Some paths are not as the revision has them: somebody has changed them here, and they were left so.
    Drifted,
    /// Nothing was applied.
    Failed,
    /// Another revision is being applied.
    Updating,
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
    /// Since when it has been like this, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How long the last work took that changed something, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How many bytes it fetched or sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// After how many seconds the next report comes at the latest; none from a node that nobody keeps running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat_s: Option<u64>,
}

impl NodeReport {
    /// Whether `other` says the same of the node, be it at another time: then there is nothing to write.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let Self { time, since, duration_ms, bytes, beat_s, .. } = *other;
        Self { time, since, duration_ms, bytes, beat_s, ..self.clone() } == *other
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"schema":1,"node":"web-1","nonce":"0f","writes":false,"applied":{"number":7,"record":"#,
        r#""af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},"root":null,"measured":null,"#,
        r#""time":"2026-11-21T20:00:00Z","full_scan":null,"pinned":false,"outcome":"partial","version":"0.1.0"}"#,
        "\n"
    );

    #[test]
    fn golden_bytes() {
        let report = NodeReport::parse(GOLDEN.as_bytes()).expect("reads");
        assert_eq!(report.applied, Some(Revision { number: 7, record: Digest::of(b"") }));
        assert_eq!(report.outcome, Outcome::Partial);
        assert_eq!(String::from_utf8(report.to_bytes().expect("writes")).expect("utf-8"), GOLDEN);
    }

    #[test]
    fn times_and_costs_alone_say_nothing_new() {
        let told = NodeReport::parse(GOLDEN.as_bytes()).expect("reads");
        let later = NodeReport { time: Timestamp::UNIX_EPOCH, bytes: Some(1), beat_s: Some(30), ..told.clone() };
        assert!(later.says_the_same_as(&told));
        assert!(!NodeReport { pinned: true, ..later }.says_the_same_as(&told));
    }

    #[test]
    fn what_is_not_said_by_all_is_written_where_it_is_said() {
        let told = NodeReport::parse(GOLDEN.as_bytes()).expect("reads");
        let full = NodeReport {
            since: Some(Timestamp::UNIX_EPOCH),
            duration_ms: Some(12),
            bytes: Some(1 << 40),
            beat_s: Some(300),
            ..told
        };
        let text = String::from_utf8(full.to_bytes().expect("writes")).expect("utf-8");
        let wanted = r#""since":"1970-01-01T00:00:00Z","duration_ms":12,"bytes":1099511627776,"beat_s":300}"#;
        assert!(text.trim_end().ends_with(wanted), "{text}");
        assert_eq!(NodeReport::parse(text.as_bytes()).expect("reads"), full);
    }

    #[test]
    fn what_a_later_version_says_is_kept_and_what_is_broken_is_damaged() {
        let later = GOLDEN.replace("partial", "teleported").replace("\"pinned\"", "\"later\":1,\"pinned\"");
        let report = NodeReport::parse(later.as_bytes()).expect("reads");
        assert_eq!(report.outcome, Outcome::Unknown("teleported".into()));
        for bad in [&GOLDEN[..100], &GOLDEN.replace("web-1", "../x"), &" ".repeat(MAX_REPORT + 1)] {
            assert_eq!(NodeReport::parse(bad.as_bytes()).expect_err("bad").kind(), ErrorKind::Damaged);
        }
    }
}
