//! Bringing objects: plan the reads, verify everything, hand it over.
//!
//! Objects of one pack are read together. A small pack is read whole, verified by its name and kept for the next call:
//! the update after a publish of one file reads the head, one record and one pack. Of other packs neighbouring objects
//! are read in one go, those of several packs too, and each verified by its own name. Packs of which most is wanted are
//! announced to the storage before they are read ([`Storage::prefetch`](crate::Storage::prefetch)). A pack that gc
//! removed in the meantime sends us to `INDEX` once more; what was delivered already is not read again.
//!
//! Objects that are stored against others come last (`based`): most of those others the receiver has. What it does not
//! have is read along where it stands among what is wanted (`beside`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use depsync_engine::content::deflate;
use depsync_engine::content::pack::{PackRef, check_readable, unpack, unpack_recipe, unpack_verified};
use depsync_engine::content::{MAX_PIECE, ObjectId, ObjectKind, Piece, Recipe};
use depsync_engine::context::{Context, Phase};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::transport::{Base, Deliver, Want, WantedContent};
use rayon::prelude::*;

use super::Memory;
use super::based;
use super::beside::Beside;
use super::catalog::Found;
use super::layout;
use super::reading::Reading;
use crate::batch::Call;

/// Two objects with fewer bytes than this between them are read together.
const GAP: u64 = 32 << 10;
/// The most bytes read in one go, if no single object is longer.
const RUN: u64 = 8 << 20;
/// The most parts of packs read in one go.
const PARTS: usize = 256;
/// Packs of which this much is wanted, all together, are worth being announced; a single small one is one read anyway.
const WORTH: u64 = 64 << 10;

/// The most bytes that are unpacked at a time, if no single object is longer.
pub(super) const BATCH: usize = 8 << 20;

/// An object that was read, unpacked and verified.
pub(super) enum Brought<'a> {
    Page(Digest, Cow<'a, [u8]>),
    Recipe(Digest, Recipe),
    Piece(Piece<'a>),
}

impl<'a> Brought<'a> {
    fn unpack(found: &Found, stored: &'a [u8]) -> Result<Self> {
        let hash = found.id.hash;
        match found.id.kind {
            ObjectKind::Piece => unpack(&found.slot, stored).and_then(|raw| Piece::verify(hash, raw)).map(Self::Piece),
            ObjectKind::Recipe => unpack_recipe(&found.slot, stored, None).map(|recipe| Self::Recipe(hash, recipe)),
            ObjectKind::Page => unpack_verified(&found.slot, stored).map(|(_, raw)| Self::Page(hash, raw)),
        }
    }

    pub(super) fn id(&self) -> ObjectId {
        match self {
            Self::Page(hash, _) => ObjectId::page(*hash),
            Self::Recipe(hash, _) => ObjectId::recipe(*hash),
            Self::Piece(piece) => ObjectId::piece(piece.hash()),
        }
    }

    /// Its bytes, as a pack holds them that stores it whole.
    pub(super) fn raw(&self) -> Result<Cow<'_, [u8]>> {
        Ok(match self {
            Self::Page(_, bytes) => Cow::Borrowed(bytes),
            Self::Recipe(_, recipe) => Cow::Owned(recipe.encode()?),
            Self::Piece(piece) => Cow::Borrowed(piece.bytes()),
        })
    }

    /// How many bytes of content it is.
    fn bytes(&self) -> u64 {
        match self {
            Self::Piece(piece) => piece.bytes().len() as u64,
            _ => 0,
        }
    }
}

/// Whoever wants objects.
pub(super) trait Receive {
    /// Takes some of them.
    fn take(&mut self, objects: Vec<Brought<'_>>) -> Result<()>;

    /// Whether an object that others are stored against is at hand, as far as is known without reading it.
    fn has_base(&self, _object: &ObjectId) -> bool {
        false
    }

    /// What is at hand of an object that others are stored against.
    fn base(&mut self, _object: &ObjectId) -> Result<Option<Base>> {
        Ok(None)
    }
}

impl<F: FnMut(Vec<Brought<'_>>) -> Result<()>> Receive for F {
    fn take(&mut self, objects: Vec<Brought<'_>>) -> Result<()> {
        self(objects)
    }
}

/// Whoever rebuilds files: it has those of before.
struct Rebuilding<'a, F> {
    to: &'a mut dyn Deliver,
    take: F,
}

