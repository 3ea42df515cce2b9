//! What a directory-like place must be able to do to hold a hub.
//!
//! [`Storage`] is small on purpose: the mount and rsync implement it, an object store can. It knows names and bytes,
//! not revisions; [`crate::hub::HubTransport`] turns it into a transport once for all of them.
//!
//! Laws, which the conformance suite checks:
//! - what becomes visible under a name is whole, and durable when the call returns (what was put: when it was flushed);
//! - [`Storage::commit`] is the one compare-and-swap: of two callers exactly one is told [`Placed::Created`], and once
//!   the staged file was removed by anybody, it can never win again ([`Placed::Swept`]). Collecting garbage relies on it;
//! - a read claims no more memory than its limit, whatever the place holds;
//! - what is read is what the place holds now: network file systems remember for up to a minute that a name was missing,
//!   and which file it was before somebody else replaced it. Packs that were announced ([`Storage::prefetch`]) are read
//!   as the place held them since: they are named by their content, and whoever reads them checks that;
//! - a call that finds its context cancelled does nothing.

use std::fmt;

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::Result;
use depsync_engine::name::random_bytes;
use depsync_engine::path::RelPath;
use jiff::Timestamp;

use crate::batch::{self, Answer, Call};
use crate::hub::layout;

/// What a storage turned out to be able to do when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether this process may write there.
    pub writable: bool,
    /// Whether [`Storage::commit`] works. Without it nothing can be published.
    pub exclusive: bool,
    /// Why nothing can be published, where rights and the file system are not what it is about.
    pub refused: Option<String>,
    /// The storage's own clock: the modification time of something just written. None where nothing can be written.
    pub now: Option<Timestamp>,
}

/// A temporary name. Once it was staged, a whole, durable file stands there, ready to be given its real name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a staged file that is neither committed nor removed is left for gc"]
pub struct Staged {
    /// Where it is.
    pub name: RelPath,
}

impl Staged {
    /// A name that nothing has.
    pub fn new() -> Result<Self> {
        let drawn = data_encoding::HEXLOWER.encode(&random_bytes()?);
        Ok(Self { name: layout::temporary(drawn.as_bytes())? })
    }
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The name is ours now.
    Created,
    /// The name was there already; nothing was changed.
    Existed,
    /// The staged file is gone: gc took this call for dead. Nothing was changed.
    Swept,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name.
    pub name: Vec<u8>,
    /// Whether it is a directory.
    pub directory: bool,
}

/// A directory-like place. See the module for its laws.
pub trait Storage: Send + Sync {
    /// The place for people, without credentials.
    fn endpoint(&self) -> &dyn fmt::Display;

    /// Makes the place itself if it is missing and the directory above it is not.
    fn make(&self, cx: &Context) -> Result<()>;

    /// Measures what the place can do. Leaves nothing behind.
    fn probe(&self, cx: &Context) -> Result<Probe>;

    /// Reads `name`, which exists: otherwise [`depsync_engine::error::ErrorKind::NotFound`]. More than `limit` bytes
    /// are [`depsync_engine::error::ErrorKind::Damaged`].
    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>>;

    /// Reads `name` if it exists by now, however lately it was missing.
    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>>;

    /// Reads exactly `length` bytes of `name` from `offset`. Where they do not exist:
    /// [`depsync_engine::error::ErrorKind::Damaged`].
    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>>;

    /// Says which packs are about to be read (nearly) whole, in this order, and how long they are. It is advice: a place
    /// may bring them together, ahead of the reads. Nothing fails here; what goes wrong shows when they are read. It
    /// takes the place of what was said before; if it says nothing, the reads are done, and what was brought is dropped.
    fn prefetch(&self, _cx: &Context, _packs: &[(RelPath, u64)]) {}

    /// Writes a file whose name says what is in it. One that exists with the same length stays. It may wait for others:
    /// what was put is whole and durable only after [`Storage::flush`].
    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created>;

    /// Writes whatever was put and waits.
    fn flush(&self, _cx: &Context) -> Result<()> {
        Ok(())
    }

    /// Writes a whole, durable file under a temporary name.
    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()>;

    /// Gives a staged file its name unless that exists. The temporary name is gone afterwards, whatever the answer.
    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed>;

    /// Puts `bytes` in the place of whatever had the name. Readers see the old bytes or the new ones.
    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()>;

    /// The names in a directory (`None`: the top), sorted; none if it does not exist. More than `limit` are
    /// [`depsync_engine::error::ErrorKind::Refused`].
    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>>;

    /// Removes a file. One that is gone already is no error.
    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()>;

    /// When `name` was last written, by the storage's clock.
    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>>;

    /// Writes `bytes` under `name` unless it exists: [`Storage::stage`], then [`Storage::commit`].
    fn create_exclusive(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Placed> {
        let staged = Staged::new()?;
        self.stage(cx, &staged, bytes)?;
        self.commit(cx, &staged, name)
    }

    /// Makes several calls, in this order and as if one after the other, in as few round trips as the place allows. Ends
    /// early where a call says so. What was made is answered in `answers`, also on an error: that may be one of any call
    /// behind those, which may have been made.
    fn perform(&self, cx: &Context, calls: &[Call<'_>], answers: &mut Vec<Answer>) -> Result<()> {
        batch::in_turn(self, cx, calls, answers)
    }
}

impl<S: Storage + ?Sized> Storage for std::sync::Arc<S> {
    fn endpoint(&self) -> &dyn fmt::Display {
        (**self).endpoint()
    }

    fn make(&self, cx: &Context) -> Result<()> {
        (**self).make(cx)
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        (**self).probe(cx)
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        (**self).get(cx, name, limit)
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        (**self).find(cx, name, limit)
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        (**self).get_range(cx, name, offset, length)
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        (**self).prefetch(cx, packs);
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        (**self).put_if_absent(cx, name, bytes)
    }

    fn flush(&self, cx: &Context) -> Result<()> {
        (**self).flush(cx)
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        (**self).stage(cx, staged, bytes)
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        (**self).commit(cx, staged, name)
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        (**self).replace(cx, name, bytes)
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        (**self).list(cx, directory, limit)
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        (**self).remove(cx, name)
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        (**self).modified(cx, name)
    }

    fn perform(&self, cx: &Context, calls: &[Call<'_>], answers: &mut Vec<Answer>) -> Result<()> {
        (**self).perform(cx, calls, answers)
    }
}
