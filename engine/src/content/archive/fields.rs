//! The headers of an archive, field by field, and back again.
//!
//! [`Fields::of`] takes apart what a [`Layout`] has inline; [`Fields::made`] puts it together. What does not come back as it
//! was is no loss: whoever codes headers compares, and codes them as they are then.

use std::sync::Arc;

use super::layout::{SHORT, Tiles};
use super::local::Form;
use super::{Layout, Tile, long, short};

/// A name, an extra field, a comment: shared by all that have it alike, and there are many.
pub(super) type Text = Arc<[u8]>;

/// The numbers of a central record, and how many bytes each has, in the order of the record. Between `SIZE` and `DISK`
/// stand the lengths of the texts.
pub(super) const CENTRAL: [usize; 12] = [2, 2, 2, 2, 4, 4, 4, 4, 2, 2, 4, 4];
pub(super) const MADE_BY: usize = 0;
pub(super) const NEEDED: usize = 1;
pub(super) const FLAGS: usize = 2;
pub(super) const METHOD: usize = 3;
pub(super) const STAMP: usize = 4;
pub(super) const CRC: usize = 5;
pub(super) const COMPRESSED: usize = 6;
pub(super) const SIZE: usize = 7;
pub(super) const DISK: usize = 8;
pub(super) const INTERNAL: usize = 9;
pub(super) const EXTERNAL: usize = 10;
pub(super) const OFFSET: usize = 11;

/// The numbers of a local header: those of a central record from `NEEDED` to `SIZE`.
pub(super) const LOCAL: [usize; 7] = [2, 2, 2, 4, 4, 4, 4];

/// What stands before something, and belongs to nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// Few bytes, as they are.
    pub(super) inline: Box<[u8]>,
    /// So many bytes that are content.
    pub(super) long: u64,
}

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fielded {
    pub(super) central: [u32; CENTRAL.len()],
    pub(super) name: Text,
    pub(super) extra: Text,
    pub(super) comment: Text,
    pub(super) local: [u32; LOCAL.len()],
    pub(super) local_name: Text,
    pub(super) local_extra: Text,
    /// The form of its descriptor, as a number.
    pub(super) form: u8,
    /// What is really meant by `COMPRESSED` and `SIZE`: with what is left to ZIP64.
    pub(super) compressed: u64,
    pub(super) size: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// In the order of the central directory.
    pub(super) entries: Vec<Fielded>,
    /// Their numbers, in the order of the file.
    pub(super) order: Vec<u32>,
    /// Before each entry in that order; before the central directory; and before the end records.
    pub(super) gaps: Vec<Gap>,
    /// From the end records on.
    pub(super) end: Vec<u8>,
}

impl Fields {
    /// Takes a layout apart. None where something is not where it has to be: the layout is not one of this room.
    pub(super) fn of(layout: &Layout) -> Option<Self> {
        let mut cut = Cut(layout.inline());
        let mut fields = Self { entries: vec![Fielded::default(); layout.entries().len()], ..Self::default() };
        for span in layout.spans() {
            fields.gaps.push(cut.gap(span.gap)?);
            let entry = fields.entries.get_mut(span.entry as usize)?;
            read_local(entry, cut.next(span.header as usize)?)?;
            entry.form = span.form as u8;
            cut.next(span.form.length())?;
            fields.order.push(span.entry);
        }
        let [before_directory, before_end] = layout.later_gaps();
        fields.gaps.push(cut.gap(before_directory)?);
        let mut before = Fielded::default();
        for (entry, known) in fields.entries.iter_mut().zip(layout.entries()) {
            read_central(entry, cut.next(known.record_length())?)?;
            (entry.compressed, entry.size) = (known.compressed, known.size);
            entry.share(&mut before);
        }
        fields.gaps.push(cut.gap(before_end)?);
        fields.end = cut.0.to_vec();
        Some(fields)
    }

    /// The tiles, and the bytes that are inline.
    pub(super) fn made(&self) -> Option<Tiles> {
        let (mut made, mut bytes) = (Tiles::default(), Vec::new());
        let (gaps, later) = self.gaps.split_at_checked(self.order.len())?;
        for (gap, &number) in gaps.iter().zip(&self.order) {
            let entry = self.entries.get(number as usize)?;
            made.gap(gap)?;
            bytes.clear();
            entry.header(&mut bytes)?;
            made.inline(&bytes)?;
            if entry.compressed > 0 {
                made.tiles.push(Tile::Data(number));
            }
            made.inline(&entry.descriptor()?)?;
        }
        let [before_directory, before_end] = later else { return None };
        made.gap(before_directory)?;
        for entry in &self.entries {
            bytes.clear();
            entry.record(&mut bytes)?;
            made.inline(&bytes)?;
        }
        made.gap(before_end)?;
        made.inline(&self.end)?;
        Some(made)
    }

