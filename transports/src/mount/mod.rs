//! A hub in a mounted directory: plain file calls, with their laws kept on NFS too.
//!
//! - What is written appears whole: a flushed temporary file under `tmp/`, then a rename or a hard link.
//! - A name that may be new is looked for after opening the directories above it ([`Storage::find`]).
//! - Nothing is ever locked with `flock`; a hard link is the exclusive creation.
//! - Every call runs under a watchdog, so that a dead server cannot hold the caller beyond its deadline.
//! - What a mount says whose server does not answer (a soft one gives up, with `EIO`) is *unreachable*, not a broken disk.

mod network;
mod place;
mod watchdog;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::Result;
use depsync_engine::name::random_bytes;
use depsync_engine::path::RelPath;
use jiff::Timestamp;

use crate::storage::{Listed, Placed, Probe, Staged, Storage};
pub(crate) use network::lies_on_network;
use place::Place;
use watchdog::Watchdog;

/// A directory as a hub's place.
#[derive(Debug)]
pub struct MountStorage {
    place: Arc<Place>,
    shown: String,
    dog: Watchdog,
}

impl MountStorage {
    /// The directory `path`. With `network` it must be on a live network mount whenever it is used. Touches nothing.
    pub fn new(path: impl Into<PathBuf>, network: bool) -> Result<Self> {
        let path = path.into();
        let shown = path.display().to_string();
        let token = data_encoding::HEXLOWER.encode(&random_bytes()?[..6]);
        let place = Arc::new(Place { path, network, token, next: AtomicU64::new(0) });
        Ok(Self { place, dog: Watchdog::new(shown.clone()), shown })
    }

    fn run<T: Send + 'static>(
        &self,
        cx: &Context,
        call: impl FnOnce(&Place, &Context) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.place);
        let inner = cx.clone();
        self.dog.run(cx, move || call(&place, &inner).map_err(|error| network::judge(&place.path, error)))
    }
}

impl Storage for MountStorage {
    fn endpoint(&self) -> &dyn fmt::Display {
        &self.shown
    }

    fn make(&self, cx: &Context) -> Result<()> {
        self.run(cx, Place::make)
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        self.run(cx, Place::probe)
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        let name = name.clone();
        self.run(cx, move |place, _| place.get(&name, limit))
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        let name = name.clone();
        self.run(cx, move |place, _| place.find(&name, limit))
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        let name = name.clone();
        self.run(cx, move |place, _| place.get_range(&name, offset, length))
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        let (name, bytes) = (name.clone(), bytes.to_vec());
        self.run(cx, move |place, cx| place.put_if_absent(cx, &name, &bytes))
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        let (staged, bytes) = (staged.clone(), bytes.to_vec());
        self.run(cx, move |place, cx| place.stage(cx, &staged, &bytes))
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        let (staged, name) = (staged.clone(), name.clone());
        self.run(cx, move |place, cx| place.commit(cx, &staged, &name))
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        let (name, bytes) = (name.clone(), bytes.to_vec());
        self.run(cx, move |place, cx| place.replace(cx, &name, &bytes))
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        let directory = directory.cloned();
        self.run(cx, move |place, _| place.list(directory.as_ref(), limit))
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        let name = name.clone();
        self.run(cx, move |place, cx| place.remove(cx, &name))
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        let name = name.clone();
        self.run(cx, move |place, _| place.modified(&name))
    }
}

#[cfg(test)]
mod tests;
