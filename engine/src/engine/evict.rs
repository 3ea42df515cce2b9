//! `evict`: files that are here become ghosts again, and their disk space is free.
//!
//! Only what is lazy goes, and only what is just as it was fetched: a file that somebody has changed here stays, and so
//! does what nobody tracks. A unit goes as a whole or not at all, and so does a directory that was fetched by name where
//! the time is asked for. A lazy directory goes with the last thing in it. The order is that of an update: journal, files,
//! settlement.
//!
//! When a file was used last is what the file system says of its last reading, or of its coming here, whichever is later.
//! Most are mounted so that a reading is noted once a day (`relatime`), or never (`noatime`): a time below a day asks for
//! more than such a file system knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, statat};
use serde::Serialize;

use super::carry::Scene;
use super::disk::{Disk, Gaze, Remember};
use super::lazy::Laziness;
use super::tracked::Tracked;
use super::update::{Manner, Progressed, Summons, Target};
use super::{Heal, Node, Remark, Scope};
use crate::beneath::Root;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{Application, Plan, Policy, Trees};
use crate::revdb::Position;
use crate::scan::{Part, Reach};
use crate::tree::{Change, Entry, Tree};

/// What `evict` is to do.
#[derive(Clone, Debug, Default)]
pub struct EvictOptions {
    /// What goes: these, and what is beneath them. None named: everything that is lazy.
    pub paths: Vec<RelPath>,
    /// Only what was not used for this long.
    pub idle: Option<Duration>,
    /// Say what would go, change nothing.
    pub dry_run: bool,
}

/// What `evict` did.
#[derive(Clone, Debug, Serialize)]
pub struct EvictOutcome {
    /// Files that are ghosts now (or would be, in a dry run).
    pub evicted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths that stay although they were named, and why.
    pub left: Vec<Remark>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What went, path by path.
    #[serde(skip)]
    pub changes: Packed<Change>,
    /// What went wrong beside the main job.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// What goes together or not at all.
type Together = BTreeMap<RelPath, Vec<(RelPath, Entry)>>;

impl Node {
    /// Turns files that are here back into ghosts.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where nothing is lazy, or something that is named is not.
    pub fn evict(&self, cx: &Context, options: &EvictOptions) -> Result<EvictOutcome> {
        self.soundly(|| self.evict_once(cx, options))
    }

    fn evict_once(&self, cx: &Context, options: &EvictOptions) -> Result<EvictOutcome> {
        cx.check()?;
        let begun = Instant::now();
        if self.rules.fingerprint().is_none() {
            return Err(Error::new(ErrorKind::Usage, "nothing is fetched on demand here, so nothing can be evicted")
                .at(self.places.dir.display())
                .hint("name in `lazy` what need not be here all the time"));
        }
        let _lock = self.lock(cx)?;
        if !options.dry_run {
            self.recover(cx)?;
        }
        let mut position = self.db.position()?;
        let Some((revision, root)) = position.applied else { return Ok(outcome_of(begun, Progressed::default())) };
        let before = position.clone();
        let (candidates, fetched) = self.candidates(&position, options)?;
        let mut part = Part::default();
        let named = candidates.values().flatten().map(|(path, _)| path);
        named.for_each(|path| part.add(path.clone(), Reach::Itself));
        let scope = Scope::Part(part);
        let manner = Manner {
            policy: Policy::HubWins,
            full: false,
            prune: false,
            dry_run: options.dry_run,
            allow_mass_delete: true,
            first_contact: None,
            scope: &scope,
            heal: &Heal::Nothing,
            summons: Summons::default(),
            evicting: true,
        };
        let dir = self.open_dir(&position)?;
        let tracked = Tracked::new([Tree::new(&*self.db, position.known())]);
        let remember = if options.dry_run { Remember::No } else { Remember::Yes };
        let part = self.part_of(manner.scope, &position, None)?;
        let disk = self.look(cx, dir, Gaze { part, ..Gaze::new(&tracked, remember) })?;
        let pages = disk.pages(&*self.db);
        let known = Tree::new(&pages, position.known());
        let agreement = Tree::new(&pages, position.agreement);
        let trees = Trees { agreement, known, local: Tree::new(&pages, disk.observed), wanted: known };
        let mut done = Progressed::default();
        let mut plan = self.eviction(cx.now().as_second(), &disk, &trees, candidates, options, &mut done.problems)?;
        let units = self.units_of(cx, &disk, &trees, options.dry_run, &mut plan, &mut done.problems)?;
        if options.dry_run {
            done.applied = plan.apply.into_iter().map(Change::from).collect();
            return Ok(outcome_of(begun, done));
        }
        if !plan.apply.is_empty() {
            let going: BTreeSet<RelPath> = plan.apply.iter().map(|application| application.path).collect();
            let stays: BTreeSet<RelPath> =
                fetched.iter().filter(|whole| !going.iter().any(|path| path.is_within(whole))).cloned().collect();
            if stays != fetched {
                cx.step("evict.not-whole");
                self.db.set_fetched(&stays)?;
            }
            let target = Target { revision, root };
            let scene = Scene { cx, before: &before, target, manner: &manner, disk: &disk, trees, units: &units };
            self.carry_out(&scene, &mut position, plan, &mut done)?;
        }
        Ok(outcome_of(begun, done))
    }

