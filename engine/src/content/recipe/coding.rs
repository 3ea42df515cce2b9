//! Recipes as columns, against the recipe of another file.
//!
//! One passing over all that a recipe says serves both who writes and who reads ([`Passing`]). The contents of an archive
//! are held against those of the base's entry of the same name: where they are the pieces that are expected there, they come
//! to nearly nothing, wherever they stand. A piece that the base has elsewhere is a number; only a new one is a hash.
//!
//! The order of the passing, the columns and the candidates are a part of the format, as those of headers are.

use std::collections::HashMap;

use super::archived::{Archived, Content};
use super::{MAX_DEPTH, MAX_PIECE, MAX_PIECES, PieceRef, Recipe, damaged};
use crate::content::archive::columns::{Columns, Pass, Reading, Writing};
use crate::content::archive::{HEADER_COLUMNS, MAX_ENTRIES, MAX_INLINE, Tile};
use crate::error::Result;
use crate::hash::Digest;

// The columns behind those of the headers, in the order in which they are stored.
const KIND: usize = HEADER_COLUMNS;
const SIZE: usize = HEADER_COLUMNS + 1;
const COUNT: usize = HEADER_COLUMNS + 2;
const FROM: usize = HEADER_COLUMNS + 3;
const LENGTH: usize = HEADER_COLUMNS + 4;
const HASH: usize = HEADER_COLUMNS + 5;
/// How many columns there are.
const ALL: usize = HEADER_COLUMNS + 6;

/// The numbers of the kinds of content.
const PIECES: u64 = 0;
const ARCHIVE: u64 = 1;

/// Writes `recipe` against `base`. Gives the piece of the base that was expected in the place of each piece, too: its
/// number and one, or 0 for none.
pub(super) fn write(recipe: &Recipe, base: &Recipe) -> Result<(Vec<u8>, Vec<u64>)> {
    let mut numbers = HashMap::with_capacity(base.pieces.len());
    for (number, piece) in (1..).zip(&base.pieces) {
        numbers.entry(piece.hash).or_insert(number);
    }
    let mut root = match &recipe.archive {
        Some(_) => Content::Archive(Box::default()),
        None => Content::Pieces(u32::try_from(recipe.pieces.len()).unwrap_or(u32::MAX)),
    };
    let mut writing = Writing(Columns::new(ALL));
    let mut pieces = recipe.pieces.clone();
    let mut passing = Passing::new(&mut writing, &mut pieces, base, numbers);
    passing.root(&mut root, recipe.archive.as_deref(), recipe.size)?;
    let expected = passing.expected;
    Ok((writing.0.to_bytes(), expected))
}

/// Reads what [`write`] wrote against `base`.
pub(super) fn read(columns: &[u8], base: &Recipe) -> Result<Recipe> {
    let columns = Columns::of_bytes(columns, ALL)?;
    let mut reading = Reading::of(&columns);
    let (mut pieces, mut root) = (Vec::new(), Content::default());
    Passing::new(&mut reading, &mut pieces, base, HashMap::new()).root(&mut root, None, 0)?;
    reading.finish()?;
    match root {
        Content::Pieces(_) => Recipe::new(pieces),
        Content::Archive(archive) => Recipe::of_archive(*archive, pieces),
    }
}

struct Passing<'a, P> {
    through: &'a mut P,
    pieces: &'a mut Vec<PieceRef>,
    /// The piece that comes next.
    at: usize,
    base: &'a Recipe,
    /// The pieces of the base by name: their numbers and one. Only who writes has it.
    numbers: HashMap<Digest, u64>,
    expected: Vec<u64>,
    /// How many entries there may still be, and how many bytes of all their headers.
    room: usize,
    inline: usize,
}

/// A content of the base, and the number of its first piece.
#[derive(Clone, Copy)]
struct Known<'a> {
    content: &'a Content,
    first: usize,
}

