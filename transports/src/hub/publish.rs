//! Publishing: upload what the hub lacks, then create the next record exclusively. Nobody locks anything.
//!
//! Storage operations of a publish of one file by a transport that knows the head (and whose ledger knows the packs):
//!
//! | | operation | why |
//! |---|---|---|
//! | 1 | get `HEAD` | it is the parent, by hash: so it is the same hub, and nobody was first |
//! | 2 | find `gc/condemned` | what must not be relied on; only the first time in a process |
//! | 3 | put the pack | |
//! | 4 | stage the record | |
//! | 5 | find `gc/condemned` | nothing that we rely on was condemned meanwhile |
//! | 6 | commit the record | the compare-and-swap |
//! | 7 | replace `HEAD` | |
//! | 8 | find the next record | somebody faster may have written a later `HEAD` before ours |
//! | 9, 10 | get and replace `HEADS` | |
//!
//! Against gc: the record is staged *before* the condemned list is read. gc writes the list first, and before it
//! deletes anything it removes every staged file that is not younger than the list: a publisher that stalled between
//! its look at the list and its commit finds the staged file swept, and starts again. One that committed in time is
//! seen by gc's second walk. Packs that happen to be cut to the very bytes of a condemned one are given another name.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use depsync_engine::content::ObjectId;
use depsync_engine::content::cut::{Cutting, Job, pack_new};
use depsync_engine::content::cutter::Cutter;
use depsync_engine::content::pack::{Pack, PackNames, PackRef, PackWriter};
use depsync_engine::context::{Cancel, Context};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Domain;
use depsync_engine::name::{Revision, random_bytes};
use depsync_engine::path::RelPath;
use depsync_engine::record::{Envelope, MAX_RECORD};
use depsync_engine::transport::{Proposal, Published};
use depsync_engine::tree::Tree;

use super::Memory;
use super::bases::HubBases;
use super::catalog::Shelf;
use super::condemned::{Condemned, MAX_CONDEMNED};
use super::format::Format;
use super::head::{self, Hint};
use super::known::Known;
use super::layout;
use super::reading::Reading;
use crate::batch::{Answer, Call};
use crate::storage::{Placed, Staged};

/// How often what was staged may vanish while gc says nothing new, before we give up.
const TRIES: u64 = 64;
/// The longest pause after gc got in the way.
const PAUSE: u64 = 200;
/// How long finding out what became of a commit may take once its answer was lost.
const SETTLE: Duration = Duration::from_secs(5);

/// Publishes `proposal`.
pub(super) fn publish(
    hub: &Reading<'_>,
    memory: &mut Memory,
    format: &Format,
    proposal: &Proposal<'_>,
) -> Result<Published> {
    if !is_head(hub, memory, proposal.parent)? {
        return Ok(Published::Raced);
    }
    let mut condemned = match memory.condemned.take() {
        Some(believed) => believed,
        None => renew(hub, memory)?,
    };
    let mut sent = 0;
    let mut swept = 0;
    loop {
        let attempt = upload(hub, memory, format, proposal, &condemned, &mut sent);
        // What was put may be waiting where it never arrives.
        let attempt = attempt
            .and_then(|attempt| hub.storage.flush(hub.cx).map(|()| attempt))
            .inspect_err(|_| memory.mine.clear())?;
        let (cutting, packs) = match attempt {
            Ok(whole) => whole,
            Err(moved) => {
                memory.condemned = Some(condemned);
                return Ok(Published::Moved(moved));
            }
        };
        let payload = proposal.draft.clone().place(hub.hub, hub.deployment.clone(), proposal.parent, packs);
        let record = Arc::new(Envelope::seal(&payload)?);
        let staged = Staged::new()?;
        let Some((placed, hints)) = commit(hub, memory, &staged, &record, &condemned)? else {
            let _ = hub.storage.remove(hub.cx, &staged.name);
            condemned = renew(hub, memory)?;
            continue;
        };
        sent += record.bytes().len() as u64;
        match placed {
            Placed::Created => {
                memory.condemned = Some(condemned);
                memory.mine.clear();
                memory.chain.keep(hub, &record)?;
                // The revision stands. A hint that cannot be written is healed by the next who may.
                if hints == Hints::Lag
                    && let Err(error) = head::advance(hub, &mut memory.chain, record.revision())
                {
                    tracing::warn!(%error, "HEAD lags behind");
                }
                return Ok(Published::Done {
                    revision: record.revision(),
                    root: proposal.draft.root,
                    sent,
                    recipes: cutting.recipes,
                });
            }
            Placed::Existed => {
                memory.condemned = Some(condemned);
                return Ok(Published::Raced);
            }
            Placed::Swept if swept < TRIES => {
                swept += 1;
                hub.cx.sleep(Duration::from_millis((5 * swept).min(PAUSE)))?;
                condemned = renew(hub, memory)?;
            }
            Placed::Swept => {
                return Err(Error::new(ErrorKind::Locked, "what is uploaded vanishes again and again")
                    .op("publish")
                    .at(hub.storage.endpoint())
                    .hint("is somebody cleaning the hub's `tmp` up without a pause? `depsync gc` with a longer --grace does not"));
            }
        }
    }
}

