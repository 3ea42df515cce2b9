//! The new pieces of an archive, each against what stood in its place.
//!
//! The archive was cut already. Of its pieces those are read again that the hub lacks, a bounded number of bytes at a time,
//! and held against their counterparts in the base: the archive that was at this path before, or has left under a name that
//! is like this one.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::Entry;

use super::super::archive::Source;
use super::super::chunker::Cut;
use super::super::deflate;
use super::super::object::ObjectId;
use super::super::pack::{Codec, Encoded, pack_columns};
use super::super::patch;
use super::super::recipe::{Counterpart, PieceRef, Recipe, counterparts};
use super::Job;
use super::bundle::Bundle;

/// How many bytes of new pieces are held at a time, if no single one is longer.
const BATCH: u64 = 8 << 20;
/// Content of more bytes than this is held against another one at a time.
const LARGE: u32 = 4 << 20;

/// What an archive is held against.
pub(super) struct Base {
    pub(super) content: Digest,
    pub(super) recipe: std::sync::Arc<Recipe>,
}

/// The directory that an archive was unpacked into.
pub(super) struct Beside<'a> {
    pub(super) directory: &'a RelPath,
    /// Takes the pieces that are packed, with what each is stored against.
    pub(super) packed: &'a mut HashMap<Digest, Option<Digest>>,
}

/// A piece to be packed.
struct Fresh<'a> {
    piece: PieceRef,
    offset: u64,
    counterpart: Counterpart,
    /// The piece in whose place it stands; or the one that is what it inflates to.
    old: Option<Digest>,
    is_twin: bool,
    data: Vec<u8>,
    found: Option<Cow<'a, [u8]>>,
}

/// Bundles the pieces of `cut`, which are read from `source`, and its recipe. `false` if the file is another one by now.
pub(super) fn bundle_archive(
    cx: &Context,
    job: &Job<'_>,
    bundle: &mut Bundle<'_>,
    cut: &Cut,
    source: &(dyn Source + Sync),
    base: Option<&Base>,
    mut beside: Option<Beside<'_>>,
) -> Result<bool> {
    let names = beside.as_ref().map(|_| cut.recipe.entries()).unwrap_or_default();
    let inflated = cut.recipe.inflated();
    let against = base.map(|base| counterparts(&cut.recipe, &base.recipe)).transpose()?;
    let (mut batch, mut held, mut taken) = (Vec::new(), 0, HashSet::new());
    for (number, (offset, piece)) in cut.recipe.positions().enumerate() {
        if !bundle.lacks(&ObjectId::piece(piece.hash)) || !taken.insert(piece.hash) {
            continue;
        }
        let known = against.as_ref().and_then(|(_, found)| found.get(number).copied());
        let counterpart = known
            .unwrap_or(Counterpart { inflated: inflated.get(number).copied().flatten(), ..Counterpart::default() });
        let old = base.and_then(|base| base.recipe.pieces().get(counterpart.base? as usize)).map(|old| old.hash);
        if held + u64::from(piece.length) > BATCH {
            if !pack(cx, job, bundle, std::mem::take(&mut batch), source, beside.as_mut())? {
                return Ok(false);
            }
            held = 0;
        }
        held += u64::from(piece.length);
        let twin = match (&beside, names.get(&number), old) {
            (Some(beside), Some(name), None) => twin(job, beside.directory, name, counterpart.inflated)?,
            _ => None,
        };
        let (is_twin, old) = (twin.is_some(), old.or(twin));
        batch.push(Fresh { piece, offset, counterpart, old, is_twin, data: Vec::new(), found: None });
    }
    if !pack(cx, job, bundle, batch, source, beside.as_mut())? {
        return Ok(false);
    }
    bundle_recipe(job, bundle, cut, base.zip(against.as_ref().map(|(columns, _)| &columns[..])))?;
    Ok(true)
}

/// Bundles the recipe of `cut`, against that of a base if its columns are smaller.
pub(super) fn bundle_recipe(
    job: &Job<'_>,
    bundle: &mut Bundle<'_>,
    cut: &Cut,
    against: Option<(&Base, &[u8])>,
) -> Result<()> {
    let id = ObjectId::recipe(cut.hash);
    if !cut.recipe.is_needed() || !bundle.lacks(&id) {
        return Ok(());
    }
    let raw = cut.recipe.encode()?;
    let encoded = match against {
        Some((base, columns)) => {
            Encoded::of_difference(&raw, Codec::Columns, pack_columns(columns, job.effort)?, base.content)?
        }
        None => Encoded::of(&raw)?,
    };
    bundle.add_encoded(&[(id, encoded)])
}