impl<F: FnMut(&mut dyn Deliver, Vec<Brought<'_>>) -> Result<()>> Receive for Rebuilding<'_, F> {
    fn take(&mut self, objects: Vec<Brought<'_>>) -> Result<()> {
        (self.take)(self.to, objects)
    }

    fn has_base(&self, object: &ObjectId) -> bool {
        self.to.has_base(object)
    }

    fn base(&mut self, object: &ObjectId) -> Result<Option<Base>> {
        self.to.base(object)
    }
}

/// Brings what `want` names.
pub(super) fn fetch(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    want: Want<'_>,
    to: &mut dyn Deliver,
) -> Result<()> {
    let is_last = matches!(want, Want::Contents(_));
    let done = deliver(hub, memory, at, want, to);
    // What was brought ahead has served, or is no good. Contents come behind pages, and after another failure the next
    // try goes on with it.
    if done.as_ref().map_or_else(|error| error.kind() == ErrorKind::Damaged, |()| is_last) {
        hub.storage.prefetch(hub.cx, &[]);
    }
    done
}

fn deliver(hub: &Reading<'_>, memory: &mut Memory, at: Revision, want: Want<'_>, to: &mut dyn Deliver) -> Result<()> {
    match want {
        Want::Pages(ids) => {
            let wanted = ids.iter().copied().map(ObjectId::page).collect();
            let missing = bring(hub, memory, at, wanted, false, &mut |objects: Vec<Brought<'_>>| {
                objects.into_iter().try_for_each(|object| match object {
                    Brought::Page(id, bytes) => to.page(id, bytes.into_owned()),
                    _ => Ok(()),
                })
            })?;
            all_there(hub, at, &missing)
        }
        Want::Contents(contents) => {
            recipes(hub, memory, at, contents, to)?;
            let wanted: HashSet<ObjectId> = to.needed()?.into_iter().collect();
            let total = wanted.len();
            let mut done = 0u64;
            let take = |to: &mut dyn Deliver, objects: Vec<Brought<'_>>| {
                done += objects.iter().map(Brought::bytes).sum::<u64>();
                hub.cx.progress(Phase::Stage, done, None);
                let pieces = objects.into_iter().filter_map(|object| match object {
                    Brought::Piece(piece) => Some(piece),
                    _ => None,
                });
                to.pieces(&pieces.collect::<Vec<_>>())
            };
            let missing = bring(hub, memory, at, wanted, false, &mut Rebuilding { to, take })?;
            tracing::debug!(pieces = total, bytes = done, "fetched");
            all_there(hub, at, &missing)
        }
    }
}

pub(super) fn all_there(hub: &Reading<'_>, at: Revision, missing: &HashSet<ObjectId>) -> Result<()> {
    match missing.iter().min() {
        None => Ok(()),
        Some(first) => Err(Error::damaged(
            hub.storage.endpoint(),
            format!("{} objects of revision {at} are missing, first {first}", missing.len()),
        )
        .op("fetch")
        .hint("if `depsync gc` dropped that revision, take a newer one; otherwise publish again from a node that has the files")),
    }
}

/// Brings the recipes of the contents that have one. A content is either a recipe or a single piece of the same name;
/// finding the piece tells that there is no recipe, without looking through the whole history for it.
fn recipes(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    contents: &[WantedContent],
    to: &mut dyn Deliver,
) -> Result<()> {
    let mut wanted = HashSet::with_capacity(contents.len() * 2);
    let mut sizes = std::collections::HashMap::with_capacity(contents.len());
    for content in contents.iter().filter(|content| content.size > 0) {
        wanted.insert(ObjectId::recipe(content.hash));
        if content.size <= MAX_PIECE as u64 {
            wanted.insert(ObjectId::piece(content.hash));
        }
        sizes.insert(content.hash, content.size);
    }
    let take = |to: &mut dyn Deliver, objects: Vec<Brought<'_>>| {
        objects.into_iter().try_for_each(|object| {
            let Brought::Recipe(file, recipe) = object else { return Ok(()) };
            if recipe.size() != sizes.get(&file).copied().unwrap_or(0) {
                let why = format!("it makes {} bytes, which is not the file's size", recipe.size());
                return Err(Error::damaged(ObjectId::recipe(file), why));
            }
            to.recipe(file, recipe)
        })
    };
    let missing = bring(hub, memory, at, wanted, true, &mut Rebuilding { to, take })?;
    all_there(hub, at, &missing)
}

