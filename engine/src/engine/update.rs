//! `update`: from the revision that is here to the wanted one, or nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::disk::{Disk, Remember};
use super::hub::Head;
use super::tracked::Tracked;
use super::{Conflict, Node, Remark, UpdateOptions, UpdateOutcome};
use crate::apply::{self, Committed, OnDrift, Recovery, Stage, Surroundings};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{Revision, random_bytes};
use crate::path::RelPath;
use crate::plan::{self, Application, Clash, Guard, Plan, Policy, Trees, Unsettled};
use crate::revdb::{Applied, JournalHead, Position, Settlement, Work};
use crate::scan::{Everything, IGNORE_FILE, Interest};
use crate::stamp::Stamp;
use crate::transport::{Look, OpenMode, Outcome};
use crate::tree::{self, Change, Entry, Mode, Overlay, Tree, empty_root};

/// Where an update goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) revision: Revision,
    pub(super) root: Digest,
}

/// How an update goes about it.
pub(super) struct Manner {
    pub(super) policy: Policy,
    pub(super) full: bool,
    pub(super) prune: bool,
    pub(super) dry_run: bool,
    pub(super) allow_mass_delete: bool,
}

/// What an update has found and done so far.
#[derive(Default)]
pub(super) struct Progressed {
    pub(super) applied: Vec<Application>,
    pub(super) conflicts: Vec<Clash>,
    pub(super) problems: Vec<Remark>,
    /// Whether something newer in the hub could not come because the path was not measured here.
    pub(super) blocked: bool,
    pub(super) kept: Vec<RelPath>,
    pub(super) warnings: Vec<String>,
    pub(super) fetched: u64,
    pub(super) measured: Option<Digest>,
    pub(super) entries: u64,
    pub(super) bytes_read: u64,
}

impl Node {
    /// Brings the directory to the hub's newest revision, or to `options.to`.
    ///
    /// Refused ([`ErrorKind::Refused`]) when it looks like an accident; then nothing was changed. Conflicts and paths
    /// that could not be replaced are part of the outcome.
    pub fn update(&self, cx: &Context, options: &UpdateOptions) -> Result<UpdateOutcome> {
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
        let first_contact = position.applied.is_none();
        let accepted = hub.head.as_ref().is_some_and(|head| head.accepts_mass_delete);
        let manner = Manner {
            policy: self.policy(first_contact),
            full: false,
            prune: options.prune,
            dry_run: options.dry_run,
            allow_mass_delete: options.allow_mass_delete || accepted,
        };
        let mut done = self.bring_whole_to(cx, &mut position, &before, target, &manner)?;
        kept_aside.append(&mut done.kept);
        Ok(UpdateOutcome {
            from,
            to: Some(target.revision.number),
            root: target.root,
            recovered,
            pinned: position.pinned,
            kept_aside,
            ..done.into_outcome(begun, target.revision.number)
        })
    }

    fn pinned_target(&self, cx: &Context, number: u64, head: &Head) -> Result<Target> {
        if number == head.revision.number {
            return Ok(Target { revision: head.revision, root: head.root });
        }
        let record = self.record_number(cx, number)?;
        Ok(Target { revision: record.revision(), root: record.payload().root })
    }

    /// [`Self::bring_to`], and once more if the ignore patterns themselves changed: what the old ones hid can come now.
    pub(super) fn bring_whole_to(
        &self,
        cx: &Context,
        position: &mut Position,
        before: &Position,
        target: Target,
        manner: &Manner,
    ) -> Result<Progressed> {
        let first = self.bring_to(cx, position, before, target, manner)?;
        let patterns = |application: &Application| application.path.as_bytes() == IGNORE_FILE.as_bytes();
        if manner.dry_run || !first.blocked || !first.applied.iter().any(patterns) {
            return Ok(first);
        }
        let before = position.clone();
        let second = self.bring_to(cx, position, &before, target, manner)?;
        Ok(Progressed {
            applied: first.applied.into_iter().chain(second.applied).collect(),
            kept: first.kept.into_iter().chain(second.kept).collect(),
            fetched: first.fetched + second.fetched,
            ..second
        })
    }

