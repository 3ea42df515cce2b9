//! zstd with other bytes before those that are compressed: what they have alike is said by reference.
//!
//! The window covers both, and beyond some length matches are looked for far away, too: without that, a level as low as 3
//! finds next to nothing in a long base. Both sides work in one call on whole buffers, so that nothing is claimed but the
//! length that was said, and compared with its bound, before.

use std::io;

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

/// From this many bytes on matches are looked for far away.
const FAR: usize = 256 << 10;
/// The least and the largest window, as powers of two. The largest covers two pieces of the longest kind.
const WINDOW: std::ops::RangeInclusive<u32> = 10..=26;

/// Compresses `raw`, of which much stands in `prefix`, too.
pub(super) fn compress(raw: &[u8], prefix: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let both = raw.len() + prefix.len();
    let window = both.max(1).next_power_of_two().trailing_zeros().clamp(*WINDOW.start(), *WINDOW.end());
    let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    let mut set = |parameter| context.set_parameter(parameter).map(drop).map_err(failed);
    set(CParameter::CompressionLevel(level))?;
    set(CParameter::WindowLog(window))?;
    set(CParameter::ChecksumFlag(false))?;
    set(CParameter::DictIdFlag(false))?;
    set(CParameter::EnableLongDistanceMatching(both > FAR))?;
    context.ref_prefix(prefix).map_err(failed)?;
    let mut into = Vec::with_capacity(zstd_safe::compress_bound(raw.len()));
    context.compress2(&mut into, raw).map_err(failed)?;
    Ok(into)
}

/// The `length` bytes that were compressed with this `prefix`.
pub(super) fn decompress(stored: &[u8], prefix: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(said)) if said == length as u64 => {}
        _ => return Err(wrong("its length is not the one that was said before")),
    }
    let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    context.ref_prefix(prefix).map_err(failed)?;
    let mut into = Vec::with_capacity(length);
    context.decompress(&mut into, stored).map_err(failed)?;
    if into.len() == length { Ok(into) } else { Err(wrong("it makes fewer bytes than it says")) }
}

fn failed(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, zstd_safe::get_error_name(code))
}
