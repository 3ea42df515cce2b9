//! The one transaction in which the agreement moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pages::Shelf;
use super::{Applied, Position, RevDb, history, journal, pages, position, recipes};
use crate::content::Recipe;
use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::{Overlay, Tree, empty_root};

/// Everything that changes when an agreement was reached.
pub struct Settlement<'a> {
    /// The new position; its agreement is the new root, and what it knows the other one.
    pub position: &'a Position,
    /// The pages of the new agreement and of what is known: fresh ones over those of this database.
    pub pages: &'a Overlay<'a>,
    /// The row of the history, if something is worth one.
    pub history: Option<&'a Applied>,
    /// Recipes learned.
    pub recipes: &'a [(Digest, Recipe)],
    /// Contents that are no longer on this disk.
    pub forgotten: &'a [Digest],
    /// Modification times that paths had before they were replaced.
    pub times: &'a BTreeMap<RelPath, Vec<i64>>,
    /// Whether this ends the journal.
    pub ends_journal: bool,
}

impl RevDb {
    /// Moves the agreement to `settlement.position.agreement`, with everything that belongs to it, or not at all.
    pub fn settle(&self, settlement: &Settlement<'_>) -> Result<()> {
        let (old, new) = (self.position()?, settlement.position);
        let agreement = self.moving(Some(old.agreement), Some(new.agreement), settlement.pages)?;
        let known = self.moving(old.known, new.known, settlement.pages)?;
        let failed = self.failed("write the agreement to the database");
        let mut connection = self.state();
        let transaction = connection.transaction().map_err(&failed)?;
        let moving = [(Shelf::Agreement, &agreement), (Shelf::Known, &known)];
        for (shelf, Moving { arriving, .. }) in moving {
            for id in arriving {
                let bytes = match settlement.pages.fresh().get(id) {
                    Some(bytes) => Arc::clone(bytes),
                    // It is in the other tree, or the hub's, and so in the cache.
                    None => match pages::read_any(self, &transaction, id)? {
                        Some(bytes) => bytes,
                        None => self.cached_page(id)?,
                    },
                };
                pages::write(self, &transaction, shelf, id, &bytes)?;
            }
        }
        for (shelf, Moving { leaving, .. }) in moving {
            for id in leaving {
                pages::remove(self, &transaction, shelf, id)?;
            }
        }
        recipes::forget(self, &transaction, settlement.forgotten)?;
        recipes::remember(self, &transaction, settlement.recipes)?;
        recipes::remember_times(self, &transaction, settlement.times)?;
        if let Some(row) = settlement.history {
            history::append(self, &transaction, row)?;
        }
        if settlement.ends_journal {
            journal::clear(self, &transaction)?;
        }
        position::put(self, &transaction, "position", settlement.position)?;
        position::remove(self, &transaction, "proposed")?;
        transaction.commit().map_err(&failed)
    }

    /// How the pages of one of the trees move; none: nothing is kept of it.
    fn moving(&self, old: Option<Digest>, new: Option<Digest>, pages: &Overlay<'_>) -> Result<Moving> {
        let before = Tree::new(self, old.unwrap_or(empty_root()));
        let after = Tree::new(pages, new.unwrap_or(empty_root()));
        let arriving = if new.is_some() { before.new_pages(&after)? } else { Vec::new() };
        let leaving = if old.is_some() { after.new_pages(&before)? } else { Vec::new() };
        Ok(Moving { arriving, leaving })
    }
}

/// What comes to a table of pages, and what goes.
struct Moving {
    arriving: Vec<Digest>,
    leaving: Vec<Digest>,
}
