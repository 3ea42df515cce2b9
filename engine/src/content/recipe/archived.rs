//! How an archive is made: its headers, and what the data of its entries are.

use super::{MAX_DEPTH, Recipe, damaged};
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

impl Recipe {
    /// Puts an archive where the file ends so far; `next` is the first piece that is not placed yet.
    pub(super) fn lay(&mut self, archive: &Archived, next: &mut usize, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(damaged("archives in archives in archives, too deep"));
        }
        let (tiles, inline) = archive.headers.tiles()?;
        let (mut inline, mut contents) = (&inline[..], archive.contents.iter());
        let lengths = archive.headers.contents();
        let mut lengths = lengths.iter();
        for tile in tiles {
            if let Tile::Inline(length) = tile {
                let (taken, rest) = inline.split_at_checked(length as usize).unwrap_or_default();
                inline = rest;
                self.append(taken)?;
                continue;
            }
            let (Some(content), Some((_, length))) = (contents.next(), lengths.next()) else {
                return Err(damaged("an archive lacks contents"));
            };
            let before = self.size;
            match content {
                Content::Pieces(count) => {
                    for _ in 0..*count {
                        self.count_piece(*next)?;
                        *next += 1;
                    }
                }
                Content::Archive(archive) => self.lay(archive, next, depth + 1)?,
            }
            if self.size - before != *length {
                return Err(damaged("the data of an entry have another length than its header says"));
            }
        }
        if contents.next().is_some() { Err(damaged("an archive has contents that belong nowhere")) } else { Ok(()) }
    }
}
