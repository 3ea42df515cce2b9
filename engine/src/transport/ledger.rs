//! What is remembered of a hub between calls.
//!
//! Records, pack indexes and pages never change, so a local copy saves reading them again and can be dropped at any
//! time. Whoever reads from a ledger checks what it gets exactly as if the hub had sent it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::hash::Digest;
use crate::tree::{MemoryPages, PageSink, Pages, Step, Tree};

/// Local copies of a deployment's immutable objects.
pub trait Ledger: Pages + Send {
    /// The bytes of record `number`, if they are known.
    fn record(&self, number: u64) -> Result<Option<Vec<u8>>>;

    /// Remembers the bytes of record `number`.
    fn remember_record(&self, number: u64, bytes: &[u8]) -> Result<()>;

    /// The tail (index and trailer) of the pack `name`, if it is known.
    fn pack_tail(&self, name: &Digest) -> Result<Option<Vec<u8>>>;

    /// Remembers the tail of the pack `name`.
    fn remember_pack_tail(&self, name: &Digest, tail: &[u8]) -> Result<()>;

    /// The multi-pack index `hash`, if it is the one remembered.
    fn hub_index(&self, hash: &Digest) -> Result<Option<Vec<u8>>>;

    /// Remembers the multi-pack index `hash` in the place of any other: a hub has one, and it is as large as all that
    /// is alive in the hub.
    fn remember_hub_index(&self, hash: &Digest, bytes: &[u8]) -> Result<()>;

    /// Remembers the tree `root`, whose pages are in `pages`.
    fn remember_tree(&self, root: &Digest, pages: &dyn Pages) -> Result<()>;
}

/// A ledger in memory, for a process that keeps no state.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    records: Mutex<BTreeMap<u64, Vec<u8>>>,
    tails: Mutex<HashMap<Digest, Vec<u8>>>,
    index: Mutex<Option<(Digest, Vec<u8>)>>,
    pages: Mutex<MemoryPages>,
}

impl Pages for MemoryLedger {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        self.pages().page(id)
    }
}

impl MemoryLedger {
    fn pages(&self) -> MutexGuard<'_, MemoryPages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn record(&self, number: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.records.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned())
    }

    fn remember_record(&self, number: u64, bytes: &[u8]) -> Result<()> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).insert(number, bytes.to_vec());
        Ok(())
    }

    fn pack_tail(&self, name: &Digest) -> Result<Option<Vec<u8>>> {
        Ok(self.tails.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    fn remember_pack_tail(&self, name: &Digest, tail: &[u8]) -> Result<()> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).insert(*name, tail.to_vec());
        Ok(())
    }

    fn hub_index(&self, hash: &Digest) -> Result<Option<Vec<u8>>> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(index.as_ref().filter(|(known, _)| known == hash).map(|(_, bytes)| bytes.clone()))
    }

    fn remember_hub_index(&self, hash: &Digest, bytes: &[u8]) -> Result<()> {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Some((*hash, bytes.to_vec()));
        Ok(())
    }

    fn remember_tree(&self, root: &Digest, pages: &dyn Pages) -> Result<()> {
        let mut found = MemoryPages::default();
        Tree::new(pages, *root).walk_pages(|id, step| match step {
            Step::Found => Ok(!self.pages().contains(id)),
            Step::Read { bytes, .. } => found.put(*id, bytes.to_vec()).map(|()| true),
        })?;
        self.pages().absorb(found);
        Ok(())
    }
}
