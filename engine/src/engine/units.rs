//! Units in an update: which of them a plan changes, which have to be left, and what is staged for the others.
//!
//! A unit that has to be left is a problem of that path, as a file that cannot be replaced is: everything else goes on,
//! the node says that it has the revision in part, and the next command tries again. The whole update is not refused for
//! it: a server that has written one file too many in one application would keep all others from their release.

use std::collections::{BTreeMap, HashSet};

use super::carry::Scene;
use super::disk::Disk;
use super::{Node, Remark};
use crate::apply::{Changes, Changing, Design, Stage, Swap, Unit, UnitRule, WorkArea};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{Application, Plan, Trees};
use crate::tree::Entry;

/// A unit that a plan changes.
pub(super) struct TouchedUnit {
    path: RelPath,
    rule: UnitRule,
    changes: Changes,
    /// What is in it and tracked.
    tracked: HashSet<RelPath>,
    have: Option<Entry>,
    want: Option<Entry>,
}

impl TouchedUnit {
    fn holds(&self, path: &RelPath) -> bool {
        path.is_within(&self.path)
    }

    /// What is to become of it, as the room below sees it.
    fn designed<T>(&self, disk: &Disk, deed: impl FnOnce(Design<'_>) -> Result<T>) -> Result<T> {
        let is_tracked = |path: &RelPath| self.tracked.contains(path);
        deed(Design {
            root: &disk.root,
            unit: &self.path,
            changes: &self.changes,
            carry: &self.rule.carry,
            is_tracked: &is_tracked,
        })
    }
}

impl Node {
    /// The units that `plan` changes. Those that have to be left go out of the plan, and are problems.
    pub(super) fn units_of(
        &self,
        cx: &Context,
        disk: &Disk,
        trees: &Trees<'_>,
        dry_run: bool,
        plan: &mut Plan,
        problems: &mut Vec<Remark>,
    ) -> Result<Vec<TouchedUnit>> {
        let touched = if self.units.is_empty() { Vec::new() } else { self.touched(trees, &plan.apply)? };
        if touched.is_empty() {
            return Ok(touched);
        }
        let unable = match &self.places.work {
            WorkArea::Inside => Some(NO_PLACE),
            WorkArea::Beside(_) if !dry_run && !Stage::can_exchange(&self.places)? => Some(NO_EXCHANGE),
            WorkArea::Beside(_) => None,
        };
        let mut left: BTreeMap<RelPath, String> = BTreeMap::new();
        for unit in &touched {
            cx.check()?;
            let objection = match unable {
                Some(reason) => Some(reason.to_owned()),
                None => reason_of(unit.designed(disk, |design| design.objection()))?,
            };
            if let Some(reason) = objection {
                left.insert(unit.path.clone(), reason);
            }
        }
        if left.is_empty() {
            return Ok(touched);
        }
        let is_left = |path: &RelPath| {
            let unit = left.range(..=path).next_back();
            unit.is_some_and(|(unit, _)| path.is_within(unit))
        };
        // What holds such a unit stays a directory.
        let holds = |application: &Application| {
            application.want.as_ref().is_some_and(|want| !want.is_directory())
                && left.keys().any(|unit| unit.is_beneath(&application.path))
        };
        let mut held = Vec::new();
        plan.apply = std::mem::take(&mut plan.apply)
            .into_iter()
            .filter(|application| {
                if holds(application) {
                    held.push(application.path.clone());
                    return false;
                }
                !is_left(&application.path)
            })
            .collect();
        let held = held.into_iter().map(|path| (path, HOLDS_UNIT.to_owned()));
        problems.extend(left.into_iter().chain(held).map(|(path, reason)| Remark { path: Some(path), reason }));
        // The numbers of what is left in the plan are others now.
        self.touched(trees, &plan.apply)
    }

    fn touched(&self, trees: &Trees<'_>, applications: &Packed<Application>) -> Result<Vec<TouchedUnit>> {
        let mut touched: Vec<TouchedUnit> = Vec::new();
        for (number, application) in applications.iter().enumerate() {
            let Application { path, have, want, .. } = application;
            let is_directory = [&have, &want].into_iter().flatten().any(Entry::is_directory);
            if !touched.last().is_some_and(|last| last.holds(&path)) {
                let Some((unit, rule)) = self.units.of(&path, is_directory) else { continue };
                let there = trees.local.get(&unit)?;
                touched.push(TouchedUnit {
                    rule: rule.clone(),
                    changes: Changes::new(),
                    tracked: tracked(trees, &unit)?,
                    want: if unit == path { want.clone() } else { there.clone() },
                    have: if unit == path { have.clone() } else { there },
                    path: unit,
                });
            }
            if let Some(unit) = touched.last_mut() {
                unit.changes.insert(path, Changing { have, want, number: number as u64 });
            }
        }
        Ok(touched)
    }

    /// Stages the units of `scene`, whose changing files are staged already. Gives also those that had to be left after
    /// all, and why.
    pub(super) fn shadows(
        &self,
        cx: &Context,
        stage: &Stage,
        scene: &Scene<'_>,
        applications: &Packed<Application>,
    ) -> Result<(Vec<Unit>, BTreeMap<RelPath, String>)> {
        let (mut units, mut refused) = (Vec::new(), BTreeMap::new());
        for (slot, unit) in (0_u64..).zip(scene.units) {
            cx.check()?;
            cx.step("stage.unit");
            let made = unit.designed(scene.disk, |design| design.make(stage, slot));
            let made = match made {
                Err(error) => Err(reason_of(Err(error))?.unwrap_or_default()),
                Ok(made) => made,
            };
            let swap = match made {
                Ok(staged) => {
                    let (carry, keep) = (unit.rule.carry.clone(), unit.rule.keep.as_secs());
                    Some(Swap { slot, staged, carry, keep })
                }
                Err(reason) => {
                    let above = |application: &Application| unit.path.is_beneath(&application.path);
                    let holds = |application: Application| {
                        above(&application) && application.want.is_some_and(|want| !want.is_directory())
                    };
                    if applications.iter().any(holds) {
                        return Err(Error::new(ErrorKind::Refused, reason).at(&unit.path).hint("try again"));
                    }
                    refused.insert(unit.path.clone(), reason);
                    None
                }
            };
            units.push(Unit { path: unit.path.clone(), have: unit.have.clone(), want: unit.want.clone(), swap });
        }
        Ok((units, refused))
    }
}

const NO_PLACE: &str = "it changes as one, and is left as it is: there is no place beside the deployment directory to \
                        stage it in; name one on its file system with `staging`";
const NO_EXCHANGE: &str = "it changes as one, and is left as it is: this file system cannot exchange two directories \
                           (ext4, xfs, btrfs and tmpfs can); move the deployment to one that can, or name no unit here";
const HOLDS_UNIT: &str = "a directory that changes as one is in it, and has to be left as it is";

/// What concerns the unit alone is a reason to leave it; everything else is an error.
fn reason_of(said: Result<Option<String>>) -> Result<Option<String>> {
    let own = [ErrorKind::Refused, ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::Usage];
    match said {
        Err(error) if own.contains(&error.kind()) => {
            Ok(Some(format!("it changes as one, and is left as it is: {error}")))
        }
        said => said,
    }
}

/// What is tracked in a unit.
fn tracked(trees: &Trees<'_>, unit: &RelPath) -> Result<HashSet<RelPath>> {
    let both = trees.agreement.beneath(unit).chain(trees.wanted.beneath(unit));
    both.map(|entry| entry.map(|(path, _)| path)).collect()
}