    /// Plans, guards, stages, commits and settles: the directory goes to `target`.
    pub(super) fn bring_to(
        &self,
        cx: &Context,
        position: &mut Position,
        before: &Position,
        target: Target,
        manner: &Manner,
    ) -> Result<Progressed> {
        let mut done =
            Progressed { fetched: self.ensure_tree(cx, target.revision, target.root)?, ..Progressed::default() };
        let agreement = Tree::new(&*self.db, position.agreement);
        let wanted = Tree::new(&*self.db, target.root);
        let (old, new) = (agreement.totals()?, wanted.totals()?);
        if !manner.allow_mass_delete {
            plan::check_removal(Guard::Revision, old, new)
                .map_err(|error| error.at(format!("revision {}", target.revision)))?;
        }
        if manner.dry_run && position.agreement == empty_root() && !self.places.dir.exists() {
            // Nothing is there, so everything would come.
            let come = |change: Change| Application { path: change.path, have: None, want: change.after, keep: false };
            done.applied = agreement.diff(&wanted).map(|change| change.map(come)).collect::<Result<_>>()?;
            return Ok(done);
        }
        let dir = if manner.dry_run { self.open_dir(position)? } else { self.open_or_make_dir(cx, position)? };
        let tracked = Tracked::new([agreement, wanted]);
        let interest: &dyn Interest = match manner.policy {
            Policy::HubWins if !manner.prune => &tracked,
            _ => &Everything,
        };
        let remember = if manner.dry_run { Remember::No } else { Remember::Yes };
        let disk = self.look(cx, dir, manner.full, interest, remember)?;
        done.problems = disk.problems();
        done.warnings = disk.skipped();
        done.entries = disk.scan.counts.entries;
        done.bytes_read = disk.scan.counts.hashed_bytes;
        let pages = disk.pages(&*self.db);
        let trees = Trees {
            agreement: Tree::new(&pages, position.agreement),
            local: Tree::new(&pages, disk.observed),
            wanted: Tree::new(&pages, target.root),
        };
        let hidden = |path: &RelPath, directory: bool| disk.ignore.matches(path, directory);
        let unsettled = Unsettled::new(disk.unknown(), &hidden);
        let mut plan = plan::plan(trees, manner.policy, &unsettled)?;
        if manner.prune {
            add_untracked(&mut plan, trees)?;
        }
        self.check_disk(position, &disk, &trees, manner, old.entries)?;
        check_parents(&plan.apply, &trees.wanted)?;
        done.blocked = !plan.blocked.is_empty();
        for path in std::mem::take(&mut plan.blocked) {
            let reason = "the hub has a newer version, but it is ignored or cannot be read here".to_owned();
            done.problems.push(Remark { path: Some(path), reason });
        }
        done.conflicts = std::mem::take(&mut plan.conflicts);
        if manner.dry_run {
            done.applied = plan.apply;
            return Ok(done);
        }
        self.carry_out(cx, position, before, target, manner, &disk, &trees, plan, &mut done)?;
        Ok(done)
    }

