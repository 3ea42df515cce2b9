//! What is alive in a hub: everything that can be reached from the revisions that must stay.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use depsync_engine::content::pack::PackRef;
use depsync_engine::content::{ObjectId, ObjectKind};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::{DeploymentName, Revision};
use depsync_engine::transport::MemoryLedger;
use depsync_engine::tree::{Entry, Pages, Step, Tree, empty_root};
use jiff::Timestamp;

use super::Memory;
use super::based;
use super::catalog::Found;
use super::fetch::{Brought, bring, hand_over, read};
use super::gc::{self, Retention, Seen};
use super::head;
use super::reading::Reading;

/// What must stay.
#[derive(Default)]
pub(super) struct Alive {
    /// Of each deployment the newest record that was looked at.
    pub(super) through: Vec<(DeploymentName, u64)>,
    /// The packs that hold something alive, by name.
    pub(super) packs: BTreeMap<Digest, PackRef>,
    /// The objects that are alive.
    pub(super) objects: HashMap<ObjectId, Standing>,
    /// What some of them are stored against, and where that was found out.
    pub(super) based: HashMap<ObjectId, Based>,
    /// All packs that any record lists.
    pub(super) listed: HashSet<Digest>,
}

/// Where an object that is alive stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) pack: Digest,
    /// Whether a revision needs it, and not only another object that is stored against it.
    pub(super) is_wanted: bool,
}

/// An object that is stored against another.
#[derive(Clone, Debug)]
pub(super) struct Based {
    pub(super) base: ObjectId,
    /// The deployment, and the revision of it, that it was reached from.
    pub(super) deployment: DeploymentName,
    pub(super) at: Revision,
}

/// Walks all deployments.
pub(super) fn walk(hub: &Reading<'_>, retention: &Retention, now: Timestamp) -> Result<Alive> {
    let mut alive = Alive::default();
    for deployment in gc::deployments(hub)? {
        // What a ledger remembers is of one deployment; gc looks at the hub itself.
        let ledger = MemoryLedger::default();
        let hub = hub.of(&deployment, &ledger);
        walk_deployment(&hub, retention, now, &mut alive)
            .map_err(|error| error.op(format!("collect garbage (deployment {deployment})")))?;
    }
    Ok(alive)
}

