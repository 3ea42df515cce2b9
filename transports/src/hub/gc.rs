//! Collecting garbage in two phases, beside publishers and readers who know nothing of it.
//!
//! *Alive* is what can be reached from the roots: of every deployment the head, the revisions that the retention keeps,
//! and what nodes report as applied; through pages, recipes, pieces, and the bases that stored objects name. Anything
//! in doubt makes gc stop: an object that cannot be found is [`ErrorKind::Damaged`], and nothing is condemned.
//!
//! 1. **Condemn**: walk; write whole what is stored against something that nothing else needs (`renew`); write `index/<hash>` with what is alive, replace `INDEX`, then write `gc/condemned`: the packs
//!    in which nothing is alive.
//! 2. **Sweep**, no sooner than the grace period later by the hub's own clock: remove every staged file that is there
//!    (a publisher that looked at the list before it was there cannot commit any more, the others begin their commit
//!    again); walk again; write index and `INDEX` anew; delete the condemned packs in which still nothing is alive;
//!    empty the list.
//!
//! The rule for a pack that is partly alive: it is kept whole. So is a pack with objects of a kind that this version
//! does not know. A crash at any point leaves a valid hub: the next run goes on from the list that stands there. Of two
//! collectors at once one goes on (`turn`).
//!
//! Ages are by the hub's clock. Where it was put back, times lie in the future: a leftover so dated by more than the
//! grace period goes, as one from as long ago does; a list so dated is dated anew, and waits once more.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use depsync_engine::content::ObjectId;
use depsync_engine::content::pack::PackRef;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::DeploymentName;
use depsync_engine::path::RelPath;
use jiff::Timestamp;

use super::condemned::Condemned;
use super::index::{self, HubIndex, Pointer};
use super::layout;
use super::reading::Reading;
use super::renew;
use super::turn::{Turn, Turns};
use super::walk::{self, Alive};

/// Bounds for listings.
const MAX_NAMES: usize = 5_000_000;
/// How far in the future a time may lie without the clock having been put back.
const SKEW: Duration = Duration::from_secs(60);

/// What gc keeps, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How many of the newest revisions of each deployment stay; at least the head does.
    pub keep_revisions: u64,
    /// Revisions younger than this stay, by their own time.
    pub keep_age: Duration,
    /// The time between condemning and deleting: longer than any publish or fetch takes.
    pub grace: Duration,
    /// Whether all pieces are to be stored whole: so that nobody who reads the hub has to deflate anything.
    pub raw: bool,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { keep_revisions: 50, keep_age: 30 * day, grace: day, raw: false }
    }
}

/// What a run of gc did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Packs condemned by this run.
    pub condemned: u64,
    /// Packs deleted by this run.
    pub deleted: u64,
    /// Condemned packs that turned out to be needed again.
    pub pardoned: u64,
    /// Leftovers removed from `tmp/`.
    pub leftovers: u64,
    /// Packs that are condemned and may not be deleted yet.
    pub waiting: u64,
    /// Objects written whole by this run, that were stored against others.
    pub renewed: u64,
}

/// One run: sweeps what was condemned long enough ago, or else condemns.
pub(super) fn run(hub: &Reading<'_>, retention: &Retention) -> Result<Collected> {
    let probe = hub.storage.probe(hub.cx)?;
    let Some(now) = probe.now.filter(|_| probe.writable) else {
        return Err(unwritable(hub));
    };
    let old = |time: Timestamp| now.duration_since(time).unsigned_abs() >= retention.grace;
    let leftovers = sweep_leftovers(hub, old)?;
    let condemned = Condemned::read(hub)?;
    let turns = Turns::look(hub, &condemned)?;
    let mut done = Collected { leftovers, ..Collected::default() };
    if condemned.packs().is_empty() {
        (done.condemned, done.renewed) = condemn(hub, turns, retention, now, old)?;
        done.waiting = done.condemned;
        return Ok(done);
    }
    if turns.somebody_sweeps(hub, &condemned, old)? {
        done.waiting = condemned.packs().len() as u64;
        return Ok(done);
    }
    match hub.storage.modified(hub.cx, &layout::condemned())? {
        Some(since) if since > now && old(since) && now.duration_since(since).unsigned_abs() > SKEW => {
            let turn = turns.take(hub)?;
            hub.cx.step("gc.date-anew");
            turn.check(hub)?;
            Condemned::write(hub, turn.generation(), condemned.packs().iter().copied().collect())?;
            done.waiting = condemned.packs().len() as u64;
        }
        Some(since) if old(since) => sweep(hub, turns, retention, &condemned, &mut done)?,
        _ => done.waiting = condemned.packs().len() as u64,
    }
    Ok(done)
}