/// Reads anew what gc says. Beliefs of before are gone.
fn renew(hub: &Reading<'_>, memory: &mut Memory) -> Result<Condemned> {
    let condemned = Condemned::read(hub)?;
    if !condemned.is_missing() {
        memory.catalog.refresh(hub)?;
    }
    // No record lists them, so gc may have taken them for leftovers. Those that still stand are not written again.
    memory.mine.clear();
    Ok(condemned)
}

/// Whether `parent` is the newest revision. A lagging hint is seen through.
fn is_head(hub: &Reading<'_>, memory: &mut Memory, parent: Option<Revision>) -> Result<bool> {
    let hint = head::hint(hub)?;
    match (hint, parent) {
        (Hint::At(head), Some(parent)) if head == parent => {
            memory.chain.note_head(head);
            Ok(true)
        }
        (_, Some(parent)) => {
            super::identity::confirm(hub.cx, hub.storage, hub.hub)?;
            let known = memory.chain.look(hub, parent.number)?;
            if known.is_none_or(|record| record.revision() != parent) {
                return Err(Error::new(ErrorKind::Refused, format!("the hub no longer has revision {parent}"))
                    .op("publish")
                    .at(hub.storage.endpoint())
                    .hint("it was put back to an earlier state; look at it before anything is published"));
            }
            Ok(head::next(hub, &mut memory.chain, parent)?.is_none())
        }
        (_, None) => {
            super::identity::confirm(hub.cx, hub.storage, hub.hub)?;
            Ok(memory.chain.look(hub, 1)?.is_none())
        }
    }
}

type Uploaded = std::result::Result<(Cutting, Vec<PackRef>), Vec<RelPath>>;

/// Cuts and uploads what the hub lacks: the cutting and the packs that the record must list, or the files that moved.
fn upload(
    hub: &Reading<'_>,
    memory: &mut Memory,
    format: &Format,
    proposal: &Proposal<'_>,
    condemned: &Condemned,
    sent: &mut u64,
) -> Result<Uploaded> {
    let mine: Vec<(PackRef, Arc<PackNames>)> = memory.mine.clone();
    let used_mine = Cell::new(false);
    let held = |id: &ObjectId| {
        let held = mine.iter().any(|(_, names)| names.hold(id));
        used_mine.set(used_mine.get() || held);
        held
    };
    let mut packs = Vec::new();
    let mut cutting = pack(hub, memory, format, proposal, condemned, &held, &mut |memory, pack| {
        let pack = if condemned.packs().contains(&pack.reference.name) { renamed(&pack)? } else { pack };
        hub.cx.step("hub.put-pack");
        hub.storage.put_if_absent(hub.cx, &layout::pack(&pack.reference.name), &pack.bytes)?;
        *sent += pack.bytes.len() as u64;
        packs.push(pack.reference);
        let start = usize::try_from(pack.reference.tail()?.start).expect("because the pack is in memory");
        let shelf = Arc::new(Shelf { reference: pack.reference, index: pack.index });
        memory.catalog.keep(hub, &shelf, &pack.bytes[start..])?;
        memory.mine.push((pack.reference, pack.names));
        Ok(())
    })?;
    let mut moved = std::mem::take(&mut cutting.changed_meanwhile);
    for (path, error) in std::mem::take(&mut cutting.unreadable) {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Refused => moved.push(path),
            _ => return Err(error.at(path).op("publish")),
        }
    }
    if !moved.is_empty() {
        moved.sort_unstable();
        return Ok(Err(moved));
    }
    // A recipe in one of them may rely on pieces in another: all or none.
    if used_mine.get() {
        packs.splice(0..0, mine.iter().map(|(reference, _)| *reference));
    }
    Ok(Ok((cutting, packs)))
}

/// Cuts what the hub lacks, and what is not `held` besides; `sink` gets the packs.
pub(super) fn pack(
    hub: &Reading<'_>,
    memory: &mut Memory,
    format: &Format,
    proposal: &Proposal<'_>,
    condemned: &Condemned,
    held: &dyn Fn(&ObjectId) -> bool,
    sink: &mut dyn FnMut(&mut Memory, Pack) -> Result<()>,
) -> Result<Cutting> {
    let known = Known::survey(hub, &mut memory.catalog, &mut memory.chain, proposal.parent, condemned)?;
    let memory = RefCell::new(memory);
    let archives = format.has_archives();
    let parent = proposal.parent.filter(|_| archives);
    let bases = HubBases { hub, memory: &memory, known: &known, parent, recipes: proposal.recipes };
    let job = Job {
        tree: Tree::new(proposal.pages, proposal.draft.root),
        changes: proposal.changes,
        new_pages: proposal.new_pages,
        pages: proposal.pages,
        local: proposal.content,
        holds: &|id| held(id) || known.holds(id),
        bases: &bases,
        cutter: Cutter::new(format.chunking, archives),
        effort: proposal.effort,
    };
    pack_new(hub.cx, &job, &mut |pack| sink(&mut memory.borrow_mut(), pack))
}

