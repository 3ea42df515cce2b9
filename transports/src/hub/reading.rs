//! What one call of the transport works with: the place, the ledger, the hub it must be, and a count of bytes read.

use std::sync::atomic::{AtomicU64, Ordering};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::{DeploymentName, HubId};
use depsync_engine::path::RelPath;
use depsync_engine::transport::Ledger;

use super::catalog::{SMALL_PACK, SMALL_PACK_FOR_FEW};
use crate::batch::{Answer, Call};
use crate::storage::Storage;

/// One call's view of the hub.
pub(super) struct Reading<'a> {
    pub(super) cx: &'a Context,
    pub(super) storage: &'a dyn Storage,
    pub(super) ledger: &'a dyn Ledger,
    pub(super) deployment: &'a DeploymentName,
    pub(super) hub: HubId,
    small: u64,
    bytes: AtomicU64,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        cx: &'a Context,
        storage: &'a dyn Storage,
        ledger: &'a dyn Ledger,
        deployment: &'a DeploymentName,
        hub: HubId,
    ) -> Self {
        Self { cx, storage, ledger, deployment, hub, small: SMALL_PACK, bytes: AtomicU64::new(0) }
    }

    /// The same, for somebody who leaves most of what stands beside what he wants.
    pub(super) fn for_few(mut self) -> Self {
        self.small = SMALL_PACK_FOR_FEW;
        self
    }

    /// A pack up to this many bytes is read whole.
    pub(super) fn small(&self) -> u64 {
        self.small
    }

    /// The same for another deployment of the hub.
    pub(super) fn of<'b>(&'b self, deployment: &'b DeploymentName, ledger: &'b dyn Ledger) -> Reading<'b> {
        Reading { small: self.small, ..Reading::new(self.cx, self.storage, ledger, deployment, self.hub) }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        bytes
    }

    /// Reads a name that somebody says exists; one more careful look before it is [`ErrorKind::NotFound`].
    pub(super) fn get(&self, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        match self.storage.get(self.cx, name, limit) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => self.find(name, limit)?.ok_or(missing),
            read => read.map(|bytes| self.count(bytes)),
        }
    }

    /// Reads a name that may not exist.
    pub(super) fn find(&self, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.storage.find(self.cx, name, limit)?.map(|bytes| self.count(bytes)))
    }

    /// Reads a part of a file.
    pub(super) fn get_range(&self, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.storage.get_range(self.cx, name, offset, length).map(|bytes| self.count(bytes))
    }

    /// Reads parts of files, together: those before the first that cannot be read stand in `parts`.
    pub(super) fn get_ranges(&self, calls: &[Call<'_>], parts: &mut Vec<Vec<u8>>) -> Result<()> {
        let mut answers = Vec::with_capacity(calls.len());
        let read = self.storage.perform(self.cx, calls, &mut answers);
        parts.extend(answers.into_iter().filter_map(|answer| match answer {
            Answer::Found(found) => found.map(|bytes| self.count(bytes)),
            Answer::Placed(_) | Answer::Done => None,
        }));
        read
    }

    /// Names the place in an error that has none: the hub's address and the name in it.
    pub(super) fn damaged(&self, name: &RelPath, why: impl Into<String>) -> Error {
        Error::damaged(format!("{}/{name}", self.storage.endpoint()), why)
    }
}
