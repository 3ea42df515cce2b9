//! A storage that writes down what is asked of it, so that "an idle look is one read" can be a test.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::Result;
use depsync_engine::path::RelPath;
use depsync_transports::storage::{Listed, Placed, Probe, Staged, Storage};
use jiff::Timestamp;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which.
    pub call: &'static str,
    /// On what name.
    pub name: String,
    /// How many bytes were read or written.
    pub bytes: usize,
}

/// A storage around another, with a list of the calls.
pub struct Recording<S> {
    inner: S,
    calls: Mutex<Vec<Operation>>,
}

impl<S: Storage> Recording<S> {
    /// A storage around `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, calls: Mutex::default() }
    }

    /// The calls since the last time this was asked.
    pub fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same as lines of `call name`, with digests and random names cut short.
    pub fn take_lines(&self) -> Vec<String> {
        let shown = |name: &str| if name.starts_with("packs/") { "packs".to_owned() } else { name.to_owned() };
        let line = |call: &Operation| format!("{} {}", call.call, shown(&call.name)).trim_end().to_owned();
        self.take().iter().map(line).collect()
    }

    fn around<T>(
        &self,
        call: &'static str,
        name: Option<&RelPath>,
        bytes: impl FnOnce(&T) -> usize,
        done: Result<T>,
    ) -> Result<T> {
        let name = name.map(ToString::to_string).unwrap_or_default();
        let bytes = done.as_ref().map_or(0, bytes);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Operation { call, name, bytes });
        done
    }
}

impl<S: Storage> Storage for Recording<S> {
    fn endpoint(&self) -> &dyn fmt::Display {
        self.inner.endpoint()
    }

    fn make(&self, cx: &Context) -> Result<()> {
        self.around("make", None, |_| 0, self.inner.make(cx))
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        self.around("probe", None, |_| 0, self.inner.probe(cx))
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.around("get", Some(name), Vec::len, self.inner.get(cx, name, limit))
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        self.around("find", Some(name), |found| found.as_ref().map_or(0, Vec::len), self.inner.find(cx, name, limit))
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.around("get_range", Some(name), Vec::len, self.inner.get_range(cx, name, offset, length))
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        self.inner.prefetch(cx, packs);
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        self.around("put_if_absent", Some(name), |_| bytes.len(), self.inner.put_if_absent(cx, name, bytes))
    }

    fn flush(&self, cx: &Context) -> Result<()> {
        self.inner.flush(cx)
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        self.around("stage", None, |()| bytes.len(), self.inner.stage(cx, staged, bytes))
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        self.around("commit", Some(name), |_| 0, self.inner.commit(cx, staged, name))
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        self.around("replace", Some(name), |_| bytes.len(), self.inner.replace(cx, name, bytes))
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        self.around("list", directory, |_| 0, self.inner.list(cx, directory, limit))
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        self.around("remove", Some(name), |_| 0, self.inner.remove(cx, name))
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        self.around("modified", Some(name), |_| 0, self.inner.modified(cx, name))
    }
}
