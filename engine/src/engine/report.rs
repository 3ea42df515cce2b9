//! Telling the hub, and through it the managers, what this node has.

use super::Node;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::hash::Digest;
use crate::revdb::Position;
use crate::transport::{NodeReport, Outcome, REPORT_SCHEMA};

impl Node {
    /// The report of this moment.
    pub(super) fn compose_report(
        &self,
        cx: &Context,
        position: &Position,
        measured: Option<Digest>,
        outcome: Outcome,
        problem: Option<String>,
    ) -> NodeReport {
        let identity = self.identity();
        NodeReport {
            schema: REPORT_SCHEMA,
            node: identity.node,
            nonce: identity.nonce,
            writes: self.writes(),
            applied: position.applied.map(|(revision, _)| revision),
            root: position.applied.map(|(_, root)| root),
            measured,
            time: cx.now(),
            full_scan: position.full_scan,
            pinned: position.pinned.is_some(),
            outcome,
            problem,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Writes a report if it says something new. One that cannot be written is a warning.
    pub(super) fn send_report(&self, cx: &Context, report: &NodeReport, warnings: &mut Vec<String>) -> Result<()> {
        if self.db.last_report()?.is_some_and(|told| report.says_the_same_as(&told)) {
            return Ok(());
        }
        match self.transport.report(cx, report) {
            Ok(()) => {
                cx.step("state.reported");
                self.db.set_last_report(report)
            }
            // The hub takes none from anybody: that is a capability, and no news.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            Err(error) => {
                warnings.push(format!("the report of this node could not be written: {error}"));
                Ok(())
            }
        }
    }
}
