//! Which piece of another file is most like a piece of this one, and how each is to be read.

use std::collections::HashMap;

use super::archived::{Archived, Content};
use super::{Recipe, coding};
use crate::content::archive::Tile;
use crate::content::deflate::MAX_INFLATED;
use crate::error::Result;

/// A piece that stands in the place of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::content) struct Counterpart {
    /// The number of the piece of the base in whose place it stands, if there is one.
    pub(in crate::content) base: Option<u32>,
    /// How many bytes it has when it is inflated, if it is deflated.
    pub(in crate::content) inflated: Option<u32>,
    /// How many bytes that of the base has then.
    pub(in crate::content) base_inflated: Option<u32>,
}

/// The counterparts of the pieces of `recipe`, and its columns against `base`.
pub(in crate::content) fn counterparts(recipe: &Recipe, base: &Recipe) -> Result<(Vec<u8>, Vec<Counterpart>)> {
    let (columns, expected) = coding::write(recipe, base)?;
    let (inflated, base_inflated) = (recipe.inflated(), base.inflated());
    let found = expected.iter().zip(inflated).map(|(number, inflated)| {
        let base = number.checked_sub(1).and_then(|number| u32::try_from(number).ok());
        let base_inflated = base.and_then(|base| base_inflated.get(base as usize).copied().flatten());
        Counterpart { base, inflated, base_inflated }
    });
    Ok((columns, found.collect()))
}

impl Recipe {
    /// Of each piece, how many bytes it has when it is inflated: none if it is not deflated, or is too long for that.
    pub(in crate::content) fn inflated(&self) -> Vec<Option<u32>> {
        let mut inflated = vec![None; self.pieces.len()];
        if let Some(archive) = &self.archive {
            note(archive, &mut inflated, 0);
        }
        inflated
    }
}

impl Recipe {
    /// The names of the entries of an archive whose data is one piece, by that piece's number.
    pub(in crate::content) fn entries(&self) -> HashMap<usize, Vec<u8>> {
        let (mut entries, mut next) = (HashMap::new(), 0);
        let Some(archive) = &self.archive else { return entries };
        for (content, (tile, _)) in archive.contents.iter().zip(archive.headers.contents()) {
            if let (Content::Pieces(1), Tile::Data(entry)) = (content, tile) {
                entries.insert(next, archive.headers.name(entry).to_vec());
            }
            next += content.pieces();
        }
        entries
    }
}

fn note(archive: &Archived, inflated: &mut [Option<u32>], mut next: usize) {
    for (content, (tile, _)) in archive.contents.iter().zip(archive.headers.contents()) {
        match (content, tile) {
            (Content::Archive(inner), _) => note(inner, inflated, next),
            (Content::Pieces(1), Tile::Data(entry)) => {
                let length = archive.headers.inflated(entry).filter(|length| *length <= MAX_INFLATED as u64);
                if let Some(place) = inflated.get_mut(next) {
                    *place = length.and_then(|length| u32::try_from(length).ok());
                }
            }
            (Content::Pieces(_), _) => {}
        }
        next += content.pieces();
    }
}
