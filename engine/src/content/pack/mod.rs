//! Packs: immutable bundles of objects.
//!
//! ```text
//! header   13 bytes: "depsync-pack" 0x01
//! objects  as stored, back to back, in the order in which they were added
//! index    a frame of the codec room: one slot per object, sorted by kind and hash
//! trailer  49 bytes: length of the index (u32 little endian), index digest of the index, "depsync-pind" 0x01
//! ```
//!
//! A pack is named by the pack digest of all its bytes. What a record says of it ([`PackRef`]) is enough to read the
//! index with one range request from the end, and the index is enough to read any object with one more.
//!
//! Laws:
//! - the same objects added in the same order make the same bytes;
//! - the slots tile the pack: nothing overlaps, nothing lies between, and header, index and trailer belong to nobody;
//! - a reader claims memory only after it has compared a length with its bound.

mod index;
mod names;
mod stored;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Digest, Domain};

pub use index::{PackIndex, Slot};
pub use names::PackNames;
pub use stored::{Codec, Encoded, check_readable, pack_columns, unpack, unpack_piece, unpack_recipe, unpack_verified};
pub use writer::{Pack, PackWriter};

/// How large a pack should get, index included, in bytes. One object more than fits begins the next pack.
pub const PACK_TARGET: u64 = 8 << 20;

/// The longest pack that is read, in bytes: far above what is written, and still a bound.
pub const MAX_PACK: u64 = 1 << 30;

const HEADER: &[u8; 13] = b"depsync-pack\x01";
const FOOTER: &[u8; 13] = b"depsync-pind\x01";
const TRAILER: usize = 4 + 32 + FOOTER.len();

/// What a record says of a pack: its name, and enough to read its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Claimed")]
pub struct PackRef {
    /// The pack digest of all its bytes.
    pub name: Digest,
    /// Its length in bytes.
    pub length: u64,
    /// Length of index and trailer: what to read from the end, in bytes.
    pub index_length: u32,
}

#[derive(Deserialize)]
struct Claimed {
    name: Digest,
    length: u64,
    index_length: u32,
}

impl TryFrom<Claimed> for PackRef {
    type Error = Error;

    fn try_from(claimed: Claimed) -> Result<Self> {
        let reference = Self { name: claimed.name, length: claimed.length, index_length: claimed.index_length };
        reference.tail().map(|_| reference)
    }
}

impl PackRef {
    /// Where index and trailer stand in the pack; [`ErrorKind::Damaged`] when that cannot be.
    pub fn tail(&self) -> Result<Range<u64>> {
        let index_length = self.index_length as usize;
        let least = codec::HEADER + 1 + TRAILER;
        let most = codec::Frame::PackIndex.limit() + TRAILER;
        let start = self.length.checked_sub(u64::from(self.index_length));
        match start {
            Some(start)
                if start >= HEADER.len() as u64
                    && self.length <= MAX_PACK
                    && (least..=most).contains(&index_length) =>
            {
                Ok(start..self.length)
            }
            _ => Err(self.damaged(format!("no pack has {} bytes with an index of {index_length}", self.length))),
        }
    }

    fn damaged(&self, why: impl Into<String>) -> Error {
        Error::damaged(format!("pack {}", self.name), why)
    }
}

/// Checks a whole pack: its name, its layout, and every object in it that can be unpacked without another.
pub fn check_pack(bytes: &[u8], reference: &PackRef) -> Result<PackIndex> {
    let tail = reference.tail()?;
    if bytes.len() as u64 != reference.length {
        return Err(reference.damaged(format!("it has {} bytes instead of {}", bytes.len(), reference.length)));
    }
    if Domain::Pack.digest(bytes) != reference.name {
        return Err(reference.damaged("its bytes are not those it is named by"));
    }
    if !bytes.starts_with(HEADER) {
        return Err(reference.damaged("its header is missing"));
    }
    let start = usize::try_from(tail.start).expect("because the pack is in memory");
    let index = PackIndex::from_tail(&bytes[start..], reference)?;
    for slot in index.iter() {
        let range = slot.range();
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let (from, to) = range.expect("because the slots lie within a pack that is in memory");
        match unpack_verified(slot, &bytes[from..to]) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            Err(error) => return Err(error.op(format!("check pack {}", reference.name))),
            Ok(_) => {}
        }
    }
    Ok(index)
}
