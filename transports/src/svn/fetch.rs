//! Handing over what was read: pages from the ledger, contents from the spool.
//!
//! Both were filled when the root was measured. Where they are not (a dump only named a content, the process before this
//! one measured the root, or the cache was lost) a few contents are fetched one by one, and otherwise all of the revision.

use std::collections::HashSet;

use depsync_engine::content::chunker::Chunking;
use depsync_engine::content::{MAX_CHUNK, ObjectId, Piece, Recipe};
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::transport::{Deliver, Fetched, Want, WantedContent};

use super::dump::Base;
use super::spool::Spool;
use super::transport::SvnTransport;
use super::{cat, known};

/// How many bytes are handed over in one go.
const BATCH: usize = 8 << 20;

pub(super) fn fetch(
    transport: &SvnTransport,
    cx: &Context,
    at: Revision,
    want: Want<'_>,
    to: &mut dyn Deliver,
) -> Result<Fetched> {
    match want {
        Want::Pages(ids) => pages(transport, cx, at, ids, to),
        Want::Contents(wanted) => contents(transport, cx, at, wanted, to),
    }
}

fn pages(
    transport: &SvnTransport,
    cx: &Context,
    at: Revision,
    ids: &[Digest],
    to: &mut dyn Deliver,
) -> Result<Fetched> {
    let mut bytes = 0;
    let mut again = true;
    for id in ids {
        let page = match transport.ledger.page(id) {
            Err(error) if error.kind() == ErrorKind::NotFound && again => {
                again = false;
                transport.measure_whole(cx, at)?;
                transport.ledger.page(id)
            }
            page => page,
        };
        let page = page.map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(transport, at),
            _ => error,
        })?;
        bytes += page.len() as u64;
        to.page(*id, page.to_vec())?;
    }
    Ok(Fetched { bytes })
}

fn missing(transport: &SvnTransport, at: Revision) -> Error {
    Error::damaged(transport.client.url(), format!("what is wanted of revision {} is not in it", at.number))
}

fn contents(
    transport: &SvnTransport,
    cx: &Context,
    at: Revision,
    wanted: &[WantedContent],
    to: &mut dyn Deliver,
) -> Result<Fetched> {
    let lacks = |spool: Option<&Spool>| {
        wanted.iter().any(|one| one.size > 0 && spool.is_none_or(|spool| spool.content(&one.hash).is_none()))
    };
    let lacking = lacks(transport.memory().spool.as_ref());
    if lacking {
        let spool = transport.memory().spool.take();
        let mut spool = spool.map_or_else(|| Spool::new(&transport.room), Ok)?;
        let tree = known::measured(&*transport.ledger, at)?.map(|measured| (at.number, measured.root));
        let come = tree.map_or(Ok(false), |tree| cat::fetch(transport, cx, tree, wanted, &mut spool))?;
        if come {
            transport.memory().spool = Some(spool);
        } else {
            transport.measure_whole(cx, at)?;
        }
    }
    let memory = transport.memory();
    let Some(spool) = memory.spool.as_ref().filter(|spool| !lacks(Some(spool))) else {
        return Err(missing(transport, at));
    };
    let mut recipes: Vec<(Digest, Recipe)> = Vec::new();
    for one in wanted.iter().filter(|one| one.size > MAX_CHUNK as u64) {
        let Some(held) = spool.content(&one.hash) else { continue };
        let cut = Chunking::V1.measure(cx, held, one.size).map_err(|error| error.op("read what was fetched"))?;
        if cut.hash != one.hash {
            return Err(missing(transport, at));
        }
        to.recipe(one.hash, cut.recipe.clone())?;
        recipes.push((one.hash, cut.recipe));
    }
    let mut needed: HashSet<ObjectId> = to.needed()?.into_iter().collect();
    let mut batch = Batch { to, pieces: Vec::new(), waiting: 0, bytes: 0 };
    for one in wanted.iter().filter(|one| (1..=MAX_CHUNK as u64).contains(&one.size)) {
        if needed.remove(&ObjectId::piece(one.hash)) {
            batch.add(cx, spool, (&one.hash, 0), (one.hash, one.size as usize))?;
        }
    }
    for (file, recipe) in &recipes {
        for (offset, piece) in recipe.positions() {
            if needed.remove(&ObjectId::piece(piece.hash)) {
                batch.add(cx, spool, (file, offset), (piece.hash, piece.length as usize))?;
            }
        }
    }
    batch.flush()?;
    Ok(Fetched { bytes: batch.bytes })
}

/// Pieces on their way.
struct Batch<'a> {
    to: &'a mut dyn Deliver,
    pieces: Vec<Piece<'static>>,
    waiting: usize,
    bytes: u64,
}

impl Batch<'_> {
    /// Adds what stands at an offset of a file.
    fn add(
        &mut self,
        cx: &Context,
        spool: &Spool,
        (file, offset): (&Digest, u64),
        (piece, length): (Digest, usize),
    ) -> Result<()> {
        cx.check()?;
        let gone = || Error::new(ErrorKind::Internal, "what was fetched is gone");
        let held = spool.content(file).ok_or_else(gone)?;
        let mut bytes = vec![0; length];
        held.fill_at(&mut bytes, offset).map_err(|source| Error::io("read", "what was fetched", source))?;
        self.pieces.push(Piece::verify(piece, bytes)?);
        self.waiting += length;
        self.bytes += length as u64;
        if self.waiting >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.waiting = 0;
        let pieces = std::mem::take(&mut self.pieces);
        if pieces.is_empty() { Ok(()) } else { self.to.pieces(&pieces) }
    }
}
