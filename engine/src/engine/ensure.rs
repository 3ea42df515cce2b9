//! Bringing the pages of a revision's tree here.
//!
//! The cache holds a page only together with all pages beneath it, so a known page ends the search. Pages are fetched
//! level by level, from the root down. Leaves, all but one page in a hundred, are whole trees by themselves and go to
//! the cache as they arrive; those above them wait in memory until all that is beneath them is there.

use std::collections::HashSet;

use super::Node;
use crate::content::{ObjectId, Piece, Recipe};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::revdb::CacheSink;
use crate::transport::{Deliver, Want};
use crate::tree::{self, PageSink, Pages, empty_root};

/// How many pages are asked for at a time.
const BATCH: usize = 4096;

impl Node {
    /// Makes sure that the tree `root` of revision `at` can be read here; gives the bytes fetched.
    pub(super) fn ensure_tree(&self, cx: &Context, at: Revision, root: Digest) -> Result<u64> {
        let mut fetched = 0;
        let mut arriving = Arriving::new(self.db.cache_sink(), self.rules.fingerprint().is_some());
        arriving.below.push(root);
        while !arriving.below.is_empty() {
            cx.check()?;
            let mut missing: Vec<Digest> = Vec::new();
            for id in std::mem::take(&mut arriving.below) {
                if id == empty_root() || self.db.has_cached_page(&id)? || !arriving.asked.insert(id) {
                    continue;
                }
                match self.db.agreed_page(&id)? {
                    Some(bytes) => arriving.page(id, bytes.to_vec())?,
                    None => missing.push(id),
                }
            }
            for batch in missing.chunks(BATCH) {
                arriving.missing = batch.iter().copied().collect();
                fetched += self.transport.fetch(cx, at, Want::Pages(batch), &mut arriving)?.bytes;
                if !arriving.missing.is_empty() {
                    return Err(Error::damaged(self.transport.endpoint(), "pages of the revision are not in the hub"));
                }
            }
        }
        cx.step("state.cache-pages");
        arriving.finish()?;
        Ok(fetched)
    }

    /// Remembers those of `new_pages` (each above those beneath it) that the cache does not have.
    pub(super) fn cache_tree(&self, pages: &dyn Pages, new_pages: &[Digest]) -> Result<()> {
        let mut sink = self.db.cache_sink();
        for id in new_pages.iter().rev() {
            if !self.db.has_cached_page(id)? {
                sink.put(*id, pages.page(id)?.to_vec())?;
            }
        }
        sink.finish()
    }
}

/// The most bytes of pages that may be new in one update: the index of some three million files. Pages compress a
/// thousandfold where somebody means them to, so the hub's size is no bound.
const MAX_INDEX: usize = 256 << 20;
/// The most bytes of those above the leaves, which wait in memory.
const MAX_UPPER: usize = 64 << 20;

/// Pages as they arrive.
struct Arriving<'a> {
    cache: CacheSink<'a>,
    /// Those above the leaves, in the order in which they came.
    upper: Vec<(Digest, Vec<u8>)>,
    /// What the pages that came have right beneath them.
    below: Vec<Digest>,
    /// Everything that was looked for, so that a tree that names a page twice is not walked twice.
    asked: HashSet<Digest>,
    /// What was asked for and has not come yet.
    missing: HashSet<Digest>,
    /// How many bytes came, and how many of them in pages above the leaves.
    bytes: usize,
    upper_bytes: usize,
    /// Whether there is more in the hub than is wanted here.
    wants_few: bool,
}

impl<'a> Arriving<'a> {
    fn new(cache: CacheSink<'a>, wants_few: bool) -> Self {
        let (upper, below) = (Vec::new(), Vec::new());
        let (asked, missing) = (HashSet::new(), HashSet::new());
        Self { cache, upper, below, asked, missing, bytes: 0, upper_bytes: 0, wants_few }
    }

    fn finish(mut self) -> Result<()> {
        for (id, bytes) in std::mem::take(&mut self.upper).into_iter().rev() {
            self.cache.put(id, bytes)?;
        }
        self.cache.finish()
    }
}

impl Deliver for Arriving<'_> {
    fn wants_few(&self) -> bool {
        self.wants_few
    }

    fn page(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        self.missing.remove(&id);
        let (level, children) = tree::children(&id, &bytes)?;
        self.bytes += bytes.len();
        self.upper_bytes += if level > 0 { bytes.len() } else { 0 };
        if self.bytes > MAX_INDEX || self.upper_bytes > MAX_UPPER {
            return Err(Error::damaged(format!("page {id}"), "the revision has far more new pages than files need"));
        }
        if level == 0 {
            return self.cache.put(id, bytes);
        }
        self.below.extend(children);
        self.upper.push((id, bytes));
        Ok(())
    }

    fn recipe(&mut self, _: Digest, _: Recipe) -> Result<()> {
        Err(unasked())
    }

    fn needed(&mut self) -> Result<Vec<ObjectId>> {
        Ok(Vec::new())
    }

    fn pieces(&mut self, _: &[Piece<'_>]) -> Result<()> {
        Err(unasked())
    }
}

fn unasked() -> Error {
    Error::new(ErrorKind::Internal, "the transport delivered content where pages were asked for")
}
