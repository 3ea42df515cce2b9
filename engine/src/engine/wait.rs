//! `wait`: until nodes have a revision, by what they report.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Node;
use super::standing::Standing;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::name::NodeId;
use crate::transport::{Look, OpenMode, Outcome};

/// How often the list is looked at.
const LIST: Duration = Duration::from_millis(50);
/// How often the hub is asked for reports.
const HUB: Duration = Duration::from_secs(1);

/// What came of waiting.
#[derive(Debug, Serialize)]
pub struct WaitOutcome {
    /// The revision that was waited for.
    pub revision: u64,
    /// Whether all have it.
    pub done: bool,
    /// The nodes that have it, or a newer one.
    pub have: Vec<NodeId>,
    /// Those that have not, as they stand.
    pub waiting: Vec<Standing>,
    /// Those that were named and have never been heard of.
    pub unheard: Vec<NodeId>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl Node {
    /// Waits until `nodes` have revision `revision` or a newer one; until all on the list have it, if none are named; for
    /// the newest, if none is. When the context's time is over it says who is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is no revision, or nobody to wait for.
    pub fn wait(&self, cx: &Context, revision: Option<u64>, nodes: &[NodeId]) -> Result<WaitOutcome> {
        let begun = Instant::now();
        let revision = match revision {
            Some(revision) => revision,
            None => self.newest(cx)?,
        };
        let mut asked: Option<Instant> = None;
        loop {
            if self.transport.has_reports() && asked.is_none_or(|asked| asked.elapsed() >= HUB) {
                // The channel may tell it, or the hub comes back.
                if let Err(error) = self.collect_reports(cx) {
                    tracing::info!(%error, "the hub does not say what nodes report");
                }
                asked = Some(Instant::now());
            }
            let looked = Instant::now();
            let outcome = WaitOutcome {
                duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                ..sort(self.roster(cx, None)?, revision, nodes)
            };
            if nodes.is_empty() && outcome.have.is_empty() && outcome.waiting.is_empty() {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "no node has ever reported here: there is nobody to wait for",
                )
                .hint("name the --nodes, or ask a node that hears of the others"));
            }
            if outcome.done || cx.time_left().is_some_and(|left| left.is_zero()) {
                return Ok(outcome);
            }
            // A long list is not read all the time.
            match cx.sleep(LIST.max(looked.elapsed() * 4)) {
                Err(error) if error.kind() != ErrorKind::DeadlineExceeded => return Err(error),
                _ => {}
            }
        }
    }

    fn newest(&self, cx: &Context) -> Result<u64> {
        let mut position = self.db.position()?;
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
        hub.head.map(|head| head.revision.number).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "the deployment has no revision yet").at(self.transport.endpoint())
        })
    }
}

/// Tells those who have `revision` from those who have not. Pure.
fn sort(roster: Vec<Standing>, revision: u64, nodes: &[NodeId]) -> WaitOutcome {
    let known = |node: &&NodeId| roster.iter().any(|standing| standing.report.node == **node);
    let unheard: Vec<NodeId> = nodes.iter().filter(|node| !known(node)).cloned().collect();
    let is_asked_for = |standing: &Standing| nodes.is_empty() || nodes.contains(&standing.report.node);
    let (have, waiting): (Vec<_>, Vec<_>) =
        roster.into_iter().filter(is_asked_for).partition(|standing| has(standing, revision));
    let have = have.into_iter().map(|standing| standing.report.node).collect();
    let done = waiting.is_empty() && unheard.is_empty();
    WaitOutcome { revision, done, have, waiting, unheard, duration_ms: 0 }
}

/// Whether a node has `revision`, or a newer one, and nothing else.
fn has(standing: &Standing, revision: u64) -> bool {
    let report = &standing.report;
    let is_there = report.applied.is_some_and(|applied| applied.number >= revision);
    let is_whole = report.measured.is_none() || report.measured == report.root;
    is_there && is_whole && report.outcome == Outcome::Applied
}