    /// How many bytes stand before each entry's header, in the order of the file; and before the central directory.
    pub(super) fn positions(&self) -> Option<(Vec<u64>, u64)> {
        let (mut at, mut positions) = (0u64, Vec::with_capacity(self.order.len()));
        for (gap, &number) in self.gaps.iter().zip(&self.order) {
            let entry = self.entries.get(number as usize)?;
            at = at.checked_add(gap.length()?)?;
            positions.push(at);
            let around = entry.header_length() + Form::of_number(entry.form.into())?.length();
            at = at.checked_add(around as u64)?.checked_add(entry.compressed)?;
        }
        let gap = self.gaps.get(self.order.len())?;
        Some((positions, at.checked_add(gap.length()?)?))
    }
}

impl Gap {
    /// How many bytes it has; none if that cannot be counted.
    fn length(&self) -> Option<u64> {
        self.long.checked_add(self.inline.len() as u64)
    }
}

impl Fielded {
    fn header_length(&self) -> usize {
        30 + self.local_name.len() + self.local_extra.len()
    }

    /// Appends its local header.
    fn header(&self, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend_from_slice(b"PK\x03\x04");
        numbers(bytes, &self.local, &LOCAL)?;
        for text in [&self.local_name, &self.local_extra] {
            bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
        }
        bytes.extend_from_slice(&self.local_name);
        bytes.extend_from_slice(&self.local_extra);
        Some(())
    }

    /// Appends its central record.
    fn record(&self, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend_from_slice(b"PK\x01\x02");
        numbers(bytes, &self.central[..DISK], &CENTRAL[..DISK])?;
        for text in [&self.name, &self.extra, &self.comment] {
            bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
        }
        numbers(bytes, &self.central[DISK..], &CENTRAL[DISK..])?;
        for text in [&self.name, &self.extra, &self.comment] {
            bytes.extend_from_slice(text);
        }
        Some(())
    }

    fn descriptor(&self) -> Option<Vec<u8>> {
        Form::of_number(self.form.into())?.made(self.central[CRC], self.compressed, self.size)
    }

    /// Lets texts that it has alike be one: its own, and those of the entry before.
    fn share(&mut self, before: &mut Self) {
        if self.local_name == self.name {
            self.local_name = Arc::clone(&self.name);
        }
        for (text, known) in [
            (&mut self.extra, &mut before.extra),
            (&mut self.local_extra, &mut before.local_extra),
            (&mut self.comment, &mut before.comment),
        ] {
            if text == known {
                *text = Arc::clone(known);
            } else {
                *known = Arc::clone(text);
            }
        }
    }
}

/// Appends numbers of these lengths; none if one has more bytes.
fn numbers(into: &mut Vec<u8>, values: &[u32], lengths: &[usize]) -> Option<()> {
    for (value, &length) in values.iter().zip(lengths) {
        let bytes = value.to_le_bytes();
        let (taken, rest) = bytes.split_at_checked(length)?;
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        into.extend_from_slice(taken);
    }
    Some(())
}

/// Reads numbers of these lengths, one after the other.
fn read_numbers(into: &mut [u32], lengths: &[usize], bytes: &[u8], mut at: usize) -> Option<usize> {
    for (value, &length) in into.iter_mut().zip(lengths) {
        *value = if length == 2 { short(bytes, at)?.into() } else { long(bytes, at)? };
        at += length;
    }
    Some(at)
}

fn read_local(entry: &mut Fielded, bytes: &[u8]) -> Option<()> {
    let at = read_numbers(&mut entry.local, &LOCAL, bytes, 4)?;
    let name = usize::from(short(bytes, at)?);
    entry.local_name = text(bytes.get(30..30 + name)?);
    entry.local_extra = text(bytes.get(30 + name..)?);
    Some(())
}

fn read_central(entry: &mut Fielded, bytes: &[u8]) -> Option<()> {
    let at = read_numbers(&mut entry.central[..DISK], &CENTRAL[..DISK], bytes, 4)?;
    let lengths = [short(bytes, at)?, short(bytes, at + 2)?, short(bytes, at + 4)?].map(usize::from);
    let mut at = read_numbers(&mut entry.central[DISK..], &CENTRAL[DISK..], bytes, at + 6)?;
    for (into, length) in [&mut entry.name, &mut entry.extra, &mut entry.comment].into_iter().zip(lengths) {
        *into = text(bytes.get(at..at + length)?);
        at += length;
    }
    (at == bytes.len()).then_some(())
}

/// All that are empty are one.
pub(super) fn text(bytes: &[u8]) -> Text {
    if bytes.is_empty() { Text::default() } else { Text::from(bytes) }
}

/// Inline bytes that are being taken apart.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn next(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn gap(&mut self, length: u64) -> Option<Gap> {
        if length > SHORT {
            return Some(Gap { inline: Box::default(), long: length });
        }
        Some(Gap { inline: self.next(usize::try_from(length).ok()?)?.into(), long: 0 })
    }
}

impl Tiles {
    fn gap(&mut self, gap: &Gap) -> Option<()> {
        if gap.long == 0 {
            return self.inline(&gap.inline);
        }
        self.tiles.push(Tile::Gap(gap.long));
        // It is either few bytes or many.
        gap.inline.is_empty().then_some(())
    }
}
