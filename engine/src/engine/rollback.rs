//! `rollback`: an old tree becomes the newest revision, and comes back here and everywhere.

use std::time::Instant;

use super::race::Races;
use super::update::{Manner, Summons, Target};
use super::{Heal, HeldRevision, Node, PublishOutcome, Role, Scope};
use crate::content::LocalContent;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::name::Revision;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Guard};
use crate::record::Acceptance;
use crate::transport::{Look, OpenMode, Proposal, Published};
use crate::tree::{Change, Tree};

impl Node {
    /// Publishes the tree of revision `number` as a new revision and applies it here. Local changes that were not
    /// published stay as they are.
    pub fn rollback(&self, cx: &Context, number: u64, message: &str) -> Result<PublishOutcome> {
        let rolled_back = self.soundly(|| self.rollback_once(cx, number, message));
        self.reported(cx, false, rolled_back)
    }

    fn rollback_once(&self, cx: &Context, number: u64, message: &str) -> Result<PublishOutcome> {
        cx.check()?;
        if !self.writes() || self.options.role == Some(Role::ReadOnly) {
            return Err(Error::new(ErrorKind::Usage, "only a manager rolls the deployment back")
                .hint("on a worker, `depsync update --to REV` pins this node alone"));
        }
        let begun = Instant::now();
        let _lock = self.lock(cx)?;
        self.recover(cx)?;
        let mut races = Races::default();
        loop {
            // A lost race is run again: the old tree is what is wanted, whoever published in between.
            match self.try_rollback(cx, number, message, begun)? {
                Ok(outcome) => return Ok(outcome),
                Err(parent) => races.lost(cx, self, Some(parent)).map_err(|error| error.op("roll back"))?,
            }
        }
    }

    /// One attempt; the revision on top of which somebody else was faster.
    fn try_rollback(
        &self,
        cx: &Context,
        number: u64,
        message: &str,
        begun: Instant,
    ) -> Result<std::result::Result<PublishOutcome, Revision>> {
        let mut position = self.db.position()?;
        let before = position.clone();
        if let Some(pinned) = position.pinned {
            return Err(Error::new(ErrorKind::Refused, format!("this node is pinned to revision {pinned}"))
                .hint("`depsync update --unpin` brings it back to the newest revision"));
        }
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Heal)?;
        self.claim_lost_publish(cx, &mut position, &hub)?;
        let Some(head) = hub.head else {
            return Err(
                Error::new(ErrorKind::Usage, "the deployment has no revision yet").at(self.transport.endpoint())
            );
        };
        let old = self.record_number(cx, number)?;
        let root = self.root_at(cx, old.revision)?;
        self.ensure_tree(cx, head.revision, head.root)?;
        self.ensure_tree(cx, old.revision, root)?;
        let (now, then) = (Tree::new(&*self.db, head.root), Tree::new(&*self.db, root));
        let changes: Packed<Change> = now.diff(&then).collect::<Result<_>>()?;
        let mut outcome = PublishOutcome::counting(changes, Some(head.revision.number), begun);
        outcome.root = root;
        // Naming a revision is to want it.
        position.held_revision = None;
        let mut target = Target { revision: head.revision, root: head.root };
        if outcome.changed {
            // Naming a revision is a confirmation: the workers must not refuse what the operator asked for.
            let accepts = match plan::check_removal(Guard::Source, now.totals()?, then.totals()?) {
                Ok(()) => Vec::new(),
                Err(_) => vec![Acceptance::MassDelete],
            };
            let new_pages = now.new_pages(&then)?;
            let message =
                if message.is_empty() { format!("rollback to revision {number}") } else { message.to_owned() };
            let proposal = Proposal {
                parent: Some(head.revision),
                draft: self.draft(cx, root, &message, accepts)?,
                changes: &outcome.changes,
                new_pages: &new_pages,
                pages: &*self.db,
                content: &InTheHub,
                recipes: &|content| self.db.recipe(content),
                effort: self.options.effort,
                restores: Some(old.revision),
            };
            cx.step("rollback.propose");
            match self.transport.publish(cx, &proposal)? {
                Published::Raced => return Ok(Err(head.revision)),
                Published::Moved(paths) => return Err(collected(number, paths.first())),
                Published::Done { revision, root, sent, .. } => {
                    outcome.parent = outcome.revision;
                    outcome.revision = Some(revision.number);
                    outcome.bytes_sent = sent;
                    outcome.root = root;
                    target = Target { revision, root };
                }
            }
        }
        let manner = Manner {
            policy: self.policy(position.applied.is_none()),
            full: false,
            prune: false,
            dry_run: false,
            allow_mass_delete: true,
            first_contact: position.applied.is_none().then_some(target.revision.number),
            scope: &Scope::Whole,
            heal: &Heal::All,
            summons: Summons::default(),
            evicting: false,
        };
        let done = self.bring_and_tell(cx, &mut position, &before, target, &manner)?;
        let done = done.into_outcome(begun, target.revision.number);
        outcome.warnings =
            position.held_revision.map(|held| HeldRevision::from(held).to_string()).into_iter().collect();
        outcome.conflicts = done.conflicts;
        outcome.problems = done.problems;
        outcome.warnings.extend(done.warnings);
        outcome.duration_ms = done.duration_ms;
        Ok(Ok(outcome))
    }
}

/// An old revision's content is in the hub, or nowhere.
struct InTheHub;

impl LocalContent for InTheHub {
    fn open(&self, path: &RelPath) -> Result<std::fs::File> {
        Err(collected(0, Some(path)).with_kind(ErrorKind::NotFound))
    }
}

fn collected(number: u64, path: Option<&RelPath>) -> Error {
    let what = if number == 0 { "its content".to_owned() } else { format!("the content of revision {number}") };
    let error = Error::new(ErrorKind::Usage, format!("{what} is no longer in the hub: it was collected by `gc`"));
    match path {
        Some(path) => error.at(path),
        None => error,
    }
}
