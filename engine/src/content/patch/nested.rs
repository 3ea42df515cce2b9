//! What has changed within an archive that stands, deflated, in another.
//!
//! The archive is not opened for the hub: it stays one piece there. But both sides cut it as they cut files, and so the
//! difference is the columns of its recipe against that of the archive before, and of each new piece its own difference,
//! or the piece itself.
//!
//! | bytes, under zstd | are |
//! |---|---|
//! | number, and so many bytes | the columns of the recipe |
//! | for each piece that the base does not have, in order | the number of the piece of the base that it is a patch of, and one; or 0 |
//! | number, and so many bytes | its patch: a form, and a zstd frame; or, behind a 0, the piece, which has its length |
//!
//! Before the zstd frame stands a number: how many bytes that makes.

use std::collections::HashMap;

use crate::content::archive::columns::{put, take};
use crate::content::cutter::Cutter;
use crate::content::deflate::MAX_INFLATED;
use crate::content::effort::Effort;
use crate::content::pack::Codec;
use crate::content::recipe::{Recipe, RecipePart, counterparts};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

use super::prefix;

/// The most bytes under the zstd frame: all of an archive, and its columns.
const MOST: usize = 2 * MAX_INFLATED;

/// The difference of two archives; none where they are none.
pub(super) fn encode(new: &[u8], old: &[u8], effort: Effort) -> Result<Option<Vec<u8>>> {
    let (cut, base) = (Cutter::default().cut_slice(new)?, Cutter::default().cut_slice(old)?);
    if !cut.recipe.is_archive() || !base.recipe.is_archive() {
        return Ok(None);
    }
    let (columns, counterparts) = counterparts(&cut.recipe, &base.recipe)?;
    let places = places(&base.recipe);
    let olds: Vec<&[u8]> = base.recipe.positions().map(|(at, piece)| part(old, at, piece.length)).collect();
    let mut bytes = Vec::new();
    put(&mut bytes, columns.len() as u64);
    bytes.extend_from_slice(&columns);
    let mut sent = HashMap::new();
    for ((at, piece), counterpart) in cut.recipe.positions().zip(&counterparts) {
        if places.contains_key(&piece.hash) || sent.insert(piece.hash, ()).is_some() {
            continue;
        }
        let data = part(new, at, piece.length);
        let known = counterpart.base.and_then(|number| Some((number, *olds.get(number as usize)?)));
        let patch = match known {
            Some((number, old)) => super::flat(data, old, counterpart, effort)?.map(|patch| (number, patch)),
            None => None,
        };
        match patch.filter(|(_, patch)| patch.len() < data.len()) {
            Some((number, patch)) => {
                put(&mut bytes, u64::from(number) + 1);
                put(&mut bytes, patch.len() as u64);
                bytes.extend_from_slice(&patch);
            }
            None => {
                put(&mut bytes, 0);
                bytes.extend_from_slice(data);
            }
        }
    }
    if bytes.len() > MOST {
        return Ok(None);
    }
    let mut into = Vec::new();
    put(&mut into, bytes.len() as u64);
    let failed = |source| Error::new(ErrorKind::Internal, "zstd cannot compress").because(source);
    into.extend(prefix::compress(&bytes, &[], effort.level()).map_err(failed)?);
    Ok(Some(into))
}

/// The archive of `length` bytes that a difference makes of `old`.
pub(super) fn decode(mut stored: &[u8], old: &[u8], length: usize) -> Result<Vec<u8>> {
    let claimed = usize::try_from(take(&mut stored)?).ok().filter(|claimed| *claimed <= MOST);
    let claimed = claimed.ok_or_else(|| damaged("its length is out of bounds"))?;
    let bytes =
        prefix::decompress(stored, &[], claimed).map_err(|source| damaged("it does not decompress").because(source))?;
    let mut rest = &bytes[..];
    let base = Cutter::default().cut_slice(old)?.recipe;
    let columns = text(&mut rest)?;
    let recipe = Recipe::of_columns(columns, &base)?;
    if recipe.size() != length as u64 {
        return Err(damaged("it makes an archive of another length"));
    }
    let places = places(&base);
    let bases: Vec<(u64, u32)> = base.positions().map(|(at, piece)| (at, piece.length)).collect();
    let mut made = vec![0; length];
    recipe.walk(&mut |at, part| match part {
        RecipePart::Inline(bytes) => copy(&mut made, at, bytes),
        RecipePart::Piece(..) => Ok(()),
    })?;
    let mut sent: HashMap<Digest, u64> = HashMap::new();
    for (at, piece) in recipe.positions() {
        if let Some(&(from, length)) = places.get(&piece.hash) {
            copy(&mut made, at, part(old, from, length))?;
        } else if let Some(&from) = sent.get(&piece.hash) {
            let bytes = part(&made, from, piece.length).to_vec();
            copy(&mut made, at, &bytes)?;
        } else {
            match take(&mut rest)?.checked_sub(1) {
                None => {
                    let (data, after) =
                        rest.split_at_checked(piece.length as usize).ok_or_else(|| damaged("a piece is cut off"))?;
                    rest = after;
                    copy(&mut made, at, data)?;
                }
                Some(number) => {
                    let known = usize::try_from(number).ok().and_then(|number| bases.get(number));
                    let &(from, length) = known.ok_or_else(|| damaged("a piece that its base does not have"))?;
                    let patch = text(&mut rest)?;
                    let data = super::apply(Codec::Patch, patch, part(old, from, length), piece.length as usize)?;
                    copy(&mut made, at, &data)?;
                }
            }
            sent.insert(piece.hash, at);
        }
    }
    if rest.is_empty() { Ok(made) } else { Err(damaged("more than its pieces")) }
}

/// Where each piece stands first.
fn places(recipe: &Recipe) -> HashMap<Digest, (u64, u32)> {
    let mut places = HashMap::with_capacity(recipe.pieces().len());
    for (at, piece) in recipe.positions() {
        places.entry(piece.hash).or_insert((at, piece.length));
    }
    places
}

fn part(bytes: &[u8], at: u64, length: u32) -> &[u8] {
    let range = usize::try_from(at).ok().and_then(|at| Some(at..at.checked_add(length as usize)?));
    range.and_then(|range| bytes.get(range)).unwrap_or_default()
}

fn copy(into: &mut [u8], at: u64, bytes: &[u8]) -> Result<()> {
    let range = usize::try_from(at).ok().and_then(|at| Some(at..at.checked_add(bytes.len())?));
    let place = range.and_then(|range| into.get_mut(range));
    place.ok_or_else(|| damaged("a piece reaches beyond it"))?.copy_from_slice(bytes);
    Ok(())
}

fn text<'a>(from: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = usize::try_from(take(from)?).map_err(|_| damaged("a length is too long"))?;
    let (text, rest) = from.split_at_checked(length).ok_or_else(|| damaged("it is cut off"))?;
    *from = rest;
    Ok(text)
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("damaged patch of an archive: {why}"))
}
