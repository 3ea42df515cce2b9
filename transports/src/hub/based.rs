//! Objects that are stored against others: what those are, and making the ones of the others.
//!
//! The base of an object is at hand, mostly, with whoever wants it: a node that has the revision before has the file that
//! the new one was held against. Where it is not, it is read from the hub, and so is what it is stored against itself,
//! down to something that stands for itself. Nobody stores what would take more than [`CHAIN`] steps, so no honest chain
//! is longer, and none that is longer is followed.
//!
//! Whoever has the file cuts it himself. In a hub that got the feature `archives-1` later, files of before are cut in another
//! way than he cuts them: where nothing can be made of his recipe, it is tried with the hub's own.
//!
//! Laws:
//! - everything is verified by its own name on its way: a base before anything is made of it;
//! - some objects are made at a time, of no more bytes than [`BATCH`] altogether, if no single chain has more.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use depsync_engine::content::pack::{Slot, unpack, unpack_piece, unpack_recipe};
use depsync_engine::content::{ObjectId, ObjectKind, Piece, Recipe};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::transport::Base;
use rayon::prelude::*;

use super::Memory;
use super::beside::Beside;
use super::catalog::Found;
use super::fetch::{self, BATCH, Brought, Receive};
use super::reading::Reading;

/// How many objects, each stored against the next, lie at the most between one and what stands for itself.
pub(super) const CHAIN: usize = 8;
/// Objects of more bytes than this are made one at a time.
const LARGE: u32 = 1 << 20;

/// The object that `found` is stored against.
pub(super) fn base_of(found: &Found) -> Option<ObjectId> {
    let base = found.slot.base.as_deref()?;
    Some(ObjectId { kind: found.id.kind, hash: *base })
}

/// Reads `found`, all of which have a base, makes them, and hands them over.
pub(super) fn read(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    found: &[Found],
    beside: &Beside,
    receive: &mut dyn Receive,
) -> Result<()> {
    let mut rest = found;
    while !rest.is_empty() {
        hub.cx.check()?;
        let mut bytes = 0;
        let fits = |found: &&Found| {
            bytes += found.slot.raw_length as usize + found.slot.stored_length as usize;
            bytes <= BATCH
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, after) = rest.split_at(count);
        rest = after;
        let materials = Materials::gather(hub, memory, at, batch, beside, receive)?;
        let mut misled = Vec::new();
        let (large, small): (Vec<&Found>, Vec<&Found>) = batch.iter().partition(|found| found.slot.raw_length > LARGE);
        let made: Vec<_> = small.par_iter().map(|found| materials.try_make(found)).collect::<Result<_>>()?;
        misled.extend(small.iter().zip(&made).filter(|(_, made)| made.is_none()).map(|(found, _)| Found::clone(found)));
        receive.take(made.into_iter().flatten().collect())?;
        for found in large {
            hub.cx.check()?;
            match materials.try_make(found)? {
                Some(made) => receive.take(vec![made])?,
                None => misled.push(found.clone()),
            }
        }
        if !misled.is_empty() {
            // Nothing of it is at hand now.
            let nobody = &mut |_: Vec<Brought<'_>>| Ok(());
            let materials = Materials::gather(hub, memory, at, &misled, beside, nobody)?;
            receive.take(misled.iter().map(|found| materials.make(found)).collect::<Result<_>>()?)?;
        }
    }
    Ok(())
}

/// An object as a pack stores it.
pub(super) type Stored = (Slot, Arc<[u8]>);

/// The object found, in bytes that begin at `start` of its pack.
pub(super) fn stored(found: &Found, bytes: &[u8], start: u64) -> Result<Stored> {
    Ok((found.slot.clone(), fetch::part(bytes, start, found)?.into()))
}

/// What some objects are made of.
#[derive(Default)]
struct Materials {
    stored: HashMap<ObjectId, Stored>,
    held: HashMap<ObjectId, Base>,
}

