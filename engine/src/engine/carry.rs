//! Carrying a plan out: stage, journal, commit, settle, measure, report.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use rustix::fs::FileType;

use super::agree::{agree, forsake, know};
use super::disk::Disk;
use super::report::Ending;
use super::stage::Staging;
use super::units::TouchedUnit;
use super::update::{Manner, Progressed, Target, conflict_count};
use super::{HeldRevision, Node, Remark};
use crate::apply::{self, Committed, OnDrift, Recovery, Stage, Surroundings};
use crate::content::Recipe;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::random_bytes;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Agreed, Application, Plan, Policy, Trees};
use crate::revdb::{Applied, JournalHead, Position, Settlement, Work};
use crate::stamp::Stamp;
use crate::transport::Outcome;
use crate::tree::{Change, Entry, Mode, Overlay, Tree};

/// What an update looks at while it works; it does not change.
pub(super) struct Scene<'a> {
    pub(super) cx: &'a Context,
    /// The position that is written down.
    pub(super) before: &'a Position,
    pub(super) target: Target,
    pub(super) manner: &'a Manner<'a>,
    pub(super) disk: &'a Disk,
    pub(super) trees: Trees<'a>,
    pub(super) units: &'a [TouchedUnit],
}

/// What was done to the disk, before it is settled.
#[derive(Default)]
struct Deeds {
    committed: Committed,
    recipes: Vec<(Digest, Recipe)>,
    /// The staging area, and with it the journal, that is to end with the settlement.
    stage: Option<(Stage, Recovery)>,
}

impl Node {
    /// Stages, journals, commits and settles `plan`, then says what is here.
    pub(super) fn carry_out(
        &self,
        scene: &Scene<'_>,
        position: &mut Position,
        mut plan: Plan,
        done: &mut Progressed,
    ) -> Result<()> {
        let begun = Instant::now();
        position.place = Some((scene.disk.scan.device, scene.disk.scan.inode));
        if scene.manner.full {
            position.full_scan = Some(scene.cx.now());
        }
        let applications = std::mem::take(&mut plan.apply);
        let deeds = if applications.is_empty() {
            Deeds::default()
        } else {
            self.stage_and_commit(scene, position, &applications, done)?
        };
        let (applied, occupied) = sort_out(applications, &deeds.committed, done);
        // A pruned path was never part of the agreement.
        let moved = plan::merge(applied.iter().map(|change| (change.path, change.after)), plan.agree);
        let moved: Packed<Agreed> = moved.collect();
        let mut pages = Overlay::new(&*self.db);
        match scene.manner.evicting {
            true => forsake(position, &moved, &mut pages)?,
            false => agree(position, &moved, &mut pages)?,
        }
        if !plan.ghosts.is_empty() {
            know(position, &plan.ghosts, &mut pages)?;
        }
        self.note_rules(position);
        // On a manager they stay in the agreement: otherwise its next publish would bring them back for everybody.
        if scene.manner.policy != Policy::ThreeWay && !scene.manner.evicting && !occupied.is_empty() {
            let released = released(&pages, position.known(), occupied)?;
            agree(position, &released, &mut pages)?;
        }
        let from = position.applied.map(|(revision, _)| revision.number);
        if !applied.is_empty() {
            done.owed_before = position.owed.is_some();
            self.owe(position);
        }
        position.applied = Some((scene.target.revision, scene.target.root));
        position.seen = position.applied;
        position.whole = done.conflicts.is_empty() && done.problems.is_empty();
        let row = Applied {
            at: scene.cx.now(),
            work: Work::Update,
            from,
            to: Some(scene.target.revision.number),
            root: position.known(),
            entries: applied.len() as u64,
            bytes: done.fetched,
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome: if position.whole { "applied" } else { "partial" }.to_owned(),
            detail: done.problems.first().map(|problem| problem.reason.clone()),
        };
        let worth_a_row = !applied.is_empty() || scene.before.applied != position.applied;
        if worth_a_row || *position != *scene.before || deeds.stage.is_some() {
            scene.cx.step("update.settle");
            self.db.settle(&Settlement {
                position,
                pages: &pages,
                history: worth_a_row.then_some(&row),
                recipes: &deeds.recipes,
                forgotten: &forgotten(&applied),
                times: &self.times_after(&deeds.committed.replaced_times)?,
                ends_journal: deeds.stage.is_some(),
            })?;
        }
        if let Some((stage, recovery)) = deeds.stage {
            scene.cx.step("update.sweep-staging");
            stage.remove()?;
            recovery.trim(scene.cx.now(), self.options.recovery.age, self.options.recovery.bytes)?;
        }
        done.kept = deeds.committed.kept;
        done.applied = applied;
        self.refresh_stubs(scene.cx, &scene.disk.root, position, &mut done.warnings);
        let observed = self.measure_and_report(scene, position, done, worth_a_row.then_some(&row))?;
        if worth_a_row {
            scene.cx.step("state.sweep-cache");
            self.db.sweep_cache(&[observed, scene.target.root])?;
        }
        Ok(())
    }