/// The same objects under another name: with sixteen random bytes besides.
fn renamed(pack: &Pack) -> Result<Pack> {
    let mut writer = PackWriter::new();
    for slot in pack.index.iter() {
        let range = slot.range();
        let stored = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let (from, to) = stored.expect("because the pack is in memory");
        writer.add_stored(slot, &pack.bytes[from..to])?;
    }
    let salt = random_bytes()?;
    writer.add(ObjectId::page(Domain::Page.digest(&salt)), &salt)?;
    writer.finish()
}

/// How the hints stand after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hints {
    /// They say that ours is the newest record, or cannot be written now.
    Written,
    /// They do not, or somebody has published after us.
    Lag,
}

/// The compare-and-swap, and if it succeeds the hints, asked for at once; none if gc says something new, and then it was
/// not tried. A lost answer is decided by the bytes that stand there.
fn commit(
    hub: &Reading<'_>,
    memory: &mut Memory,
    staged: &Staged,
    record: &Envelope,
    condemned: &Condemned,
) -> Result<Option<(Placed, Hints)>> {
    let revision = record.revision();
    let name = layout::record(hub.deployment, revision.number);
    let (head, line) = (head::line(revision), head::line_of_heads(hub.deployment, revision));
    let calls = [
        Call::Stage(staged, record.bytes()),
        Call::Insist(layout::condemned(), MAX_CONDEMNED, condemned.bytes()),
        Call::Commit(staged, name.clone()),
        Call::Replace(layout::head(hub.deployment), head.as_bytes()),
        // Somebody may have published and written HEAD before our write put it back.
        Call::Find(layout::record(hub.deployment, revision.number + 1), MAX_RECORD),
        Call::SetLine(layout::heads(), &line),
    ];
    let mut answers = Vec::with_capacity(calls.len());
    if let Err(lost) = hub.storage.perform(hub.cx, &calls, &mut answers) {
        if answers.contains(&Answer::Placed(Placed::Created)) {
            tracing::warn!(error = %lost, "HEAD lags behind");
            return Ok(Some((Placed::Created, Hints::Written)));
        }
        return settle(hub, memory, staged, record, lost).map(|placed| Some((placed, Hints::Lag)));
    }
    let Some(Answer::Placed(placed)) = answers.get(2) else { return Ok(None) };
    let placed = match placed {
        Placed::Created => Placed::Created,
        // Whoever repeated the call for us (an NFS client, a retry) may have met our own record; and a retry after a
        // commit that went through finds the staged file gone, which looks like gc.
        Placed::Existed | Placed::Swept => match hub.find(&name, MAX_RECORD)? {
            Some(bytes) if bytes == record.bytes() => Placed::Created,
            Some(_) => Placed::Existed,
            None => *placed,
        },
    };
    let newest = answers.len() == calls.len() && answers.get(4) == Some(&Answer::Found(None));
    if newest {
        memory.chain.note_head(revision);
    }
    Ok(Some((placed, if newest { Hints::Written } else { Hints::Lag })))
}

/// Finds out what became of a commit whose answer was lost. Once the staged file is removed it cannot happen any more,
/// so what stands there then is the answer.
fn settle(hub: &Reading<'_>, memory: &mut Memory, staged: &Staged, record: &Envelope, lost: Error) -> Result<Placed> {
    // The caller may have cancelled; whether the revision stands is worth a few seconds all the same.
    let cx: Context = hub.cx.clone().with_cancel(Cancel::default()).with_deadline(Instant::now() + SETTLE);
    let name = layout::record(hub.deployment, record.revision().number);
    let removed = hub.storage.remove(&cx, &staged.name);
    let standing = removed.and_then(|()| hub.storage.find(&cx, &name, MAX_RECORD));
    memory.condemned = None;
    match standing {
        Ok(Some(bytes)) if bytes == record.bytes() => Ok(Placed::Created),
        Ok(Some(_)) => Ok(Placed::Existed),
        Ok(None) => Err(lost.op("publish")),
        Err(_) => Err(Error::new(ErrorKind::Indeterminate, "the answer to the commit was lost")
            .op("publish")
            .at(hub.storage.endpoint())
            .hint("look at the head before publishing again: the revision may stand")
            .because(lost)),
    }
}
