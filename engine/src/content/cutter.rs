//! Cutting a file into pieces: an archive at its entries, anything else where its content says so.
//!
//! | what | is cut |
//! |---|---|
//! | an archive of more than 4 KiB | its headers are apart, the rest by the lines below |
//! | the data of an entry, deflated, of up to 32 MiB inflated | one piece: it can be made again of what is in it |
//! | an archive of more than 4 KiB, stored in an archive, three deep at the most | again by these lines |
//! | other data of an entry, and what belongs to none, of up to 64 KiB | one piece |
//! | all else | by FastCDC ([`Chunking`]) |
//!
//! Laws:
//! - the same bytes are cut alike, whoever cuts them: it is a part of the format, behind the feature `archives-1`;
//! - a file is read once, from the beginning to the end, but for its headers; of a file of any size at most
//!   [`MAX_PIECE`] bytes are in memory, and its headers;
//! - what the recipe says stands between pieces is what was hashed: a file that changes under the cutter has another hash
//!   than was measured, and no recipe that makes something else.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Digest, Hasher};

use super::archive::{Headers, Layout, MAX_ENTRIES, MAX_INLINE, Plain, Source, Tile, is_deflated};
use super::chunker::{Chunking, Cut};
use super::deflate::MAX_INFLATED;
use super::recipe::{Archived, Content, MAX_DEPTH, MAX_PIECE, PieceRef, Recipe};

/// An archive of so many bytes is not worth a recipe.
const LEAST: u64 = 4 << 10;
/// What is not deflated and has more bytes than this is cut by its content.
const WHOLE: u64 = 64 << 10;
/// How many bytes are read and hashed at a time, if no single piece is longer.
const SPAN: u64 = 8 << 20;

/// How the files of a hub are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutter {
    chunking: Chunking,
    archives: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { chunking: Chunking::V1, archives: true }
    }
}

impl Cutter {
    /// Cuts with these lengths, and archives at their entries or not.
    pub fn new(chunking: Chunking, archives: bool) -> Self {
        Self { chunking, archives }
    }

    /// The lengths of what is cut by its content.
    pub fn chunking(&self) -> &Chunking {
        &self.chunking
    }

    /// Cuts bytes that are in memory.
    pub fn cut_slice(&self, bytes: &[u8]) -> Result<Cut> {
        match self.draft(bytes, bytes.len() as u64) {
            Ok(draft) => {
                let mut pieces = Vec::new();
                for leaf in &draft.leaves {
                    let start = usize::try_from(leaf.offset).unwrap_or(usize::MAX);
                    let end = start.saturating_add(usize::try_from(leaf.length).unwrap_or(usize::MAX));
                    let data = bytes.get(start..end).unwrap_or_default();
                    pieces.push(self.cut_leaf(leaf, data)?);
                }
                Ok(Cut { recipe: draft.finish(&pieces)?, hash: Digest::of(bytes) })
            }
            Err(_) => self.chunking.cut_slice(bytes),
        }
    }

    /// The recipe and the hash of a local file, keeping none of its bytes. One that has more or fewer than `size` is cut all
    /// the same: compare the hash with what was expected.
    pub fn measure(&self, cx: &Context, file: &File, size: u64) -> Result<Cut> {
        match self.measure_archive(cx, file, size)? {
            Some(cut) => Ok(cut),
            None => self.chunking.measure(cx, Sequential { file, at: 0, hasher: None }, size),
        }
    }

    /// The same of an archive only; none for any other file.
    pub(in crate::content) fn measure_archive(&self, cx: &Context, file: &File, size: u64) -> Result<Option<Cut>> {
        self.draft(file, size).ok().map(|draft| draft.read(cx, self, file)).transpose()
    }

    /// Looks whether `source` is an archive that is cut, and how.
    fn draft(&self, source: &(impl Source + ?Sized), size: u64) -> std::result::Result<Draft, Plain> {
        if !self.archives || size <= LEAST {
            return Err(Plain::Because("it is not looked at"));
        }
        let mut draft = Draft {
            archive: Archived::default(),
            leaves: Vec::new(),
            between: Hasher::plain(),
            size,
            entries: 0,
            bytes: 0,
        };
        draft.archive = draft.look(source, 0, size, 0)?;
        Ok(draft)
    }

