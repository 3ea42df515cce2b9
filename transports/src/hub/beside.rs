//! What wanted objects are stored against, where it stands beside what is read anyway.
//!
//! A node without anything reads nearly all of an old pack, and then, here and there in it, what newer objects are stored
//! against. Those are few bytes, but between them and the next wanted object there is rarely so much that it would not be
//! read along. So they are looked up before, read with the others, and kept as they are stored.
//!
//! Only what the receiver does not have, and of packs that are read anyway; and no more than [`MOST`] bytes: what does not
//! come here is read later.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use depsync_engine::content::ObjectId;
use depsync_engine::error::Result;
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;

use super::Memory;
use super::based::{self, CHAIN, Stored};
use super::catalog::Found;
use super::fetch::Receive;
use super::reading::Reading;

/// The most bytes that are kept.
const MOST: u64 = 32 << 20;

/// See the module.
#[derive(Default)]
pub(super) struct Beside {
    /// Where they stand.
    pub(super) found: Vec<Found>,
    ids: HashSet<ObjectId>,
    kept: HashMap<ObjectId, Stored>,
}

impl Beside {
    /// What the objects in `based` are stored against, and that in turn, as far as it stands in packs of `plain`.
    pub(super) fn of(
        hub: &Reading<'_>,
        memory: &mut Memory,
        at: Revision,
        (based, plain): (&[Found], &[Found]),
        receive: &dyn Receive,
    ) -> Result<Self> {
        let mut beside = Self::default();
        if based.is_empty() || plain.is_empty() {
            return Ok(beside);
        }
        let packs: HashSet<Digest> = plain.iter().map(|found| found.pack.name).collect();
        let mut known: HashSet<ObjectId> = plain.iter().chain(based).map(|found| found.id).collect();
        let (mut bases, mut bytes) = (based.iter().filter_map(based::base_of).collect::<Vec<_>>(), 0);
        for _ in 0..CHAIN {
            bases.retain(|base| known.insert(*base) && !receive.has_base(base));
            if bases.is_empty() {
                break;
            }
            let wanted = bases.drain(..).collect();
            // What is nowhere is missed when it is read.
            let (found, _) = memory.catalog.locate(hub, &mut memory.chain, at, wanted, false)?;
            bases.extend(found.iter().filter_map(based::base_of));
            for found in found.into_iter().filter(|found| packs.contains(&found.pack.name)) {
                bytes += u64::from(found.slot.stored_length);
                if bytes > MOST {
                    return Ok(beside);
                }
                beside.ids.insert(found.id);
                beside.found.push(found);
            }
        }
        Ok(beside)
    }

    /// Keeps what is to be kept of the objects that stand in `bytes`, which begin at `start` of their pack; gives the others.
    pub(super) fn keep<'f>(&mut self, found: &'f [Found], bytes: &[u8], start: u64) -> Result<Cow<'f, [Found]>> {
        if self.ids.is_empty() {
            return Ok(Cow::Borrowed(found));
        }
        let mut others = Vec::with_capacity(found.len());
        for found in found {
            if self.ids.contains(&found.id) {
                self.kept.insert(found.id, based::stored(found, bytes, start)?);
            } else {
                others.push(found.clone());
            }
        }
        Ok(Cow::Owned(others))
    }

    /// An object that was kept.
    pub(super) fn get(&self, id: &ObjectId) -> Option<&Stored> {
        self.kept.get(id)
    }
}
