//! Where pages are read from and written to.

use std::collections::HashMap;
use std::sync::Arc;

use super::kept::KeptPages;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

/// A place that pages are read from. It need not verify them: the reader does.
pub trait Pages: Sync {
    /// The bytes of the page `id`. Errors: [`ErrorKind::NotFound`] where there is none.
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>>;

    /// Whether the page `id` is there.
    fn has(&self, id: &Digest) -> Result<bool> {
        match self.page(id) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where verified pages are kept that were read from here as `id`, if they are.
    fn kept(&self, _id: &Digest) -> Option<&KeptPages> {
        None
    }
}

/// A place that new pages are written to.
pub trait PageSink {
    /// Takes a page: its id, and the bytes that the id was made from. May be given a page that it has.
    fn put(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()>;
}

/// Pages in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryPages(HashMap<Digest, Arc<[u8]>>);

impl MemoryPages {
    /// How many pages there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the page `id` is here.
    pub fn contains(&self, id: &Digest) -> bool {
        self.0.contains_key(id)
    }

    /// The bytes of the page `id`, if it is here.
    pub fn get(&self, id: &Digest) -> Option<&Arc<[u8]>> {
        self.0.get(id)
    }

    /// All pages, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &Arc<[u8]>)> {
        self.0.iter()
    }

    /// Takes all pages of `other`.
    pub fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Removes the page `id` and gives its bytes, if it is here.
    pub fn remove(&mut self, id: &Digest) -> Option<Arc<[u8]>> {
        self.0.remove(id)
    }
}

impl Pages for MemoryPages {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        let found = self.0.get(id).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such page").at(format_args!("page {id}")))
    }
}

impl PageSink for MemoryPages {
    fn put(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        self.0.insert(id, bytes.into());
        Ok(())
    }
}

/// Bytes of decoded fresh pages that are kept: their bytes are in memory already, and there may be several overlays.
const KEPT: usize = 8 << 20;

/// Fresh pages in memory over a base: reads look at the fresh ones first, writes go there unless the base has the page.
pub struct Overlay<'a> {
    fresh: MemoryPages,
    base: &'a dyn Pages,
    /// Of fresh pages: the base need not ever get them.
    kept: KeptPages,
}

impl<'a> Overlay<'a> {
    /// Nothing fresh over `base`.
    pub fn new(base: &'a dyn Pages) -> Self {
        Self::with(MemoryPages::default(), base)
    }

    /// `fresh` over `base`.
    pub fn with(fresh: MemoryPages, base: &'a dyn Pages) -> Self {
        Self { fresh, base, kept: KeptPages::new(KEPT) }
    }

    /// The fresh pages.
    pub fn fresh(&self) -> &MemoryPages {
        &self.fresh
    }

    /// Takes pages that the base does not have.
    pub fn absorb(&mut self, pages: MemoryPages) -> Result<()> {
        for (id, bytes) in pages.0 {
            if !self.base.has(&id)? {
                self.fresh.0.insert(id, bytes);
            }
        }
        Ok(())
    }

    /// Gives the fresh pages away.
    pub fn into_fresh(self) -> MemoryPages {
        self.fresh
    }
}

impl Pages for Overlay<'_> {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        match self.fresh.0.get(id) {
            Some(bytes) => Ok(Arc::clone(bytes)),
            None => self.base.page(id),
        }
    }

    fn kept(&self, id: &Digest) -> Option<&KeptPages> {
        if self.fresh.contains(id) { Some(&self.kept) } else { self.base.kept(id) }
    }
}

impl PageSink for Overlay<'_> {
    fn put(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        if self.base.has(&id)? { Ok(()) } else { self.fresh.put(id, bytes) }
    }
}
