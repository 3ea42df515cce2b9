//! Storing whole what is stored against something that is worth nothing else.
//!
//! An object that a kept revision needs keeps the objects that it is stored against, and those their packs. So that the
//! packs of revisions long gone do not stay for that, gc writes anew, each for itself, the objects whose base stands in a
//! pack of which no kept revision needs anything. With `raw` it does so with all pieces that are stored as differences:
//! then nobody who reads the hub has to deflate anything.
//!
//! The new packs stand in no record: only `INDEX` names them, and whoever looks there finds the objects there first. Until
//! `INDEX` is written they are leftovers like those of a broken-off publish. Order of the writes: packs, index, `INDEX`.

use std::collections::{BTreeMap, HashSet};

use depsync_engine::content::pack::{PackRef, PackWriter};
use depsync_engine::content::{ObjectId, ObjectKind};
use depsync_engine::error::Result;
use depsync_engine::hash::Digest;
use depsync_engine::name::{DeploymentName, Revision};
use depsync_engine::transport::MemoryLedger;

use super::Memory;
use super::fetch::{Brought, all_there, bring};
use super::layout;
use super::reading::Reading;
use super::turn::Turn;
use super::walk::Alive;

/// How many objects are read at a time.
const BATCH: usize = 4096;

/// Writes anew what must be, and notes in `alive` where it stands now. How many objects that were.
pub(super) fn renew(hub: &Reading<'_>, turn: Turn, alive: &mut Alive, raw: bool) -> Result<u64> {
    let stale = stale(alive, raw);
    let mut renewed = 0;
    for ((deployment, at), objects) in stale {
        let ledger = MemoryLedger::default();
        let hub = hub.of(&deployment, &ledger);
        let mut memory = Memory::default();
        memory.catalog.refresh(&hub)?;
        let mut packs = Packs { hub: &hub, turn, writer: PackWriter::new(), added: Vec::new(), alive };
        for batch in objects.chunks(BATCH) {
            let wanted: HashSet<ObjectId> = batch.iter().copied().collect();
            let missing = bring(&hub, &mut memory, at, wanted, false, &mut |objects: Vec<Brought<'_>>| {
                objects.into_iter().try_for_each(|object| packs.add(&object))
            })?;
            all_there(&hub, at, &missing)?;
        }
        packs.put()?;
        renewed += objects.len() as u64;
    }
    // They must be there before `INDEX` names them.
    hub.storage.flush(hub.cx)?;
    Ok(renewed)
}

/// What is to be written anew, by where it was reached from.
fn stale(alive: &Alive, raw: bool) -> BTreeMap<(DeploymentName, Revision), Vec<ObjectId>> {
    let lively: HashSet<Digest> =
        alive.objects.values().filter(|standing| standing.is_wanted).map(|standing| standing.pack).collect();
    let is_lively = |id: &ObjectId| alive.objects.get(id).is_some_and(|standing| lively.contains(&standing.pack));
    let mut stale: BTreeMap<(DeploymentName, Revision), Vec<ObjectId>> = BTreeMap::new();
    for (id, based) in &alive.based {
        let is_stale = raw && id.kind == ObjectKind::Piece || is_lively(id) && !is_lively(&based.base);
        if is_stale {
            stale.entry((based.deployment.clone(), based.at)).or_default().push(*id);
        }
    }
    // Those of one pack together.
    let pack = |id: &ObjectId| alive.objects.get(id).map(|standing| standing.pack);
    stale.values_mut().for_each(|objects| objects.sort_unstable_by_key(|id| (pack(id), *id)));
    stale
}

/// The packs that are written.
struct Packs<'a, 'b> {
    hub: &'a Reading<'b>,
    turn: Turn,
    writer: PackWriter,
    added: Vec<ObjectId>,
    alive: &'a mut Alive,
}

impl Packs<'_, '_> {
    fn add(&mut self, object: &Brought<'_>) -> Result<()> {
        let id = object.id();
        let raw = object.raw()?;
        if !self.writer.takes(raw.len()) {
            self.put()?;
        }
        if self.writer.add(id, &raw)? {
            self.added.push(id);
        }
        Ok(())
    }

    fn put(&mut self) -> Result<()> {
        if self.writer.is_empty() {
            return Ok(());
        }
        let pack = std::mem::take(&mut self.writer).finish()?;
        let reference: PackRef = pack.reference;
        self.hub.cx.step("gc.renew");
        self.turn.check(self.hub)?;
        self.hub.storage.put_if_absent(self.hub.cx, &layout::pack(&reference.name), &pack.bytes)?;
        for id in self.added.drain(..) {
            self.alive.based.remove(&id);
            if let Some(standing) = self.alive.objects.get_mut(&id) {
                standing.pack = reference.name;
            }
        }
        self.alive.packs.insert(reference.name, reference);
        Ok(())
    }
}
