//! The index of a pack: where each object stands.
//!
//! It is read from the end of a pack without the rest, from a place that is not trusted. Before anybody may use it:
//! the trailer's digest agrees, the slots are sorted without duplicates, every length is within the bound of its kind,
//! and the slots tile what lies between header and index. Kinds and codecs that this version does not know are kept:
//! their objects cannot be fetched here, but the others can.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Frame};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Digest, Domain};

use super::super::object::{ObjectId, ObjectKind};
use super::stored::Codec;
use super::{FOOTER, HEADER, PackRef, TRAILER};

/// Where one object stands in a pack, and how it is stored. The order of the fields is the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The object's kind, as a number: it may be one that only a later version knows.
    pub kind: u8,
    /// The object's name among its kind.
    pub hash: Digest,
    /// Where it begins, from the start of the pack, in bytes.
    pub offset: u64,
    /// How many bytes it has there.
    pub stored_length: u32,
    /// How many bytes it has when unpacked.
    pub raw_length: u32,
    /// How it is stored, as a number: see [`Codec`]; others belong to later versions.
    pub codec: u8,
    /// The object of the same kind that it is stored against: see [`Codec::based`].
    pub base: Option<Box<Digest>>,
}

impl Slot {
    /// The object's address, if this version knows its kind.
    pub fn id(&self) -> Option<ObjectId> {
        ObjectKind::from_byte(self.kind).map(|kind| ObjectId { kind, hash: self.hash })
    }

    /// Where its bytes stand in the pack.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(u64::from(self.stored_length))
    }

    /// Checks the lengths against the bounds of kind and codec, and that there is a base where the codec needs one.
    pub(super) fn check(&self) -> Result<()> {
        let damaged = |why: &str| Err(Error::damaged(self.shown(), why));
        if let Some(kind) = ObjectKind::from_byte(self.kind)
            && (self.raw_length == 0 || self.raw_length as usize > kind.max_raw())
        {
            return damaged("its length is out of bounds");
        }
        let Some(codec) = Codec::from_byte(self.codec) else { return Ok(()) };
        match (codec.based(), &self.base) {
            (None, None) => {}
            (None, Some(_)) => return damaged("it names a base that its codec does not use"),
            (Some(_), None) => return damaged("it lacks the base that its codec needs"),
            (Some(_), Some(base)) if **base == self.hash => return damaged("it is its own base"),
            (Some(kind), Some(_)) if kind.byte() != self.kind => return damaged("its codec is for other kinds"),
            (Some(_), Some(_)) => {}
        }
        let lengths_agree = match codec {
            Codec::Stored => self.stored_length == self.raw_length,
            // It would have been stored as it is.
            _ => self.stored_length < self.raw_length,
        };
        if lengths_agree { Ok(()) } else { damaged("its two lengths contradict each other") }
    }

    /// The object for messages, also one of an unknown kind.
    pub(super) fn shown(&self) -> String {
        self.id().map_or_else(|| format!("object {} of kind {}", self.hash, self.kind), |id| id.to_string())
    }

    fn key(&self) -> (u8, &Digest) {
        (self.kind, &self.hash)
    }
}

/// The verified slots of a pack, sorted by kind and hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackIndex {
    slots: Vec<Slot>,
}

impl PackIndex {
    /// Reads the index from the last [`PackRef::index_length`] bytes of a pack.
    ///
    /// [`ErrorKind::Damaged`] when it breaks a law, [`ErrorKind::Unsupported`] when its version is newer.
    pub fn from_tail(tail: &[u8], reference: &PackRef) -> Result<Self> {
        let place = reference.tail()?;
        let damaged = |why: &str| reference.damaged(why);
        if tail.len() != reference.index_length as usize {
            return Err(damaged("its index was not read whole"));
        }
        let (frame, trailer) = tail.split_at(tail.len() - TRAILER);
        let (length, trailer) = trailer.split_at(4);
        let (digest, footer) = trailer.split_at(32);
        let length = u32::from_le_bytes(length.try_into().expect("because it was split off as four bytes"));
        if footer != FOOTER || length as usize != frame.len() {
            return Err(damaged("its trailer is missing"));
        }
        if Domain::Index.digest(frame).as_bytes() != digest {
            return Err(damaged("its index is not the one that the trailer names"));
        }
        let slots: Vec<Slot> =
            codec::decode(Frame::PackIndex, frame).map_err(|error| error.at(format!("pack {}", reference.name)))?;
        let index = Self { slots };
        index.check(place.start).map_err(|error| error.op(format!("read the index of pack {}", reference.name)))?;
        Ok(index)
    }

    /// Sorts `slots`, which must tile the pack, and encodes them: index frame and trailer.
    pub(super) fn seal(mut slots: Vec<Slot>) -> Result<(Self, Vec<u8>)> {
        slots.sort_unstable_by(|left, right| left.key().cmp(&right.key()));
        let mut tail = codec::encode(Frame::PackIndex, &slots)?;
        let length = u32::try_from(tail.len()).expect("because a frame is at most 128 MiB");
        let digest = Domain::Index.digest(&tail);
        tail.extend_from_slice(&length.to_le_bytes());
        tail.extend_from_slice(digest.as_bytes());
        tail.extend_from_slice(FOOTER);
        Ok((Self { slots }, tail))
    }

    /// The slot of `id`, if the pack holds it.
    pub fn find(&self, id: &ObjectId) -> Option<&Slot> {
        let wanted = (id.kind.byte(), &id.hash);
        self.slots.binary_search_by(|slot| slot.key().cmp(&wanted)).ok().map(|at| &self.slots[at])
    }

    /// All slots, sorted by kind and hash, those of unknown kinds and codecs included.
    pub fn iter(&self) -> std::slice::Iter<'_, Slot> {
        self.slots.iter()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Checks every slot, their order, and that they tile the bytes from the header to `end`.
    fn check(&self, end: u64) -> Result<()> {
        let damaged = |why: &str| Err(Error::new(ErrorKind::Damaged, why));
        if !self.slots.is_sorted_by(|left, right| left.key() < right.key()) {
            return damaged("the slots are not in order");
        }
        let mut places = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            slot.check()?;
            places.push((slot.offset, slot.stored_length));
        }
        places.sort_unstable();
        let mut next = HEADER.len() as u64;
        for (offset, length) in places {
            if offset != next {
                return damaged("the slots overlap, or leave a gap");
            }
            next = match next.checked_add(u64::from(length)) {
                Some(after) if after <= end => after,
                _ => return damaged("a slot reaches beyond the objects"),
            };
        }
        if next == end { Ok(()) } else { damaged("the slots leave a gap before the index") }
    }
}