/// The file that an entry was unpacked into, if it is one piece that the hub has and that others may be stored against.
fn twin(job: &Job<'_>, directory: &RelPath, name: &[u8], inflated: Option<u32>) -> Result<Option<Digest>> {
    let Some(inflated) = inflated else { return Ok(None) };
    let Ok(path) = RelPath::new([directory.as_bytes(), b"/", name].concat()) else { return Ok(None) };
    match job.tree.get(&path)?.as_ref().and_then(Entry::content) {
        Some((hash, size)) if size == u64::from(inflated) => {
            let id = ObjectId::piece(hash);
            Ok(job.bases.usable(&id, 1)?.then_some(hash))
        }
        _ => Ok(None),
    }
}

fn pack(
    cx: &Context,
    job: &Job<'_>,
    bundle: &mut Bundle<'_>,
    mut batch: Vec<Fresh<'_>>,
    source: &(dyn Source + Sync),
    beside: Option<&mut Beside<'_>>,
) -> Result<bool> {
    cx.check()?;
    let read = |fresh: &mut Fresh<'_>| {
        fresh.data = vec![0; fresh.piece.length as usize];
        source.read(fresh.offset, &mut fresh.data).is_ok() && Digest::of(&fresh.data) == fresh.piece.hash
    };
    if !batch.par_iter_mut().map(read).reduce(|| true, |all, is_same| all & is_same) {
        return Ok(false);
    }
    let theirs = batch.iter().filter(|fresh| !fresh.is_twin).filter_map(|fresh| fresh.old);
    let wanted: Vec<Digest> = theirs.collect::<HashSet<_>>().into_iter().collect();
    let olds = if wanted.is_empty() { HashMap::new() } else { job.bases.pieces(&wanted)? };
    let mut batch: Vec<Fresh<'_>> = batch
        .into_iter()
        .map(|fresh| {
            let found = if fresh.is_twin {
                // What it inflates to is here, too.
                let length = fresh.counterpart.inflated.map(|length| length as usize);
                let content = length.and_then(|length| deflate::inflate(&fresh.data, length));
                content.filter(|content| Some(Digest::of(content)) == fresh.old).map(Cow::Owned)
            } else {
                fresh.old.and_then(|old| olds.get(&old)).map(|old| Cow::Borrowed(&old[..]))
            };
            Fresh { found, ..fresh }
        })
        .collect();
    let is_large = |fresh: &Fresh<'_>| fresh.found.is_some() && fresh.counterpart.inflated.unwrap_or(0) > LARGE;
    let effort = job.effort;
    let encode = |fresh: &Fresh<'_>| -> Result<Option<patch::Difference>> {
        cx.check()?;
        let Some(old) = &fresh.found else { return Ok(None) };
        patch::between(&fresh.data, old, &fresh.counterpart, effort)
    };
    let mut differences: Vec<Option<patch::Difference>> =
        batch.par_iter().map(|fresh| if is_large(fresh) { Ok(None) } else { encode(fresh) }).collect::<Result<_>>()?;
    for (fresh, difference) in batch.iter().zip(&mut differences).filter(|(fresh, _)| is_large(fresh)) {
        *difference = encode(fresh)?;
    }
    let encoded = batch.par_iter_mut().zip(differences).map(|(fresh, difference)| {
        let id = ObjectId::piece(fresh.piece.hash);
        let encoded = match difference.zip(fresh.old) {
            Some((found, old)) => Encoded::of_difference(&fresh.data, found.codec, found.bytes, old)?,
            None => Encoded::of(&fresh.data)?,
        };
        Ok::<_, Error>((id, encoded))
    });
    let encoded = encoded.collect::<Result<Vec<_>>>()?;
    if let Some(beside) = beside {
        beside.packed.extend(encoded.iter().map(|(id, encoded)| (id.hash, encoded.base())));
    }
    bundle.add_encoded(&encoded)?;
    Ok(true)
}
