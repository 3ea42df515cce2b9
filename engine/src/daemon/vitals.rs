//! How a daemon is, for somebody who looks from outside at any time: metrics, a health check.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{Daemon, Deed, Event};
use crate::context::Context;
use crate::engine::State;

/// Shared with whoever looks. See the module.
#[derive(Clone, Debug, Default)]
pub struct Vitals(Arc<Mutex<Facts>>);

/// What is so at the moment, and what has happened since the daemon was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The node's id.
    pub node: String,
    /// The deployment.
    pub deployment: String,
    /// The newest revision that it knows of.
    pub head: Option<u64>,
    /// The revision that it has.
    pub applied: Option<u64>,
    /// Since when there has been a revision that it has not.
    pub behind_since: Option<Timestamp>,
    /// When the last turn that went well ended.
    pub well_at: Option<Timestamp>,
    /// How often in a row it has failed by now, and with which kind of error the last time.
    pub failing: Option<(u32, &'static str)>,
    /// How often it has failed.
    pub failures: BTreeMap<&'static str, u64>,
    /// The revisions that it has published.
    pub published: Work,
    /// The updates that changed something.
    pub updated: Work,
    /// How many paths differ here and are left so.
    pub drift: u64,
    /// How many were brought back.
    pub healed: u64,
    /// How many conflicts wait for somebody.
    pub conflicts: u64,
    /// Whether it holds a revision that it was not well with.
    pub holds: bool,
    /// Whether the directory is watched.
    pub watching: bool,
    /// How many nodes stand how, as far as this one has heard.
    pub nodes: BTreeMap<State, u64>,
}

/// What was done, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How often.
    pub count: u64,
    /// For how long, in milliseconds.
    pub millis: u64,
    /// How many bytes were moved.
    pub bytes: u64,
}

impl Work {
    fn add(&mut self, millis: u64, bytes: u64) {
        self.count += 1;
        self.millis = self.millis.saturating_add(millis);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Vitals {
    /// What is so now.
    pub fn now(&self) -> Facts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether anybody else may look.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes note of something that has happened.
    pub(super) fn heard(&self, event: &Event) {
        self.note(|facts| match event {
            Event::Watching { .. } => facts.watching = true,
            Event::Scanning { .. } => facts.watching = false,
            Event::Published(outcome) => {
                facts.conflicts = outcome.conflicts.len() as u64;
                if outcome.changed {
                    facts.published.add(outcome.duration_ms, outcome.bytes_sent);
                }
            }
            Event::Updated(outcome) => {
                facts.conflicts = outcome.conflicts.len() as u64;
                facts.drift = outcome.drift.len() as u64;
                facts.holds = outcome.held.is_some();
                if outcome.changed {
                    facts.updated.add(outcome.duration_ms, outcome.bytes_fetched);
                    facts.healed += if outcome.from == outcome.to { outcome.changes.len() as u64 } else { 0 };
                }
            }
            Event::Failed { deed, kind, failures, .. } => {
                facts.failing = Some((*failures, *kind));
                *facts.failures.entry(deed_name(*deed)).or_default() += 1;
            }
            Event::Recovered => facts.failing = None,
            _ => {}
        });
    }
}

impl Daemon<'_> {
    /// Takes note of where this node stands, and the others, if anybody looks.
    pub(super) fn take_vitals(&mut self, cx: &Context) {
        if !self.vitals.is_shared() {
            return;
        }
        let identity = self.node.identity();
        let seen = self.node.announcement().ok().flatten().map(|newest| newest.revision);
        let roster = self.node.roster(&self.in_time(cx), seen).unwrap_or_else(|error| {
            tracing::info!(%error, "it is not known how the nodes stand");
            Vec::new()
        });
        let own = roster.iter().find(|standing| standing.report.node == identity.node);
        let mut nodes = BTreeMap::new();
        for standing in &roster {
            *nodes.entry(standing.state).or_default() += 1;
        }
        self.vitals.note(|facts| {
            facts.node = identity.node.to_string();
            facts.deployment = identity.deployment.to_string();
            facts.head = seen.map(|revision| revision.number);
            facts.applied = own.and_then(|own| own.report.applied).map(|revision| revision.number);
            let is_behind = own.is_some_and(|own| own.lag.is_some_and(|lag| lag > 0));
            let since =
                own.and_then(|own| cx.now().checked_sub(SignedDuration::from_secs(own.lag_s?.cast_signed())).ok());
            facts.behind_since = if is_behind { facts.behind_since.or(since).or(Some(cx.now())) } else { None };
            facts.nodes = nodes;
        });
    }
}

fn deed_name(deed: Deed) -> &'static str {
    match deed {
        Deed::Watch => "watch",
        Deed::Publish => "publish",
        Deed::Update => "update",
    }
}