impl<'a, P: Pass> Passing<'a, P> {
    fn new(through: &'a mut P, pieces: &'a mut Vec<PieceRef>, base: &'a Recipe, numbers: HashMap<Digest, u64>) -> Self {
        let expected = Vec::new();
        Self { through, pieces, at: 0, base, numbers, expected, room: MAX_ENTRIES, inline: MAX_INLINE }
    }

    /// All of it. Who writes says of an archive how it is made: `content` only says that it is one.
    fn root(&mut self, content: &mut Content, made: Option<&Archived>, mut size: u64) -> Result<()> {
        let base = self.base;
        let whole = Content::Pieces(u32::try_from(base.pieces.len()).unwrap_or(u32::MAX));
        self.kind(content, if base.is_archive() { ARCHIVE } else { PIECES })?;
        match content {
            Content::Archive(archive) => {
                self.archive(archive, made, base.archive.as_deref().map(|archive| (archive, 0)), 0)
            }
            Content::Pieces(count) => {
                self.through.number(SIZE, &[base.size], &mut size)?;
                let known = (!base.is_archive()).then_some(Known { content: &whole, first: 0 });
                self.leaf(count, size, known)
            }
        }
    }

    /// Which kind a content is of.
    fn kind(&mut self, content: &mut Content, expected: u64) -> Result<()> {
        let mut kind = if matches!(content, Content::Archive(_)) { ARCHIVE } else { PIECES };
        self.through.number(KIND, &[expected], &mut kind)?;
        match (kind, &*content) {
            (PIECES, Content::Pieces(_)) | (ARCHIVE, Content::Archive(_)) => {}
            (ARCHIVE, Content::Pieces(_)) => *content = Content::Archive(Box::default()),
            _ => return Err(damaged("a content of an unknown kind")),
        }
        Ok(())
    }