impl Materials {
    /// Reads what the objects in `batch` are stored as, and all that they are stored against and that is not at hand.
    fn gather(
        hub: &Reading<'_>,
        memory: &mut Memory,
        at: Revision,
        batch: &[Found],
        beside: &Beside,
        receive: &mut dyn Receive,
    ) -> Result<Self> {
        let mut materials = Self::default();
        let mut all = batch.to_vec();
        let mut known: HashSet<ObjectId> = all.iter().map(|found| found.id).collect();
        let mut bases: Vec<ObjectId> = all.iter().filter_map(base_of).collect();
        for _ in 0..=CHAIN {
            let (mut missing, mut next) = (HashSet::new(), Vec::new());
            for base in bases.drain(..).filter(|base| known.insert(*base)) {
                if let Some(kept) = beside.get(&base) {
                    next.extend(kept.0.base.as_deref().map(|hash| ObjectId { kind: base.kind, hash: *hash }));
                    materials.stored.insert(base, kept.clone());
                } else if let Some(held) = receive.base(&base)? {
                    materials.held.insert(base, held);
                } else {
                    missing.insert(base);
                }
            }
            bases = next;
            if missing.is_empty() && bases.is_empty() {
                break;
            }
            if missing.is_empty() {
                continue;
            }
            let (found, nowhere) = memory.catalog.locate(hub, &mut memory.chain, at, missing, false)?;
            if let Some(first) = nowhere.iter().min() {
                // gc may have written whole what was stored against it: its index says so, if it is read again.
                return Err(Error::new(ErrorKind::NotFound, "what an object is stored against is nowhere").at(first));
            }
            bases.extend(found.iter().filter_map(base_of));
            all.extend(found);
        }
        fetch::read(hub, memory, all, &mut |cx, found, bytes, start| {
            cx.check()?;
            for found in found {
                materials.stored.insert(found.id, stored(found, bytes, start)?);
            }
            Ok(())
        })?;
        Ok(materials)
    }

    /// None for a recipe of which nothing can be made with what was at hand.
    fn try_make(&self, found: &Found) -> Result<Option<Brought<'static>>> {
        match self.make(found) {
            Err(error) if error.kind() == ErrorKind::Damaged && self.has_recipes_at_hand(found) => Ok(None),
            made => made.map(Some),
        }
    }

    fn has_recipes_at_hand(&self, found: &Found) -> bool {
        found.id.kind == ObjectKind::Recipe && self.held.keys().any(|id| id.kind == ObjectKind::Recipe)
    }

    fn make(&self, found: &Found) -> Result<Brought<'static>> {
        match found.id.kind {
            ObjectKind::Recipe => Ok(Brought::Recipe(found.id.hash, Recipe::clone(&*self.recipe(found.id.hash, 0)?))),
            ObjectKind::Piece => {
                let bytes = self.piece(found.id.hash, 0)?.into_owned();
                Piece::verify(found.id.hash, bytes).map(Brought::Piece)
            }
            ObjectKind::Page => Err(Error::damaged(found.id, "no page is stored against another")),
        }
    }

    /// The verified bytes of a piece.
    fn piece(&self, hash: Digest, depth: usize) -> Result<Cow<'_, [u8]>> {
        let id = ObjectId::piece(hash);
        if let Some(Base::Piece(bytes)) = self.held.get(&id) {
            return Ok(Cow::Borrowed(bytes));
        }
        let (slot, stored) = self.stored(&id, depth)?;
        let made = match slot.base.as_deref() {
            Some(base) => Cow::Owned(unpack_piece(slot, stored, &self.piece(*base, depth + 1)?)?),
            None => unpack(slot, stored)?,
        };
        Piece::verify(hash, &*made)?;
        Ok(made)
    }

    fn recipe(&self, content: Digest, depth: usize) -> Result<Arc<Recipe>> {
        let id = ObjectId::recipe(content);
        if let Some(Base::Recipe(recipe)) = self.held.get(&id) {
            return Ok(Arc::clone(recipe));
        }
        let (slot, stored) = self.stored(&id, depth)?;
        let base = slot.base.as_deref().map(|base| self.recipe(*base, depth + 1)).transpose()?;
        unpack_recipe(slot, stored, base.as_deref()).map(Arc::new)
    }

    fn stored(&self, id: &ObjectId, depth: usize) -> Result<(&Slot, &[u8])> {
        let known = self.stored.get(id).filter(|_| depth <= CHAIN);
        let too_long =
            || Error::new(ErrorKind::Damaged, format!("more than {CHAIN} objects, each stored against the next"));
        known.map(|(slot, stored)| (slot, &stored[..])).ok_or_else(|| too_long().at(id))
    }
}
