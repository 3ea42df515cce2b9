//! Finishing an update that was interrupted after its journal was written.

use std::collections::BTreeMap;

use itertools::Itertools;
use rustix::fs::FileType;

use super::Node;
use crate::apply::{self, Action, OnDrift, Recovery, Stage, Step};
use crate::beneath::Root;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Place};
use crate::revdb::{Applied, Position, Settlement, Work};
use crate::tree::{self, Entry, MemoryPages, Overlay, Tree};

impl Node {
    /// Finishes an interrupted update, if there is one, and gives the paths of which something was kept aside. Needs
    /// the lock.
    pub(super) fn recover(&self, cx: &Context) -> Result<Option<Vec<RelPath>>> {
        let Some(journal) = self.db.journal()? else {
            Stage::sweep(&self.places, cx.now())?;
            return Ok(None);
        };
        let steps: Packed<Step> = journal.steps.into_iter().map(|bytes| Step::decode(&bytes)).collect::<Result<_>>()?;
        let position = self.db.position()?;
        let root = self.open_dir(&position)?;
        self.check_still_there(&root, &position)?;
        let stage = Stage::open(&self.places, &journal.head.run)?;
        let recovery = Recovery::new(cx, self.places.recovery(), &journal.head.run);
        tracing::info!(run = journal.head.run, steps = steps.len(), "finishing an interrupted update");
        let mut kept = apply::sort_leftovers(cx, &root, &stage, &recovery, &steps)?;
        let done = apply::commit(cx, &root, &stage, &recovery, &steps, OnDrift::KeepAside)?;
        apply::flush_directories(&root, steps.iter().map(|step| step.path))?;
        let is_unit = |step: &Step| matches!(step.action, Action::Swap(_));
        if steps.iter().any(|step| is_unit(&step)) {
            stage.flush()?;
        }
        let mut pages = Overlay::new(&*self.db);
        // What changes with a unit is said by the steps behind it.
        let taken = steps.iter().filter(|step| {
            let left = done.left.contains_key(&step.path) || done.refused_with(&step.path).is_some();
            !left && !done.occupied.contains(&step.path) && !is_unit(step)
        });
        let taken: Packed<Step> = taken.collect();
        let agreement = after(position.agreement, taken.iter(), &mut pages)?;
        let known = match position.known {
            _ if journal.head.evicts => position.known(),
            None if journal.head.lazy.is_none() => agreement,
            _ => after(position.known(), taken.iter(), &mut pages)?,
        };
        let from = position.applied.map(|(revision, _)| revision.number);
        let mut position = position;
        position.agree(agreement, known);
        position.lazy = journal.head.lazy;
        self.owe(&mut position);
        position.applied = Some(journal.head.target);
        // Ghosts that were to move are moved by the next update.
        let is_whole = journal.head.lazy.is_none() || known == journal.head.target.1;
        position.whole = journal.head.whole && is_whole && done.left.is_empty() && done.refused.is_empty();
        // What was replaced before the crash is known from the journal alone.
        let stamps = steps.iter().filter_map(|step| Some((step.path, step.stamp?.mtime_seconds())));
        let mut replaced: BTreeMap<RelPath, i64> = stamps.collect();
        replaced.extend(done.replaced_times.iter().map(|(path, second)| (path.clone(), *second)));
        let row = Applied {
            at: cx.now(),
            work: Work::Update,
            from,
            to: Some(journal.head.target.0.number),
            root: known,
            entries: steps.len() as u64,
            bytes: 0,
            millis: 0,
            outcome: if position.whole { "recovered".to_owned() } else { "partial".to_owned() },
            detail: done.left.iter().chain(&done.refused).next().map(|(path, why)| format!("{path}: {why}")),
        };
        cx.step("recover.settle");
        self.db.settle(&Settlement {
            position: &position,
            pages: &pages,
            history: Some(&row),
            recipes: &[],
            forgotten: &[],
            times: &self.times_after(&replaced)?,
            ends_journal: true,
        })?;
        cx.step("recover.sweep");
        stage.remove()?;
        kept.extend(done.kept);
        Ok(Some(kept))
    }

    /// Refuses to go on in another directory than the one that the update began in: the file system is not mounted, and
    /// what is journalled would be done to the mount point.
    fn check_still_there(&self, root: &Root, position: &Position) -> Result<()> {
        let failed = |errno| Error::io("look at", root.shown().display(), errno);
        let now = rustix::fs::fstat(root.handle()).map_err(failed)?;
        let now = Place { device: now.st_dev, inode: now.st_ino };
        let before = position.place.map(|(device, inode)| Place { device, inode });
        if before.is_none_or(|before| before.device == now.device) {
            return Ok(());
        }
        let mut holds_something = false;
        for entry in Tree::new(&*self.db, position.agreement).iter() {
            let (path, entry) = entry?;
            let stamp = root.stamp(&path).ok().flatten();
            if stamp.is_some_and(|stamp| (stamp.file_type() == FileType::Directory) == entry.is_directory()) {
                holds_something = true;
                break;
            }
        }
        plan::check_place(before, now, holds_something, !holds_something)
            .map_err(|error| error.at(self.places.dir.display()))
    }

    /// The modification times to remember: those that paths had, with the one just replaced.
    pub(super) fn times_after(&self, replaced: &BTreeMap<RelPath, i64>) -> Result<BTreeMap<RelPath, Vec<i64>>> {
        let mut times = BTreeMap::new();
        for (path, second) in replaced {
            let mut lately = self.db.lately(path)?;
            lately.push(*second);
            times.insert(path.clone(), lately);
        }
        Ok(times)
    }
}

/// The agreement after `steps`: what a path is in the end is what its last step says. Some thousands at a time, as they
/// are not in path order.
fn after(agreement: Digest, steps: impl Iterator<Item = Step>, pages: &mut Overlay<'_>) -> Result<Digest> {
    const BATCH: usize = 1 << 16;
    let mut agreement = agreement;
    for batch in &steps.chunks(BATCH) {
        let ended: BTreeMap<RelPath, Option<Entry>> = batch.map(|step| (step.path, step.want)).collect();
        let mut fresh = MemoryPages::default();
        agreement = tree::edit(Tree::new(pages, agreement), ended.into_iter().map(Ok), &mut fresh)?;
        pages.absorb(fresh)?;
    }
    Ok(agreement)
}

impl Node {
    /// Opens the deployment directory of an update: the first one makes it.
    pub(super) fn open_or_make_dir(&self, cx: &Context, position: &Position) -> Result<Root> {
        if position.agreement == tree::empty_root() && !self.places.dir.exists() {
            cx.step("update.make-directory");
            std::fs::create_dir(&self.places.dir)
                .map_err(|source| Error::io("make the directory", self.places.dir.display(), source))?;
        }
        self.open_dir(position)
    }
}
