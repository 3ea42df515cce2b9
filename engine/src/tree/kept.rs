//! Pages that were read and verified, kept decoded: a publish passes over the same pages of a changed tree six times.
//!
//! Law: a page is named by its bytes, so what was verified once is what the name stands for, whatever became of the
//! store since. What a parent says of a page is not part of it and is checked at each reading.
//!
//! Two generations: a page that is met moves to the young one; when that is full it becomes the old one, and the old
//! one is dropped. So what a pass over a large tree leaves behind is bounded, and costs no list to be kept in order.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::page::Page;
use crate::hash::Digest;

/// Bytes of a generation, about. A tree of 100,000 files has some 10 MiB of decoded pages, and a publish reads two.
const GENERATION: usize = 16 << 20;

/// See the module.
pub struct KeptPages {
    generations: Mutex<Generations>,
    limit: usize,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Arc<Page>>,
    old: HashMap<Digest, Arc<Page>>,
    /// Bytes of the young ones.
    bytes: usize,
}

impl Default for KeptPages {
    fn default() -> Self {
        Self::new(GENERATION)
    }
}

impl KeptPages {
    /// Nothing yet, and never more than two generations of about so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { generations: Mutex::default(), limit }
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page, if it is kept.
    pub(super) fn get(&self, id: &Digest) -> Option<Arc<Page>> {
        let mut generations = self.generations();
        if let Some(page) = generations.young.get(id) {
            return Some(Arc::clone(page));
        }
        let page = generations.old.remove(id)?;
        generations.add(*id, &page, self.limit);
        Some(page)
    }

    /// Keeps a page that was verified.
    pub(super) fn keep(&self, id: Digest, page: &Arc<Page>) {
        self.generations().add(id, page, self.limit);
    }
}

impl Generations {
    fn add(&mut self, id: Digest, page: &Arc<Page>, limit: usize) {
        if self.bytes > limit {
            self.old = mem::take(&mut self.young);
            self.bytes = 0;
        }
        if self.young.insert(id, Arc::clone(page)).is_none() {
            self.bytes += page.memory();
        }
    }
}

impl fmt::Debug for KeptPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPages").finish_non_exhaustive()
    }
}
