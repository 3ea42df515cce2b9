//! The new pieces of an archive, each against what stood in its place.
//!
//! The archive was cut already. Of its pieces those are read again that the hub lacks, a bounded number of bytes at a time,
//! and held against their counterparts in the base: the archive that was at this path before, or has left under a name that
//! is like this one.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hash::Digest;

use super::super::archive::Source;
use super::super::chunker::Cut;
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

/// A piece to be packed.
struct Fresh<'a> {
    piece: PieceRef,
    offset: u64,
    counterpart: Counterpart,
    /// The piece in whose place it stands.
    old: Option<Digest>,
    data: Vec<u8>,
    found: Option<&'a [u8]>,
}

/// Bundles the pieces of `cut`, which are read from `source`, and its recipe. `false` if the file is another one by now.
pub(super) fn bundle_archive(
    cx: &Context,
    job: &Job<'_>,
    bundle: &mut Bundle<'_>,
    cut: &Cut,
    source: &(dyn Source + Sync),
    base: Option<&Base>,
) -> Result<bool> {
    let against = base.map(|base| counterparts(&cut.recipe, &base.recipe)).transpose()?;
    let (mut batch, mut held, mut taken) = (Vec::new(), 0, HashSet::new());
    for (number, (offset, piece)) in cut.recipe.positions().enumerate() {
        if !bundle.lacks(&ObjectId::piece(piece.hash)) || !taken.insert(piece.hash) {
            continue;
        }
        let counterpart = against.as_ref().and_then(|(_, found)| found.get(number).copied()).unwrap_or_default();
        let old = base.and_then(|base| base.recipe.pieces().get(counterpart.base? as usize)).map(|old| old.hash);
        if held + u64::from(piece.length) > BATCH {
            if !pack(cx, job, bundle, std::mem::take(&mut batch), source)? {
                return Ok(false);
            }
            held = 0;
        }
        held += u64::from(piece.length);
        batch.push(Fresh { piece, offset, counterpart, old, data: Vec::new(), found: None });
    }
    if !pack(cx, job, bundle, batch, source)? {
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

fn pack(
    cx: &Context,
    job: &Job<'_>,
    bundle: &mut Bundle<'_>,
    mut batch: Vec<Fresh<'_>>,
    source: &(dyn Source + Sync),
) -> Result<bool> {
    cx.check()?;
    let read = |fresh: &mut Fresh<'_>| {
        fresh.data = vec![0; fresh.piece.length as usize];
        source.read(fresh.offset, &mut fresh.data).is_ok() && Digest::of(&fresh.data) == fresh.piece.hash
    };
    if !batch.par_iter_mut().map(read).reduce(|| true, |all, is_same| all & is_same) {
        return Ok(false);
    }
    let wanted: Vec<Digest> = batch.iter().filter_map(|fresh| fresh.old).collect::<HashSet<_>>().into_iter().collect();
    let olds = if wanted.is_empty() { HashMap::new() } else { job.bases.pieces(&wanted)? };
    let mut batch: Vec<Fresh<'_>> = batch
        .into_iter()
        .map(|fresh| Fresh { found: fresh.old.and_then(|old| olds.get(&old)).map(Vec::as_slice), ..fresh })
        .collect();
    let is_large = |fresh: &Fresh<'_>| fresh.found.is_some() && fresh.counterpart.inflated.unwrap_or(0) > LARGE;
    let effort = job.effort;
    let encode = |fresh: &Fresh<'_>| -> Result<Option<patch::Difference>> {
        cx.check()?;
        let Some(old) = fresh.found else { return Ok(None) };
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
    bundle.add_encoded(&encoded)?;
    Ok(true)
}
