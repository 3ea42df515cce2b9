//! What would travel, before it does: to the hub with a publish, from it with an update.

use std::collections::{HashMap, HashSet};

use depsync_engine::content::{Freight, Load, ObjectId, Recipe};
use depsync_engine::error::Result;
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::packed::Packed;
use depsync_engine::transport::{Proposal, Weight};
use depsync_engine::tree::{Change, Entry};

use super::Memory;
use super::condemned::Condemned;
use super::fetch::{Brought, bring};
use super::format::Format;
use super::publish::pack;
use super::reading::Reading;

/// What publishing `proposal` would send.
pub(super) fn publish(
    hub: &Reading<'_>,
    memory: &mut Memory,
    format: &Format,
    proposal: &Proposal<'_>,
) -> Result<Weight> {
    let condemned = Condemned::read(hub)?;
    let (mut load, mut bytes) = (Load::default(), 0);
    let cutting = pack(hub, memory, format, proposal, &condemned, &|_| false, &mut |_, pack| {
        bytes += pack.reference.length;
        pack.index.iter().for_each(|slot| load.add(slot));
        Ok(())
    })?;
    let recipes: HashMap<Digest, &Recipe> = cutting.recipes.iter().map(|(hash, recipe)| (*hash, recipe)).collect();
    let freight = proposal.changes.iter().filter_map(|change| {
        let (hash, size) = change.after.as_ref().and_then(Entry::content)?;
        let freight = load.of(change.path, hash, size, recipes.get(&hash).copied());
        (freight.bytes > 0).then_some(freight)
    });
    Ok(Weight { bytes, freight: freight.collect() })
}

/// What of each file is fetched by whoever has what `changes` begin with, and wants revision `at`.
pub(super) fn fetch(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    changes: &Packed<Change>,
    recipes: &dyn Fn(&Digest) -> Result<Option<Recipe>>,
) -> Result<Vec<Freight>> {
    let (mut load, mut freight) = (Load::default(), Vec::new());
    let (contents, held) = held(hub, memory, at, changes, recipes)?;
    for change in changes.iter() {
        hub.cx.check()?;
        let Some((hash, size)) = change.after.as_ref().and_then(Entry::content).filter(|(_, size)| *size > 0) else {
            continue;
        };
        if contents.contains(&hash) {
            continue;
        }
        let new = recipe(hub, memory, at, hash, recipes)?;
        let pieces = new.iter().flat_map(Recipe::pieces).map(|piece| piece.hash);
        let mut wanted: HashSet<ObjectId> = pieces.filter(|piece| !held.contains(piece)).map(ObjectId::piece).collect();
        wanted.insert(if new.is_some() { ObjectId::recipe(hash) } else { ObjectId::piece(hash) });
        let (found, _) = memory.catalog.locate(hub, &mut memory.chain, at, wanted, false)?;
        found.iter().for_each(|found| load.add(&found.slot));
        let part = load.of(change.path, hash, size, new.as_ref());
        if part.bytes > 0 {
            freight.push(part);
        }
    }
    Ok(freight)
}

/// The contents that a node has of what `changes` begin with, and their pieces, wherever they are: a file that has
/// another name now is a source as well.
fn held(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    changes: &Packed<Change>,
    recipes: &dyn Fn(&Digest) -> Result<Option<Recipe>>,
) -> Result<(HashSet<Digest>, HashSet<Digest>)> {
    let (mut contents, mut pieces) = (HashSet::new(), HashSet::new());
    for change in changes.iter() {
        hub.cx.check()?;
        let Some((hash, size)) = change.before.as_ref().and_then(Entry::content) else { continue };
        if size > 0 && contents.insert(hash) {
            let recipe = recipe(hub, memory, at, hash, recipes)?;
            pieces.extend(recipe.iter().flat_map(Recipe::pieces).map(|piece| piece.hash));
        }
    }
    Ok((contents, pieces))
}

/// The recipe of a content, if it has one.
fn recipe(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    content: Digest,
    recipes: &dyn Fn(&Digest) -> Result<Option<Recipe>>,
) -> Result<Option<Recipe>> {
    if let Some(known) = recipes(&content)? {
        return Ok(Some(known));
    }
    let wanted = HashSet::from([ObjectId::recipe(content), ObjectId::piece(content)]);
    let mut found = None;
    bring(hub, memory, at, wanted, true, &mut |objects: Vec<Brought<'_>>| {
        found = objects.into_iter().find_map(|object| match object {
            Brought::Recipe(_, recipe) => Some(recipe),
            _ => None,
        });
        Ok(())
    })?;
    Ok(found)
}