fn unwritable(hub: &Reading<'_>) -> Error {
    Error::new(ErrorKind::PermissionDenied, "the hub cannot be written to")
        .op("collect garbage")
        .at(hub.storage.endpoint())
}

fn condemn(
    hub: &Reading<'_>,
    turns: Turns,
    retention: &Retention,
    now: Timestamp,
    old: impl Fn(Timestamp) -> bool,
) -> Result<(u64, u64)> {
    let turn = turns.take(hub)?;
    let mut alive = walk::walk(hub, retention, now).map_err(|error| turn.blame(hub, error))?;
    let renewed = renew::renew(hub, turn, &mut alive, retention.raw).map_err(|error| turn.blame(hub, error))?;
    if renewed > 0 {
        // From here on the objects are found where they stand whole, and what they were stored against is not needed.
        write_index(hub, turn, &alive)?;
        alive = walk::walk(hub, retention, now).map_err(|error| turn.blame(hub, error))?;
    }
    let mut dead = Vec::new();
    for (name, path) in packs(hub)? {
        hub.cx.check()?;
        if alive.packs.contains_key(&name) {
            continue;
        }
        // A young pack may belong to a publish that is under way; one that a record lists is old enough.
        let listed = alive.listed.contains(&name);
        if listed || hub.storage.modified(hub.cx, &path)?.is_some_and(&old) {
            dead.push(name);
        }
    }
    if dead.is_empty() {
        return Ok((0, renewed));
    }
    write_index(hub, turn, &alive)?;
    hub.cx.step("gc.condemn");
    turn.check(hub)?;
    let count = dead.len() as u64;
    Condemned::write(hub, turn.generation(), dead)?;
    Ok((count, renewed))
}

fn sweep(
    hub: &Reading<'_>,
    turns: Turns,
    retention: &Retention,
    condemned: &Condemned,
    done: &mut Collected,
) -> Result<()> {
    let turn = turns.take(hub)?;
    // Whoever has staged a record by now may have looked before the list was there: its time is that of its writing,
    // not of the renaming after it. Who stages one from now on sees the list.
    let now = hub.storage.probe(hub.cx)?.now.ok_or_else(|| unwritable(hub))?;
    hub.cx.step("gc.fence");
    done.leftovers += sweep_leftovers(hub, |time| time <= now)?;
    hub.cx.step("gc.walk-again");
    let alive = walk::walk(hub, retention, now).map_err(|error| turn.blame(hub, error))?;
    write_index(hub, turn, &alive)?;
    let mut doomed: Vec<&Digest> = condemned.packs().iter().collect();
    doomed.sort_unstable();
    for name in doomed {
        hub.cx.check()?;
        if alive.packs.contains_key(name) {
            done.pardoned += 1;
            continue;
        }
        turn.check(hub)?;
        hub.cx.step("gc.delete");
        hub.storage.remove(hub.cx, &layout::pack(name))?;
        done.deleted += 1;
    }
    hub.cx.step("gc.done");
    turn.check(hub)?;
    Condemned::write(hub, turn.generation(), Vec::new())?;
    sweep_indexes(hub, |time| now.duration_since(time).unsigned_abs() >= retention.grace)
}

