//! The scan: what is in the directory now, as a difference from what was there.
//!
//! A scan walks the directory by handles (`getdents`, and one `statx` per entry), sorts the names of each directory
//! and joins them with the stat cache ([`Cache`]), which is sorted the same way. Where stamp and record agree, the
//! record is believed; everything else is read again. What comes out ([`Scan`]) is the difference between the tree
//! that the cache stands for, the *observed tree*, and the disk, together with the blocks of the cache that changed.
//!
//! Laws:
//! - an entry that cannot be read is a [`Problem`] and keeps what was observed of it, and of everything beneath it,
//!   before: unreadable is never gone. A name that a listing leaves out is looked up before it counts as removed;
//! - a file's hash is of bytes between two equal stamps: what changes while it is read is read again, and in the end
//!   left as it was and listed as unsettled;
//! - a hash is believed later only if the file had been left alone for a moment when it was read (the *racy-clock
//!   rule*, see `read`): a second change within one tick of the file system's clock cannot hide;
//! - the scan writes nothing, follows no symbolic link, and holds a bounded number of handles however deep it goes;
//! - the result does not depend on the number of threads.
//!
//! How it goes: `walk` hands directories to threads; `listing` reads one, and what is unchanged is marked on the `roll`;
//! `merge` joins the rest with the `cache`, whose `block`s it leaves untouched where it can; `read` hashes; `assemble` puts the pieces in order and decides what a
//! directory that failed means for the one above. `ignore` says what is left out, `part` what is looked at if not everything, `hold` what a publisher keeps back.

mod assemble;
mod block;
mod cache;
mod hold;
mod ignore;
mod listing;
mod merge;
mod part;
mod read;
mod roll;
#[cfg(test)]
mod tests;
mod walk;

use std::num::NonZeroUsize;

pub use self::block::BlockKey;
pub use self::cache::{BlockBytes, Cache};
pub use self::hold::{ARCHIVE_EXTENSIONS, Flaw, archive_flaw, is_called_archive};
pub use self::ignore::{IGNORE_FILE, Ignore};
pub use self::part::{Part, Reach};
use crate::beneath::Root;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::Entry;

/// Who decides which entries are looked at. Asked only for entries that the cache does not hold.
pub trait Interest: Sync {
    /// Whether the entry matters. What is not wanted is not hashed, not reported and not descended into. Be quick.
    fn wants(&self, path: &RelPath, is_directory: bool) -> bool;
}

/// Interested in everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Interest for Everything {
    fn wants(&self, _path: &RelPath, _is_directory: bool) -> bool {
        true
    }
}

/// How to scan.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Believe no cached hash: read every file.
    pub full: bool,
    /// Which new entries matter.
    pub interest: &'a dyn Interest,
    /// The most threads to use; never more than the machine offers.
    pub threads: Option<NonZeroUsize>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { full: false, interest: &Everything, threads: None }
    }
}

/// Something that could not be read.
#[derive(Debug)]
pub struct Problem {
    /// Where; `None` for a name that cannot be a path of the deployment (the error shows it).
    pub path: Option<RelPath>,
    /// Why.
    pub error: Error,
    /// Whether everything beneath the path is unknown too.
    pub subtree: bool,
}

/// A kind of entry that is never synchronized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecialKind {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something this version does not know.
    Unknown,
}

/// What a scan did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries looked at, ignored ones not counted.
    pub entries: u64,
    /// Files hashed.
    pub hashed: u64,
    /// Bytes hashed.
    pub hashed_bytes: u64,
}

/// A change of the observed tree: the new entry, or `None` where it is gone.
pub type Change = (RelPath, Option<Entry>);

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    /// Whether [`Scan::changes`] start from the empty tree: there was no cache, or a part of it was damaged.
    pub rebuilt: bool,
    /// The cache blocks that changed, ascending; `None`: removed.
    pub blocks: Vec<(BlockKey, Option<BlockBytes>)>,
    /// What could not be read, ascending. Such a path is unknown: that it is in no change, or in no tree, says nothing.
    pub problems: Vec<Problem>,
    /// Sockets, fifos and devices, ascending.
    pub skipped: Vec<(RelPath, SpecialKind)>,
    /// Files and directories that kept changing while they were read, ascending. They keep what was observed before.
    pub unsettled: Vec<RelPath>,
    /// What the scan did.
    pub counts: Counts,
    /// The root's device.
    pub device: u64,
    /// The root's inode.
    pub inode: u64,
    /// Whether the root holds nothing but ignored entries.
    pub empty: bool,
    /// None if rebuilt: then all that the cache knows is new.
    changes: Vec<Change>,
    cache: Cache,
}

impl Scan {
    /// The difference between the observed tree and the disk, strictly ascending. A first scan finds as much as there
    /// is: nothing of it is held here but the cache.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let all = self.rebuilt.then(|| self.cache.entries());
        let all = all.into_iter().flatten().map(|(path, entry)| (path, Some(entry)));
        all.chain(self.changes.iter().cloned())
    }

    /// The stamp under which this scan, or for a kept entry an earlier one, observed `path`.
    pub fn stamp_of(&self, path: &RelPath) -> Option<Stamp> {
        self.cache.stamp_of(path)
    }

    /// Whether the content of `path` begins like an archive, as far as is known.
    pub fn may_be_archive(&self, path: &RelPath) -> bool {
        self.cache.may_be_archive(path)
    }

    /// The cache as it is after this scan.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The cache as it is after this scan, for the next one.
    pub fn into_cache(self) -> Cache {
        self.cache
    }
}

/// Scans `root`, joining it with the `cache` of the previous scan.
///
/// # Errors
/// Only when the root itself cannot be read, or the context ends. Everything else is in [`Scan::problems`].
pub fn scan(cx: &Context, root: &Root, ignore: &Ignore, options: &Options<'_>, cache: Cache) -> Result<Scan> {
    look(cx, root, ignore, options, cache, None)
}

/// Scans nothing but `part`, ascending and each path once, and the directories above: what a caller has just put there
/// or taken away, or what somebody has said to have changed. All else counts as the `cache` has it.
///
/// # Errors
/// As [`scan`].
pub fn scan_part(
    cx: &Context,
    root: &Root,
    ignore: &Ignore,
    options: &Options<'_>,
    cache: Cache,
    part: &[(RelPath, Reach)],
) -> Result<Scan> {
    look(cx, root, ignore, options, cache, Some(part))
}

fn look(
    cx: &Context,
    root: &Root,
    ignore: &Ignore,
    options: &Options<'_>,
    cache: Cache,
    only: Option<&[(RelPath, Reach)]>,
) -> Result<Scan> {
    cx.check()?;
    let identity = walk::identity(root)?;
    let rebuilt = cache.is_empty() || cache.damaged() > 0;
    let found = walk::walk(cx, root, ignore, options, &cache, !rebuilt, only)?;
    let assembled = assemble::assemble(&cache, found, !rebuilt, only.is_some())?;
    let cache = cache.apply(&assembled.blocks);
    Ok(Scan {
        changes: assembled.changes,
        rebuilt,
        blocks: assembled.blocks,
        problems: assembled.problems,
        skipped: assembled.skipped,
        unsettled: assembled.unsettled,
        counts: assembled.counts,
        device: identity.device,
        inode: identity.inode,
        empty: assembled.empty,
        cache,
    })
}
