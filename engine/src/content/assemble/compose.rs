//! Writing a file along its recipe: what local files have of it, and what stands between pieces.
//!
//! The pieces of an archive are small, and there are many. So the local file is read on in blocks as long as the pieces
//! come in its order, and what is made is written in blocks: what neither stands between pieces nor is here is left out,
//! and comes later. Bytes that stand in a local file just as they are wanted, many together, the file system copies
//! itself, and shares them where it can.
//!
//! Each piece is verified before it is written. What is shared is not read again here; the whole file is, in the end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rayon::prelude::*;
use rustix::fs::copy_file_range;

use crate::context::Context;
use crate::error::Result;
use crate::hash::Digest;

use super::super::recipe::{MAX_PIECE, PieceRef, RecipePart};
use super::contents::{Content, State};
use super::{Assembly, write_failed};

/// How much is read ahead.
const AHEAD: usize = 256 << 10;
/// How much is gathered before it is written.
const BLOCK: usize = 1 << 20;
/// So many bytes that stand in a local file as they are wanted are worth a call of their own.
const SHARED: usize = 64 << 10;
/// File systems share whole blocks of so many bytes.
const ALIGNED: u64 = 4096;

impl Assembly<'_> {
    /// Writes what local files have, and what stands between pieces. Call it when the recipes are known, before
    /// [`Assembly::needed`].
    pub fn copy_local(&self, cx: &Context) -> Result<()> {
        (0..self.contents.as_slice().len() as u32).into_par_iter().try_for_each(|index| {
            let content = self.contents.get(index);
            if content.is_to_be_composed() {
                self.compose(cx, index, content)
            } else if content.state() == State::Unresolved {
                self.copy_single(cx, content)
            } else {
                Ok(())
            }
        })
    }

    /// A content that may be one piece, which a local file may have.
    fn copy_single(&self, cx: &Context, content: &Content) -> Result<()> {
        let Some(length) = u32::try_from(content.size).ok().filter(|length| *length as usize <= MAX_PIECE) else {
            return Ok(());
        };
        let mut reading = Reading::new(self);
        if reading.find(&PieceRef { hash: content.hash, length }) {
            self.deliver_whole(cx, &content.hash, reading.found())?;
        }
        Ok(())
    }

    fn compose(&self, cx: &Context, index: u32, content: &Content) -> Result<()> {
        let Some(recipe) = content.recipe() else { return Ok(()) };
        let mut reading = Reading::new(self);
        let mut writing =
            Writing { assembly: self, cx, index, content, file: None, start: 0, bytes: Vec::new(), same: None };
        recipe.walk(&mut |offset, part| match part {
            RecipePart::Inline(bytes) => writing.between(offset, bytes, &mut reading),
            RecipePart::Piece(part, piece) => {
                if !self.ledger.is_written(index, part) && reading.find(&piece) {
                    writing.piece(offset, &mut reading)?;
                    self.ledger.book(index, part);
                }
                Ok(())
            }
        })?;
        writing.flush(&reading)
    }
}

/// Reads local files.
struct Reading<'a> {
    assembly: &'a Assembly<'a>,
    /// The local file that was read last, and where in it the last piece ended.
    source: u32,
    at: u64,
    file: Option<File>,
    /// What was read of it, and where that begins.
    bytes: Vec<u8>,
    start: u64,
    length: usize,
}

impl<'a> Reading<'a> {
    fn new(assembly: &'a Assembly<'a>) -> Self {
        Self { assembly, source: u32::MAX, at: 0, file: None, bytes: Vec::new(), start: 0, length: 0 }
    }

    /// Looks for a piece, and verifies it. What was measured may be gone by now, or another: then it is not found.
    fn find(&mut self, piece: &PieceRef) -> bool {
        let length = piece.length as usize;
        let places = self.assembly.held().nearest(&piece.hash, piece.length, (self.source, self.at));
        for place in places {
            if self.open(place.source)
                && self.read(place.offset, length)
                && Digest::of(self.part(place.offset, length)) == piece.hash
            {
                (self.at, self.length) = (place.offset + length as u64, length);
                return true;
            }
        }
        false
    }

    fn open(&mut self, source: u32) -> bool {
        if self.source != source {
            let path = self.assembly.sources.get(source as usize).map(|source| &source.path);
            self.file = path.and_then(|path| self.assembly.local.open(path).ok());
            (self.source, self.start) = (source, 0);
            self.bytes.clear();
        }
        self.file.is_some()
    }

    /// Sees to it that these bytes are at hand.
    fn read(&mut self, offset: u64, length: usize) -> bool {
        let end = self.start + self.bytes.len() as u64;
        if offset >= self.start && offset + length as u64 <= end {
            return true;
        }
        // Reading on is reading ahead, too; anywhere else, just what is wanted.
        let is_next = offset >= self.at && offset - self.at < AHEAD as u64;
        let size = self.assembly.sources.get(self.source as usize).map_or(0, |source| source.size);
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = if is_next { length.max(AHEAD).min(left) } else { length };
        self.start = offset;
        self.bytes.resize(count, 0);
        let is_read = length <= count
            && self.file.as_ref().is_some_and(|file| file.read_exact_at(&mut self.bytes, offset).is_ok());
        if !is_read {
            self.bytes.clear();
        }
        is_read
    }

