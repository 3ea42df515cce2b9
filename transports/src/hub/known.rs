//! What a publisher may rely on: what the hub has already and need not be sent.
//!
//! That is what gc's index lists and what the packs of the records after it hold, except in condemned packs. A publish
//! asks for each of its objects once, most of which the hub does not have, so all packs are looked at; their contents
//! are kept as sorted lists of short names, 20 bytes an object.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use depsync_engine::content::ObjectId;
use depsync_engine::content::pack::PackNames;
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;

use super::based::CHAIN;
use super::catalog::Catalog;
use super::chain::Chain;
use super::condemned::Condemned;
use super::index::HubIndex;
use super::reading::Reading;

/// How many packs a publish reads to learn what is in them.
const UNREAD: usize = 64;
/// The most objects that are listed. A hub can list one index under any number of names.
const OBJECTS: usize = 4 << 20;

/// What a publisher may rely on.
pub(super) struct Known {
    packs: Vec<PackNames>,
    /// Which pack answered last: the pieces of a large file stand in a few packs, one after the other, and asking all
    /// packs of a hub for each of a quarter of a million pieces took most of the time of such a publish.
    nearest: Cell<usize>,
    index: Option<Arc<HubIndex>>,
    condemned: HashSet<Digest>,
    /// What objects of these packs are stored against: without that they are worth nothing. What gc's index lists it keeps
    /// with all that it needs.
    bases: HashMap<ObjectId, Digest>,
}

impl Known {
    /// Looks at everything that a publisher on top of `parent` may rely on, without the `condemned` packs.
    ///
    /// What is not known here costs a read for each revision that this node skipped, and is only sent again if it is
    /// not known; so of those only the newest [`UNREAD`] are read. The next publish reads on.
    pub(super) fn survey(
        hub: &Reading<'_>,
        catalog: &mut Catalog,
        chain: &mut Chain,
        parent: Option<Revision>,
        condemned: &Condemned,
    ) -> Result<Self> {
        // An index of a turn before the list's was written late, by a collector that had stalled: it may name packs
        // that are gone.
        let index = catalog.index().filter(|index| index.generation >= condemned.generation()).cloned();
        let condemned = condemned.packs();
        let through = index.as_ref().map_or(0, |index| index.through(hub.deployment));
        let mut known = Self {
            packs: Vec::new(),
            nearest: Cell::new(0),
            index,
            condemned: condemned.clone(),
            bases: HashMap::new(),
        };
        let (mut at, mut unread, mut listed) = (parent, UNREAD, 0);
        while let Some(revision) = at.filter(|revision| revision.number > through) {
            hub.cx.check()?;
            let record = chain.record(hub, revision.number, Some(revision.record))?;
            for pack in record.payload().packs.iter().filter(|pack| !condemned.contains(&pack.name)) {
                let shelf = match catalog.remembered(hub, pack)? {
                    Some(shelf) => Ok(shelf),
                    None if unread == 0 => continue,
                    None => {
                        unread -= 1;
                        catalog.shelf(hub, pack)
                    }
                };
                match shelf {
                    Ok(shelf) if listed + shelf.index.len() <= OBJECTS => {
                        listed += shelf.index.len();
                        known.packs.push(PackNames::of(&shelf.index));
                        let based = shelf.index.iter().filter_map(|slot| Some((slot.id()?, **slot.base.as_ref()?)));
                        known.bases.extend(based);
                    }
                    // More than is kept in memory: what stands there is sent again if it is wanted.
                    Ok(_) => return Ok(known),
                    // It cannot be relied on, then.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            at = record.payload().parent.map(|parent| Revision { number: revision.number - 1, record: parent });
        }
        Ok(known)
    }

    /// Whether the hub holds `id`, and all that it is stored against.
    pub(super) fn holds(&self, id: &ObjectId) -> bool {
        let mut id = *id;
        // One step more than an honest chain has shows that it is none.
        for _ in 0..=CHAIN + 1 {
            let indexed = self.index.as_ref().and_then(|index| index.find(&id));
            if indexed.is_some_and(|pack| !self.condemned.contains(&pack.name)) {
                return true;
            }
            if !self.holds_here(&id) {
                return false;
            }
            match self.bases.get(&id) {
                Some(base) => id.hash = *base,
                None => return true,
            }
        }
        false
    }

    fn holds_here(&self, id: &ObjectId) -> bool {
        if self.packs.get(self.nearest.get()).is_some_and(|names| names.hold(id)) {
            return true;
        }
        let found = self.packs.iter().position(|names| names.hold(id));
        self.nearest.set(found.unwrap_or(self.nearest.get()));
        found.is_some()
    }
}