    #[allow(clippy::too_many_arguments, reason = "the state of one update; split from `bring_to` only for its length")]
    fn carry_out(
        &self,
        cx: &Context,
        position: &mut Position,
        before: &Position,
        target: Target,
        manner: &Manner,
        disk: &Disk,
        trees: &Trees<'_>,
        plan: Plan,
        done: &mut Progressed,
    ) -> Result<()> {
        let begun = Instant::now();
        let from = position.applied.map(|(revision, _)| revision.number);
        position.place = Some((disk.scan.device, disk.scan.inode));
        if manner.full {
            position.full_scan = Some(cx.now());
        }
        let mut pages = Overlay::new(&*self.db);
        let mut committed = Committed::default();
        let mut recipes = Vec::new();
        let mut stage = None;
        if !plan.apply.is_empty() {
            let run = data_encoding::HEXLOWER.encode(&random_bytes()?);
            let area = Stage::open(&self.places, &run)?;
            let recovery = Recovery::new(cx, self.places.recovery(), &run);
            let stamp_of = |application: &Application| disk.scan.stamp_of(&application.path);
            let area_shown = area.shown().to_owned();
            let staged = match self.stage(cx, &area, &disk.root, target.revision, &plan.apply, &stamp_of) {
                Ok(staged) => staged,
                Err(error) => {
                    // Nothing live has changed yet, so nothing of this run is of use. What cannot be removed now, the
                    // next run sweeps.
                    if let Err(error) = area.remove() {
                        tracing::warn!(%error, "the staging area is left to the next run");
                    }
                    return Err(no_room(error, &area_shown));
                }
            };
            done.fetched += staged.fetched;
            recipes = staged.recipes;
            cx.step("update.flush-staging");
            area.flush()?;
            let surroundings = Scanned { disk, wanted: trees.wanted, agreement: trees.agreement };
            let steps = apply::steps(&plan.apply, &surroundings)?;
            let whole = done.conflicts.is_empty() && done.problems.is_empty();
            let head = JournalHead { run, target: (target.revision, target.root), whole, from };
            cx.check()?;
            cx.step("update.journal");
            self.db.write_journal(&head, steps.iter().map(apply::Step::encode))?;
            let on_drift = if manner.policy == Policy::ThreeWay { OnDrift::Leave } else { OnDrift::KeepAside };
            committed = apply::commit(cx, &disk.root, &area, &recovery, &steps, on_drift)?;
            cx.step("update.flush-directories");
            apply::flush_directories(&disk.root, steps.iter().map(|step| &step.path))?;
            recovery.trim(cx.now(), self.options.recovery.age, self.options.recovery.bytes)?;
            stage = Some(area);
        }
        let (applied, left): (Vec<_>, Vec<_>) =
            plan.apply.into_iter().partition(|application| !committed.left.contains_key(&application.path));
        for application in left {
            let reason = committed.left.get(&application.path).cloned().unwrap_or_default();
            done.problems.push(Remark { path: Some(application.path), reason });
        }
        let moved = merge(&applied, &plan.agree);
        position.agreement = tree::edit(trees.agreement, moved.into_iter().map(Ok), &mut pages)?;
        position.applied = Some((target.revision, target.root));
        position.seen = position.applied;
        position.whole = done.conflicts.is_empty() && done.problems.is_empty();
        let row = Applied {
            at: cx.now(),
            work: Work::Update,
            from,
            to: Some(target.revision.number),
            root: position.agreement,
            entries: applied.len() as u64,
            bytes: done.fetched,
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome: if position.whole { "applied" } else { "partial" }.to_owned(),
            detail: done.problems.first().map(|problem| problem.reason.clone()),
        };
        let worth_a_row = !applied.is_empty() || before.applied != position.applied;
        if worth_a_row || *position != *before || stage.is_some() {
            cx.step("update.settle");
            let forgotten = forgotten(&applied);
            self.db.settle(&Settlement {
                position,
                pages: &pages,
                history: worth_a_row.then_some(&row),
                recipes: &recipes,
                forgotten: &forgotten,
                times: &self.times_after(&committed.replaced_times)?,
                ends_journal: stage.is_some(),
            })?;
        }
        if let Some(stage) = stage {
            cx.step("update.sweep-staging");
            stage.remove()?;
        }
        done.kept = committed.kept;
        done.applied = applied;
        self.measure_and_report(cx, position, disk, trees, done)?;
        cx.step("state.sweep-cache");
        self.db.sweep_cache(&[disk.observed, target.root])
    }

    /// Reads what was touched again, and tells the hub what is here.
    fn measure_and_report(
        &self,
        cx: &Context,
        position: &Position,
        disk: &Disk,
        trees: &Trees<'_>,
        done: &mut Progressed,
    ) -> Result<()> {
        let measured = self.measure(position, disk, trees, &done.applied)?;
        done.measured = Some(measured);
        let (outcome, problem) = if position.whole {
            (Outcome::Applied, None)
        } else {
            let first = done.problems.first().map(|problem| match &problem.path {
                Some(path) => format!("{path}: {}", problem.reason),
                None => problem.reason.clone(),
            });
            (Outcome::Partial, first.or_else(|| Some(conflict_count(done.conflicts.len()))))
        };
        let report = self.compose_report(cx, position, Some(measured), outcome, problem);
        self.send_report(cx, &report, &mut done.warnings)
    }

    /// The root of the tracked paths as they are on the disk now: the scan's, with all touched paths read again.
    fn measure(&self, position: &Position, disk: &Disk, trees: &Trees<'_>, applied: &[Application]) -> Result<Digest> {
        let pages = disk.pages(&*self.db);
        let agreement = Tree::new(&pages, position.agreement);
        let local = Tree::new(&pages, trees.local.root());
        let differing = disk.differing(&Trees { agreement, local, wanted: agreement })?;
        let mut found: BTreeMap<RelPath, Option<Entry>> =
            differing.into_iter().map(|change| (change.path, change.after)).collect();
        for application in applied {
            let now = read_again(disk, &application.path);
            if now == application.want {
                found.remove(&application.path);
            } else if application.want.is_some() {
                found.insert(application.path.clone(), now);
            }
        }
        let mut scratch = tree::MemoryPages::default();
        tree::edit(agreement, found.into_iter().map(Ok), &mut scratch)
    }

    fn check_disk(
        &self,
        position: &Position,
        disk: &Disk,
        trees: &Trees<'_>,
        manner: &Manner,
        agreed_entries: u64,
    ) -> Result<()> {
        if !manner.full {
            self.check_place(position, disk, disk.differing(trees)?.is_empty())?;
        }
        if disk.scan.empty && agreed_entries > 0 && !manner.allow_mass_delete && !manner.full {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("it is empty, but {agreed_entries} entries were there"),
            )
            .at(self.places.dir.display())
            .hint(
                "mount what belongs there; if it was emptied on purpose, `depsync verify --repair` brings \
                     everything back",
            ));
        }
        Ok(())
    }
}

