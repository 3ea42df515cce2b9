//! Making a pack.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Domain;

use super::super::object::ObjectId;
use super::index::{PackIndex, Slot};
use super::names::PackNames;
use super::stored::Encoded;
use super::{HEADER, PACK_TARGET, PackRef, TRAILER};

/// About what a slot takes in the index: 37 to 47 bytes, and 33 more if it names a base.
const SLOT: u64 = 44;

/// The most objects in one pack: a bound that its index can hold, far above what [`PACK_TARGET`] leaves room for.
const MAX_OBJECTS: usize = 1 << 20;

/// A finished pack.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its name and lengths.
    pub reference: PackRef,
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Its index, as a reader would decode it.
    pub index: PackIndex,
    /// The names of what it holds.
    pub names: Arc<PackNames>,
}

/// Collects objects into a pack. Whoever adds an object vouches for its name: it is not hashed again here.
#[derive(Debug)]
pub struct PackWriter {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    held: HashSet<ObjectId>,
    raw: u64,
}

impl Default for PackWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl PackWriter {
    /// Begins an empty pack.
    pub fn new() -> Self {
        Self { bytes: HEADER.to_vec(), slots: Vec::new(), held: HashSet::new(), raw: 0 }
    }

    /// Adds an object in the form that is smaller. `false` when the pack holds it already.
    pub fn add(&mut self, id: ObjectId, raw: &[u8]) -> Result<bool> {
        if self.held.contains(&id) { Ok(false) } else { self.add_encoded(id, &Encoded::of(raw)?) }
    }

    /// Adds an object that was encoded elsewhere, on another thread. `false` when the pack holds it already.
    pub fn add_encoded(&mut self, id: ObjectId, encoded: &Encoded<'_>) -> Result<bool> {
        let (raw, stored) = (u32::try_from(encoded.raw_length), u32::try_from(encoded.bytes.len()));
        let (Ok(raw_length), Ok(stored_length)) = (raw, stored) else {
            return Err(Error::new(ErrorKind::Internal, "an object is too long for a pack").at(id));
        };
        let (codec, base) = (encoded.codec.byte(), encoded.base.map(Box::new));
        let slot = Slot { kind: id.kind.byte(), hash: id.hash, offset: 0, stored_length, raw_length, codec, base };
        self.add_stored(&slot, &encoded.bytes)
    }

    /// Adds an object as another pack stores it. `false` when the pack holds it already.
    pub fn add_stored(&mut self, slot: &Slot, stored: &[u8]) -> Result<bool> {
        let internal = |why: &str| Error::new(ErrorKind::Internal, why).at(slot.shown());
        let id = slot.id().ok_or_else(|| internal("an object of no known kind"))?;
        slot.check().map_err(|error| error.with_kind(ErrorKind::Internal))?;
        if stored.len() != slot.stored_length as usize {
            return Err(internal("an object of another length than is said"));
        }
        if self.slots.len() == MAX_OBJECTS {
            return Err(internal("the pack has too many objects"));
        }
        if !self.held.insert(id) {
            return Ok(false);
        }
        self.slots.push(Slot { offset: self.bytes.len() as u64, ..slot.clone() });
        self.bytes.extend_from_slice(stored);
        self.raw += u64::from(slot.raw_length);
        Ok(true)
    }

    /// Whether `id` was added.
    pub fn holds(&self, id: &ObjectId) -> bool {
        self.held.contains(id)
    }

    /// Whether another `stored_length` bytes keep the pack within [`PACK_TARGET`]. An empty pack takes anything.
    pub fn takes(&self, stored_length: usize) -> bool {
        self.is_empty() || self.size() + stored_length as u64 + SLOT <= PACK_TARGET
    }

    /// About how many bytes the finished pack would have.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64 + self.slots.len() as u64 * SLOT + TRAILER as u64
    }

    /// How many bytes the objects have when unpacked.
    pub fn raw_bytes(&self) -> u64 {
        self.raw
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Writes index and trailer, and names the pack.
    pub fn finish(self) -> Result<Pack> {
        let mut bytes = self.bytes;
        let (index, tail) = PackIndex::seal(self.slots)?;
        bytes.extend_from_slice(&tail);
        let index_length = u32::try_from(tail.len()).expect("because a frame is at most 128 MiB");
        let reference = PackRef { name: Domain::Pack.digest(&bytes), length: bytes.len() as u64, index_length };
        // What would be refused on reading must not be written.
        reference.tail().map_err(|error| error.with_kind(ErrorKind::Internal))?;
        let names = Arc::new(PackNames::of(&index));
        Ok(Pack { reference, bytes, index, names })
    }
}
