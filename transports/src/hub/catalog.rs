//! Which pack holds an object.
//!
//! The packs of the newest record are looked at first: they hold what an ordinary update wants. Only on a miss is
//! more read: `INDEX` once, then the packs of older records, newest first (through the ledger, which remembers their
//! indexes), then, for what gc has looked at, its index; last, packs that gc no longer lists but has not removed.
//! What is missing is reported; what was removed under our feet shows as a pack that is not there, whereupon `INDEX`
//! is read again, once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use depsync_engine::content::ObjectId;
use depsync_engine::content::pack::{PackIndex, PackRef, Slot};
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::name::Revision;

use super::chain::Chain;
use super::index::{HubIndex, Read};
use super::layout;
use super::reading::Reading;
use crate::batch::Call;

/// A pack up to this many bytes is read whole, in one go, instead of its index first.
pub(super) const SMALL_PACK: u64 = 1 << 20;
/// The same for who wants little of it: the rest would be read for nothing.
pub(super) const SMALL_PACK_FOR_FEW: u64 = 32 << 10;
/// How many objects the indexes that are kept in memory may list: about 12 MB. The ledger has them all.
const SLOTS: usize = 1 << 17;
/// The most indexes of packs that are read in one go, and their bytes.
const TAILS: usize = 32;
const TAIL_BYTES: u64 = 8 << 20;
/// The most bytes of whole packs that are kept.
const CACHE: usize = 24 << 20;

/// A pack whose index is known.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) reference: PackRef,
    pub(super) index: PackIndex,
}

/// Where an object stands. It does not hold the index that said so: many found objects must not hold many indexes.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: ObjectId,
    pub(super) pack: PackRef,
    pub(super) slot: Slot,
}

impl Found {
    /// By which objects that stand together come together.
    pub(super) fn place(&self) -> (Digest, u64) {
        (self.pack.name, self.slot.offset)
    }
}

/// What is known of the hub's packs.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    shelves: Shelves,
    /// The pack that answered last: the files of an update are asked for in the order in which they were packed.
    nearest: Option<Digest>,
    index: Option<Arc<HubIndex>>,
    asked: bool,
    /// Packs that were not there when they were read.
    gone: HashSet<Digest>,
    cache: PackCache,
}

/// The indexes of packs that were looked at last.
#[derive(Debug, Default)]
struct Shelves {
    by_name: HashMap<Digest, Arc<Shelf>>,
    order: VecDeque<Digest>,
    slots: usize,
}

impl Shelves {
    fn put(&mut self, shelf: &Arc<Shelf>) {
        let name = shelf.reference.name;
        if self.by_name.insert(name, Arc::clone(shelf)).is_some() {
            return;
        }
        self.order.push_back(name);
        self.slots += shelf.index.len();
        while self.slots > SLOTS
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front().and_then(|name| self.by_name.remove(&name))
        {
            self.slots -= oldest.index.len();
        }
    }
}

/// Whole packs, the latest last.
#[derive(Debug, Default)]
struct PackCache {
    packs: VecDeque<(Digest, Arc<Vec<u8>>)>,
    bytes: usize,
}

impl PackCache {
    fn get(&self, name: &Digest) -> Option<Arc<Vec<u8>>> {
        self.packs.iter().find(|(cached, _)| cached == name).map(|(_, bytes)| Arc::clone(bytes))
    }

    fn put(&mut self, name: Digest, bytes: &Arc<Vec<u8>>) {
        if bytes.len() > CACHE / 2 || self.get(&name).is_some() {
            return;
        }
        self.bytes += bytes.len();
        self.packs.push_back((name, Arc::clone(bytes)));
        while self.bytes > CACHE
            && let Some((_, oldest)) = self.packs.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }
}

/// Objects to look for.
struct Search {
    wanted: HashSet<ObjectId>,
    found: Vec<Found>,
    /// Whether an object of one kind also answers the wish for another of the same name: a content is a recipe or a
    /// piece.
    either: bool,
}

impl Search {
    /// Takes what `shelf` holds, and tells whether that was anything; as much work as the smaller of the two sides.
    fn look_in(&mut self, shelf: &Arc<Shelf>) -> bool {
        if self.wanted.len() < shelf.index.len() {
            let wanted: Vec<ObjectId> = self.wanted.iter().copied().collect();
            return self.look_for(shelf, wanted.into_iter());
        }
        let held = shelf.index.iter().filter_map(Slot::id).filter(|id| self.wanted.contains(id));
        let held: Vec<ObjectId> = held.collect();
        self.look_for(shelf, held.into_iter())
    }

    /// Takes those of `ids` that `shelf` holds, and tells whether that was any.
    fn look_for(&mut self, shelf: &Arc<Shelf>, ids: impl Iterator<Item = ObjectId>) -> bool {
        let before = self.found.len();
        let held = ids.filter_map(|id| Some((id, shelf.index.find(&id)?)));
        self.found.extend(held.map(|(id, slot)| Found { id, pack: shelf.reference, slot: slot.clone() }));
        for found in &self.found[before..] {
            self.wanted.remove(&found.id);
            if self.either {
                self.wanted.remove(&ObjectId::recipe(found.id.hash));
                self.wanted.remove(&ObjectId::piece(found.id.hash));
            }
        }
        self.found.len() > before
    }
}

