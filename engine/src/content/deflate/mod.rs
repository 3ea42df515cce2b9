//! Deflated data, and the same data made again from what is in it.
//!
//! What has changed in an archive is deflated, and one changed byte changes all that is deflated after it. So the
//! inflated bytes travel, as a patch, and the receiver deflates them again: to the very same bytes, or it is of no use.
//! That works because nearly all archives are written by zlib, most of them by way of Java. Which level it was is found by
//! trying ([`probe`]); what cannot be made again travels as it is.
//!
//! Laws:
//! - the encoder is a part of the format, for ever: stock zlib 1.3.2, statically linked, raw streams, a window of 15 bits, 8
//!   of memory, no dictionary, the standard strategy. Before it is used it has to make what it once made ([`check`]);
//! - inflating gives the length that was said before, or nothing; no more memory than that is claimed.
//!
//! The format is RFC 1951.

mod check;
#[cfg(test)]
mod tests;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

#[cfg(test)]
pub(in crate::content) use check::another;
pub use check::check;

/// The longest content that is deflated again, in bytes: both sides hold it in memory.
pub const MAX_INFLATED: usize = 32 << 20;

/// How hard zlib tries: 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The level of this number, if there is one.
    pub fn new(number: u8) -> Option<Self> {
        (1..=9).contains(&number).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    fn encoder(self) -> Compress {
        Compress::new(Compression::new(self.0.into()), false)
    }
}

/// In this order they are tried: what Java and build tools use, then what people ask for.
const TRIED: [Level; 9] = [Level(6), Level(9), Level(1), Level(8), Level(7), Level(5), Level(4), Level(3), Level(2)];
/// Bytes that are deflated at a time.
const STEP: usize = 16 << 10;

/// What is in `data`, if that is one whole stream of exactly `length` bytes.
pub fn inflate(data: &[u8], length: usize) -> Option<Vec<u8>> {
    if length > MAX_INFLATED {
        return None;
    }
    let mut decoder = Decompress::new(false);
    // One byte more shows that there would be more.
    let mut into = vec![0; length + 1];
    loop {
        let (taken, made) = (usize::try_from(decoder.total_in()).ok()?, usize::try_from(decoder.total_out()).ok()?);
        let status = decoder.decompress(&data[taken..], &mut into[made..], FlushDecompress::Finish).ok()?;
        let same = (decoder.total_in(), decoder.total_out()) == (taken as u64, made as u64);
        match status {
            Status::StreamEnd => break,
            _ if same => return None,
            Status::Ok | Status::BufError => {}
        }
    }
    let whole = decoder.total_in() == data.len() as u64 && decoder.total_out() == length as u64;
    into.truncate(length);
    whole.then_some(into)
}

/// What zlib makes of `raw` at this level.
pub fn deflate(raw: &[u8], level: Level) -> Vec<u8> {
    let mut made = Vec::with_capacity(raw.len() / 2 + 64);
    let is_whole = each_step(raw, level, &mut |piece| {
        made.extend_from_slice(piece);
        true
    });
    debug_assert!(is_whole, "nobody stops it");
    made
}

/// The level at which zlib makes `data` of `raw`, if there is one.
pub fn probe(data: &[u8], raw: &[u8]) -> Option<Level> {
    TRIED.into_iter().find(|level| makes(data, raw, *level))
}

/// Whether zlib makes `data` of `raw` at this level.
pub fn makes(data: &[u8], raw: &[u8], level: Level) -> bool {
    let mut left = data;
    let same = each_step(raw, level, &mut |piece| match left.strip_prefix(piece) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    same && left.is_empty()
}

/// Deflates, handing over what is made piece by piece, until it is over or `take` says no.
fn each_step(raw: &[u8], level: Level, take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut encoder = level.encoder();
    let mut buffer = vec![0; STEP];
    loop {
        let taken = usize::try_from(encoder.total_in()).unwrap_or(raw.len()).min(raw.len());
        let before = encoder.total_out();
        let Ok(status) = encoder.compress(&raw[taken..], &mut buffer, FlushCompress::Finish) else { return false };
        let made = usize::try_from(encoder.total_out() - before).unwrap_or(0);
        if !take(&buffer[..made]) {
            return false;
        }
        match status {
            Status::StreamEnd => return true,
            Status::Ok | Status::BufError if made == 0 => return false,
            Status::Ok | Status::BufError => {}
        }
    }
}