    /// Everything from the first staged file to the last flushed rename.
    fn stage_and_commit(
        &self,
        scene: &Scene<'_>,
        position: &Position,
        applications: &Packed<Application>,
        done: &mut Progressed,
    ) -> Result<Deeds> {
        let (cx, disk, target) = (scene.cx, scene.disk, scene.target);
        let run = data_encoding::HEXLOWER.encode(&random_bytes()?);
        let area = Stage::open(&self.places, &run)?;
        let recovery = Recovery::new(cx, self.places.recovery(), &run);
        let stamp_of = |application: &Application| disk.scan.stamp_of(&application.path);
        let area_shown = area.shown().to_owned();
        let staging = Staging { cx, stage: &area, root: &disk.root, at: target.revision };
        let staged = self.stage(&staging, applications, &stamp_of).and_then(|staged| {
            let units = self.shadows(cx, &area, scene, applications)?;
            Ok((staged, units))
        });
        let (staged, (units, refused)) = match staged {
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
        cx.step("update.flush-staging");
        area.flush()?;
        let surroundings = Scanned { disk, wanted: scene.trees.wanted, agreement: scene.trees.agreement };
        let steps = apply::steps(applications, &units, &surroundings)?;
        let head = JournalHead {
            run,
            target: (target.revision, target.root),
            whole: done.conflicts.is_empty() && done.problems.is_empty() && refused.is_empty(),
            from: position.applied.map(|(revision, _)| revision.number),
            lazy: self.rules.fingerprint(),
            evicts: scene.manner.evicting,
        };
        cx.check()?;
        if self.options.hooks.is_some() {
            let changes = applications.iter().map(Change::from).collect();
            if let Err(error) = self.before_update(cx, head.from, target.revision.number, &changes) {
                area.remove()?;
                return Err(error);
            }
        }
        cx.step("update.journal");
        self.db.write_journal(&head, steps.iter().map(|step| step.encode()))?;
        let careful = scene.manner.policy == Policy::ThreeWay || scene.manner.evicting;
        let on_drift = if careful { OnDrift::Leave } else { OnDrift::KeepAside };
        let mut committed = apply::commit(cx, &disk.root, &area, &recovery, &steps, on_drift)?;
        committed.refused.extend(refused);
        if !units.is_empty() {
            cx.step("update.flush-units");
            area.flush()?;
        }
        cx.step("update.flush-directories");
        apply::flush_directories(&disk.root, steps.iter().map(|step| step.path))?;
        Ok(Deeds { committed, recipes: staged.recipes, stage: Some((area, recovery)) })
    }

    /// Reads what was touched again, and tells the hub what is here. Gives the root of what is on the disk.
    fn measure_and_report(
        &self,
        scene: &Scene<'_>,
        position: &Position,
        done: &mut Progressed,
        row: Option<&Applied>,
    ) -> Result<Digest> {
        let touched = done.applied.iter().map(|change| change.path);
        let observed = self.look_again(scene.cx, scene.disk, touched)?;
        let pages = scene.disk.pages(&*self.db);
        let agreement = Tree::new(&pages, position.agreement);
        let known = Tree::new(&pages, position.known());
        let trees = Trees { agreement, known, local: Tree::new(&pages, observed), wanted: known };
        let measured = scene.disk.measured(&trees)?;
        let (outcome, problem) = if let Some(held) = position.held_revision.clone() {
            (Outcome::Failed, Some(HeldRevision::from(held).to_string()))
        } else if position.whole && done.drift.is_empty() {
            (Outcome::Applied, None)
        } else if let (true, Some(first)) = (position.whole, done.drift.first()) {
            let others = done.drift.len() - 1;
            (
                Outcome::Drifted,
                Some(if others == 0 { first.to_string() } else { format!("{first}, and {others} more") }),
            )
        } else {
            let conflicts = Some(done.conflicts.len()).filter(|count| *count > 0).map(conflict_count);
            let first = done.problems.first().map(ToString::to_string);
            let both: Vec<String> = conflicts.into_iter().chain(first).collect();
            (Outcome::Partial, Some(both.join("; ")).filter(|both| !both.is_empty()))
        };
        let ending = Ending { outcome, problem, measured: Some(measured), cost: row.map(Ending::cost_of) };
        let report = self.compose_report(scene.cx, position, ending)?;
        if position.owed.is_some() {
            done.unsent = Some(report);
        } else {
            self.send_report(scene.cx, &report, &mut done.warnings)?;
        }
        Ok(observed)
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
        // What is no directory yet is made one that can be worked in.
        let here = here.filter(|here| here.file_type() == FileType::Directory);
        Ok(mode.filter(|_| here.is_some_and(|here| here.permissions() & 0o300 != 0o300)))
    }
}

/// Tells what was applied from what was left. Gives also the directories that the hub has removed and that something
/// keeps here which nobody tracks.
fn sort_out(
    applications: Packed<Application>,
    committed: &Committed,
    done: &mut Progressed,
) -> (Packed<Change>, Vec<RelPath>) {
    let (mut applied, mut occupied) = (Packed::new(), Vec::new());
    let refused = committed.refused.iter();
    done.problems.extend(refused.map(|(path, reason)| Remark { path: Some(path.clone()), reason: reason.clone() }));
    for application in applications {
        if committed.refused_with(&application.path).is_some() {
            continue;
        }
        if committed.occupied.contains(&application.path) {
            done.warnings.push(format!(
                "{}: the hub has removed it; something that depsync does not track keeps it here",
                application.path
            ));
            occupied.push(application.path);
        } else if let Some(reason) = committed.left.get(&application.path) {
            done.problems.push(Remark { path: Some(application.path), reason: reason.clone() });
        } else {
            applied.push(&Change::from(application));
        }
    }
    (applied, occupied)
}

/// Those of `directories` beneath which nothing is known (any more): the agreement lets them go.
fn released(pages: &Overlay<'_>, known: Digest, directories: Vec<RelPath>) -> Result<Packed<Agreed>> {
    let mut released: BTreeSet<RelPath> = BTreeSet::new();
    for directory in directories.into_iter().rev() {
        let beneath = Tree::new(pages, known).beneath(&directory);
        let mut others = beneath.filter(|entry| !entry.as_ref().is_ok_and(|(path, _)| released.contains(path)));
        match others.next() {
            None => drop(released.insert(directory)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(released.into_iter().map(|path| (path, None)).collect())
}

/// Contents that were replaced or removed.
fn forgotten(applied: &Packed<Change>) -> Vec<Digest> {
    applied.iter().filter_map(|change| change.before?.content()).map(|(hash, _)| hash).collect()
}