    /// The pieces of one leaf.
    fn cut_leaf(&self, leaf: &Leaf, data: &[u8]) -> Result<Vec<PieceRef>> {
        if leaf.is_whole {
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            return Ok(vec![PieceRef { hash: Digest::of(data), length }]);
        }
        Ok(self.chunking.cut_slice(data)?.recipe.pieces().to_vec())
    }
}

/// Content that is no archive.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    offset: u64,
    length: u64,
    is_whole: bool,
}

/// An archive whose headers were read.
struct Draft {
    archive: Archived,
    /// In the order of the file.
    leaves: Vec<Leaf>,
    /// Takes in what stands between them: it must be the same when the leaves are read.
    between: Hasher,
    size: u64,
    /// How many entries there are in it, and how many bytes between them.
    entries: usize,
    bytes: usize,
}

impl Draft {
    /// Looks at what stands at `start`, if that is an archive.
    fn look<S: Source + ?Sized>(
        &mut self,
        source: &S,
        start: u64,
        length: u64,
        depth: usize,
    ) -> std::result::Result<Archived, Plain> {
        let layout = Layout::of(&Within { source, start, length }, length)?;
        let headers = Headers::of(&layout).ok_or(Plain::Because("its fields do not tell all of its headers"))?;
        let (entries, bytes) = (self.entries + headers.count(), self.bytes + layout.inline().len());
        if entries > MAX_ENTRIES || bytes > MAX_INLINE || headers.count() == 0 {
            return Err(Plain::Because("it has more entries than are looked at, or none"));
        }
        (self.entries, self.bytes) = (entries, bytes);
        let (mut contents, mut at, mut inline) = (Vec::with_capacity(layout.tiles().len() / 2), start, layout.inline());
        for &tile in layout.tiles() {
            let length = layout.length(tile);
            if let Tile::Inline(count) = tile {
                let (taken, rest) = inline.split_at_checked(count as usize).unwrap_or_default();
                self.between.update(taken);
                inline = rest;
            } else {
                contents.push(self.content(source, at, length, &layout, tile, depth)?);
            }
            at += length;
        }
        Ok(Archived { headers, contents })
    }

    fn content<S: Source + ?Sized>(
        &mut self,
        source: &S,
        offset: u64,
        length: u64,
        layout: &Layout,
        tile: Tile,
        depth: usize,
    ) -> std::result::Result<Content, Plain> {
        let entry = match tile {
            Tile::Data(number) => layout.entries().get(number as usize),
            _ => None,
        };
        let is_stored = entry.is_some_and(|entry| entry.method == 0 && entry.flags & 1 == 0);
        if is_stored && depth < MAX_DEPTH && length > LEAST && begins_as_archive(source, offset)? {
            let before = (self.leaves.len(), self.between.clone(), self.entries, self.bytes);
            match self.look(source, offset, length, depth + 1) {
                Err(Plain::Because(_)) => {
                    self.leaves.truncate(before.0);
                    (self.between, self.entries, self.bytes) = (before.1, before.2, before.3);
                }
                looked => return Ok(Content::Archive(Box::new(looked?))),
            }
        }
        let is_deflated = entry.is_some_and(|entry| {
            is_deflated(entry.method.into(), entry.flags.into()) && entry.size <= MAX_INFLATED as u64
        });
        let is_whole = length <= WHOLE || is_deflated && length <= MAX_PIECE as u64;
        self.leaves.push(Leaf { offset, length, is_whole });
        // How many pieces it has comes out when it is read.
        Ok(Content::Pieces(0))
    }

