//! Which piece belongs where, and which were written.
//!
//! A piece may belong to many places: each place links to the next one of the same piece.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

use super::super::recipe::{MAX_PIECES, Recipe};
use super::contents::Contents;

/// One place where a piece belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which content.
    pub(super) content: u32,
    /// Which piece of its recipe.
    pub(super) part: u32,
    /// Where in the file, in bytes.
    pub(super) offset: u64,
    next: u32,
    piece: u32,
}

const NOWHERE: u32 = u32::MAX;

/// The most pieces that are entered at once: those of one file of as many as a recipe may have, and of others of 4 GiB
/// together, in pieces of 4 KiB. A recipe of a hundred megabytes is a few kilobytes under zstd: without a bound, a small
/// hub could ask for any amount of memory.
const MOST: usize = MAX_PIECES + (1 << 20) + (1 << 17);

struct Piece {
    first: u32,
    /// At how many of its places it was not written yet.
    left: AtomicU32,
}

/// All pieces of all recipes.
#[derive(Default)]
pub(super) struct Ledger {
    by_hash: HashMap<Digest, u32>,
    pieces: Vec<Piece>,
    places: Vec<Place>,
    /// At which places the piece was written.
    written: Vec<AtomicBool>,
    /// The first place of each content.
    firsts: HashMap<u32, u32>,
}

impl Ledger {
    /// Enters the pieces of a content's recipe. A piece that was written before is needed again, for its new places.
    pub(super) fn enter(&mut self, content: u32, recipe: &Recipe) -> Result<()> {
        let after = self.places.len() + recipe.pieces().len();
        if after > MOST {
            return Err(Error::new(ErrorKind::Damaged, "its pieces are far more than an honest recipe would have"));
        }
        self.places.reserve(recipe.pieces().len());
        self.firsts.insert(content, self.places.len() as u32);
        self.written.resize_with(after, AtomicBool::default);
        for (part, (offset, piece)) in recipe.positions().enumerate() {
            let place = self.places.len() as u32;
            let (index, next) = match self.by_hash.entry(piece.hash) {
                Entry::Vacant(entry) => {
                    let index = *entry.insert(self.pieces.len() as u32);
                    self.pieces.push(Piece { first: place, left: AtomicU32::new(1) });
                    (index, NOWHERE)
                }
                Entry::Occupied(entry) => {
                    let known = &mut self.pieces[*entry.get() as usize];
                    *known.left.get_mut() += 1;
                    (*entry.get(), std::mem::replace(&mut known.first, place))
                }
            };
            self.places.push(Place { content, part: part as u32, offset, next, piece: index });
        }
        Ok(())
    }

    fn find(&self, hash: &Digest) -> Option<&Piece> {
        self.by_hash.get(hash).map(|&index| &self.pieces[index as usize])
    }

    /// Whether the piece belongs somewhere and was not written there yet.
    pub(super) fn needs(&self, hash: &Digest) -> bool {
        self.find(hash).is_some_and(|piece| piece.left.load(Ordering::Acquire) > 0)
    }

    /// Whether this part of a content was written.
    pub(super) fn is_written(&self, content: u32, part: u32) -> bool {
        self.written_at(content, part).is_some_and(|(_, written)| written.load(Ordering::Acquire))
    }

    /// Books this part of a content as written.
    pub(super) fn book(&self, content: u32, part: u32) {
        let Some((place, written)) = self.written_at(content, part) else { return };
        if !written.swap(true, Ordering::AcqRel) {
            self.pieces[place.piece as usize].left.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn written_at(&self, content: u32, part: u32) -> Option<(&Place, &AtomicBool)> {
        let place = (*self.firsts.get(&content)? as usize).checked_add(part as usize)?;
        Some((self.places.get(place)?, self.written.get(place)?))
    }

    /// Every place of the piece.
    pub(super) fn places(&self, hash: &Digest) -> impl Iterator<Item = Place> {
        let first = self.find(hash).map_or(NOWHERE, |piece| piece.first);
        let at = |place: u32| self.places.get(place as usize).copied();
        std::iter::successors(at(first), move |place| at(place.next))
    }

    /// The pieces that were not written, in the order in which they were entered.
    pub(super) fn needed<'a>(&'a self, contents: &'a Contents) -> impl Iterator<Item = Digest> + 'a {
        let open = self.pieces.iter().filter(|piece| piece.left.load(Ordering::Acquire) > 0);
        open.filter_map(|piece| {
            let place = self.places[piece.first as usize];
            let recipe = contents.get(place.content).recipe()?;
            recipe.pieces().get(place.part as usize).map(|piece| piece.hash)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::PieceRef;

    #[test]
    fn small_recipes_that_are_many_pieces_together_are_refused() {
        let recipe = Recipe::new(vec![PieceRef { hash: Digest::of(b"x"), length: 1 }; 500_000]).expect("a recipe");
        let mut ledger = Ledger::default();
        let entered = (0..100).take_while(|&content| ledger.enter(content, &recipe).is_ok()).count();
        assert_eq!(entered, MOST / 500_000);
        let refused = ledger.enter(0, &recipe).expect_err("too many");
        assert_eq!(refused.kind(), ErrorKind::Damaged);
    }
}
