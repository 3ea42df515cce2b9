//! How a file is made of pieces, in order, and of what stands between them.
//!
//! A recipe is stored under the hash of its file, encoded as a frame of the codec room. That of an ordinary file is a list:
//! the number of pieces, then hash and length of each. That of an archive ([`Archived`]) has the archive's headers besides,
//! field by field, and says of the data of each entry which pieces they are, or how the archive is made that they are.
//! It is stored whole, or against the recipe of another file, its base ([`Recipe::against`]).
//!
//! Laws:
//! - every piece has 1 to [`MAX_PIECE`] bytes, a recipe at most [`MAX_PIECES`] pieces and [`MAX_INLINE`] bytes between
//!   them, so that both what it costs to hold one and what it costs to encode one are bounded;
//! - the size of the file is the sum of the lengths, and whoever rebuilds compares it with the size that the tree says;
//! - the same file has the same recipe, whoever cuts it ([`super::cutter`]): so a base need not be sent to whoever has
//!   the file.

mod archived;
mod coding;
mod counterpart;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Frame};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

use super::archive::MAX_INLINE;
pub(in crate::content) use archived::{Archived, Content};
pub(in crate::content) use counterpart::{Counterpart, counterparts};

/// The longest piece, in bytes: the data of an entry that is deflated.
pub const MAX_PIECE: usize = 32 << 20;

/// The longest piece of what is cut without regard to what it is, in bytes: of a file that is no archive, above all.
pub const MAX_CHUNK: usize = 1 << 20;

/// The most pieces in a recipe: what the frame's limit can hold, with decoding claiming 44 bytes for each.
///
/// Pieces of the least length (4 KiB up to 8 GiB, 64 KiB above) reach it at 183 GiB, pieces of the average length at
/// 730 GiB.
pub const MAX_PIECES: usize = 3_000_000;

/// How deep an archive may stand in another, stored, to be cut as one.
pub(in crate::content) const MAX_DEPTH: usize = 3;

/// One piece of a file: which, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRef {
    /// BLAKE3 of its bytes.
    pub hash: Digest,
    /// Its length in bytes: 1 to [`MAX_PIECE`].
    pub length: u32,
}

/// The pieces of one file, in order, and what stands between them. See the module for its laws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    pieces: Vec<PieceRef>,
    archive: Option<Arc<Archived>>,
    runs: Vec<Run>,
    /// How many bytes the runs have.
    between: u64,
    size: u64,
}

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub enum RecipePart<'a> {
    /// Bytes that stand between pieces.
    Inline(&'a [u8]),
    /// The piece of this number.
    Piece(u32, PieceRef),
}

/// Bytes between pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Where they stand in the file, in bytes.
    offset: u64,
    length: u32,
}

impl Recipe {
    /// Makes a recipe of nothing but `pieces`; [`ErrorKind::Damaged`] when they break a law.
    pub fn new(pieces: Vec<PieceRef>) -> Result<Self> {
        let mut recipe = Self { pieces, ..Self::default() };
        recipe.check_count()?;
        for place in 0..recipe.pieces.len() {
            recipe.count_piece(place)?;
        }
        Ok(recipe)
    }

    /// Makes the recipe of an archive with these pieces; [`ErrorKind::Damaged`] when they do not fit together.
    pub(in crate::content) fn of_archive(archive: Archived, pieces: Vec<PieceRef>) -> Result<Self> {
        let mut recipe = Self { pieces, ..Self::default() };
        recipe.check_count()?;
        let mut next = 0;
        recipe.lay(&archive, &mut next)?;
        if next != recipe.pieces.len() {
            return Err(damaged("more pieces than belong to it"));
        }
        recipe.archive = Some(Arc::new(archive));
        Ok(recipe)
    }

