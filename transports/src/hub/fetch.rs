//! Bringing objects: plan the reads, verify everything, hand it over.
//!
//! Objects of one pack are read together. A small pack is read whole, verified by its name and kept for the next call:
//! the update after a publish of one file reads the head, one record and one pack. Of other packs neighbouring objects
//! are read in one go, and each verified by its own name. A pack that gc removed in the meantime sends us to `INDEX`
//! once more; what was delivered already is not read again.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use depsync_engine::content::pack::{PackRef, check_readable, unpack_verified};
use depsync_engine::content::{MAX_PIECE, ObjectId, ObjectKind, Recipe};
use depsync_engine::context::{Context, Phase};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::Revision;
use depsync_engine::transport::{Deliver, Want, WantedContent};

use super::Memory;
use super::catalog::{Found, SMALL_PACK};
use super::layout;
use super::reading::Reading;

/// Two objects with fewer bytes than this between them are read together.
const GAP: u64 = 32 << 10;
/// The most bytes read in one go, if no single object is longer.
const RUN: u64 = 8 << 20;

type Take<'a> = &'a mut dyn FnMut(ObjectId, Cow<'_, [u8]>) -> Result<()>;

/// Brings what `want` names.
pub(super) fn fetch(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    want: Want<'_>,
    to: &mut dyn Deliver,
) -> Result<()> {
    match want {
        Want::Pages(ids) => {
            let wanted = ids.iter().copied().map(ObjectId::page).collect();
            let missing = bring(hub, memory, at, wanted, false, &mut |id, raw| to.page(id.hash, raw.into_owned()))?;
            all_there(hub, at, &missing)
        }
        Want::Contents(contents) => {
            recipes(hub, memory, at, contents, to)?;
            let wanted: HashSet<ObjectId> = to.needed()?.into_iter().collect();
            let total = wanted.len();
            let mut done = 0u64;
            let missing = bring(hub, memory, at, wanted, false, &mut |id, raw| {
                done += raw.len() as u64;
                hub.cx.progress(Phase::Stage, done, None);
                match id.kind {
                    ObjectKind::Piece => to.piece(id.hash, &raw),
                    _ => Err(Error::new(ErrorKind::Internal, "only pieces can be needed").at(id)),
                }
            })?;
            tracing::debug!(pieces = total, bytes = done, "fetched");
            all_there(hub, at, &missing)
        }
    }
}

fn all_there(hub: &Reading<'_>, at: Revision, missing: &HashSet<ObjectId>) -> Result<()> {
    match missing.iter().min() {
        None => Ok(()),
        Some(first) => Err(Error::damaged(
            hub.storage.endpoint(),
            format!("{} objects of revision {at} are missing, first {first}", missing.len()),
        )
        .op("fetch")
        .hint("if `depsync gc` dropped that revision, take a newer one; otherwise publish again from a node that has the files")),
    }
}

/// Brings the recipes of the contents that have one. A content is either a recipe or a single piece of the same name;
/// finding the piece tells that there is no recipe, without looking through the whole history for it.
fn recipes(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    contents: &[WantedContent],
    to: &mut dyn Deliver,
) -> Result<()> {
    let mut wanted = HashSet::with_capacity(contents.len() * 2);
    let mut sizes = std::collections::HashMap::with_capacity(contents.len());
    for content in contents.iter().filter(|content| content.size > 0) {
        wanted.insert(ObjectId::recipe(content.hash));
        if content.size <= MAX_PIECE as u64 {
            wanted.insert(ObjectId::piece(content.hash));
        }
        sizes.insert(content.hash, content.size);
    }
    let missing = bring(hub, memory, at, wanted, true, &mut |id, raw| {
        let recipe = Recipe::decode(&raw).map_err(|error| error.at(id))?;
        if sizes.get(&id.hash) != Some(&recipe.size()) {
            return Err(Error::damaged(id, format!("it makes {} bytes, which is not the file's size", recipe.size())));
        }
        to.recipe(id.hash, recipe)
    })?;
    all_there(hub, at, &missing)
}

/// Brings `wanted`; gives what is nowhere. With `either`, a content is looked for as recipe and as piece, and only
/// recipes are brought.
pub(super) fn bring(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    mut wanted: HashSet<ObjectId>,
    either: bool,
    take: Take<'_>,
) -> Result<HashSet<ObjectId>> {
    let mut again = true;
    loop {
        let located = memory.catalog.locate(hub, &mut memory.chain, at, wanted.clone(), either);
        let tried = located.and_then(|(mut found, missing)| {
            if either {
                found.retain(|found| found.id.kind == ObjectKind::Recipe);
            }
            read(hub, memory, found, &mut |id, raw| {
                wanted.remove(&id);
                if either {
                    wanted.remove(&ObjectId::piece(id.hash));
                }
                take(id, raw)
            })?;
            Ok(missing)
        });
        match tried {
            Err(error) if error.kind() == ErrorKind::NotFound && again => {
                again = false;
                memory.catalog.refresh(hub)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(error
                    .with_kind(ErrorKind::Damaged)
                    .op("fetch")
                    .hint("the hub lacks something that its records name; if `depsync gc` ran meanwhile, try again"));
            }
            tried => return tried,
        }
    }
}

/// Reads the objects found, pack by pack, in the order in which they stand.
pub(super) fn read(hub: &Reading<'_>, memory: &mut Memory, mut found: Vec<Found>, take: Take<'_>) -> Result<()> {
    found.sort_unstable_by(|left, right| {
        let key = |found: &Found| (found.pack.name, found.slot.offset);
        key(left).cmp(&key(right))
    });
    for group in found.chunk_by(|left, right| left.pack.name == right.pack.name) {
        hub.cx.check()?;
        let pack = group[0].pack;
        let readable = group.iter().try_for_each(|found| check_readable(&found.slot).map(drop));
        let read = match readable.and_then(|()| whole(hub, memory, &pack)) {
            Ok(Some(bytes)) => from_whole(hub.cx, group, &bytes, take),
            Ok(None) => in_runs(hub, &pack, group, take),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            if error.kind() == ErrorKind::NotFound {
                memory.catalog.note_gone(pack.name);
            }
            return Err(error.at(format!("{}/{}", hub.storage.endpoint(), layout::pack(&pack.name))));
        }
    }
    Ok(())
}

fn whole(hub: &Reading<'_>, memory: &mut Memory, reference: &PackRef) -> Result<Option<Arc<Vec<u8>>>> {
    if let Some(kept) = memory.catalog.kept(&reference.name) {
        return Ok(Some(kept));
    }
    if reference.length <= SMALL_PACK { memory.catalog.whole(hub, reference).map(Some) } else { Ok(None) }
}

fn from_whole(cx: &Context, group: &[Found], bytes: &[u8], take: Take<'_>) -> Result<()> {
    for found in group {
        cx.check()?;
        hand_over(found, part(bytes, 0, found)?, take)?;
    }
    Ok(())
}

fn in_runs(hub: &Reading<'_>, pack: &PackRef, group: &[Found], take: Take<'_>) -> Result<()> {
    let name = layout::pack(&pack.name);
    let mut rest = group;
    while let Some(first) = rest.first() {
        hub.cx.check()?;
        let start = first.slot.offset;
        let (mut end, mut count) = (first.slot.range().end, 1);
        while let Some(next) = rest.get(count)
            && next.slot.offset.saturating_sub(end) <= GAP
            && next.slot.range().end - start <= RUN
        {
            end = next.slot.range().end;
            count += 1;
        }
        let length = usize::try_from(end - start).expect("because a run is bounded by the longest object");
        let bytes = hub.get_range(&name, start, length)?;
        for found in &rest[..count] {
            hand_over(found, part(&bytes, start, found)?, take)?;
        }
        rest = &rest[count..];
    }
    Ok(())
}

/// The stored bytes of an object in `bytes`, which begin at `start` of the pack.
fn part<'a>(bytes: &'a [u8], start: u64, found: &Found) -> Result<&'a [u8]> {
    let from = usize::try_from(found.slot.offset - start).ok();
    let part = from.and_then(|from| bytes.get(from..from.checked_add(found.slot.stored_length as usize)?));
    part.ok_or_else(|| Error::new(ErrorKind::Damaged, "its index reaches beyond it"))
}

fn hand_over(found: &Found, stored: &[u8], take: Take<'_>) -> Result<()> {
    let (id, raw) = unpack_verified(&found.slot, stored)?;
    take(id, raw)
}