impl Catalog {
    /// Finds the objects `wanted` as of revision `at`: those found, and those that are nowhere.
    pub(super) fn locate(
        &mut self,
        hub: &Reading<'_>,
        chain: &mut Chain,
        at: Revision,
        wanted: HashSet<ObjectId>,
        either: bool,
    ) -> Result<(Vec<Found>, HashSet<ObjectId>)> {
        let mut search = Search { wanted, found: Vec::new(), either };
        let (mut number, mut expected) = (at.number, Some(at.record));
        let mut indexed = false;
        while number > 0 && !search.wanted.is_empty() {
            hub.cx.check()?;
            if number < at.number && !self.asked {
                self.refresh(hub)?;
            }
            let covered = self.index.as_ref().is_some_and(|index| index.through(hub.deployment) >= number);
            if covered && !indexed {
                indexed = true;
                self.look_in_index(hub, &mut search)?;
                continue;
            }
            let record = chain.record(hub, number, expected)?;
            let packs = &record.payload().packs;
            let nearest = packs.iter().position(|pack| Some(pack.name) == self.nearest).unwrap_or(0);
            let order: Vec<PackRef> = packs[nearest..].iter().chain(&packs[..nearest]).copied().collect();
            let mut reach = 1;
            for (from, pack) in order.iter().enumerate() {
                if search.wanted.is_empty() {
                    break;
                }
                if self.gone.contains(&pack.name) {
                    continue;
                }
                if self.remembered(hub, pack)?.is_none() {
                    self.read_tails(hub, &order[from..], reach)?;
                    reach *= 2;
                }
                match self.shelf(hub, pack) {
                    Ok(shelf) if search.look_in(&shelf) => self.nearest = Some(pack.name),
                    Ok(_) => {}
                    // gc removes only what nobody needs; if this was needed, it will be missing in the end.
                    Err(error) if error.kind() == ErrorKind::NotFound && covered => drop(self.gone.insert(pack.name)),
                    Err(error) => return Err(error),
                }
            }
            expected = record.payload().parent;
            number -= 1;
        }
        // A deployment that is younger than the index may rely on what the index lists of others.
        if !indexed && !search.wanted.is_empty() {
            if !self.asked {
                self.refresh(hub)?;
            }
            self.look_in_index(hub, &mut search)?;
        }
        Ok((search.found, search.wanted))
    }

    fn look_in_index(&mut self, hub: &Reading<'_>, search: &mut Search) -> Result<()> {
        let Some(index) = self.index.clone() else { return Ok(()) };
        let mut places: Vec<(PackRef, ObjectId)> =
            search.wanted.iter().filter_map(|id| Some((index.find(id)?, *id))).collect();
        places.sort_unstable_by_key(|(pack, id)| (pack.name, *id));
        for those in places.chunk_by(|(left, _), (right, _)| left.name == right.name) {
            hub.cx.check()?;
            let shelf = self.shelf(hub, &those[0].0)?;
            // Those and no others: what stands in several packs is to be taken from the one that the index names, where gc
            // may have written it anew.
            search.look_for(&shelf, those.iter().map(|(_, id)| *id));
        }
        Ok(())
    }

    /// Reads `INDEX` again. Whether it has changed.
    pub(super) fn refresh(&mut self, hub: &Reading<'_>) -> Result<bool> {
        self.asked = true;
        match HubIndex::read(hub, self.index.as_deref())? {
            Some(Read::New(index)) => {
                self.index = Some(Arc::new(index));
                self.gone.clear();
                Ok(true)
            }
            Some(Read::Same) | None => Ok(false),
        }
    }

    /// The index of gc, if one is known.
    pub(super) fn index(&self) -> Option<&Arc<HubIndex>> {
        self.index.as_ref()
    }

    /// Lets the packs and their indexes go: the ledger has the indexes, and what was fetched is in place.
    pub(super) fn rest(&mut self) {
        (self.shelves, self.cache) = (Shelves::default(), PackCache::default());
    }

    /// Notes that a pack is not there.
    pub(super) fn note_gone(&mut self, name: Digest) {
        self.gone.insert(name);
    }

    /// Takes a pack that this process has just written.
    pub(super) fn keep(&mut self, hub: &Reading<'_>, shelf: &Arc<Shelf>, tail: &[u8]) -> Result<()> {
        hub.ledger.remember_pack_tail(&shelf.reference.name, tail)?;
        self.gone.remove(&shelf.reference.name);
        self.shelves.put(shelf);
        Ok(())
    }