    /// The recipe of a file that is one piece: the piece has the file's own name.
    pub fn single(hash: Digest, length: u32) -> Result<Self> {
        Self::new(vec![PieceRef { hash, length }])
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[PieceRef] {
        &self.pieces
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is that of an archive, cut at its entries.
    pub fn is_archive(&self) -> bool {
        self.archive.is_some()
    }

    /// How the archive is made, if it is one.
    pub(in crate::content) fn archive(&self) -> Option<&Archived> {
        self.archive.as_deref()
    }

    /// Whether a file like this needs a recipe object in the hub: it is more than one piece.
    pub fn is_needed(&self) -> bool {
        self.pieces.len() > 1 || !self.runs.is_empty()
    }

    /// Each piece with the offset in the file at which it begins.
    pub fn positions(&self) -> impl Iterator<Item = (u64, PieceRef)> {
        let mut runs = self.runs.iter().peekable();
        self.pieces.iter().scan(0, move |next, piece| {
            if let Some(run) = runs.next_if(|run| run.offset == *next) {
                *next += u64::from(run.length);
            }
            let offset = *next;
            *next += u64::from(piece.length);
            Some((offset, *piece))
        })
    }

    /// How many bytes stand between the pieces.
    pub fn inline_length(&self) -> u64 {
        self.between
    }

    /// The bytes that a hub stores.
    pub fn encode(&self) -> Result<Vec<u8>> {
        match self.archive {
            None => codec::encode(Frame::Recipe, &self.pieces),
            Some(_) => {
                let columns = self.against(&Self::default())?;
                Ok([&codec::header(Frame::Archive, columns.len())?[..], &columns].concat())
            }
        }
    }

    /// Reads what [`Recipe::encode`] wrote; [`ErrorKind::Damaged`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if codec::is(Frame::Archive, bytes) {
            return Self::of_columns(codec::payload(Frame::Archive, bytes)?, &Self::default());
        }
        Self::new(codec::decode(Frame::Recipe, bytes)?)
    }

    /// The columns that make it of `base`. The same two always give the same bytes.
    pub fn against(&self, base: &Self) -> Result<Vec<u8>> {
        coding::write(self, base).map(|(columns, _)| columns)
    }

    /// Reads what [`Recipe::against`] the same `base` has given; [`ErrorKind::Damaged`] for anything that cannot be.
    pub fn of_columns(columns: &[u8], base: &Self) -> Result<Self> {
        coding::read(columns, base)
    }

    fn check_count(&self) -> Result<()> {
        if self.pieces.len() > MAX_PIECES {
            return Err(damaged(&format!("{} pieces are more than {MAX_PIECES}", self.pieces.len())));
        }
        Ok(())
    }

    /// Puts the piece of this number where the file ends so far.
    fn count_piece(&mut self, place: usize) -> Result<()> {
        let piece = self.pieces.get(place).ok_or_else(|| damaged("it lacks pieces"))?;
        if piece.length == 0 || piece.length as usize > MAX_PIECE {
            return Err(damaged(&format!("piece {} has {} bytes", piece.hash, piece.length)));
        }
        self.grow(piece.length.into())
    }

    fn grow(&mut self, length: u64) -> Result<()> {
        let size = self.size.checked_add(length).ok_or_else(|| damaged("its size is beyond counting"))?;
        self.size = size;
        Ok(())
    }

    /// Appends so many bytes that stand between pieces.
    fn append(&mut self, length: usize) -> Result<()> {
        let before = usize::try_from(self.between).unwrap_or(usize::MAX);
        let length = u32::try_from(length).ok().filter(|_| before.saturating_add(length) <= MAX_INLINE);
        let length = length.ok_or_else(|| damaged(&format!("more than {MAX_INLINE} bytes between its pieces")))?;
        match self.runs.last_mut() {
            _ if length == 0 => {}
            Some(run) if run.offset + u64::from(run.length) == self.size => run.length += length,
            _ => self.runs.push(Run { offset: self.size, length }),
        }
        self.between += u64::from(length);
        self.grow(length.into())
    }
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("damaged recipe: {why}"))
}
