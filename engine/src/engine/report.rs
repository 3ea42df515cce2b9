//! Telling the hub, and through it the managers, what this node has.
//!
//! What it would say at the moment is written down (`said`), and beside it what the hub was told last: where the two say
//! the same nothing is written to the hub. Whoever has a channel tells it there, too ([`Node::own_report`]).

use std::sync::atomic::Ordering;

use super::Node;
use crate::channel::Report;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::NodeId;
use crate::revdb::{Applied, Heard, Position};
use crate::transport::{Look, NodeReport, OpenMode, Outcome, REPORT_SCHEMA};

/// How a command has ended, as a report says it.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// What went wrong, for people.
    pub(super) problem: Option<String>,
    /// What was measured on the disk.
    pub(super) measured: Option<Digest>,
    /// What it took, if anything was changed: milliseconds and bytes.
    pub(super) cost: Option<(u64, u64)>,
}

impl Ending {
    /// What a row of the history cost.
    pub(super) fn cost_of(row: &Applied) -> (u64, u64) {
        (row.millis, row.bytes)
    }
}

impl Node {
    /// What this node says of itself at the moment, for a channel; none before it has met its hub, and done anything.
    pub fn own_report(&self) -> Result<Option<Report>> {
        let identity = self.identity();
        let (Some(hub), Some(report)) = (identity.hub_id, self.db.said()?) else { return Ok(None) };
        // It may have been given another name since.
        let report = NodeReport { node: identity.node, ..report };
        Ok(Some(Report::new(hub, identity.deployment, report)))
    }

    /// Says to the hub once more what was said last: whoever reads it sees that this node is alive.
    pub fn report_again(&self, cx: &Context) -> Result<()> {
        let Some(said) = self.db.said()?.filter(|_| self.transport.has_reports()) else { return Ok(()) };
        let again = NodeReport { time: cx.now(), node: self.identity().node, beat_s: self.promised(), ..said };
        self.write_report(cx, &again)
    }

    /// Puts what nodes have reported on this node's list: now, by this node's clock. Reports of another hub or deployment
    /// are passed over. Gives how many said something new.
    pub fn file_reports<'a>(&self, cx: &Context, reports: impl IntoIterator<Item = &'a Report>) -> Result<usize> {
        let identity = self.identity();
        let now = cx.now();
        let ours = |report: &&Report| Some(report.hub) == identity.hub_id && report.deployment == identity.deployment;
        self.db.file_reports(reports.into_iter().filter(ours).map(|report| (&report.report, now)))
    }

    /// Reads what the nodes have written to the hub, and puts it on this node's list.
    pub fn collect_reports(&self, cx: &Context) -> Result<Vec<NodeReport>> {
        let reports = self.transport.reports(cx)?;
        // When they were written is for their clocks to say.
        let now = cx.now();
        self.db.file_reports(reports.iter().map(|report| (report, report.time.min(now))))?;
        Ok(reports)
    }

    /// What `node` has reported before, newest first.
    pub fn report_history(&self, node: &NodeId, limit: u32) -> Result<Vec<Heard>> {
        self.db.report_history(node, limit)
    }

    /// Takes a node that is gone off this node's list. Says whether it was on it. What it has written to the hub stays.
    pub fn forget_reports(&self, node: &NodeId) -> Result<bool> {
        self.db.forget_reports(node)
    }

    /// The report of this moment.
    pub(super) fn compose_report(&self, cx: &Context, position: &Position, ending: Ending) -> Result<NodeReport> {
        let identity = self.identity();
        let said = self.db.said()?;
        let cost = ending.cost;
        let before = said.as_ref().and_then(|said| said.duration_ms.zip(said.bytes));
        let (duration_ms, bytes) = cost.or(before).unzip();
        let now = cx.now();
        let mut report = NodeReport {
            schema: REPORT_SCHEMA,
            node: identity.node,
            nonce: identity.nonce,
            writes: self.writes(),
            applied: position.applied.map(|(revision, _)| revision),
            root: position.applied.map(|(_, root)| root),
            measured: ending.measured,
            time: now,
            full_scan: position.full_scan,
            pinned: position.pinned.is_some(),
            outcome: ending.outcome,
            problem: ending.problem,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: Some(now),
            duration_ms,
            bytes,
            beat_s: self.promised(),
        };
        if let Some(said) = said.filter(|said| report.says_the_same_as(said)) {
            report.since = said.since;
        }
        Ok(report)
    }

    /// Writes a report if it says something new. One that cannot be written is a warning.
    pub(super) fn send_report(&self, cx: &Context, report: &NodeReport, warnings: &mut Vec<String>) -> Result<()> {
        self.say(cx, report)?;
        if self.db.last_report()?.is_some_and(|told| report.says_the_same_as(&told)) {
            return Ok(());
        }
        if let Err(error) = self.write_report(cx, report) {
            warnings.push(format!("the report of this node could not be written: {error}"));
        }
        Ok(())
    }

    /// Reports that a command has failed, unless it was only tried out. Gives how it has ended.
    pub(super) fn reported<T>(&self, cx: &Context, dry_run: bool, ended: Result<T>) -> Result<T> {
        if let Some(error) = ended.as_ref().err().filter(|_| !dry_run) {
            self.report_failure(cx, error);
        }
        ended
    }

    /// Whatever comes of it, the command's own error is what counts.
    fn report_failure(&self, cx: &Context, error: &Error) {
        // Whoever has the lock reports himself; words that make no sense are for him who said them.
        let is_ours = !matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Locked | ErrorKind::Usage);
        if !is_ours || self.identity().hub_id.is_none() {
            return;
        }
        let told = self.db.position().and_then(|position| {
            let problem = Some(error.to_string());
            let ending = Ending { outcome: Outcome::Failed, problem, measured: None, cost: None };
            let report = self.compose_report(cx, &position, ending)?;
            self.say(cx, &report)?;
            let is_told = self.db.last_report()?.is_some_and(|told| report.says_the_same_as(&told));
            if is_told || error.kind() == ErrorKind::Unreachable {
                return Ok(());
            }
            // It may have failed because it is another hub that is there now, or one that was rewound: nothing is written
            // into those.
            self.look_at_hub(cx, &mut position.clone(), OpenMode::Existing, Look::Glance)?;
            self.write_report(cx, &report)
        });
        if let Err(error) = told {
            tracing::debug!(%error, "a failure was not reported");
        }
    }

    fn promised(&self) -> Option<u64> {
        Some(self.beat.load(Ordering::Relaxed)).filter(|beat| *beat > 0)
    }

    /// Writes down what this node would say of itself.
    fn say(&self, cx: &Context, report: &NodeReport) -> Result<()> {
        if self.db.said()?.is_some_and(|said| report.says_the_same_as(&said)) {
            return Ok(());
        }
        cx.step("state.said");
        self.db.set_said(report)
    }

    /// Writes a report to the hub. A hub that takes none from anybody takes this one as well as any other.
    fn write_report(&self, cx: &Context, report: &NodeReport) -> Result<()> {
        match self.transport.report(cx, report) {
            Ok(()) => {
                cx.step("state.reported");
                self.db.set_last_report(report)
            }
            // That is a capability, and no news.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            Err(error) => Err(error),
        }
    }
}
