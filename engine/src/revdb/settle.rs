//! The one transaction in which the agreement moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Applied, Position, RevDb, history, journal, pages, position, recipes};
use crate::content::Recipe;
use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::{Overlay, Tree};

/// Everything that changes when an agreement was reached.
pub struct Settlement<'a> {
    /// The new position; its agreement is the new root.
    pub position: &'a Position,
    /// The new agreement's pages: fresh ones over those of this database.
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
        let old = Tree::new(self, self.position()?.agreement);
        let new = Tree::new(settlement.pages, settlement.position.agreement);
        let arriving = old.new_pages(&new)?;
        let leaving = new.new_pages(&old)?;
        let failed = self.failed("write the agreement to the database");
        let mut connection = self.state();
        let transaction = connection.transaction().map_err(&failed)?;
        for id in &arriving {
            // The old agreement does not have it, so what is not fresh is in the cache.
            let bytes = match settlement.pages.fresh().get(id) {
                Some(bytes) => Arc::clone(bytes),
                None => self.cached_page(id)?,
            };
            pages::write(self, &transaction, id, &bytes)?;
        }
        for id in &leaving {
            pages::remove(self, &transaction, id)?;
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
}
