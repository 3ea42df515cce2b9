//! `update`: from the revision that is here to the wanted one, or nothing.

use std::time::Instant;

use super::hub::Head;
use super::outcome::Counts;
use super::{Conflict, Heal, HeldRevision, Node, Remark, Scope, UpdateOptions, UpdateOutcome};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{Clash, Policy};
use crate::revdb::Position;
use crate::transport::{Look, NodeReport, OpenMode};
use crate::tree::{Change, Entry, empty_root};

/// Where an update goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) revision: Revision,
    pub(super) root: Digest,
}

/// How an update goes about it.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) policy: Policy,
    pub(super) full: bool,
    pub(super) prune: bool,
    pub(super) dry_run: bool,
    pub(super) allow_mass_delete: bool,
    /// The hub's newest revision, where it is met for the first time.
    pub(super) first_contact: Option<u64>,
    pub(super) scope: &'a Scope,
    pub(super) heal: &'a Heal,
    pub(super) summons: Summons<'a>,
    /// Whether what goes stays known: it becomes ghosts.
    pub(super) evicting: bool,
}

/// The ghosts that a command wants to be here.
#[derive(Clone, Copy, Default)]
pub(super) struct Summons<'a> {
    /// Which, ascending.
    pub(super) paths: &'a [RelPath],
    /// The directories in which everything is wanted.
    pub(super) whole: &'a [RelPath],
}

impl Summons<'_> {
    pub(super) fn names(&self, path: &RelPath) -> bool {
        self.paths.binary_search(path).is_ok()
    }
}

/// What an update has found and done so far.
#[derive(Default)]
pub(super) struct Progressed {
    pub(super) applied: Packed<Change>,
    pub(super) conflicts: Vec<Clash>,
    pub(super) problems: Vec<Remark>,
    /// Whether something newer in the hub could not come because the path was not measured here.
    pub(super) blocked: bool,
    pub(super) kept: Vec<RelPath>,
    /// Drift that was left.
    pub(super) drift: Vec<RelPath>,
    pub(super) warnings: Vec<String>,
    /// Whether hooks were owed something before.
    pub(super) owed_before: bool,
    /// What is reported once the hooks are content.
    pub(super) unsent: Option<NodeReport>,
    pub(super) fetched: u64,
    pub(super) entries: u64,
    pub(super) bytes_read: u64,
}

impl Node {
    /// Brings the directory to the hub's newest revision, or to `options.to`.
    ///
    /// Refused ([`ErrorKind::Refused`]) when it looks like an accident; then nothing was changed. Conflicts and paths
    /// that could not be replaced are part of the outcome.
    pub fn update(&self, cx: &Context, options: &UpdateOptions) -> Result<UpdateOutcome> {
        let updated = self.soundly(|| self.update_once(cx, options));
        self.reported(cx, options.dry_run, updated)
    }