/// A full disk is told by its place: content hashes tell an operator nothing.
fn no_room(error: Error, staging: &Path) -> Error {
    match error.kind() {
        ErrorKind::NoSpace => error
            .found_at(staging.display())
            .hint("make room on this file system and run the command again; nothing live was changed"),
        _ => error,
    }
}

/// What the steps must know of the disk.
struct Scanned<'a> {
    disk: &'a Disk,
    wanted: Tree<'a>,
    agreement: Tree<'a>,
}

impl Surroundings for Scanned<'_> {
    fn stamp(&self, path: &RelPath) -> Option<Stamp> {
        self.disk.scan.stamp_of(path)
    }

    fn must_open(&self, directory: &RelPath) -> Result<Option<Mode>> {
        if rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let entry = match self.wanted.get(directory)? {
            Some(entry) => Some(entry),
            None => self.agreement.get(directory)?,
        };
        let here = self.disk.scan.stamp_of(directory);
        let mode = entry.filter(Entry::is_directory).and_then(|entry| entry.mode());
        Ok(mode.filter(|_| here.is_some_and(|here| here.permissions() & 0o300 != 0o300)))
    }
}

/// Refuses a tree with an entry whose parent is not a directory: no honest publisher makes one.
fn check_parents(applications: &[Application], wanted: &Tree<'_>) -> Result<()> {
    let mut last: Option<RelPath> = None;
    for application in applications.iter().filter(|application| application.want.is_some()) {
        let Some(parent) = application.path.parent() else { continue };
        if last.as_ref() == Some(&parent) {
            continue;
        }
        if !wanted.get(&parent)?.is_some_and(|entry| entry.is_directory()) {
            return Err(Error::damaged(&application.path, "the revision has it in something that is not a directory"));
        }
        last = Some(parent);
    }
    Ok(())
}

/// `--prune`: what neither the agreement nor the hub knows goes, too, and is kept aside.
fn add_untracked(plan: &mut Plan, trees: Trees<'_>) -> Result<()> {
    for change in trees.agreement.diff(&trees.local) {
        let change = change?;
        if change.before.is_none() && trees.wanted.get(&change.path)?.is_none() {
            let keep = change.after.as_ref().is_some_and(|entry| !entry.is_directory());
            plan.apply.push(Application { path: change.path, have: change.after, want: None, keep });
        }
    }
    plan.apply.sort_by(|left, right| left.path.cmp(&right.path));
    plan.apply.dedup_by(|left, right| left.path == right.path);
    Ok(())
}

/// What moves the agreement, in path order. A pruned path was never part of it.
fn merge(applied: &[Application], agree: &[(RelPath, Option<Entry>)]) -> Vec<(RelPath, Option<Entry>)> {
    let applied = applied.iter().map(|application| (application.path.clone(), application.want.clone()));
    let mut moved: Vec<_> = applied.chain(agree.iter().cloned()).collect();
    moved.sort_by(|left, right| left.0.cmp(&right.0));
    moved
}

/// Contents that were replaced or removed.
fn forgotten(applied: &[Application]) -> Vec<Digest> {
    let contents = applied.iter().filter_map(|application| application.have.as_ref()?.content());
    contents.map(|(hash, _)| hash).collect()
}

/// What is at `path` now, its content read; none where nothing can be read.
fn read_again(disk: &Disk, path: &RelPath) -> Option<Entry> {
    let stamp = disk.root.stamp(path).ok().flatten()?;
    let parent = disk.root.parent(path).ok()?;
    apply::entry_at(parent, path.name(), &stamp).ok().flatten()
}

impl Progressed {
    pub(super) fn into_outcome(self, begun: Instant, revision: u64) -> UpdateOutcome {
        let (mut added, mut modified, mut removed) = (0, 0, 0);
        let mut changes = Vec::with_capacity(self.applied.len());
        for application in self.applied {
            match (&application.have, &application.want) {
                (None, _) => added += 1,
                (_, None) => removed += 1,
                _ => modified += 1,
            }
            changes.push(Change { path: application.path, before: application.have, after: application.want });
        }
        UpdateOutcome {
            changed: !changes.is_empty(),
            added,
            modified,
            removed,
            conflicts: conflicts(&self.conflicts, revision),
            problems: self.problems,
            bytes_fetched: self.fetched,
            kept_aside: self.kept,
            changes,
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
            recovered: false,
            pinned: None,
            changes: Vec::new(),
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