/// Writes what is alive, and points to it.
fn write_index(hub: &Reading<'_>, turn: Turn, alive: &Alive) -> Result<()> {
    let packs: Vec<PackRef> = alive.packs.values().copied().collect();
    let place: BTreeMap<Digest, u32> =
        packs.iter().enumerate().map(|(at, pack)| (pack.name, u32::try_from(at).unwrap_or(u32::MAX))).collect();
    let mut objects: Vec<(ObjectId, u32)> =
        alive.objects.iter().map(|(id, standing)| (*id, place[&standing.pack])).collect();
    objects.sort_unstable();
    let (hash, bytes) = HubIndex::encode(&alive.through, &packs, &objects)?;
    hub.cx.step("gc.index");
    hub.storage.put_if_absent(hub.cx, &layout::index(&hash), &bytes)?;
    let pointer = Pointer { schema: index::SCHEMA, generation: turn.generation(), index: hash };
    let mut bytes = serde_json::to_vec(&pointer)
        .map_err(|source| Error::new(ErrorKind::Internal, "INDEX cannot be encoded").because(source))?;
    bytes.push(b'\n');
    hub.cx.step("gc.pointer");
    turn.check(hub)?;
    hub.storage.replace(hub.cx, &layout::index_pointer(), &bytes)
}

/// Removes old indexes that `INDEX` no longer names: a young one may be another collector's, which stalls. A reader that had just read the old pointer reads it again
/// (`HubIndex::read`).
fn sweep_indexes(hub: &Reading<'_>, old: impl Fn(Timestamp) -> bool) -> Result<()> {
    let Some(pointer) = index::read_pointer(hub)? else { return Ok(()) };
    let current = pointer.index.to_string();
    for listed in hub.storage.list(hub.cx, Some(&layout::indexes()), MAX_NAMES)? {
        let hash = std::str::from_utf8(&listed.name).ok().filter(|name| *name != current);
        let Some(name) = hash.and_then(|name| name.parse().ok()).map(|hash| layout::index(&hash)) else { continue };
        if hub.storage.modified(hub.cx, &name)?.is_some_and(&old) {
            hub.storage.remove(hub.cx, &name)?;
        }
    }
    Ok(())
}

/// Removes the files in `tmp/` and `tmp/.partial/` whose time `condition` holds for.
fn sweep_leftovers(hub: &Reading<'_>, condition: impl Fn(Timestamp) -> bool) -> Result<u64> {
    let mut removed = 0;
    for directory in [layout::temporary_directory(), layout::partial_directory()] {
        for listed in hub.storage.list(hub.cx, Some(&directory), MAX_NAMES)? {
            hub.cx.check()?;
            let name = directory.join(&listed.name)?;
            if !listed.directory && hub.storage.modified(hub.cx, &name)?.is_some_and(&condition) {
                hub.storage.remove(hub.cx, &name)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// All packs that are there.
fn packs(hub: &Reading<'_>) -> Result<Vec<(Digest, RelPath)>> {
    let mut packs = Vec::new();
    let top = layout::packs();
    for shard in hub.storage.list(hub.cx, Some(&top), 4096)? {
        if !shard.directory {
            continue;
        }
        for listed in hub.storage.list(hub.cx, Some(&top.join(&shard.name)?), MAX_NAMES)? {
            let name = std::str::from_utf8(&listed.name).ok().and_then(|name| name.parse::<Digest>().ok());
            // A name in the wrong shard is nobody's.
            if let Some(name) = name.filter(|name| name.to_string().as_bytes().starts_with(&shard.name)) {
                packs.push((name, layout::pack(&name)));
            }
        }
    }
    Ok(packs)
}

/// All deployments of the hub.
pub(super) fn deployments(hub: &Reading<'_>) -> Result<Vec<DeploymentName>> {
    let listed = hub.storage.list(hub.cx, Some(&layout::deployments()), MAX_NAMES)?;
    let parse = |name: &[u8]| std::str::from_utf8(name).ok()?.parse().ok();
    Ok(listed.iter().filter(|listed| listed.directory).filter_map(|listed| parse(&listed.name)).collect())
}

/// The packs that stay because somebody may still need something in them that we do not understand.
pub(super) fn is_opaque(shelf: &super::catalog::Shelf) -> bool {
    shelf.index.iter().any(|slot| slot.id().is_none())
}

/// A set that remembers what was seen.
pub(super) type Seen = HashSet<ObjectId>;
