//! `fetch`: ghosts become files, some of them, when somebody asks.
//!
//! It is an update to the revision that is here already, of these paths alone: staged, verified, journalled, and told to
//! the hooks like any other. The hub's head is not looked at. A directory that is named comes as a whole, and stays whole:
//! what later revisions put into it is brought, too, until it is evicted. So does a unit, whichever of its files is named.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;

use super::desk::Brought;
use super::update::{Manner, Summons, Target};
use super::{Heal, Node, Remark, Scope};
use crate::apply::Lock;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::plan::{self, ghosts_beneath};
use crate::revdb::Position;
use crate::scan::{Part, Reach};
use crate::tree::Tree;

/// What `fetch` did.
#[derive(Clone, Debug, Serialize)]
pub struct FetchOutcome {
    /// The revision that is here.
    pub revision: u64,
    /// How many files there are at and beneath the paths that were named.
    pub files: u64,
    /// How many of them were ghosts.
    pub fetched: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes read from the hub. Where several asked together, one of them is told.
    pub bytes_fetched: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Paths whose place was taken: what stood there was moved to the recovery area.
    pub kept_aside: Vec<RelPath>,
    /// Paths that could not be brought.
    pub problems: Vec<Remark>,
    /// What went wrong beside the main job.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Node {
    /// Brings the ghosts at and beneath `paths`; none named: all there are. Any number of threads may ask at once: what
    /// several ask for together is brought in one go, and each thing once.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where nothing was applied yet, or a path is not in the revision that is here.
    pub fn fetch(&self, cx: &Context, paths: &[RelPath]) -> Result<FetchOutcome> {
        let begun = Instant::now();
        cx.check()?;
        let position = self.db.position()?;
        let Some((revision, _)) = position.applied else { return Err(self.nothing_applied()) };
        let wanted = self.wanted(&position, paths)?;
        let known = Tree::new(&*self.db, position.known());
        let mut outcome = FetchOutcome {
            revision: revision.number,
            files: 0,
            fetched: 0,
            bytes: 0,
            bytes_fetched: 0,
            duration_ms: 0,
            kept_aside: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let mut is_ghost = false;
        let agreement = Tree::new(&*self.db, position.agreement);
        for path in &wanted {
            let itself = known.get(path)?.map(|entry| Ok((path.clone(), entry)));
            for found in itself.into_iter().chain(known.beneath(path)) {
                let (path, entry) = found?;
                outcome.files += u64::from(!entry.is_directory());
                is_ghost |= agreement.get(&path)?.is_none();
            }
        }
        if is_ghost {
            let brought = self.desk.ask(cx, wanted, &|paths| self.soundly(|| self.fetch_once(cx, paths)))?;
            let known = Tree::new(&*self.db, self.db.position()?.known());
            for path in &brought.paths {
                if let Some(entry) = known.get(path)?.filter(|entry| !entry.is_directory()) {
                    outcome.fetched += 1;
                    outcome.bytes += entry.size();
                }
            }
            outcome.bytes_fetched = brought.bytes;
            outcome.problems = brought.problems;
            outcome.kept_aside = brought.kept_aside;
            outcome.warnings = brought.warnings;
        }
        outcome.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(outcome)
    }

    fn nothing_applied(&self) -> Error {
        Error::new(ErrorKind::Usage, "nothing was ever applied here, so there is nothing to fetch")
            .at(self.places.dir.display())
            .hint("run `depsync update` first")
    }

    /// What is meant by `paths`: units instead of what is in them, none in another, ascending. None named: all at the top.
    pub(super) fn wanted(&self, position: &Position, paths: &[RelPath]) -> Result<Vec<RelPath>> {
        let known = Tree::new(&*self.db, position.known());
        let mut named = BTreeSet::new();
        if paths.is_empty() {
            for entry in known.iter() {
                let (path, _) = entry?;
                if path.parent().is_none() {
                    named.insert(path);
                }
            }
        }
        for path in &self.meant(position, paths)? {
            let Some(entry) = known.get(path)? else {
                let number = position.applied.map_or(0, |(revision, _)| revision.number);
                return Err(Error::new(ErrorKind::Usage, format!("it is not in revision {number}, which is here"))
                    .at(path)
                    .hint("`depsync ls` lists what is"));
            };
            let unit = self.units.of(path, entry.is_directory()).map(|(unit, _)| unit);
            named.insert(unit.unwrap_or_else(|| path.clone()));
        }
        Ok(outermost(named))
    }

    fn fetch_once(&self, cx: &Context, paths: &[RelPath]) -> Result<Brought> {
        cx.check()?;
        // Whoever asks has said how long he waits.
        let wait = cx.time_left().map_or(self.options.lock_wait, |left| left.max(self.options.lock_wait));
        let _lock = Lock::take(cx, &self.places.state, wait)?;
        self.recover(cx)?;
        let mut position = self.db.position()?;
        let Some((revision, root)) = position.applied else { return Err(self.nothing_applied()) };
        let before = position.clone();
        let (mut ghosts, mut whole) = (BTreeSet::new(), Vec::new());
        {
            let agreement = Tree::new(&*self.db, position.agreement);
            let known = Tree::new(&*self.db, position.known());
            for path in paths {
                // What is not known any more has left with an update in between.
                let Some(entry) = known.get(path)? else { continue };
                if entry.is_directory() {
                    whole.push(path.clone());
                }
                ghosts.extend(ghosts_beneath(&agreement, &known, path)?.into_iter().map(|(path, _)| path));
            }
        }
        if ghosts.is_empty() {
            return Ok(Brought::default());
        }
        let ghosts: Vec<RelPath> = ghosts.into_iter().collect();
        self.keep_whole(cx, &whole)?;
        let mut part = Part::default();
        for path in &ghosts {
            part.add(path.clone(), Reach::Itself);
            path.ancestors().for_each(|above| part.add(above, Reach::Itself));
        }
        let manner = Manner {
            policy: self.policy(false),
            full: false,
            prune: false,
            dry_run: false,
            allow_mass_delete: true,
            first_contact: None,
            scope: &Scope::Part(part),
            heal: &Heal::Only(ghosts.iter().cloned().collect()),
            summons: Summons { paths: &ghosts, whole: &whole },
            evicting: false,
        };
        let done = self.bring_and_tell(cx, &mut position, &before, Target { revision, root }, &manner)?;
        let named = |path: &RelPath| ghosts.binary_search(path).is_ok();
        let clash = |clash: plan::Clash| {
            let reason = "it was changed here, and is another one than the hub has: see `depsync status`".to_owned();
            Remark { path: Some(clash.path), reason }
        };
        Ok(Brought {
            paths: done.applied.iter().map(|change| change.path).filter(named).collect(),
            problems: done.problems.into_iter().chain(done.conflicts.into_iter().map(clash)).collect(),
            kept_aside: done.kept,
            warnings: done.warnings,
            bytes: done.fetched,
        })
    }

    /// Remembers directories that are wanted whole from now on.
    fn keep_whole(&self, cx: &Context, directories: &[RelPath]) -> Result<()> {
        let before = self.db.fetched()?;
        let after = outermost(before.iter().chain(directories).cloned().collect()).into_iter().collect();
        if after != before {
            cx.step("fetch.keep-whole");
            self.db.set_fetched(&after)?;
        }
        Ok(())
    }
}

/// Those of the paths that are not beneath another one.
fn outermost(paths: BTreeSet<RelPath>) -> Vec<RelPath> {
    let mut outermost: Vec<RelPath> = Vec::new();
    for path in paths {
        if !outermost.last().is_some_and(|last| path.is_beneath(last)) {
            outermost.push(path);
        }
    }
    outermost
}