    /// The index of a pack. A pack that is not there is [`ErrorKind::NotFound`].
    pub(super) fn shelf(&mut self, hub: &Reading<'_>, reference: &PackRef) -> Result<Arc<Shelf>> {
        if let Some(shelf) = self.remembered(hub, reference)? {
            return Ok(shelf);
        }
        let tail = self.read_tail(hub, reference)?;
        let index = PackIndex::from_tail(&tail, reference)?;
        hub.ledger.remember_pack_tail(&reference.name, &tail)?;
        Ok(self.shelved(reference, index))
    }

    /// The index of a pack, if it is known without asking the hub.
    pub(super) fn remembered(&mut self, hub: &Reading<'_>, reference: &PackRef) -> Result<Option<Arc<Shelf>>> {
        if let Some(shelf) = self.shelves.by_name.get(&reference.name) {
            return Ok(Some(Arc::clone(shelf)));
        }
        let tail = hub.ledger.pack_tail(&reference.name)?;
        // A copy that does not check out is as good as none.
        let index = tail.and_then(|tail| PackIndex::from_tail(&tail, reference).ok());
        Ok(index.map(|index| self.shelved(reference, index)))
    }

    /// Reads the indexes of up to `count` packs that are not known and not small, in one go. One that is not there is
    /// met again when it is its turn.
    fn read_tails(&mut self, hub: &Reading<'_>, packs: &[PackRef], count: usize) -> Result<()> {
        let mut bytes = 0u64;
        let mut chosen = Vec::new();
        for pack in packs {
            bytes += u64::from(pack.index_length);
            if chosen.len() == count.min(TAILS) || bytes > TAIL_BYTES {
                break;
            }
            if pack.length > hub.small() && !self.gone.contains(&pack.name) && self.remembered(hub, pack)?.is_none() {
                let range = pack.tail()?;
                chosen.push((*pack, Call::Range(layout::pack(&pack.name), range.start, pack.index_length as usize)));
            }
        }
        if chosen.len() < 2 {
            return Ok(());
        }
        let (packs, calls): (Vec<PackRef>, Vec<Call<'_>>) = chosen.into_iter().unzip();
        let mut tails = Vec::with_capacity(packs.len());
        let read = hub.get_ranges(&calls, &mut tails);
        for (pack, tail) in packs.iter().zip(&tails) {
            let index = PackIndex::from_tail(tail, pack)?;
            hub.ledger.remember_pack_tail(&pack.name, tail)?;
            self.shelved(pack, index);
        }
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            read => read,
        }
    }

    fn shelved(&mut self, reference: &PackRef, index: PackIndex) -> Arc<Shelf> {
        let shelf = Arc::new(Shelf { reference: *reference, index });
        self.shelves.put(&shelf);
        shelf
    }

    fn read_tail(&mut self, hub: &Reading<'_>, reference: &PackRef) -> Result<Vec<u8>> {
        let range = reference.tail()?;
        if reference.length <= hub.small() {
            let whole = self.whole(hub, reference)?;
            let start = usize::try_from(range.start).expect("because the pack is in memory");
            return Ok(whole[start..].to_vec());
        }
        let name = layout::pack(&reference.name);
        hub.get_range(&name, range.start, reference.index_length as usize)
    }

    /// A whole pack if it was kept.
    pub(super) fn kept(&self, name: &Digest) -> Option<Arc<Vec<u8>>> {
        self.cache.get(name)
    }

    /// A whole pack, verified by its name.
    pub(super) fn whole(&mut self, hub: &Reading<'_>, reference: &PackRef) -> Result<Arc<Vec<u8>>> {
        if let Some(kept) = self.cache.get(&reference.name) {
            return Ok(kept);
        }
        let name = layout::pack(&reference.name);
        reference.tail()?;
        let length = usize::try_from(reference.length).map_err(|_| hub.damaged(&name, "it is too long"))?;
        let bytes = hub.get(&name, length)?;
        if bytes.len() != length {
            return Err(hub.damaged(&name, format!("it has {} bytes instead of {length}", bytes.len())));
        }
        if Domain::Pack.digest(&bytes) != reference.name {
            return Err(hub.damaged(&name, "its bytes are not those it is named by"));
        }
        let bytes = Arc::new(bytes);
        self.cache.put(reference.name, &bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use depsync_engine::content::pack::PackWriter;

    use super::*;

    #[test]
    fn one_index_under_many_names_is_not_kept_under_all_of_them() {
        let mut writer = PackWriter::new();
        for number in 0..50_000u32 {
            let raw = number.to_le_bytes();
            writer.add(ObjectId::piece(Digest::of(&raw)), &raw).expect("adds");
        }
        let pack = writer.finish().expect("a pack");
        let mut catalog = Catalog::default();
        for number in 0..100u32 {
            let reference = PackRef { name: Digest::of(&number.to_le_bytes()), ..pack.reference };
            catalog.shelved(&reference, pack.index.clone());
            let held: usize = catalog.shelves.by_name.values().map(|shelf| shelf.index.len()).sum();
            assert_eq!(held, catalog.shelves.slots);
            assert!(held <= SLOTS && catalog.shelves.by_name.contains_key(&reference.name));
        }
    }
}