    /// Reads all of it, and makes the recipe.
    fn read(self, cx: &Context, cutter: &Cutter, file: &File) -> Result<Cut> {
        let (mut whole, mut between) = (Hasher::plain(), Hasher::plain());
        let mut pieces = Vec::with_capacity(self.leaves.len());
        let (mut rest, mut at) = (&self.leaves[..], 0);
        while at < self.size {
            cx.check()?;
            if let Some(leaf) = rest.first().filter(|leaf| leaf.offset == at && !leaf.is_whole && leaf.length > SPAN) {
                let mut reader = Sequential { file, at, hasher: Some(&mut whole) };
                let cut = cutter.chunking.measure(cx, io::Read::take(&mut reader, leaf.length), leaf.length)?;
                pieces.push(cut.recipe.pieces().to_vec());
                (at, rest) = (at + leaf.length, &rest[1..]);
                continue;
            }
            // Up to the first leaf that would be too much; with one that is too much by itself, alone.
            let fits = |leaf: &&Leaf| leaf.offset + leaf.length - at <= SPAN;
            let alone = rest.first().is_some_and(|leaf| leaf.offset == at && leaf.length > SPAN);
            let count = if alone { 1 } else { rest.iter().take_while(fits).count() };
            let (taken, after) = rest.split_at(count);
            let end = after.first().map_or(self.size, |next| next.offset).min(at + SPAN.max(span(taken, at)));
            let mut bytes = vec![0; usize::try_from(end - at).unwrap_or_default()];
            if let Err(source) = file.read_exact_at(&mut bytes, at) {
                if source.kind() == io::ErrorKind::UnexpectedEof {
                    // It has become shorter: it hashes to nothing that anybody knows.
                    return Ok(Cut { recipe: Recipe::default(), hash: whole.finish() });
                }
                return Err(Error::new(ErrorKind::Io, "").op("read").because(source));
            }
            take_between(&mut between, &bytes, at, taken);
            let cut = |leaf: &Leaf| cutter.cut_leaf(leaf, within(&bytes, at, leaf));
            let (found, ()) =
                rayon::join(|| taken.par_iter().map(cut).collect::<Result<Vec<_>>>(), || whole.update(&bytes));
            pieces.extend(found?);
            (at, rest) = (end, after);
        }
        if between.finish() != self.between.finish() {
            // Somebody writes to it: what was looked at and what was read are not of one file.
            return Ok(Cut { recipe: Recipe::default(), hash: Digest::from_bytes([0; 32]) });
        }
        Ok(Cut { recipe: self.finish(&pieces)?, hash: whole.finish() })
    }

    /// The recipe, with the pieces of each leaf.
    fn finish(self, leaves: &[Vec<PieceRef>]) -> Result<Recipe> {
        let mut archive = self.archive;
        let mut counts = leaves.iter().map(|pieces| u32::try_from(pieces.len()).unwrap_or(u32::MAX));
        fill(&mut archive, &mut counts);
        Recipe::of_archive(archive, leaves.concat())
    }
}

/// Says of each content how many pieces it has.
fn fill(archive: &mut Archived, counts: &mut impl Iterator<Item = u32>) {
    for content in &mut archive.contents {
        match content {
            Content::Pieces(count) => *count = counts.next().unwrap_or_default(),
            Content::Archive(inner) => fill(inner, counts),
        }
    }
}

/// How far the leaves reach, from `at`.
fn span(leaves: &[Leaf], at: u64) -> u64 {
    leaves.last().map_or(0, |leaf| leaf.offset + leaf.length - at)
}

/// The bytes of a leaf, among those that begin at `at`.
fn within<'a>(bytes: &'a [u8], at: u64, leaf: &Leaf) -> &'a [u8] {
    let start = usize::try_from(leaf.offset - at).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(leaf.length).unwrap_or(usize::MAX));
    bytes.get(start..end).unwrap_or_default()
}

/// Takes in what stands between these leaves in `bytes`, which begin at `at`.
fn take_between(between: &mut Hasher, bytes: &[u8], at: u64, leaves: &[Leaf]) {
    let local = |place: u64| usize::try_from(place - at).unwrap_or(usize::MAX).min(bytes.len());
    let mut done = 0;
    for leaf in leaves {
        between.update(&bytes[done..local(leaf.offset)]);
        done = local(leaf.offset + leaf.length);
    }
    between.update(&bytes[done..]);
}

fn begins_as_archive(source: &(impl Source + ?Sized), offset: u64) -> io::Result<bool> {
    let mut magic = [0; 4];
    source.read(offset, &mut magic)?;
    Ok(&magic == b"PK\x03\x04")
}

/// A part of a source.
struct Within<'a, S: ?Sized> {
    source: &'a S,
    start: u64,
    length: u64,
}

impl<S: Source + ?Sized> Source for Within<'_, S> {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(into.len() as u64).filter(|end| *end <= self.length);
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.source.read(self.start + offset, into)
    }
}

/// A file that is read on from some place.
struct Sequential<'a> {
    file: &'a File,
    at: u64,
    /// What takes in all that is read.
    hasher: Option<&'a mut Hasher>,
}

impl io::Read for Sequential<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&into[..count]);
        }
        Ok(count)
    }
}
