//! How an archive is made: its headers, and what the data of its entries are.

use super::{MAX_DEPTH, Recipe, RecipePart, damaged};
use crate::content::archive::{Headers, Tile};
use crate::error::Result;

/// An archive that is cut at its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::content) struct Archived {
    pub(in crate::content) headers: Headers,
    /// What is content, in the order of the file: as many as [`Headers::contents`].
    pub(in crate::content) contents: Vec<Content>,
}

/// What the data of an entry are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::content) enum Content {
    /// So many pieces, from where the content before left off.
    Pieces(u32),
    /// An archive, stored as it is.
    Archive(Box<Archived>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Pieces(0)
    }
}

impl Content {
    /// How many pieces it has, with all that is in it.
    pub(in crate::content) fn pieces(&self) -> usize {
        match self {
            Self::Pieces(count) => *count as usize,
            Self::Archive(archive) => archive.contents.iter().map(Self::pieces).sum(),
        }
    }
}

impl Archived {
    /// It, without what archives in it are made of.
    pub(super) fn shallow(&self) -> Self {
        let shallow = |content: &Content| match content {
            Content::Pieces(count) => Content::Pieces(*count),
            Content::Archive(_) => Content::Archive(Box::default()),
        };
        Self { headers: self.headers.clone(), contents: self.contents.iter().map(shallow).collect() }
    }
}

/// A part of an archive, in the order of the file.
pub(super) enum Part<'a> {
    /// Bytes that stand between its contents.
    Inline(&'a [u8]),
    /// So many pieces, which are this many bytes.
    Pieces(u32, u64),
}

impl Archived {
    /// Shows its parts, with those of the archives in it. How many bytes they are.
    pub(super) fn walk(&self, depth: usize, show: &mut dyn FnMut(Part<'_>) -> Result<()>) -> Result<u64> {
        if depth > MAX_DEPTH {
            return Err(damaged("archives in archives in archives, too deep"));
        }
        let (tiles, inline) = self.headers.tiles()?;
        let (mut inline, mut contents) = (&inline[..], self.contents.iter());
        let lengths = self.headers.contents();
        let (mut lengths, mut size) = (lengths.iter(), 0u64);
        for tile in tiles {
            let length = if let Tile::Inline(length) = tile {
                let (taken, rest) = inline.split_at_checked(length as usize).unwrap_or_default();
                inline = rest;
                show(Part::Inline(taken))?;
                length.into()
            } else {
                let (Some(content), Some((_, length))) = (contents.next(), lengths.next()) else {
                    return Err(damaged("an archive lacks contents"));
                };
                match content {
                    Content::Pieces(count) => show(Part::Pieces(*count, *length))?,
                    Content::Archive(archive) if archive.walk(depth + 1, show)? == *length => {}
                    Content::Archive(_) => return Err(damaged(OTHER_LENGTH)),
                }
                *length
            };
            size = size.checked_add(length).ok_or_else(|| damaged("its size is beyond counting"))?;
        }
        if contents.next().is_some() {
            return Err(damaged("an archive has contents that belong nowhere"));
        }
        Ok(size)
    }
}

impl Recipe {
    /// Puts an archive where the file ends so far; `next` is the first piece that is not placed yet.
    pub(super) fn lay(&mut self, archive: &Archived, next: &mut usize) -> Result<()> {
        archive.walk(0, &mut |part| match part {
            Part::Inline(bytes) => self.append(bytes.len()),
            Part::Pieces(count, length) => {
                let before = self.size;
                for _ in 0..count {
                    self.count_piece(*next)?;
                    *next += 1;
                }
                if self.size - before == length { Ok(()) } else { Err(damaged(OTHER_LENGTH)) }
            }
        })?;
        Ok(())
    }

    /// Shows its parts, in order, each with the offset in the file at which it begins.
    pub fn walk(&self, show: &mut dyn FnMut(u64, RecipePart<'_>) -> Result<()>) -> Result<()> {
        let (mut at, mut pieces) = (0, (0..).zip(&self.pieces));
        let mut some = |at: &mut u64, count: usize, show: &mut dyn FnMut(u64, RecipePart<'_>) -> Result<()>| {
            for (number, piece) in pieces.by_ref().take(count) {
                show(*at, RecipePart::Piece(number, *piece))?;
                *at += u64::from(piece.length);
            }
            Ok(())
        };
        let Some(archive) = &self.archive else { return some(&mut at, self.pieces.len(), show) };
        archive.walk(0, &mut |part| match part {
            Part::Inline(bytes) => {
                show(at, RecipePart::Inline(bytes))?;
                at += bytes.len() as u64;
                Ok(())
            }
            Part::Pieces(count, _) => some(&mut at, count as usize, show),
        })?;
        Ok(())
    }
}

const OTHER_LENGTH: &str = "the data of an entry have another length than its header says";
