//! Planning an update: what the revision asks of this disk, and whether that looks like an accident.

use std::collections::{BTreeMap, BTreeSet};

use itertools::Itertools;

use super::carry::Scene;
use super::disk::{Disk, Gaze, Remember};
use super::relics::LOOKED_AT;
use super::tracked::Tracked;
use super::update::{Manner, Progressed, Target};
use super::{Heal, Node, Remark, Scope};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Application, Guard, Lazy, Plan, Policy, Trees, Unsettled};
use crate::revdb::Position;
use crate::scan::{Everything, IGNORE_FILE, Interest};
use crate::tree::{Change, Entry, Tree, empty_root};

impl Node {
    /// [`Self::bring_to`], and once more if the ignore patterns themselves changed: what the old ones hid can come now.
    pub(super) fn bring_whole_to(
        &self,
        cx: &Context,
        position: &mut Position,
        before: &Position,
        target: Target,
        manner: &Manner<'_>,
    ) -> Result<Progressed> {
        let first = self.bring_to(cx, position, before, target, manner)?;
        let patterns = |change: Change| change.path.as_bytes() == IGNORE_FILE.as_bytes();
        if manner.dry_run || !first.blocked || !first.applied.iter().any(patterns) {
            return Ok(first);
        }
        let before = position.clone();
        // What was hidden may be anywhere.
        let manner = Manner { scope: &Scope::Whole, ..*manner };
        let second = self.bring_to(cx, position, &before, target, &manner)?;
        let mut warnings: Vec<String> = first.warnings.into_iter().chain(second.warnings).collect();
        warnings.sort_unstable();
        warnings.dedup();
        Ok(Progressed {
            warnings,
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
        manner: &Manner<'_>,
    ) -> Result<Progressed> {
        let mut done =
            Progressed { fetched: self.ensure_tree(cx, target.revision, target.root)?, ..Progressed::default() };
        let known = Tree::new(&*self.db, position.known());
        let wanted = Tree::new(&*self.db, target.root);
        let (old, new) = (known.totals()?, wanted.totals()?);
        if !manner.allow_mass_delete {
            plan::check_removal(Guard::Revision, old, new)
                .map_err(|error| error.at(format!("revision {}", target.revision)))?;
        }
        let laziness = self.laziness_without(position, manner.summons.whole)?;
        if manner.dry_run && position.agreement == empty_root() && !self.places.dir.exists() {
            // Nothing is there, so everything would come.
            let eager = |change: &Change| {
                let directory = change.after.as_ref().is_some_and(Entry::is_directory);
                !laziness.covers(&change.path, directory)
            };
            done.applied = known.diff(&wanted).filter_ok(eager).collect::<Result<_>>()?;
            return Ok(done);
        }
        let dir = if manner.dry_run { self.open_dir(position)? } else { self.open_or_make_dir(cx, position)? };
        let (earlier, removed) = match manner.first_contact {
            Some(newest) if dir.holds_something()? => {
                (self.earlier_roots(cx, newest, target)?, self.transport.removals(cx, newest, LOOKED_AT)?)
            }
            _ => Default::default(),
        };
        let earlier_trees = earlier.iter().map(|root| Tree::new(&*self.db, *root));
        let tracked = Tracked::new([known, wanted].into_iter().chain(earlier_trees)).and_beneath(removed);
        let interest: &dyn Interest = match manner.policy {
            Policy::HubWins if !manner.prune => &tracked,
            _ => &Everything,
        };
        let remember = if manner.dry_run { Remember::No } else { Remember::Yes };
        let scope = if manner.prune { &Scope::Whole } else { manner.scope };
        let part = self.part_of(scope, position, Some(target.root))?;
        let disk = self.look(cx, dir, Gaze { full: manner.full, part, ..Gaze::new(interest, remember) })?;
        done.problems = disk.problems();
        done.warnings = disk.skipped();
        done.entries = disk.scan.counts.entries;
        done.bytes_read = disk.scan.counts.hashed_bytes;
        let pages = disk.pages(&*self.db);
        let trees = Trees {
            agreement: Tree::new(&pages, position.agreement),
            known: Tree::new(&pages, position.known()),
            local: Tree::new(&pages, disk.observed),
            wanted: Tree::new(&pages, target.root),
        };
        let hidden = |path: &RelPath, directory: bool| disk.ignore.matches(path, directory);
        let occupied = |path: &RelPath| disk.is_occupied(path);
        let unsettled = Unsettled::new(disk.unknown(), &hidden, &occupied);
        let mut summoned = self.reconsidered(position)?;
        summoned.extend_from_slice(manner.summons.paths);
        let covers = |path: &RelPath, directory: bool| laziness.covers(path, directory) && !manner.summons.names(path);
        let mut plan = plan::plan(trees, manner.policy, &unsettled, &Lazy::new(&covers, summoned))?;
        if manner.policy == Policy::HubWins && *manner.heal != Heal::All {
            done.drift = leave_drift(&mut plan, &trees, manner.heal)?;
        }
        if manner.prune {
            add_untracked(&mut plan, trees, &self.db.stubs()?.1)?;
        } else if let Some(newest) = manner.first_contact {
            self.remove_relics(cx, newest, &mut plan, &trees, &earlier)?;
        }
        let here = trees.agreement.totals()?.entries;
        self.check_disk(position, &disk, &trees, manner, here)?;
        check_parents(&plan.apply, &trees.wanted)?;
        let units = self.units_of(cx, &disk, &trees, manner.dry_run, &mut plan, &mut done.problems)?;
        done.blocked = !plan.blocked.is_empty();
        for path in std::mem::take(&mut plan.blocked) {
            let reason =
                "it cannot be brought: it is ignored or cannot be read here, or something ignored stands in its place"
                    .to_owned();
            done.problems.push(Remark { path: Some(path), reason });
        }
        done.conflicts = std::mem::take(&mut plan.conflicts);
        if manner.dry_run {
            done.applied = plan.apply.into_iter().map(Change::from).collect();
            return Ok(done);
        }
        let scene = Scene { cx, before, target, manner, disk: &disk, trees, units: &units };
        self.carry_out(&scene, position, plan, &mut done)?;
        Ok(done)
    }

    fn check_disk(
        &self,
        position: &Position,
        disk: &Disk,
        trees: &Trees<'_>,
        manner: &Manner<'_>,
        agreed_entries: u64,
    ) -> Result<()> {
        if !manner.full {
            self.check_place(position, disk, disk.differing(trees).next().transpose()?.is_none())?;
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

/// Refuses a tree with an entry whose parent is not a directory: no honest publisher makes one.
pub(super) fn check_parents(applications: &Packed<Application>, wanted: &Tree<'_>) -> Result<()> {
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

/// Takes out of a plan what brings drift back that is to be left, and gives those paths. A directory that something else
/// needs comes back all the same.
fn leave_drift(plan: &mut Plan, trees: &Trees<'_>, heal: &Heal) -> Result<Vec<RelPath>> {
    let mut left = BTreeSet::new();
    for application in plan.apply.iter().filter(|application| !heal.heals(&application.path)) {
        let is_drift = application.have.is_some() || trees.agreement.get(&application.path)?.is_some();
        if is_drift && trees.known.get(&application.path)? == trees.wanted.get(&application.path)? {
            left.insert(application.path);
        }
    }
    let stays = |application: &Application| !left.contains(&application.path) && application.want.is_some();
    let needed: BTreeSet<RelPath> = plan
        .apply
        .iter()
        .filter(stays)
        .flat_map(|application| application.path.ancestors().collect::<Vec<_>>())
        .filter(|above| left.contains(above))
        .collect();
    left.retain(|path| !needed.contains(path));
    plan.apply = plan.apply.iter().filter(|application| !left.contains(&application.path)).collect();
    Ok(left.into_iter().collect())
}

/// `--prune`: what neither the agreement nor the hub knows goes, too, and is kept aside; but for files that stand for
/// ghosts (`own`).
fn add_untracked(plan: &mut Plan, trees: Trees<'_>, own: &BTreeMap<RelPath, Digest>) -> Result<()> {
    let mut untracked: Packed<Application> = Packed::new();
    for change in trees.agreement.diff(&trees.local) {
        let change = change?;
        // What is beneath a path follows it.
        let holds_own = || own.range(&change.path..).next().is_some_and(|(path, _)| path.is_within(&change.path));
        if change.before.is_none() && trees.wanted.get(&change.path)?.is_none() && !holds_own() {
            let keep = change.after.as_ref().is_some_and(|entry| !entry.is_directory());
            untracked.push(&Application { path: change.path, have: change.after, want: None, keep });
        }
    }
    plan.also_apply(untracked);
    Ok(())
}

impl From<Application> for Change {
    fn from(application: Application) -> Self {
        Self { path: application.path, before: application.have, after: application.want }
    }
}