    fn part(&self, offset: u64, length: usize) -> &[u8] {
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        self.bytes.get(from..from.saturating_add(length)).unwrap_or_default()
    }

    /// The piece that was found last.
    fn found(&self) -> &[u8] {
        self.part(self.at - self.length as u64, self.length)
    }
}

/// Writes the staged file of a content.
struct Writing<'a> {
    assembly: &'a Assembly<'a>,
    cx: &'a Context,
    index: u32,
    content: &'a Content,
    file: Option<Arc<File>>,
    /// What is to be written, and where it begins.
    start: u64,
    bytes: Vec<u8>,
    /// The local file, and the place in it, where the very same bytes stand, as far as is known.
    same: Option<(u32, u64)>,
}

impl Writing<'_> {
    /// What stands between pieces.
    fn between(&mut self, offset: u64, bytes: &[u8], reading: &mut Reading<'_>) -> Result<()> {
        let is_same = self.same.is_some_and(|(source, from)| {
            let at = from + self.bytes.len() as u64;
            reading.source == source && reading.read(at, bytes.len()) && reading.part(at, bytes.len()) == bytes
        });
        let same = self.same.filter(|_| is_same).map(|(source, from)| (source, from + self.bytes.len() as u64));
        self.take(offset, bytes, same, reading)
    }

    /// The piece that was found.
    fn piece(&mut self, offset: u64, reading: &mut Reading<'_>) -> Result<()> {
        let same = Some((reading.source, reading.at - reading.length as u64));
        self.make_room(offset, same, reading)?;
        let found = reading.found();
        self.bytes.extend_from_slice(found);
        self.flush_if_full(reading)
    }

    fn take(&mut self, offset: u64, bytes: &[u8], same: Option<(u32, u64)>, reading: &Reading<'_>) -> Result<()> {
        self.make_room(offset, same, reading)?;
        self.bytes.extend_from_slice(bytes);
        self.flush_if_full(reading)
    }

    /// Writes what was gathered, unless what comes at `offset` goes on with it.
    fn make_room(&mut self, offset: u64, same: Option<(u32, u64)>, reading: &Reading<'_>) -> Result<()> {
        let is_next = offset == self.start + self.bytes.len() as u64;
        let goes_on = match (self.same, same) {
            (Some((source, from)), Some(new)) => new == (source, from + self.bytes.len() as u64),
            _ => false,
        };
        // Few bytes that are elsewhere are not worth knowing where.
        if is_next && !goes_on && self.bytes.len() < SHARED {
            self.same = None;
        }
        if !is_next || !goes_on && self.same.is_some() {
            self.flush(reading)?;
        }
        if self.bytes.is_empty() {
            (self.start, self.same) = (offset, same);
        }
        Ok(())
    }

    fn flush_if_full(&mut self, reading: &Reading<'_>) -> Result<()> {
        if self.bytes.len() >= BLOCK { self.flush(reading) } else { Ok(()) }
    }

    /// Writes what was gathered.
    fn flush(&mut self, reading: &Reading<'_>) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        self.cx.check()?;
        let file = match &self.file {
            Some(file) => file,
            None => {
                let (assembly, content) = (self.assembly, self.content);
                let tag = assembly.contents.first_tag(content);
                self.file.insert(assembly.handles.get(self.index, content, tag, assembly.staging)?)
            }
        };
        let shared = self.same.and_then(|(source, from)| {
            let local = reading.file.as_ref().filter(|_| reading.source == source)?;
            Some(share(local, from, file, self.start, self.bytes.len()))
        });
        let done = shared.unwrap_or_default();
        for part in [0..done.start, done.end..self.bytes.len()] {
            let at = self.start + part.start as u64;
            let written = file.write_all_at(&self.bytes[part], at);
            written.map_err(|source| write_failed(&self.content.hash, source))?;
        }
        self.assembly.advance(self.cx, self.bytes.len() as u64);
        self.start += self.bytes.len() as u64;
        self.same = self.same.map(|(source, from)| (source, from + self.bytes.len() as u64));
        self.bytes.clear();
        Ok(())
    }
}

/// Lets the file system copy those of these bytes that it may share: from a place in whole blocks to a place in whole
/// blocks. Gives which of them it has copied.
fn share(from: &File, at: u64, to: &File, start: u64, length: usize) -> std::ops::Range<usize> {
    let head = usize::try_from(start.next_multiple_of(ALIGNED) - start).unwrap_or_default();
    if at % ALIGNED != start % ALIGNED || length < head + SHARED {
        return 0..0;
    }
    let (mut source, mut target, mut done) = (at + head as u64, start + head as u64, head);
    while done < length {
        match copy_file_range(from, Some(&mut source), to, Some(&mut target), length - done) {
            Ok(count) if count > 0 => done += count,
            // Not here, or not between these: whatever is left is written.
            _ => break,
        }
    }
    head..done
}
