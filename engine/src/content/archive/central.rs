//! The central directory: what entries there are, and where.

use super::source::{Source, read};
use super::{MAX_ENTRIES, MAX_INLINE, Plain, end::End, huge, long, short};

const RECORD: &[u8; 4] = b"PK\x01\x02";
const RECORD_LENGTH: usize = 46;
/// The extra field of ZIP64.
const WIDE: u16 = 1;

/// What the central directory says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where its record begins in the central directory, in bytes.
    record: u32,
    name: u16,
    extra: u16,
    comment: u16,
    /// The general purpose flags.
    pub flags: u16,
    /// How it is compressed: 0 not at all, 8 deflated.
    pub method: u16,
    /// The CRC-32 of its content.
    pub crc: u32,
    /// How many bytes its data has in the archive.
    pub compressed: u64,
    /// How many bytes its content has.
    pub size: u64,
    /// Where its header begins in the file, in bytes.
    pub(super) header: u64,
}

impl Entry {
    /// Its name, as it stands in its record in the central `directory`.
    pub fn name<'a>(&self, directory: &'a [u8]) -> &'a [u8] {
        let start = self.record as usize + RECORD_LENGTH;
        directory.get(start..start + usize::from(self.name)).unwrap_or_default()
    }

    /// How many bytes its record has in the central directory.
    pub(super) fn record_length(&self) -> usize {
        RECORD_LENGTH + usize::from(self.name) + usize::from(self.extra) + usize::from(self.comment)
    }
}

/// A central directory that was read.
pub(super) struct Central {
    /// Where it begins in the file, in bytes.
    pub(super) at: u64,
    /// All its bytes.
    pub(super) bytes: Vec<u8>,
    /// The entries, in its order.
    pub(super) entries: Vec<Entry>,
}

/// Reads the central directory that `end` speaks of.
pub(super) fn read_all(source: &(impl Source + ?Sized), end: &End) -> Result<Central, Plain> {
    if end.entries > MAX_ENTRIES as u64 || end.length > MAX_INLINE as u64 {
        return Err(Plain::Because("it has more entries than are looked at"));
    }
    // Right before its end; and if something was put between (no known program does), where it is said to be.
    let before = end.at - end.length;
    let mut places = vec![(before, before - end.said)];
    if before != end.said {
        places.push((end.said, 0));
    }
    let mut why = Plain::Because("its central directory does not parse");
    for (at, shift) in places {
        let bytes = read(source, at, usize::try_from(end.length).unwrap_or(usize::MAX))?;
        match parse(&bytes, end, shift) {
            Ok(entries) => return Ok(Central { at, bytes, entries }),
            Err(reason) => why = Plain::Because(reason),
        }
    }
    Err(why)
}

/// The entries of a central directory. Everything stands `shift` bytes behind where it is said to.
fn parse(bytes: &[u8], end: &End, shift: u64) -> Result<Vec<Entry>, &'static str> {
    let mut entries = Vec::new();
    let mut at = 0;
    for _ in 0..end.entries {
        let record = bytes.get(at..).unwrap_or_default();
        let (entry, length) = one(record, at, shift).ok_or("its central directory does not parse")?;
        entries.push(entry);
        at += length;
    }
    if at == bytes.len() { Ok(entries) } else { Err("its central directory is longer than its entries") }
}

/// The entry whose record `bytes` begin with, and the length of that.
fn one(bytes: &[u8], at: usize, shift: u64) -> Option<(Entry, usize)> {
    if !bytes.starts_with(RECORD) {
        return None;
    }
    let (name, extra, comment) = (short(bytes, 28)?, short(bytes, 30)?, short(bytes, 32)?);
    let length = RECORD_LENGTH + usize::from(name) + usize::from(extra) + usize::from(comment);
    let extras = bytes.get(..length)?.get(RECORD_LENGTH + usize::from(name)..length - usize::from(comment))?;
    let (mut compressed, mut size) = (u64::from(long(bytes, 20)?), u64::from(long(bytes, 24)?));
    let (mut said, mut disk) = (u64::from(long(bytes, 42)?), u32::from(short(bytes, 34)?));
    let wide = field(extras, WIDE).unwrap_or_default();
    // In this order, and only those that are left to it.
    let mut next = 0;
    for value in [&mut size, &mut compressed, &mut said] {
        if *value == u64::from(u32::MAX)
            && let Some(found) = huge(wide, next)
        {
            *value = found;
            next += 8;
        }
    }
    if disk == u32::from(u16::MAX)
        && let Some(found) = long(wide, next)
    {
        disk = found;
    }
    if disk != 0 {
        return None;
    }
    let entry = Entry {
        record: u32::try_from(at).ok()?,
        name,
        extra,
        comment,
        flags: short(bytes, 8)?,
        method: short(bytes, 10)?,
        crc: long(bytes, 16)?,
        compressed,
        size,
        header: said.checked_add(shift)?,
    };
    Some((entry, length))
}

/// The extra field of this kind.
fn field(mut extras: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let (found, length) = (short(extras, 0)?, usize::from(short(extras, 2)?));
        let body = extras.get(4..4 + length)?;
        if found == kind {
            return Some(body);
        }
        extras = &extras[4 + length..];
    }
}