    fn update_once(&self, cx: &Context, options: &UpdateOptions) -> Result<UpdateOutcome> {
        cx.check()?;
        let begun = Instant::now();
        let _lock = self.lock(cx)?;
        let interrupted = if options.dry_run { None } else { self.recover(cx)? };
        let recovered = interrupted.is_some();
        let mut position = self.db.position()?;
        let before = position.clone();
        if options.unpin {
            position.pinned = None;
        }
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
        let from = position.applied.map(|(revision, _)| revision.number);
        let target = match (options.to.or(position.pinned), &hub.head) {
            (Some(number), Some(head)) => {
                position.pinned = Some(number);
                Some(self.pinned_target(cx, number, head)?)
            }
            (Some(number), None) => {
                return Err(Error::new(ErrorKind::Usage, format!("there is no revision {number}"))
                    .at(self.transport.endpoint()));
            }
            (None, head) => head.as_ref().map(|head| Target { revision: head.revision, root: head.root }),
        };
        if !options.dry_run {
            self.adopt_hub(cx, hub.facts.as_ref())?;
            self.claim_lost_publish(cx, &mut position, &hub)?;
            cx.step("state.role");
            self.set_identity(|identity| {
                identity.writes.get_or_insert(false);
            })?;
        }
        let mut kept_aside = interrupted.unwrap_or_default();
        let Some(target) = target else {
            let outcome = UpdateOutcome { from, recovered, kept_aside, ..UpdateOutcome::nothing(begun) };
            return Ok(outcome);
        };
        let target = unheld(&mut position, target, options.retry || options.to.is_some());
        let first_contact = position.applied.is_none();
        let accepted = hub.head.as_ref().is_some_and(|head| head.accepts_mass_delete);
        let manner = Manner {
            policy: self.policy(first_contact),
            full: false,
            prune: options.prune,
            dry_run: options.dry_run,
            allow_mass_delete: options.allow_mass_delete || accepted,
            first_contact: hub.head.as_ref().filter(|_| first_contact).map(|head| head.revision.number),
            scope: &options.scope,
            heal: &options.heal,
            summons: Summons::default(),
            evicting: false,
        };
        let mut done = self.bring_and_tell(cx, &mut position, &before, target, &manner)?;
        kept_aside.append(&mut done.kept);
        done.warnings.extend(self.transport.left_out(target.revision)?);
        // It may have had to go back.
        let (revision, root) = position.applied.filter(|_| !options.dry_run).unwrap_or((target.revision, target.root));
        Ok(UpdateOutcome {
            from,
            to: Some(revision.number),
            root,
            recovered,
            pinned: position.pinned,
            ghosts: self.ghosts_of(&position)?,
            kept_aside,
            held: position.held_revision.map(HeldRevision::from),
            ..done.into_outcome(begun, target.revision.number)
        })
    }

    fn pinned_target(&self, cx: &Context, number: u64, head: &Head) -> Result<Target> {
        if number == head.revision.number {
            return Ok(Target { revision: head.revision, root: head.root });
        }
        let revision = self.record_number(cx, number)?.revision;
        Ok(Target { revision, root: self.root_at(cx, revision)? })
    }
}

/// Where an update goes that was to go to `target`: not to a revision that is held, unless that is asked for.
fn unheld(position: &mut Position, target: Target, asked_for: bool) -> Target {
    match &position.held_revision {
        Some(held) if held.revision == target.revision && !asked_for => {
            Target { revision: held.back.0, root: held.back.1 }
        }
        _ => {
            position.held_revision = None;
            target
        }
    }
}

impl Progressed {
    pub(super) fn into_outcome(self, begun: Instant, revision: u64) -> UpdateOutcome {
        let Counts { added, modified, removed, .. } = Counts::of(&self.applied);
        UpdateOutcome {
            changed: !self.applied.is_empty(),
            added,
            modified,
            removed,
            conflicts: conflicts(&self.conflicts, revision),
            problems: self.problems,
            bytes_fetched: self.fetched,
            kept_aside: self.kept,
            drift: self.drift,
            changes: self.applied,
            warnings: self.warnings,
            ..UpdateOutcome::nothing(begun)
        }
    }
}

impl UpdateOutcome {
    fn nothing(begun: Instant) -> Self {
        Self {
            from: None,
            to: None,
            root: empty_root(),
            changed: false,
            added: 0,
            modified: 0,
            removed: 0,
            conflicts: Vec::new(),
            problems: Vec::new(),
            bytes_fetched: 0,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            kept_aside: Vec::new(),
            drift: Vec::new(),
            recovered: false,
            held: None,
            pinned: None,
            ghosts: None,
            changes: Packed::new(),
            warnings: Vec::new(),
        }
    }
}

/// How many conflicts there are, for people.
pub(super) fn conflict_count(count: usize) -> String {
    if count == 1 { "1 conflict".to_owned() } else { format!("{count} conflicts") }
}

/// Conflicts for people.
pub(super) fn conflicts(clashes: &[Clash], revision: u64) -> Vec<Conflict> {
    let what = |before: &Option<Entry>, after: &Option<Entry>| match (before, after) {
        (before, after) if before == after => "left",
        (None, _) => "added",
        (_, None) => "removed",
        _ => "modified",
    };
    clashes
        .iter()
        .map(|clash| Conflict {
            path: clash.path.clone(),
            mine: what(&clash.agreed, &clash.mine),
            theirs: what(&clash.agreed, &clash.theirs),
            revision,
        })
        .collect()
}
