//! Bringing the pages of a revision's tree here.

use std::collections::HashMap;

use super::Node;
use crate::content::{ObjectId, Recipe};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::transport::{Deliver, Want};
use crate::tree::{MemoryPages, Overlay, PageSink, Step, Tree};

impl Node {
    /// Makes sure that the tree `root` of revision `at` can be read here; gives the bytes fetched.
    ///
    /// The cache holds a page only together with all pages beneath it, so a known page ends the search. Pages are
    /// fetched level by level, and cached, lowest first, when the whole tree is here.
    pub(super) fn ensure_tree(&self, cx: &Context, at: Revision, root: Digest) -> Result<u64> {
        let mut fetched = 0;
        let mut arrived = Arrived::default();
        loop {
            cx.check()?;
            let overlay = Overlay::with(arrived.pages.clone(), &*self.db);
            let mut missing: Vec<Digest> = Vec::new();
            Tree::new(&overlay, root).walk_pages(|id, step| match step {
                Step::Found if self.db.has_cached_page(id)? => Ok(false),
                Step::Found if arrived.pages.contains(id) => Ok(true),
                Step::Found => {
                    missing.push(*id);
                    Ok(false)
                }
                Step::Read { .. } => Ok(true),
            })?;
            if missing.is_empty() {
                break;
            }
            self.take_known(&mut missing, &mut arrived)?;
            if !missing.is_empty() {
                let before = arrived.order.len();
                fetched += self.transport.fetch(cx, at, Want::Pages(&missing), &mut arrived)?.bytes;
                if arrived.order.len() == before {
                    return Err(Error::damaged(self.transport.endpoint(), "pages of the revision are not in the hub"));
                }
            }
        }
        let mut bytes = HashMap::new();
        for (id, page) in arrived.pages.iter() {
            bytes.insert(*id, page.to_vec());
        }
        let lowest_first = arrived.order.iter().rev().filter_map(|id| bytes.remove(id).map(|bytes| (*id, bytes)));
        cx.step("state.cache-pages");
        self.db.cache_pages(lowest_first.collect::<Vec<_>>())?;
        Ok(fetched)
    }

    /// Takes pages that the agreement has.
    fn take_known(&self, missing: &mut Vec<Digest>, arrived: &mut Arrived) -> Result<()> {
        let mut unknown = Vec::new();
        for id in missing.drain(..) {
            match self.db.agreed_page(&id)? {
                Some(bytes) => arrived.take(id, bytes.to_vec())?,
                None => unknown.push(id),
            }
        }
        *missing = unknown;
        Ok(())
    }
}

/// Pages as they arrive.
#[derive(Default)]
struct Arrived {
    pages: MemoryPages,
    order: Vec<Digest>,
}

impl Arrived {
    fn take(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        if !self.pages.contains(&id) {
            self.order.push(id);
            self.pages.put(id, bytes)?;
        }
        Ok(())
    }
}

impl Deliver for Arrived {
    fn page(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        self.take(id, bytes)
    }

    fn recipe(&mut self, _: Digest, _: Recipe) -> Result<()> {
        Err(unasked())
    }

    fn needed(&mut self) -> Result<Vec<ObjectId>> {
        Ok(Vec::new())
    }

    fn piece(&mut self, _: Digest, _: &[u8]) -> Result<()> {
        Err(unasked())
    }
}

fn unasked() -> Error {
    Error::new(ErrorKind::Internal, "the transport delivered content where pages were asked for")
}
