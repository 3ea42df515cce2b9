//! Which entries are fetched on demand only, on this node.
//!
//! What the `lazy` patterns name and the `eager` ones do not is lazy. Two things make it eager after all:
//! - a unit is here as a whole or not at all: the patterns are asked of the unit's own path, and where the unit is here
//!   everything in it is wanted;
//! - a directory that was fetched by name stays whole: what comes into it is wanted, until it is evicted.
//!
//! The rules have a fingerprint. Ghosts were made by the rules of their time; where those are others now, all ghosts are
//! looked at again.

use std::collections::BTreeSet;

use super::{Node, Options};
use crate::apply::Units;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::patterns::Patterns;
use crate::revdb::Position;
use crate::tree::{Change, Entry, Tree};

/// What the operator says of it.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    lazy: Patterns,
    eager: Patterns,
    exploded: Patterns,
    fingerprint: Option<Digest>,
}

impl Rules {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let flaw = |what: &'static str| move |error: Error| error.op(format!("understand what is {what}"));
        let lines = [&options.lazy, &options.eager, &options.units.iter().map(|unit| unit.directory.clone()).collect()];
        Ok(Self {
            lazy: Patterns::new(&options.lazy).map_err(flaw("lazy"))?,
            eager: Patterns::new(&options.eager).map_err(flaw("eager"))?,
            exploded: Patterns::new(&options.exploded).map_err(flaw("exploded"))?,
            fingerprint: (!options.lazy.is_empty()).then(|| Digest::of(format!("{lines:?}").as_bytes())),
        })
    }

    /// Which directories are left out beside an archive of the same name.
    pub(super) fn exploded(&self) -> &Patterns {
        &self.exploded
    }

    /// What tells these rules from others; none where everything is eager.
    pub(super) fn fingerprint(&self) -> Option<Digest> {
        self.fingerprint
    }

    /// Whether the patterns name it, or the unit that it is in.
    pub(super) fn name_of(&self, units: &Units, path: &RelPath, is_directory: bool) -> bool {
        match units.of(path, is_directory) {
            Some((unit, _)) => self.name(unit.as_bytes(), true),
            None => self.name(path.as_bytes(), is_directory),
        }
    }

    fn name(&self, path: &[u8], is_directory: bool) -> bool {
        self.lazy.cover(path, is_directory) && !self.eager.cover(path, is_directory)
    }
}

/// What is lazy in one command: the rules, and what makes eager what they name.
pub(super) struct Laziness<'a> {
    rules: &'a Rules,
    units: &'a Units,
    agreement: Tree<'a>,
    /// Directories that were fetched by name.
    fetched: BTreeSet<RelPath>,
}

impl Laziness<'_> {
    /// Whether this is fetched on demand only.
    pub(super) fn covers(&self, path: &RelPath, is_directory: bool) -> bool {
        if self.rules.fingerprint.is_none() {
            return false;
        }
        if self.fetched_with(path).is_some() {
            return false;
        }
        // One that cannot be told to be away is brought rather than left in parts.
        let is_away = |(unit, _): (RelPath, _)| matches!(self.agreement.get(&unit), Ok(None));
        self.by_rule(path, is_directory) && self.units.of(path, is_directory).is_none_or(is_away)
    }

    /// Whether the rules say so, wherever it is.
    pub(super) fn by_rule(&self, path: &RelPath, is_directory: bool) -> bool {
        self.rules.name_of(self.units, path, is_directory)
    }

    /// Whether the file `path` is no more than known here, and a new version of it will be.
    pub(super) fn leaves(&self, path: &RelPath) -> bool {
        self.covers(path, false) && matches!(self.agreement.get(path), Ok(None))
    }

    /// The unit, or the directory that was fetched by name, that it is or is in.
    pub(super) fn whole_of(&self, path: &RelPath, is_directory: bool) -> Option<RelPath> {
        let unit = self.units.of(path, is_directory).map(|(unit, _)| unit);
        unit.or_else(|| self.fetched_with(path))
    }

    /// The directory that was fetched by name and that it is, or is in.
    fn fetched_with(&self, path: &RelPath) -> Option<RelPath> {
        std::iter::once(path.clone()).chain(path.ancestors()).find(|whole| self.fetched.contains(whole))
    }

    /// The directories that were fetched by name.
    pub(super) fn into_fetched(self) -> BTreeSet<RelPath> {
        self.fetched
    }
}

impl Node {
    /// What is lazy for a command that begins at `position`.
    pub(super) fn laziness<'a>(&'a self, position: &Position) -> Result<Laziness<'a>> {
        let fetched = if self.rules.fingerprint.is_some() { self.db.fetched()? } else { BTreeSet::new() };
        let agreement = Tree::new(&*self.db, position.agreement);
        Ok(Laziness { rules: &self.rules, units: &self.units, agreement, fetched })
    }

    /// The same, with `more` directories that are wanted whole.
    pub(super) fn laziness_without<'a>(&'a self, position: &Position, more: &[RelPath]) -> Result<Laziness<'a>> {
        let mut laziness = self.laziness(position)?;
        laziness.fetched.extend(more.iter().cloned());
        Ok(laziness)
    }

    /// Whether the ghosts were made by other rules than those of today.
    pub(super) fn has_other_rules(&self, position: &Position) -> bool {
        position.known.is_some() && position.lazy != self.rules.fingerprint
    }

    /// Takes note of the rules by which the ghosts are made.
    pub(super) fn note_rules(&self, position: &mut Position) {
        position.lazy = self.rules.fingerprint;
    }

    /// All that are ghosts at `position`, in path order.
    pub(super) fn ghosts(&self, position: &Position) -> Result<Vec<(RelPath, Entry)>> {
        let (agreement, known) = (position.agreement, position.known());
        let ghosts = Tree::new(&*self.db, agreement).diff(&Tree::new(&*self.db, known));
        let ghost = |change: Change| change.after.map(|entry| (change.path, entry));
        ghosts.filter_map(|change| change.map(ghost).transpose()).collect()
    }

    /// The ghosts to look at although the hub has not changed them: all, where the rules are others than they were.
    pub(super) fn reconsidered(&self, position: &Position) -> Result<Vec<RelPath>> {
        if !self.has_other_rules(position) {
            return Ok(Vec::new());
        }
        Ok(self.ghosts(position)?.into_iter().map(|(path, _)| path).collect())
    }
}
