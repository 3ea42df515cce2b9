//! What a node says of itself, to whoever keeps the list of nodes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::name::{DeploymentName, HubId};
use crate::transport::{MAX_REPORT, NodeReport};

/// The version of its form.
const SCHEMA: u32 = 1;
/// The most bytes of one that is read.
pub const MAX_REPORTED: usize = MAX_REPORT + (1 << 10);

/// A node's report, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    schema: u32,
    /// Which hub the node follows.
    pub hub: HubId,
    /// Which deployment of it.
    pub deployment: DeploymentName,
    /// What it has.
    pub report: NodeReport,
}

impl Report {
    /// Says what a node has.
    pub fn new(hub: HubId, deployment: DeploymentName, report: NodeReport) -> Self {
        Self { schema: SCHEMA, hub, deployment, report }
    }

    /// As JSON, on one line.
    pub fn to_text(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::new(ErrorKind::Internal, "a report cannot be encoded").because(source))
    }

    /// Reads one. Fields that are not known are passed over.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if text.len() > MAX_REPORTED {
            return Err(Error::new(ErrorKind::Damaged, "damaged report: it is longer than 65 KiB"));
        }
        serde_json::from_slice(text).map_err(|source| Error::new(ErrorKind::Damaged, "damaged report").because(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"schema":1,"hub":"000102030405060708090a0b0c0d0e0f","deployment":"main","report":{"schema":1,"node":"web-1","#,
        r#""nonce":"0f","writes":false,"applied":null,"root":null,"measured":null,"time":"2026-11-21T20:00:00Z","#,
        r#""full_scan":null,"pinned":false,"outcome":"failed","problem":"no hub","version":"0.1.0"}}"#
    );

    #[test]
    fn golden_text() {
        let read = Report::parse(GOLDEN.as_bytes()).expect("reads");
        assert_eq!((read.report.node.as_str(), read.report.problem.as_deref()), ("web-1", Some("no hub")));
        assert_eq!(read.to_text().expect("writes"), GOLDEN);
    }

    #[test]
    fn what_is_none_is_damaged() {
        let long = format!("{GOLDEN}{}", " ".repeat(MAX_REPORTED));
        for bad in ["", "{}", &GOLDEN[1..], &GOLDEN.replace("web-1", "../x"), &long] {
            assert_eq!(Report::parse(bad.as_bytes()).expect_err("bad").kind(), ErrorKind::Damaged);
        }
    }
}
