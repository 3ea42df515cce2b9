//! What stands around an entry's data: its header before, and its descriptor behind.

use super::source::{Source, read};
use super::{Entry, Plain, huge, long, short};

const HEADER: &[u8; 4] = b"PK\x03\x04";
const HEADER_LENGTH: usize = 30;
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
/// The flag of an entry whose lengths stand behind it.
const STREAMED: u16 = 1 << 3;
/// What is read of a header at first: mostly it is all.
const AT_ONCE: u64 = 256;

/// The header of `entry`, with name and extra fields; it must end before `end`.
pub(super) fn header(source: &(impl Source + ?Sized), entry: &Entry, end: u64) -> Result<Vec<u8>, Plain> {
    let room = end.checked_sub(entry.header).filter(|room| *room >= HEADER_LENGTH as u64);
    let room = room.ok_or(Plain::Because("an entry has no room for its header"))?;
    let mut bytes = read(source, entry.header, usize::try_from(room.min(AT_ONCE)).unwrap_or(HEADER_LENGTH))?;
    let lengths = short(&bytes, 26).zip(short(&bytes, 28)).filter(|_| bytes.starts_with(HEADER));
    let (name, extra) = lengths.ok_or(Plain::Because("an entry has no header where it is said to be"))?;
    let length = HEADER_LENGTH + usize::from(name) + usize::from(extra);
    if length as u64 > room {
        return Err(Plain::Because("the header of an entry overlaps what is next"));
    }
    if length > bytes.len() {
        bytes = read(source, entry.header, length)?;
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The length of the descriptor that stands at the beginning of `behind`, what follows the data of `entry`: 0 without one.
pub(super) fn descriptor(entry: &Entry, behind: &[u8]) -> usize {
    if entry.flags & STREAMED == 0 {
        return 0;
    }
    let sums = |at: usize| long(behind, at) == Some(entry.crc);
    let small = |at: usize| {
        let both = (long(behind, at).map(u64::from), long(behind, at + 4).map(u64::from));
        both == (Some(entry.compressed), Some(entry.size))
    };
    let wide = |at: usize| (huge(behind, at), huge(behind, at + 8)) == (Some(entry.compressed), Some(entry.size));
    let signed = behind.starts_with(DESCRIPTOR);
    match () {
        () if signed && sums(4) && small(8) => 16,
        () if signed && sums(4) && wide(8) => 24,
        () if sums(0) && small(4) => 12,
        () if sums(0) && wide(4) => 20,
        () => 0,
    }
}

/// The most bytes of a descriptor.
pub(super) const LONGEST: u64 = 24;