    /// What is lazy of what was named, as it goes together; and the directories that were fetched by name.
    fn candidates(&self, position: &Position, options: &EvictOptions) -> Result<(Together, BTreeSet<RelPath>)> {
        let agreement = Tree::new(&*self.db, position.agreement);
        let laziness = self.laziness(position)?;
        let mut together: Together = BTreeMap::new();
        let mut add = |path: RelPath, entry: Entry, laziness: &Laziness<'_>| {
            let is_lazy = laziness.by_rule(&path, entry.is_directory());
            if is_lazy {
                let whole = laziness.whole_of(&path, entry.is_directory()).unwrap_or_else(|| path.clone());
                together.entry(whole).or_default().push((path, entry));
            }
            is_lazy
        };
        if options.paths.is_empty() {
            for found in agreement.iter() {
                let (path, entry) = found?;
                add(path, entry, &laziness);
            }
            return Ok((together, laziness.into_fetched()));
        }
        for path in &self.wanted(position, &options.paths)? {
            let Some(entry) = agreement.get(path)? else { continue };
            let is_directory = entry.is_directory();
            if !add(path.clone(), entry, &laziness) && !is_directory {
                return Err(Error::new(ErrorKind::Usage, "it is not fetched on demand, so it has to be here")
                    .at(path)
                    .hint("name it in `lazy`, and see that nothing in `eager` names it"));
            }
            for found in agreement.beneath(path) {
                let (path, entry) = found?;
                add(path, entry, &laziness);
            }
        }
        Ok((together, laziness.into_fetched()))
    }

    /// The plan of what goes: what is as it was fetched and was not used, and the directories that are left with nothing.
    fn eviction(
        &self,
        now: i64,
        disk: &Disk,
        trees: &Trees<'_>,
        candidates: Together,
        options: &EvictOptions,
        left: &mut Vec<Remark>,
    ) -> Result<Plan> {
        let unknown: BTreeSet<RelPath> = disk.unknown().into_iter().collect();
        let mut going: BTreeMap<RelPath, Entry> = BTreeMap::new();
        for entries in candidates.into_values() {
            let mut reasons = Vec::new();
            for (path, entry) in entries.iter().filter(|(_, entry)| !entry.is_directory()) {
                let is_unknown = unknown.contains(path) || path.ancestors().any(|above| unknown.contains(&above));
                let here = trees.local.get(path)?;
                // What is gone already goes out of the agreement, too.
                if is_unknown || here.as_ref().is_some_and(|here| here != entry) {
                    let reason = if is_unknown { "it cannot be read" } else { "it was changed here" };
                    reasons.push(Remark { path: Some(path.clone()), reason: reason.to_owned() });
                }
            }
            if !reasons.is_empty() {
                left.append(&mut reasons);
                continue;
            }
            if let Some(idle) = options.idle
                && !entries.iter().all(|(path, entry)| entry.is_directory() || is_idle(&disk.root, path, now, idle))
            {
                continue;
            }
            going.extend(entries);
        }
        let emptied = self.emptied(trees, &going)?;
        going.retain(|path, entry| !entry.is_directory() || emptied.contains(path));
        for path in emptied {
            if let Some(entry) = trees.agreement.get(&path)? {
                going.insert(path, entry);
            }
        }
        let applications =
            going.into_iter().map(|(path, entry)| Application { path, have: Some(entry), want: None, keep: false });
        Ok(Plan { apply: applications.collect(), ..Plan::default() })
    }

    /// The lazy directories in which nothing is left to be here once `going` is gone.
    fn emptied(&self, trees: &Trees<'_>, going: &BTreeMap<RelPath, Entry>) -> Result<BTreeSet<RelPath>> {
        let mut asked: BTreeSet<RelPath> = going.keys().flat_map(|path| path.ancestors().collect::<Vec<_>>()).collect();
        asked.extend(going.iter().filter(|(_, entry)| entry.is_directory()).map(|(path, _)| path.clone()));
        let mut emptied = BTreeSet::new();
        // The deepest first: a directory goes if all in it goes.
        for directory in asked.into_iter().rev() {
            let Some(entry) = trees.agreement.get(&directory)?.filter(Entry::is_directory) else { continue };
            if !self.rules.name_of(&self.units, &directory, entry.is_directory()) {
                continue;
            }
            let mut stays = trees.agreement.beneath(&directory).filter(|found| {
                !found.as_ref().is_ok_and(|(path, entry)| {
                    emptied.contains(path) || (!entry.is_directory() && going.contains_key(path))
                })
            });
            match stays.next() {
                None => drop(emptied.insert(directory)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(emptied)
    }
}

/// Whether a file was not used for this long; one that is not there was not.
fn is_idle(root: &Root, path: &RelPath, now: i64, idle: Duration) -> bool {
    let Ok(parent) = root.parent(path) else { return true };
    let Ok(found) = statat(&parent, path.name(), AtFlags::SYMLINK_NOFOLLOW) else { return true };
    let used = found.st_atime.max(found.st_ctime);
    u64::try_from(now.saturating_sub(used)).unwrap_or(0) >= idle.as_secs()
}

fn outcome_of(begun: Instant, done: Progressed) -> EvictOutcome {
    let files = || done.applied.iter().filter_map(|change| change.before.filter(|entry| !entry.is_directory()));
    EvictOutcome {
        evicted: files().count() as u64,
        bytes: files().map(|entry| entry.size()).sum(),
        left: done.problems,
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        warnings: done.warnings,
        changes: done.applied,
    }
}
