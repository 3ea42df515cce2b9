//! Filling packs in order, compressing in parallel.

use std::collections::HashSet;

use rayon::prelude::*;

use crate::context::Context;
use crate::error::Result;

use super::super::object::{ObjectId, ShortId};
use super::super::pack::{Encoded, Pack, PackRef, PackWriter};
use super::Job;

/// How many pages are compressed at a time: a few mebibytes.
const PAGES: usize = 1024;

/// The pack being filled, and what went into those before it.
pub(super) struct Bundle<'a> {
    cx: &'a Context,
    holds: &'a dyn Fn(&ObjectId) -> bool,
    sink: &'a mut dyn FnMut(Pack) -> Result<()>,
    writer: PackWriter,
    packed: HashSet<ShortId>,
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
        Self { cx, holds, sink, writer: PackWriter::new(), packed: HashSet::new(), totals: Totals::default() }
    }

    /// Whether neither the hub nor a pack of this job has `id`.
    pub(super) fn lacks(&self, id: &ObjectId) -> bool {
        !self.packed.contains(&ShortId::from(id)) && !(self.holds)(id)
    }

    /// Adds the objects that are lacking, in this order.
    pub(super) fn add(&mut self, objects: &[(ObjectId, &[u8])]) -> Result<()> {
        let mut lacking = Vec::with_capacity(objects.len());
        for &(id, raw) in objects {
            if self.lacks(&id) {
                self.packed.insert(ShortId::from(&id));
                lacking.push((id, raw));
            }
        }
        let encoded: Vec<(ObjectId, Encoded<'_>)> =
            lacking.into_par_iter().map(|(id, raw)| Ok((id, Encoded::of(raw)?))).collect::<Result<_>>()?;
        for (id, encoded) in &encoded {
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
        (self.sink)(pack)
    }
}
