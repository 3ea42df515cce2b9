//! How often a hub was asked for something, by what it was asked for.
//!
//! A hub in a directory or behind ssh is asked by the calls of [`Storage`], those that travel together each for itself; a
//! repository by the programs that are started ([`crate::svn`]). What this costs the hub's server, and in round trips, is
//! another matter for each kind of hub; that it grows tells that something is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::Result;
use depsync_engine::path::RelPath;
use jiff::Timestamp;

use crate::batch::{Answer, Call};
use crate::storage::{Listed, Placed, Probe, Staged, Storage};

/// Counts. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Tally {
    /// What was asked so far, and how often.
    pub fn now(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, operation: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
    }
}

/// A storage around another, whose calls are counted. Lines of a text are set by one at a time: of two that do it at the same
/// moment, as the deployments of one process would, one may overwrite the other's.
pub(crate) struct Counted<S> {
    inner: S,
    tally: Tally,
    turn: Mutex<()>,
}

impl<S> Counted<S> {
    pub(crate) fn new(inner: S, tally: Tally) -> Self {
        Self { inner, tally, turn: Mutex::default() }
    }

    /// Waits for its turn, as long as the context lasts.
    fn turn(&self, cx: &Context) -> Result<MutexGuard<'_, ()>> {
        loop {
            match self.turn.try_lock() {
                Ok(turn) => return Ok(turn),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => cx.sleep(Duration::from_millis(1))?,
            }
        }
    }

    fn ask(&self, operation: &'static str) -> &S {
        self.tally.count(operation);
        &self.inner
    }
}

impl<S: Storage> Storage for Counted<S> {
    fn endpoint(&self) -> &dyn fmt::Display {
        self.inner.endpoint()
    }

    fn make(&self, cx: &Context) -> Result<()> {
        self.ask("make").make(cx)
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        self.ask("probe").probe(cx)
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.ask("get").get(cx, name, limit)
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        self.ask("find").find(cx, name, limit)
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.ask("range").get_range(cx, name, offset, length)
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        if packs.is_empty() {
            self.inner.prefetch(cx, packs);
        } else {
            self.ask("prefetch").prefetch(cx, packs);
        }
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        self.ask("put").put_if_absent(cx, name, bytes)
    }

    fn flush(&self, cx: &Context) -> Result<()> {
        self.ask("flush").flush(cx)
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        self.ask("stage").stage(cx, staged, bytes)
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        self.ask("commit").commit(cx, staged, name)
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        self.ask("replace").replace(cx, name, bytes)
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        self.ask("list").list(cx, directory, limit)
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        self.ask("remove").remove(cx, name)
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        self.ask("modified").modified(cx, name)
    }

    fn perform(&self, cx: &Context, calls: &[Call<'_>], answers: &mut Vec<Answer>) -> Result<()> {
        let sets_line = calls.iter().any(|call| matches!(call, Call::SetLine(..)));
        let _turn = if sets_line { Some(self.turn(cx)?) } else { None };
        let done = self.inner.perform(cx, calls, answers);
        // The one behind the last answer has failed, or was asked and said to stop.
        for call in calls.iter().take(answers.len() + usize::from(done.is_err())) {
            self.tally.count(call.operation());
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MountStorage;

    #[test]
    fn calls_are_counted_one_by_one_and_together() {
        let place = tempfile::tempdir().expect("a directory");
        let tally = Tally::default();
        let storage = Counted::new(MountStorage::new(place.path(), false).expect("a storage"), tally.clone());
        let (cx, name) = (Context::new(), RelPath::try_from("HEAD").expect("a name"));
        storage.replace(&cx, &name, b"1").expect("writes");
        let mut answers = Vec::new();
        let calls =
            [Call::Find(name.clone(), 9), Call::Insist(name.clone(), 9, Some(b"2")), Call::Replace(name.clone(), b"3")];
        storage.perform(&cx, &calls, &mut answers).expect("performs");
        assert_eq!(storage.get(&cx, &name, 9).expect("reads"), b"1");
        let counted: Vec<_> = tally.now().into_iter().collect();
        assert_eq!(counted, [("find", 2), ("get", 1), ("replace", 1)]);
    }
}