fn walk_deployment(hub: &Reading<'_>, retention: &Retention, now: Timestamp, alive: &mut Alive) -> Result<()> {
    let mut memory = Memory::default();
    memory.catalog.refresh(hub)?;
    let Some(head) = head::heal(hub, &mut memory.chain)? else { return Ok(()) };
    let mut seen = Seen::new();
    for root in roots(hub, &mut memory, head, retention, now, alive)? {
        walk_tree(hub, &mut memory, root, &mut seen, alive)?;
    }
    // Whatever we cannot read into may hold what others need.
    let mut at = Some(head);
    while let Some(revision) = at {
        hub.cx.check()?;
        let record = memory.chain.record(hub, revision.number, Some(revision.record))?;
        for pack in &record.payload().packs {
            alive.listed.insert(pack.name);
            match memory.catalog.shelf(hub, pack) {
                Ok(shelf) if gc::is_opaque(&shelf) => drop(alive.packs.insert(pack.name, *pack)),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        at = record.payload().parent.map(|record| Revision { number: revision.number - 1, record });
    }
    alive.through.push((hub.deployment.clone(), head.number));
    Ok(())
}

/// The revisions that stay, each with its root.
fn roots(
    hub: &Reading<'_>,
    memory: &mut Memory,
    head: Revision,
    retention: &Retention,
    now: Timestamp,
    alive: &mut Alive,
) -> Result<Vec<(Revision, Digest)>> {
    let applied: HashSet<Revision> = super::report::read(hub)?.iter().filter_map(|report| report.applied).collect();
    let mut roots = Vec::new();
    let mut at = Some(head);
    while let Some(revision) = at {
        hub.cx.check()?;
        let record = memory.chain.record(hub, revision.number, Some(revision.record))?;
        let payload = record.payload();
        let young = now.duration_since(payload.time).unsigned_abs() < retention.keep_age || payload.time > now;
        let new = head.number - revision.number < retention.keep_revisions.max(1);
        let is_applied = applied.contains(&revision);
        if (new || young || is_applied) && !was_dropped(hub, memory, revision, payload.root) {
            roots.push((revision, payload.root));
        }
        alive.listed.extend(payload.packs.iter().map(|pack| pack.name));
        at = payload.parent.map(|record| Revision { number: revision.number - 1, record });
    }
    Ok(roots)
}

/// Whether an earlier run did not keep the revision: what is gone cannot be wanted back by a longer retention, nor by a
/// node that comes back late.
fn was_dropped(hub: &Reading<'_>, memory: &Memory, revision: Revision, root: Digest) -> bool {
    let covering = memory.catalog.index().filter(|index| index.through(hub.deployment) >= revision.number);
    root != empty_root() && covering.is_some_and(|index| index.find(&ObjectId::page(root)).is_none())
}

/// Everything beneath one root.
fn walk_tree(
    hub: &Reading<'_>,
    memory: &mut Memory,
    (at, root): (Revision, Digest),
    seen: &mut Seen,
    alive: &mut Alive,
) -> Result<()> {
    let mut pages = Seen::new();
    let mut contents = Vec::new();
    {
        let state = State { memory: &mut *memory, held: HashMap::new(), bytes: 0 };
        let source = HubPages { hub, at, state: Mutex::new(state) };
        Tree::new(&source, root).walk_pages(|id, step| match step {
            Step::Found => {
                hub.cx.check()?;
                let new = !seen.contains(&ObjectId::page(*id));
                Ok(new && pages.insert(ObjectId::page(*id)))
            }
            Step::Read { leaf, .. } => {
                let new = leaf.entries().iter().filter_map(Entry::content).filter(|(_, size)| *size > 0);
                contents.extend(new.map(|(hash, _)| hash));
                Ok(true)
            }
        })?;
    }
    contents.sort_unstable();
    contents.dedup();
    contents.retain(|hash| !seen.contains(&ObjectId::recipe(*hash)) && !seen.contains(&ObjectId::piece(*hash)));
    let wanted: HashSet<ObjectId> =
        contents.iter().flat_map(|hash| [ObjectId::recipe(*hash), ObjectId::piece(*hash)]).collect();
    let mut pieces = Seen::new();
    let missing = bring(hub, memory, at, wanted.clone(), true, &mut |objects: Vec<Brought<'_>>| {
        for object in &objects {
            pages.insert(object.id());
            let Brought::Recipe(_, recipe) = object else { continue };
            pieces.extend(recipe.pieces().iter().map(|piece| ObjectId::piece(piece.hash)));
        }
        Ok(())
    })?;
    none_missing(hub, &missing)?;
    pieces.extend(
        contents.iter().map(|hash| ObjectId::piece(*hash)).filter(|id| !pages.contains(&ObjectId::recipe(id.hash))),
    );
    pages.extend(pieces);
    pages.retain(|id| !seen.contains(id));
    note(hub, memory, at, pages, seen, alive)
}

/// Notes where the objects stand, and whatever they are stored against.
fn note(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    mut wanted: Seen,
    seen: &mut Seen,
    alive: &mut Alive,
) -> Result<()> {
    seen.extend(wanted.iter().copied());
    let mut is_wanted = true;
    while !wanted.is_empty() {
        // What was found as the base of something may be wanted for itself now.
        wanted.retain(|id| {
            let known = alive.objects.get_mut(id);
            known.map(|known| known.is_wanted |= is_wanted).is_none()
        });
        let (found, missing) = memory.catalog.locate(hub, &mut memory.chain, at, wanted, false)?;
        none_missing(hub, &missing)?;
        wanted = Seen::new();
        for found in found {
            alive.packs.insert(found.pack.name, found.pack);
            alive.objects.insert(found.id, Standing { pack: found.pack.name, is_wanted });
            if let Some(base) = based::base_of(&found) {
                let deployment = hub.deployment.clone();
                alive.based.insert(found.id, Based { base, deployment, at });
                wanted.insert(base);
            }
        }
        is_wanted = false;
    }
    Ok(())
}

fn none_missing(hub: &Reading<'_>, missing: &Seen) -> Result<()> {
    match missing.iter().min() {
        None => Ok(()),
        Some(first) => {
            Err(Error::damaged(hub.storage.endpoint(), format!("{} objects are missing, first {first}", missing.len()))
                .hint("nothing was collected; publish the files again from a node that has them"))
        }
    }
}

/// The most bytes of pages that are kept during a walk.
const HELD: usize = 64 << 20;

/// The pages of the hub, read a pack's worth at a time: they stand together at its end.
struct HubPages<'a, 'b> {
    hub: &'a Reading<'b>,
    at: Revision,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    memory: &'a mut Memory,
    held: HashMap<Digest, Arc<[u8]>>,
    bytes: usize,
}

impl Pages for HubPages<'_, '_> {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = state.held.get(id) {
            return Ok(Arc::clone(page));
        }
        let State { memory, held, bytes } = &mut *state;
        let wanted = HashSet::from([ObjectId::page(*id)]);
        let (found, missing) = memory.catalog.locate(self.hub, &mut memory.chain, self.at, wanted, false)?;
        none_missing(self.hub, &missing)?;
        let mut neighbours = Vec::new();
        for found in found {
            let shelf = memory.catalog.shelf(self.hub, &found.pack)?;
            let pages = shelf.index.iter().filter(|slot| slot.kind == ObjectKind::Page.byte());
            neighbours
                .extend(pages.filter_map(|slot| Some(Found { id: slot.id()?, pack: found.pack, slot: slot.clone() })));
        }
        if *bytes > HELD {
            held.clear();
            *bytes = 0;
        }
        read(self.hub, memory, neighbours, &mut |cx, found, stored, start| {
            hand_over(cx, found, stored, start, &mut |objects| {
                for object in objects {
                    let Brought::Page(id, page) = object else { continue };
                    *bytes += page.len();
                    held.insert(id, page.into());
                }
                Ok(())
            })
        })?;
        let page = held.get(id).cloned();
        page.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such page").at(ObjectId::page(*id)))
    }
}
