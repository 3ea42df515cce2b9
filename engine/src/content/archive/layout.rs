//! An archive, tile by tile.

use super::source::{Source, read};
use super::{Entry, MAX_INLINE, Plain, central, end, local};

/// What lies between entries, up to so many bytes, is taken with the headers.
pub(super) const SHORT: u64 = 256;

/// A part of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// So many of the bytes of [`Layout::inline`], from where the tile before left off.
    Inline(u32),
    /// The data of the entry of this number.
    Data(u32),
    /// So many bytes that belong to nobody: what stands before the archive, or a block with signatures.
    Gap(u64),
}

/// How an archive is made. See the room for its laws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    tiles: Tiles,
    entries: Vec<Entry>,
    directory: std::ops::Range<usize>,
    spans: Vec<Span>,
    /// Before the central directory, and before the end records.
    later_gaps: [u64; 2],
}

/// Tiles, in the order of the file, and the bytes of those that are inline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tiles {
    pub(super) tiles: Vec<Tile>,
    pub(super) inline: Vec<u8>,
}

impl Tiles {
    /// Appends bytes that are inline. None where they are more than there may be.
    pub(super) fn inline(&mut self, bytes: &[u8]) -> Option<()> {
        if self.inline.len().saturating_add(bytes.len()) > MAX_INLINE {
            return None;
        }
        let length = u32::try_from(bytes.len()).ok()?;
        match self.tiles.last_mut() {
            _ if length == 0 => {}
            Some(Tile::Inline(before)) => *before += length,
            _ => self.tiles.push(Tile::Inline(length)),
        }
        self.inline.extend_from_slice(bytes);
        Some(())
    }
}

/// Where an entry is, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Its number in the central directory.
    pub(super) entry: u32,
    /// How many bytes before it belong to nobody.
    pub(super) gap: u64,
    /// How many bytes its header has.
    pub(super) header: u32,
    /// The form of its descriptor.
    pub(super) form: local::Form,
}

impl Layout {
    /// Looks what the `size` bytes of `source` are.
    pub fn of(source: &(impl Source + ?Sized), size: u64) -> Result<Self, Plain> {
        let mut why = Plain::Because("it has no end record");
        for end in end::find(source, size)? {
            match Tiling::of(source, size, &end) {
                Err(Plain::Because(reason)) => why = Plain::Because(reason),
                tiled => return tiled,
            }
        }
        Err(why)
    }

    /// The parts, in the order of the file.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles.tiles
    }

    /// The bytes of all headers, descriptors, short gaps and end records, in the order of the file.
    pub fn inline(&self) -> &[u8] {
        &self.tiles.inline
    }

    /// The entries, in the order of the central directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The name of an entry.
    pub fn name(&self, entry: &Entry) -> &[u8] {
        entry.name(self.inline().get(self.directory.clone()).unwrap_or_default())
    }

    /// The entries in the order of the file.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many bytes belong to nobody before the central directory, and before the end records.
    pub(super) fn later_gaps(&self) -> [u64; 2] {
        self.later_gaps
    }

    /// How many bytes a tile has.
    pub fn length(&self, tile: Tile) -> u64 {
        match tile {
            Tile::Inline(length) => length.into(),
            Tile::Data(entry) => self.entries.get(entry as usize).map_or(0, |entry| entry.compressed),
            Tile::Gap(length) => length,
        }
    }
}

/// A layout that is being made, from the beginning of the file on.
struct Tiling<'a, S: ?Sized> {
    source: &'a S,
    tiles: Tiles,
    spans: Vec<Span>,
    /// How far it is made.
    at: u64,
}

impl<S: Source + ?Sized> Tiling<'_, S> {
    fn of(source: &S, size: u64, end: &end::End) -> Result<Layout, Plain> {
        let central = central::read_all(source, end)?;
        let mut order: Vec<u32> = (0..).take(central.entries.len()).collect();
        order.sort_unstable_by_key(|&number| (central.entries[number as usize].header, number));
        let mut tiling = Tiling { source, tiles: Tiles::default(), spans: Vec::new(), at: 0 };
        for (place, &number) in order.iter().enumerate() {
            let next = order.get(place + 1).map_or(central.at, |&next| central.entries[next as usize].header);
            tiling.entry(number, &central.entries[number as usize], next.min(central.at))?;
        }
        let before_directory = tiling.skip_to(central.at)?;
        let from = tiling.tiles.inline.len();
        tiling.take(&central.bytes)?;
        let directory = from..tiling.tiles.inline.len();
        let later_gaps = [before_directory, tiling.skip_to(end.at)?];
        tiling.read_to(size)?;
        let Tiling { tiles, spans, .. } = tiling;
        Ok(Layout { tiles, entries: central.entries, directory, spans, later_gaps })
    }

    /// An entry, all of which must stand before `next`.
    fn entry(&mut self, number: u32, entry: &Entry, next: u64) -> Result<(), Plain> {
        if entry.header > next {
            // It may be beyond the file, where nothing can be read.
            return Err(Plain::Because("an entry has no room for its header"));
        }
        let gap = self.skip_to(entry.header)?;
        let header = local::header(self.source, entry, next)?;
        self.take(&header)?;
        let end = self.at.checked_add(entry.compressed).filter(|end| *end <= next);
        let end = end.ok_or(Plain::Because("the data of an entry overlaps what is next"))?;
        if entry.compressed > 0 {
            self.tiles.tiles.push(Tile::Data(number));
            self.at = end;
        }
        let behind = usize::try_from((next - end).min(local::LONGEST)).unwrap_or_default();
        let behind = read(self.source, end, behind)?;
        let form = local::descriptor(entry, &behind);
        let header = u32::try_from(header.len()).map_err(|_| Plain::Because(TOO_LONG))?;
        self.spans.push(Span { entry: number, gap, header, form });
        self.take(&behind[..form.length()])
    }

    /// What belongs to nobody, up to `to`; gives how much that is.
    fn skip_to(&mut self, to: u64) -> Result<u64, Plain> {
        let length = to.checked_sub(self.at).ok_or(Plain::Because("two entries overlap"))?;
        match length {
            0 => {}
            1..=SHORT => self.read_to(to)?,
            length => {
                self.tiles.tiles.push(Tile::Gap(length));
                self.at = to;
            }
        }
        Ok(length)
    }

    /// The bytes up to `to`, with the headers.
    fn read_to(&mut self, to: u64) -> Result<(), Plain> {
        let length = usize::try_from(to - self.at).ok().filter(|length| *length <= MAX_INLINE);
        let bytes = read(self.source, self.at, length.ok_or(Plain::Because(TOO_LONG))?)?;
        self.take(&bytes)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Plain> {
        self.tiles.inline(bytes).ok_or(Plain::Because(TOO_LONG))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

const TOO_LONG: &str = "its headers are longer than is looked at";