    fn archive(
        &mut self,
        archive: &mut Archived,
        made: Option<&Archived>,
        known: Option<(&Archived, usize)>,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(damaged("archives in archives in archives, too deep"));
        }
        // One level at a time: a copy of all would be as large again.
        if let Some(made) = made {
            *archive = made.shallow();
        }
        let none = Archived::default();
        let (base, first) = known.unwrap_or((&none, 0));
        let mut bases = archive.headers.matched(&base.headers);
        archive.headers.pass(self.through, &mut bases, &base.headers, &mut self.inline)?;
        // Each has some, so that there are no more archives than entries, whatever few bytes say.
        let room = self.room.checked_sub(archive.headers.count()).filter(|_| archive.headers.count() > 0);
        self.room = room.ok_or_else(|| damaged(&format!("no entries, or more than {MAX_ENTRIES}")))?;
        let index = Index::of(base, first);
        let contents = archive.headers.contents();
        archive.contents.resize_with(contents.len(), Content::default);
        let mut gaps = 0;
        for (place, (content, (tile, length))) in archive.contents.iter_mut().zip(contents).enumerate() {
            let known = match tile {
                Tile::Data(entry) => {
                    let number = bases.get(entry as usize).and_then(|number| number.checked_sub(1));
                    number.and_then(|number| index.of_entry(number))
                }
                _ => {
                    gaps += 1;
                    index.of_gap(gaps - 1)
                }
            };
            let is_archive = known.is_some_and(|known| matches!(known.content, Content::Archive(_)));
            self.kind(content, if is_archive { ARCHIVE } else { PIECES })?;
            match content {
                Content::Pieces(count) => self.leaf(count, length, known)?,
                Content::Archive(_) if !matches!(tile, Tile::Data(_)) => {
                    return Err(damaged("an archive that is in no entry"));
                }
                Content::Archive(archive) => {
                    let known = known.and_then(|known| match known.content {
                        Content::Archive(archive) => Some((&**archive, known.first)),
                        Content::Pieces(_) => None,
                    });
                    let inner = made.and_then(|made| match made.contents.get(place) {
                        Some(Content::Archive(inner)) => Some(&**inner),
                        _ => None,
                    });
                    self.archive(archive, inner, known, depth + 1)?;
                    if made.is_some() {
                        **archive = Archived::default();
                    }
                }
            }
        }
        Ok(())
    }

    /// Pieces that are `length` bytes together.
    fn leaf(&mut self, count: &mut u32, length: u64, known: Option<Known<'_>>) -> Result<()> {
        let (likely, mut expected) = match known {
            Some(Known { content: Content::Pieces(count), first }) => (u64::from(*count), first as u64 + 1),
            Some(Known { content: Content::Archive(_), first }) => (1, first as u64 + 1),
            None => (1, 0),
        };
        let mut value = u64::from(*count);
        self.through.number(COUNT, &[likely, 1], &mut value)?;
        *count = u32::try_from(value)
            .ok()
            .filter(|count| self.at + *count as usize <= MAX_PIECES)
            .ok_or_else(|| damaged(&format!("more than {MAX_PIECES} pieces")))?;
        let mut left = length;
        for number in (0..*count).rev() {
            let before = self.base_piece(expected);
            expected = if before.is_some() { expected } else { 0 };
            if self.at == self.pieces.len() {
                self.pieces.push(PieceRef { hash: Digest::from_bytes([0; 32]), length: 0 });
            }
            let mut piece = self.pieces[self.at];
            let mut from = match before {
                Some(base) if base == piece => expected,
                _ => {
                    // Of the same length, too, whoever has said it.
                    let known = self.numbers.get(&piece.hash).copied();
                    known.filter(|number| self.base_piece(*number) == Some(piece)).unwrap_or(0)
                }
            };
            self.expected.push(expected);
            self.through.number(FROM, &[expected, 0], &mut from)?;
            if from > 0 {
                piece = self.base_piece(from).ok_or_else(|| damaged("a piece that its base does not have"))?;
                expected = from + 1;
            } else {
                let mut hash = *piece.hash.as_bytes();
                self.through.exact(HASH, &mut hash)?;
                let mut length = if number == 0 { left } else { piece.length.into() };
                if number > 0 {
                    self.through.number(LENGTH, &[before.map_or(0, |base| base.length.into())], &mut length)?;
                }
                let length = u32::try_from(length).ok().filter(|length| *length as usize <= MAX_PIECE);
                let length = length.ok_or_else(|| damaged("a piece is too long"))?;
                piece = PieceRef { hash: Digest::from_bytes(hash), length };
                // It stands in the place of one, mostly.
                expected = if expected > 0 { expected + 1 } else { 0 };
            }
            self.pieces[self.at] = piece;
            self.at += 1;
            let rest = left.checked_sub(piece.length.into());
            left = rest.ok_or_else(|| damaged("its pieces are longer than what they make"))?;
        }
        if left > 0 { Err(damaged("its pieces are shorter than what they make")) } else { Ok(()) }
    }

    fn base_piece(&self, number: u64) -> Option<PieceRef> {
        self.base.pieces.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }
}

/// Where the contents of an archive are.
struct Index<'a> {
    /// By entry.
    entries: HashMap<u32, Known<'a>>,
    gaps: Vec<Known<'a>>,
}

impl<'a> Index<'a> {
    fn of(archive: &'a Archived, mut first: usize) -> Self {
        let mut index = Self { entries: HashMap::with_capacity(archive.contents.len()), gaps: Vec::new() };
        for (content, (tile, _)) in archive.contents.iter().zip(archive.headers.contents()) {
            let known = Known { content, first };
            match tile {
                Tile::Data(entry) => drop(index.entries.insert(entry, known)),
                _ => index.gaps.push(known),
            }
            first += content.pieces();
        }
        index
    }

    fn of_entry(&self, number: u64) -> Option<Known<'a>> {
        self.entries.get(&u32::try_from(number).ok()?).copied()
    }

    fn of_gap(&self, number: usize) -> Option<Known<'a>> {
        self.gaps.get(number).copied()
    }
}
