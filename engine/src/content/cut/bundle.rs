//! Filling packs in order, compressing in parallel.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::context::Context;
use crate::error::Result;

use super::super::object::ObjectId;
use super::super::pack::{Encoded, Pack, PackNames, PackRef, PackWriter};
use super::Job;

/// How many pages are compressed at a time: a few mebibytes.
const PAGES: usize = 1024;

/// The pack being filled, and what went into those before it.
pub(super) struct Bundle<'a> {
    cx: &'a Context,
    holds: &'a dyn Fn(&ObjectId) -> bool,
    sink: &'a mut dyn FnMut(Pack) -> Result<()>,
    writer: PackWriter,
    /// What went into the packs: all of them are asked where the first bytes of a name are known.
    packs: Vec<Arc<PackNames>>,
    known: HashSet<[u8; 8]>,
    totals: Totals,
}

/// What the packs came to.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) packs: Vec<PackRef>,
    pub(super) raw_bytes: u64,
    pub(super) packed_bytes: u64,
}

impl<'a> Bundle<'a> {
    pub(super) fn new(
        cx: &'a Context,
        holds: &'a dyn Fn(&ObjectId) -> bool,
        sink: &'a mut dyn FnMut(Pack) -> Result<()>,
    ) -> Self {
        Self {
            cx,
            holds,
            sink,
            writer: PackWriter::new(),
            packs: Vec::new(),
            known: HashSet::new(),
            totals: Totals::default(),
        }
    }

    /// Whether neither the hub nor a pack of this job has `id`.
    pub(super) fn lacks(&self, id: &ObjectId) -> bool {
        !self.packed(id) && !(self.holds)(id)
    }

    fn packed(&self, id: &ObjectId) -> bool {
        // A set of whole names would take five times as much, and nearly all that is asked for is new.
        let maybe = self.known.contains(&beginning(id));
        maybe && (self.writer.holds(id) || self.packs.iter().any(|names| names.hold(id)))
    }

    /// Adds the objects that are lacking, in this order.
    pub(super) fn add(&mut self, objects: &[(ObjectId, &[u8])]) -> Result<()> {
        let mut taken = HashSet::with_capacity(objects.len());
        let lacking: Vec<_> = objects.iter().filter(|(id, _)| self.lacks(id) && taken.insert(*id)).copied().collect();
        self.known.extend(taken.iter().map(beginning));
        let encoded: Vec<(ObjectId, Encoded<'_>)> =
            lacking.into_par_iter().map(|(id, raw)| Ok((id, Encoded::of(raw)?))).collect::<Result<_>>()?;
        self.append(&encoded)
    }

    /// Adds objects that are lacking and were encoded before, in this order; one that comes twice, once.
    pub(super) fn add_encoded(&mut self, encoded: &[(ObjectId, Encoded<'_>)]) -> Result<()> {
        self.known.extend(encoded.iter().map(|(id, _)| beginning(id)));
        let mut taken = HashSet::with_capacity(encoded.len());
        self.append(encoded.iter().filter(|(id, _)| taken.insert(*id)))
    }

    fn append<'e>(&mut self, encoded: impl IntoIterator<Item = &'e (ObjectId, Encoded<'e>)>) -> Result<()> {
        for (id, encoded) in encoded {
            if !self.writer.takes(encoded.stored_length()) {
                self.emit()?;
            }
            self.writer.add_encoded(*id, encoded)?;
        }
        Ok(())
    }

    /// Adds the new pages of the Merkle index.
    pub(super) fn add_pages(&mut self, job: &Job<'_>) -> Result<()> {
        for ids in job.new_pages.chunks(PAGES) {
            self.cx.check()?;
            let pages: Vec<_> = ids.iter().map(|id| job.pages.page(id)).collect::<Result<_>>()?;
            let batch: Vec<_> = ids.iter().zip(&pages).map(|(id, bytes)| (ObjectId::page(*id), &bytes[..])).collect();
            self.add(&batch)?;
        }
        Ok(())
    }

    /// Ends the last pack.
    pub(super) fn finish(mut self) -> Result<Totals> {
        if !self.writer.is_empty() {
            self.emit()?;
        }
        Ok(self.totals)
    }

    fn emit(&mut self) -> Result<()> {
        self.cx.check()?;
        let writer = std::mem::take(&mut self.writer);
        self.totals.raw_bytes += writer.raw_bytes();
        let pack = writer.finish()?;
        self.totals.packed_bytes += pack.reference.length;
        self.totals.packs.push(pack.reference);
        self.packs.push(Arc::clone(&pack.names));
        (self.sink)(pack)
    }
}

/// The first bytes of an object's name. Not enough to tell two apart: names with the same beginning can be computed.
fn beginning(id: &ObjectId) -> [u8; 8] {
    *id.hash.as_bytes().first_chunk().expect("because a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::testing::noise;
    use crate::hash::Digest;

    #[test]
    fn each_name_goes_into_one_pack_also_if_names_begin_alike() {
        let cx = Context::new();
        // Incompressible, and too much for one pack.
        let objects: Vec<(ObjectId, Vec<u8>)> = (0..24u8)
            .map(|number| {
                let mut hash = [7; 32];
                hash[12] = number;
                (ObjectId::piece(Digest::from_bytes(hash)), noise(number.into(), 1 << 20))
            })
            .collect();
        let mut packs = Vec::new();
        let holds = |id: &ObjectId| id.hash.as_bytes()[12] == 5;
        let mut sink = |pack: Pack| {
            packs.push(pack);
            Ok(())
        };
        let mut bundle = Bundle::new(&cx, &holds, &mut sink);
        for (id, raw) in objects.iter().chain(&objects) {
            bundle.add(&[(*id, raw), (*id, raw)]).expect("adds");
            assert!(!bundle.lacks(id));
        }
        bundle.finish().expect("finishes");
        let mut held: Vec<u8> = packs
            .iter()
            .flat_map(|pack| pack.index.iter().filter_map(|slot| Some(slot.id()?.hash.as_bytes()[12])))
            .collect();
        held.sort_unstable();
        assert!(packs.len() > 1);
        assert_eq!(held, (0..24).filter(|number| *number != 5).collect::<Vec<u8>>());
    }
}
