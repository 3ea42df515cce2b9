//! A storage that fails when it is told to: at one call, in one way.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use depsync_transports::storage::{Listed, Placed, Probe, Staged, Storage};
use jiff::Timestamp;

/// What goes wrong at the chosen call.
pub enum Fault {
    /// The call fails and does nothing.
    Fail(ErrorKind),
    /// The call succeeds and its answer is lost.
    LostReply,
    /// Half of what was to be written stays behind under a temporary name, and the disk is full.
    ShortWrite,
    /// The call hangs until the caller's deadline or cancellation.
    Hang,
    /// The caller cancels just before the call.
    Cancel,
    /// The caller cancels while the call goes through.
    CancelAfter,
    /// Somebody else does something just before the call.
    Meanwhile(Box<dyn FnOnce() + Send>),
}

/// A storage around another. Without a fault set it changes nothing.
pub struct Faulty<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: usize,
    faults: Vec<(usize, Fault)>,
}

impl<S: Storage> Faulty<S> {
    /// A storage around `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Lets `fault` happen at the call `at`, counted from 1 and from now. Others that are set stay.
    pub fn set(&self, at: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at = at + state.calls;
        state.faults.push((at, fault));
    }

    /// How many calls there were since the last time this was asked. Faults that are set are forgotten.
    pub fn reset(&self) -> usize {
        std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner)).calls
    }

    /// Whether some fault has not happened yet.
    pub fn is_armed(&self) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).faults.is_empty()
    }

    fn next(&self) -> Option<Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls += 1;
        let calls = state.calls;
        let at = state.faults.iter().position(|(at, _)| *at == calls)?;
        Some(state.faults.swap_remove(at).1)
    }

    fn around<T>(&self, cx: &Context, bytes: Option<&[u8]>, call: impl FnOnce() -> Result<T>) -> Result<T> {
        cx.check()?;
        let injected = |kind| Error::new(kind, "injected").at(self.inner.endpoint());
        match self.next() {
            None => call(),
            Some(Fault::Fail(kind)) => Err(injected(kind)),
            Some(Fault::LostReply) => call().and(Err(injected(ErrorKind::Unreachable))),
            Some(Fault::ShortWrite) => {
                if let Some(bytes) = bytes {
                    self.inner.stage(cx, &Staged::new()?, &bytes[..bytes.len() / 2])?;
                }
                Err(injected(ErrorKind::NoSpace))
            }
            Some(Fault::Hang) => loop {
                cx.sleep(std::time::Duration::from_millis(20))?;
            },
            Some(Fault::Cancel) => {
                cx.cancel().cancel();
                cx.check()?;
                call()
            }
            Some(Fault::CancelAfter) => {
                let done = call();
                cx.cancel().cancel();
                done.and_then(|_| Err(injected(ErrorKind::Cancelled)))
            }
            Some(Fault::Meanwhile(what)) => {
                what();
                call()
            }
        }
    }
}

impl<S: Storage> Storage for Faulty<S> {
    fn endpoint(&self) -> &dyn fmt::Display {
        self.inner.endpoint()
    }

    fn make(&self, cx: &Context) -> Result<()> {
        self.around(cx, None, || self.inner.make(cx))
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        self.around(cx, None, || self.inner.probe(cx))
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.around(cx, None, || self.inner.get(cx, name, limit))
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        self.around(cx, None, || self.inner.find(cx, name, limit))
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.around(cx, None, || self.inner.get_range(cx, name, offset, length))
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        self.inner.prefetch(cx, packs);
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        self.around(cx, Some(bytes), || self.inner.put_if_absent(cx, name, bytes))
    }

    fn flush(&self, cx: &Context) -> Result<()> {
        self.inner.flush(cx)
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        self.around(cx, Some(bytes), || self.inner.stage(cx, staged, bytes))
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        self.around(cx, None, || self.inner.commit(cx, staged, name))
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        self.around(cx, Some(bytes), || self.inner.replace(cx, name, bytes))
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        self.around(cx, None, || self.inner.list(cx, directory, limit))
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        self.around(cx, None, || self.inner.remove(cx, name))
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        self.around(cx, None, || self.inner.modified(cx, name))
    }
}
