//! What a publisher holds new content against: objects that the hub has and will keep.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use depsync_engine::content::cut::Bases;
use depsync_engine::content::{ObjectId, Recipe};
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;

use super::Memory;
use super::based::{self, CHAIN};
use super::fetch::{Brought, bring};
use super::known::Known;
use super::reading::Reading;

/// The objects of a hub, for a publisher on top of some revision.
pub(super) struct HubBases<'a, 'b> {
    pub(super) hub: &'a Reading<'b>,
    pub(super) memory: &'a RefCell<&'a mut Memory>,
    pub(super) known: &'a Known,
    /// None for the first revision, and where nothing is stored against anything.
    pub(super) parent: Option<Revision>,
    /// The recipes that this node remembers.
    pub(super) recipes: &'a dyn Fn(&Digest) -> Result<Option<Recipe>>,
}

impl HubBases<'_, '_> {
    /// Those of `wanted` whose chains can grow by so many steps.
    fn growing(&self, at: Revision, wanted: HashSet<ObjectId>, steps: usize) -> Result<HashSet<ObjectId>> {
        let mut memory = self.memory.borrow_mut();
        let Memory { catalog, chain, .. } = &mut **memory;
        let wanted: HashSet<ObjectId> = wanted.into_iter().filter(|id| self.known.holds(id)).collect();
        let mut usable = wanted.clone();
        // Which of the wanted lie above each object that is looked at.
        let mut above: HashMap<ObjectId, Vec<ObjectId>> = wanted.iter().map(|id| (*id, vec![*id])).collect();
        for depth in 0..CHAIN {
            if above.is_empty() {
                break;
            }
            let looked = catalog.locate(self.hub, chain, at, above.keys().copied().collect(), false);
            let (found, nowhere) = looked?;
            for id in nowhere.iter().filter_map(|id| above.get(id)).flatten() {
                usable.remove(id);
            }
            let mut next: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
            for found in &found {
                let Some(base) = based::base_of(found) else { continue };
                let those = above.get(&found.id).cloned().unwrap_or_default();
                if depth + steps >= CHAIN || !self.known.holds(&base) {
                    usable.retain(|id| !those.contains(id));
                } else {
                    next.entry(base).or_default().extend(those);
                }
            }
            above = next;
        }
        Ok(usable)
    }

    /// Whether the hub has this recipe of a file, and not one that was cut in another way: before it got the feature
    /// `archives-1`, or after.
    fn is_the_hub_s(&self, at: Revision, id: ObjectId, recipe: &Recipe) -> Result<bool> {
        let mut memory = self.memory.borrow_mut();
        let Memory { catalog, chain, .. } = &mut **memory;
        let (found, _) = catalog.locate(self.hub, chain, at, HashSet::from([id]), false)?;
        let length = recipe.encode()?.len();
        Ok(found.iter().any(|found| found.slot.raw_length as usize == length))
    }

    fn bring(&self, at: Revision, wanted: HashSet<ObjectId>, take: &mut dyn FnMut(Brought<'_>)) -> Result<()> {
        let mut memory = self.memory.borrow_mut();
        let brought = bring(self.hub, &mut memory, at, wanted, false, &mut |objects: Vec<Brought<'_>>| {
            objects.into_iter().for_each(&mut *take);
            Ok(())
        });
        match brought {
            Ok(_) => Ok(()),
            // What cannot be had is no base; the new content travels as it is.
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::NotFound) => {
                tracing::warn!(%error, "an earlier revision cannot be read: what is new is sent whole");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Bases for HubBases<'_, '_> {
    fn recipe(&self, content: &Digest, far: bool) -> Result<Option<Arc<Recipe>>> {
        let Some(at) = self.parent else { return Ok(None) };
        let remembered = (self.recipes)(content)?;
        let id = ObjectId::recipe(*content);
        if remembered.is_none() && !far || self.growing(at, HashSet::from([id]), 1)?.is_empty() {
            return Ok(None);
        }
        let mut found = remembered.map(Arc::new);
        if let Some(recipe) = &found
            && !self.is_the_hub_s(at, id, recipe)?
        {
            if !far {
                return Ok(None);
            }
            found = None;
        }
        if found.is_none() {
            self.bring(at, HashSet::from([id]), &mut |object| {
                if let Brought::Recipe(_, recipe) = object {
                    found = Some(Arc::new(recipe));
                }
            })?;
        }
        Ok(found)
    }

    fn usable(&self, object: &ObjectId, steps: usize) -> Result<bool> {
        let Some(at) = self.parent else { return Ok(false) };
        Ok(!self.growing(at, HashSet::from([*object]), steps)?.is_empty())
    }

    fn pieces(&self, wanted: &[Digest]) -> Result<HashMap<Digest, Vec<u8>>> {
        let mut found = HashMap::with_capacity(wanted.len());
        let Some(at) = self.parent else { return Ok(found) };
        let usable = self.growing(at, wanted.iter().copied().map(ObjectId::piece).collect(), 1)?;
        self.bring(at, usable, &mut |object| {
            if let Brought::Piece(piece) = object {
                found.insert(piece.hash(), piece.bytes().to_vec());
            }
        })?;
        Ok(found)
    }
}
