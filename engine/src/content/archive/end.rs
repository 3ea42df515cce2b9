//! The end of an archive: the end record, and before it that of ZIP64 with what points to it.
//!
//! The end record is looked for from the file's end backwards, since a comment of up to 65,535 bytes may follow it. What
//! looks like one in a comment is not: its own comment does not end where the file does, or there is no central directory
//! where it says.

use std::io;

use bstr::ByteSlice;

use super::source::{Source, read};
use super::{Plain, huge, long, short};

const END: &[u8; 4] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LOCATOR: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_LENGTH: usize = 20;
const END64: &[u8; 4] = b"PK\x06\x06";
const END64_LENGTH: usize = 56;
/// The longest comment.
const COMMENT: usize = 0xffff;
/// How many records are tried that look like the end record: each may cost the reading of a central directory.
const TRIED: usize = 4;

/// Where the central directory is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Where the end records begin.
    pub(super) at: u64,
    /// How many entries there are.
    pub(super) entries: u64,
    /// How many bytes the central directory has.
    pub(super) length: u64,
    /// Where it is said to begin: without what stands before the archive, if that was put there later.
    pub(super) said: u64,
}

/// All end records that may be meant, the last in the file first.
pub(super) fn find(source: &(impl Source + ?Sized), size: u64) -> Result<Vec<End>, Plain> {
    let most = size.min((END_LENGTH + COMMENT) as u64);
    let from = size - most;
    let tail = read(source, from, usize::try_from(most).map_err(io::Error::other)?)?;
    let mut found = Vec::new();
    for at in tail.rfind_iter(END) {
        let record = &tail[at..];
        let ends = short(record, 20).map(|comment| END_LENGTH + usize::from(comment)) == Some(record.len());
        if ends && let Some(end) = of(source, record, from + at as u64)? {
            found.push(end);
            if found.len() == TRIED {
                break;
            }
        }
    }
    if found.is_empty() { Err(Plain::Because("it has no end record")) } else { Ok(found) }
}

/// What the end record at `at` says, and that of ZIP64 where it leaves something to that. None of an archive on several
/// disks, and of numbers that cannot be.
fn of(source: &(impl Source + ?Sized), record: &[u8], at: u64) -> io::Result<Option<End>> {
    let fields = (|| {
        let disks = (short(record, 4)?, short(record, 6)?);
        Some((disks, short(record, 8)?, short(record, 10)?, long(record, 12)?, long(record, 16)?))
    })();
    let Some((disks, here, all, length, said)) = fields else { return Ok(None) };
    let mut end = End { at, entries: all.into(), length: length.into(), said: said.into() };
    let leaves = all == u16::MAX || length == u32::MAX || said == u32::MAX;
    let more = if leaves { of_zip64(source, at)? } else { None };
    match more {
        Some(more) => {
            // What was too large for its field is said there; what was not, in both.
            let agrees = |small: u64, left: bool, large: u64| left || small == large;
            let fine = agrees(end.entries, all == u16::MAX, more.entries)
                && agrees(end.length, length == u32::MAX, more.length)
                && agrees(end.said, said == u32::MAX, more.said);
            end = more;
            if !fine {
                return Ok(None);
            }
        }
        None if disks != (0, 0) || here != all => return Ok(None),
        // Left to ZIP64, which is not there: Info-ZIP does that in a pipe. It is right before its end.
        None if said == u32::MAX => end.said = at.saturating_sub(end.length),
        None => {}
    }
    let fits = end.length <= end.at && end.said <= end.at - end.length;
    Ok(fits.then_some(end))
}

/// What the records of ZIP64 say that stand before the end record at `at`, if there are any.
fn of_zip64(source: &(impl Source + ?Sized), at: u64) -> io::Result<Option<End>> {
    let Some(place) = at.checked_sub(LOCATOR_LENGTH as u64) else { return Ok(None) };
    let locator = read(source, place, LOCATOR_LENGTH)?;
    let (Some(first), Some(said), Some(disks)) = (long(&locator, 4), huge(&locator, 8), long(&locator, 16)) else {
        return Ok(None);
    };
    if !locator.starts_with(LOCATOR) || first != 0 || disks > 1 {
        return Ok(None);
    }
    // Before it, where nothing was put in; or where it is said to be, with whatever extends it.
    let before = place.checked_sub(END64_LENGTH as u64);
    for at in before.into_iter().chain([said]) {
        if at.checked_add(END64_LENGTH as u64).is_none_or(|end| end > place) {
            continue;
        }
        let record = read(source, at, END64_LENGTH)?;
        let fields = (|| {
            let disks = (long(&record, 16)?, long(&record, 20)?);
            Some((
                huge(&record, 4)?,
                disks,
                huge(&record, 24)?,
                huge(&record, 32)?,
                huge(&record, 40)?,
                huge(&record, 48)?,
            ))
        })();
        let Some((length, disks, here, entries, directory, said)) = fields else { continue };
        let ends = at.checked_add(12).and_then(|from| from.checked_add(length)) == Some(place);
        if record.starts_with(END64) && ends && disks == (0, 0) && here == entries {
            return Ok(Some(End { at, entries, length: directory, said }));
        }
    }
    Ok(None)
}
