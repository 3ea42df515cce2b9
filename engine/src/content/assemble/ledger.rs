//! Which piece belongs where, and which were written.
//!
//! A piece may belong to many places: each place links to the next one of the same piece.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

use super::super::recipe::Recipe;
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
}

const NOWHERE: u32 = u32::MAX;

struct Piece {
    first: u32,
    written: AtomicBool,
}

/// All pieces of all recipes.
#[derive(Default)]
pub(super) struct Ledger {
    by_hash: HashMap<Digest, u32>,
    pieces: Vec<Piece>,
    places: Vec<Place>,
}

impl Ledger {
    /// Enters the pieces of a content's recipe. A piece that was written before is needed again, for its new places.
    pub(super) fn enter(&mut self, content: u32, recipe: &Recipe) -> Result<()> {
        let after = self.places.len() + recipe.pieces().len();
        if after >= NOWHERE as usize {
            return Err(Error::new(ErrorKind::Unsupported, "there are too many pieces to rebuild at once"));
        }
        self.places.reserve(recipe.pieces().len());
        for (part, (offset, piece)) in recipe.positions().enumerate() {
            let place = self.places.len() as u32;
            let next = match self.by_hash.entry(piece.hash) {
                Entry::Vacant(entry) => {
                    entry.insert(self.pieces.len() as u32);
                    self.pieces.push(Piece { first: place, written: AtomicBool::new(false) });
                    NOWHERE
                }
                Entry::Occupied(entry) => {
                    let known = &mut self.pieces[*entry.get() as usize];
                    *known.written.get_mut() = false;
                    std::mem::replace(&mut known.first, place)
                }
            };
            self.places.push(Place { content, part: part as u32, offset, next });
        }
        Ok(())
    }

    fn find(&self, hash: &Digest) -> Option<&Piece> {
        self.by_hash.get(hash).map(|&index| &self.pieces[index as usize])
    }

    /// Whether the piece belongs somewhere and was not written yet.
    pub(super) fn needs(&self, hash: &Digest) -> bool {
        self.find(hash).is_some_and(|piece| !piece.written.load(Ordering::Acquire))
    }

    /// Every place of the piece.
    pub(super) fn places(&self, hash: &Digest) -> impl Iterator<Item = Place> {
        let first = self.find(hash).map_or(NOWHERE, |piece| piece.first);
        let at = |place: u32| self.places.get(place as usize).copied();
        std::iter::successors(at(first), move |place| at(place.next))
    }

    /// Books the piece as written at all its places.
    pub(super) fn book(&self, hash: &Digest) {
        if let Some(piece) = self.find(hash) {
            piece.written.store(true, Ordering::Release);
        }
    }

    /// The pieces that were not written, in the order in which they were entered.
    pub(super) fn needed<'a>(&'a self, contents: &'a Contents) -> impl Iterator<Item = Digest> + 'a {
        let open = self.pieces.iter().filter(|piece| !piece.written.load(Ordering::Acquire));
        open.filter_map(|piece| {
            let place = self.places[piece.first as usize];
            let recipe = contents.get(place.content).recipe()?;
            recipe.pieces().get(place.part as usize).map(|piece| piece.hash)
        })
    }
}