/// Brings `wanted`; gives what is nowhere. With `either`, a content is looked for as recipe and as piece, and only
/// recipes are brought.
pub(super) fn bring(
    hub: &Reading<'_>,
    memory: &mut Memory,
    at: Revision,
    mut wanted: HashSet<ObjectId>,
    either: bool,
    receive: &mut dyn Receive,
) -> Result<HashSet<ObjectId>> {
    let mut again = true;
    loop {
        let located = memory.catalog.locate(hub, &mut memory.chain, at, wanted.clone(), either);
        let tried = located.and_then(|(mut found, missing)| {
            if either {
                found.retain(|found| found.id.kind == ObjectKind::Recipe);
            }
            let mut counting = Counting { receive: &mut *receive, wanted: &mut wanted, either };
            let (mut based, plain): (Vec<Found>, Vec<Found>) =
                found.into_iter().partition(|found| found.slot.base.is_some());
            // They are made some at a time: those that stand together.
            based.sort_unstable_by_key(Found::place);
            let mut beside = Beside::of(hub, memory, at, (&based, &plain), &counting)?;
            let mut all = plain;
            all.append(&mut beside.found);
            read(hub, memory, all, &mut |cx, found, bytes, start| {
                let wanted = beside.keep(found, bytes, start)?;
                hand_over(cx, &wanted, bytes, start, &mut |objects| counting.take(objects))
            })?;
            based::read(hub, memory, at, &based, &beside, &mut counting)?;
            Ok(missing)
        });
        match tried {
            // gc may have stored whole, since, what has to be deflated.
            Err(error) if again && (error.kind() == ErrorKind::NotFound || cannot_deflate(&error)) => {
                again = false;
                memory.catalog.refresh(hub)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(error
                    .with_kind(ErrorKind::Damaged)
                    .op("fetch")
                    .hint("the hub lacks something that its records name; if `depsync gc` ran meanwhile, try again"));
            }
            tried => return tried,
        }
    }
}

/// Whether it may be for our encoder, which is another one than the format's.
fn cannot_deflate(error: &Error) -> bool {
    error.kind() == ErrorKind::Damaged && deflate::check().is_err()
}

/// Crosses off what has come.
struct Counting<'a> {
    receive: &'a mut dyn Receive,
    wanted: &'a mut HashSet<ObjectId>,
    either: bool,
}

impl Receive for Counting<'_> {
    fn take(&mut self, objects: Vec<Brought<'_>>) -> Result<()> {
        for id in objects.iter().map(Brought::id) {
            self.wanted.remove(&id);
            if self.either {
                self.wanted.remove(&ObjectId::piece(id.hash));
            }
        }
        self.receive.take(objects)
    }

    fn has_base(&self, object: &ObjectId) -> bool {
        self.receive.has_base(object)
    }

    fn base(&mut self, object: &ObjectId) -> Result<Option<Base>> {
        self.receive.base(object)
    }
}

/// Takes objects as they are stored: those found, in bytes that begin at some place of their pack.
pub(super) type Hand<'a> = &'a mut dyn FnMut(&Context, &[Found], &[u8], u64) -> Result<()>;

/// Reads the objects found, pack by pack, in the order in which they stand.
pub(super) fn read(hub: &Reading<'_>, memory: &mut Memory, mut found: Vec<Found>, hand: Hand<'_>) -> Result<()> {
    found.sort_unstable_by_key(Found::place);
    announce(hub, memory, &found);
    let mut runs = Runs::default();
    for group in found.chunk_by(|left, right| left.pack.name == right.pack.name) {
        hub.cx.check()?;
        let pack = group[0].pack;
        let readable = group.iter().try_for_each(|found| check_readable(&found.slot).map(drop));
        match readable.and_then(|()| whole(hub, memory, &pack)) {
            Ok(Some(bytes)) => {
                hand(hub.cx, group, &bytes, 0).map_err(|error| blame(hub, memory, &pack, error))?;
            }
            Ok(None) => {
                for run in cut_runs(group) {
                    if runs.are_full_with(&run) {
                        runs.read(hub, memory, hand)?;
                    }
                    runs.push(run);
                }
            }
            Err(error) => return Err(blame(hub, memory, &pack, error)),
        }
    }
    runs.read(hub, memory, hand)
}

/// Names the pack in what went wrong with it.
fn blame(hub: &Reading<'_>, memory: &mut Memory, pack: &PackRef, error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        memory.catalog.note_gone(pack.name);
    }
    error.at(format!("{}/{}", hub.storage.endpoint(), layout::pack(&pack.name)))
}

