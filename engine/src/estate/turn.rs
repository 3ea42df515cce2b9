//! One turn for one deployment: publish, update, or let it go; and what is known of it then.

use std::time::Instant;

use super::board::Job;
use super::{Estate, EstateEvent};
use crate::context::Context;
use crate::daemon::{Deed, Event};
use crate::engine::{EvictOptions, Founding, Heal, Node, PublishOptions, Scope, UpdateOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::name::DeploymentName;
use crate::revdb::RegisterEntry;

/// How a turn has ended.
pub(super) struct Turned {
    pub(super) entry: RegisterEntry,
    /// What is to be done again, if it failed.
    pub(super) again: Option<Job>,
    /// Whether everything was looked at.
    pub(super) checked: bool,
}

impl Estate<'_> {
    /// Works on one of them.
    pub(super) fn turn(&self, cx: &Context, entry: RegisterEntry, job: &Job) -> Turned {
        let name = entry.name.clone();
        let cx = &self.in_time(cx);
        let _span = tracing::info_span!("turn", deployment = %name, check = job.check, said = ?job.said).entered();
        let before = entry.clone();
        match self.try_turn(cx, &name, entry, job) {
            Ok((entry, checked)) => {
                if before.failures > 0 {
                    self.tell(&name, &Event::Recovered);
                }
                Turned { entry, again: None, checked }
            }
            Err((deed, error)) => self.failed(cx, before, job, deed, &error),
        }
    }

    fn failed(&self, cx: &Context, before: RegisterEntry, job: &Job, deed: Deed, error: &Error) -> Turned {
        // Who has the lock is not a failure of ours.
        let is_busy = matches!(error.kind(), ErrorKind::Locked | ErrorKind::Cancelled);
        let failures = if is_busy { before.failures } else { before.failures.saturating_add(1) };
        let problem = if is_busy { before.problem.clone() } else { Some(error.to_string()) };
        let entry = RegisterEntry { failures, problem, ..before };
        if !cx.cancel().is_cancelled() {
            self.tell(&entry.name.clone(), &Event::failed(deed, error, failures, self.duties.period));
        }
        Turned { entry, again: Some(job.clone()), checked: false }
    }

    fn try_turn(
        &self,
        cx: &Context,
        name: &DeploymentName,
        mut entry: RegisterEntry,
        job: &Job,
    ) -> std::result::Result<(RegisterEntry, bool), (Deed, Error)> {
        let update = |error| (Deed::Update, error);
        let node = self.open(cx, name).map_err(update)?;
        let mut checked = job.check;
        let mut asked = false;
        if self.duties.commit && self.duties.checkout && !node.has_applied().map_err(update)? {
            // Who has never met the deployment gets to know it before it publishes. Where there is none yet, there is
            // nothing to meet.
            match self.follow(cx, name, &node, job) {
                Err(error) if error.kind() == ErrorKind::Unreachable => {}
                followed => followed.map_err(update)?,
            }
            checked = true;
        }
        if self.duties.commit && (job.check || !job.part.is_empty()) {
            self.publish(cx, name, &node, job).map_err(|error| (Deed::Publish, error))?;
            asked = true;
        }
        if self.duties.checkout && (job.said.is_some() || job.check) {
            self.follow(cx, name, &node, job).map_err(update)?;
            asked = true;
        }
        if job.unload {
            if self.duties.evict && self.is_lazy {
                node.evict(cx, &EvictOptions::default()).map_err(update)?;
            }
            entry.loaded = false;
            self.tell_all(name, &EstateEvent::Unloaded);
        }
        let seen = node.seen().map_err(update)?;
        if asked {
            let mark = seen.map(|revision| self.registry.mark(revision));
            if let (Some(said), Some(seen), true) = (&job.said, seen, self.duties.commit)
                && mark.as_deref() != said.mark()
            {
                self.registry.mend(cx, name, seen).map_err(update)?;
            }
            // What the hub has said is what it is in step with, even if that lags behind what is there.
            entry.mark = match &job.said {
                Some(said) => said.mark().map(str::to_owned),
                None => mark,
            };
        }
        let summary = node.summary().map_err(update)?;
        (entry.applied, entry.ghosts) = (summary.applied, summary.ghosts.map(|ghosts| ghosts.bytes));
        (entry.failures, entry.problem) = (0, summary.problem);
        if checked {
            entry.checked = Some(cx.now());
        }
        self.announce(&node);
        node.rest();
        if !job.unload {
            self.keep(name, node);
        }
        Ok((entry, checked))
    }

    fn scope(&self, job: &Job) -> Scope {
        if job.check || job.part.is_empty() { Scope::Whole } else { Scope::Part(job.part.clone()) }
    }

    fn publish(&self, cx: &Context, name: &DeploymentName, node: &Node, job: &Job) -> Result<()> {
        let options = PublishOptions {
            message: self.duties.message.clone(),
            scope: self.scope(job),
            // Where the hub is empty nobody comes to work unless he may seed it.
            founds: if self.duties.seed { Founding::Hub } else { Founding::Deployment },
            ..PublishOptions::default()
        };
        let outcome = node.publish(cx, &options)?;
        let is_open = !outcome.conflicts.is_empty() || !outcome.held.is_empty() || !outcome.problems.is_empty();
        if outcome.changed || is_open {
            self.tell(name, &Event::Published(Box::new(outcome)));
        }
        Ok(())
    }

    fn follow(&self, cx: &Context, name: &DeploymentName, node: &Node, job: &Job) -> Result<()> {
        let heal = if self.duties.heal { Heal::All } else { Heal::Nothing };
        // A manager's own changes were looked at when they were published.
        let scope = if job.check || !self.duties.commit { Scope::Whole } else { Scope::Part(job.part.clone()) };
        let begun = Instant::now();
        let outcome = node.update(cx, &UpdateOptions { scope, heal, ..UpdateOptions::default() })?;
        tracing::debug!(millis = begun.elapsed().as_millis(), changed = outcome.changed, "updated");
        let is_open = !outcome.conflicts.is_empty() || !outcome.problems.is_empty() || outcome.held.is_some();
        if outcome.changed || outcome.from != outcome.to || is_open {
            self.tell(name, &Event::Updated(Box::new(outcome)));
        }
        Ok(())
    }
}