/// Announces the packs that are read whole, and those of which most is wanted, if together they are worth it.
fn announce(hub: &Reading<'_>, memory: &Memory, found: &[Found]) {
    let mut packs = Vec::new();
    let (mut bytes, mut small) = (0, true);
    for group in found.chunk_by(|left, right| left.pack.name == right.pack.name) {
        let pack = group[0].pack;
        let wanted: u64 = group.iter().map(|found| u64::from(found.slot.stored_length)).sum();
        let is_small = pack.length <= hub.small();
        if memory.catalog.kept(&pack.name).is_none() && (is_small || wanted > pack.length / 2) {
            packs.push((layout::pack(&pack.name), pack.length));
            bytes += pack.length;
            small &= is_small;
        }
    }
    if bytes > WORTH && (packs.len() > 1 || !small) {
        hub.storage.prefetch(hub.cx, &packs);
    }
}

fn whole(hub: &Reading<'_>, memory: &mut Memory, reference: &PackRef) -> Result<Option<Arc<Vec<u8>>>> {
    if let Some(kept) = memory.catalog.kept(&reference.name) {
        return Ok(Some(kept));
    }
    if reference.length <= hub.small() { memory.catalog.whole(hub, reference).map(Some) } else { Ok(None) }
}

/// Neighbouring objects of a pack, to be read in one go.
struct Run<'a> {
    found: &'a [Found],
    start: u64,
    length: usize,
}

fn cut_runs(group: &[Found]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = group;
    while let Some(first) = rest.first() {
        let start = first.slot.offset;
        let (mut end, mut count) = (first.slot.range().end, 1);
        while let Some(next) = rest.get(count)
            && next.slot.offset.saturating_sub(end) <= GAP
            && next.slot.range().end - start <= RUN
        {
            end = next.slot.range().end;
            count += 1;
        }
        let length = usize::try_from(end - start).expect("because a run is bounded by the longest object");
        runs.push(Run { found: &rest[..count], start, length });
        rest = &rest[count..];
    }
    runs
}

/// Runs that are read together: of a place where each read is a round trip, in one.
#[derive(Default)]
struct Runs<'a> {
    runs: Vec<Run<'a>>,
    bytes: u64,
}

impl<'a> Runs<'a> {
    fn are_full_with(&self, run: &Run<'_>) -> bool {
        !self.runs.is_empty() && (self.bytes + run.length as u64 > RUN || self.runs.len() >= PARTS)
    }

    fn push(&mut self, run: Run<'a>) {
        self.bytes += run.length as u64;
        self.runs.push(run);
    }

    /// Reads them, and hands over what stands in them: also those before one that cannot be read.
    fn read(&mut self, hub: &Reading<'_>, memory: &mut Memory, hand: Hand<'_>) -> Result<()> {
        self.bytes = 0;
        let runs = std::mem::take(&mut self.runs);
        let Some(last) = runs.last() else { return Ok(()) };
        hub.cx.check()?;
        let call = |run: &Run<'_>| Call::Range(layout::pack(&run.found[0].pack.name), run.start, run.length);
        let calls: Vec<Call<'_>> = runs.iter().map(call).collect();
        let mut parts = Vec::with_capacity(runs.len());
        let read = hub.get_ranges(&calls, &mut parts);
        for (run, bytes) in runs.iter().zip(&parts) {
            hand(hub.cx, run.found, bytes, run.start).map_err(|error| blame(hub, memory, &run.found[0].pack, error))?;
        }
        let failed = runs.get(parts.len()).unwrap_or(last).found[0].pack;
        read.map_err(|error| blame(hub, memory, &failed, error))
    }
}

/// The stored bytes of an object in `bytes`, which begin at `start` of the pack.
pub(super) fn part<'a>(bytes: &'a [u8], start: u64, found: &Found) -> Result<&'a [u8]> {
    let from = usize::try_from(found.slot.offset - start).ok();
    let part = from.and_then(|from| bytes.get(from..from.checked_add(found.slot.stored_length as usize)?));
    part.ok_or_else(|| Error::new(ErrorKind::Damaged, "its index reaches beyond it"))
}

/// Unpacks the objects that stand in `bytes`, which begin at `start` of the pack, and hands them over: a bounded number
/// of bytes at a time, since a few stored bytes may be a megabyte.
pub(super) fn hand_over(
    cx: &Context,
    found: &[Found],
    bytes: &[u8],
    start: u64,
    take: &mut dyn FnMut(Vec<Brought<'_>>) -> Result<()>,
) -> Result<()> {
    let mut rest = found;
    while !rest.is_empty() {
        cx.check()?;
        let mut length = 0;
        let fits = |found: &&Found| {
            length += found.slot.raw_length as usize;
            length <= BATCH
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let unpacked = rest[..count].par_iter().map(|found| Brought::unpack(found, part(bytes, start, found)?));
        take(unpacked.collect::<Result<_>>()?)?;
        rest = &rest[count..];
    }
    Ok(())
}
