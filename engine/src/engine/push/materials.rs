//! The files of a revision, laid ready to be sent: each under its path, in a directory of the state.
//!
//! All nodes get the same revision, so a file is rebuilt once, verified, for whoever needs it first. It comes from the
//! deployment directory as long as that still has it, and otherwise from the hub: what is sent is what was published,
//! whatever somebody writes there meanwhile.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::super::Node;
use crate::beneath::Root;
use crate::content::assemble::{self, LocalFile, WantedFile};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::path::RelPath;
use crate::push::{Sum, SumAndHash};

/// How many files, and how many bytes of them, are rebuilt in one go: what bounds memory.
const FILES: usize = 16_384;
const BYTES: u64 = 4 << 30;
/// How many sums are kept in memory; the others are looked up each time.
const SUMS: usize = 1 << 16;

/// A file with its content.
pub(super) type Content = (RelPath, Digest, u64);

/// Files laid ready. Dropped, they are removed.
pub(super) struct Materials<'a> {
    node: &'a Node,
    at: Revision,
    live: Root,
    directory: PathBuf,
    /// What lies there.
    ready: Mutex<HashSet<RelPath>>,
    /// Sums that a node asked for: the others ask for the same.
    sums: Mutex<HashMap<Digest, Sum>>,
}

impl<'a> Materials<'a> {
    /// Nothing yet, of revision `at`. What an earlier push has left is removed.
    pub(super) fn new(node: &'a Node, at: Revision) -> Result<Self> {
        let directory = node.places.state.join("push");
        remove(&directory)?;
        let failed = |source| Error::io("make", directory.display(), source);
        std::fs::create_dir(&directory).map_err(failed)?;
        let live = Root::open(&node.places.dir)?;
        Ok(Self { node, at, live, directory, ready: Mutex::default(), sums: Mutex::default() })
    }

    /// Where they lie.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lays `files` ready, and learns their sums. Whoever comes second waits for the first. Says whether nothing else
    /// lies there.
    pub(super) fn provide(&self, cx: &Context, files: &[Content]) -> Result<bool> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&Content> = files.iter().filter(|(path, ..)| !ready.contains(path)).collect();
        let mut rest = &missing[..];
        while !rest.is_empty() {
            cx.check()?;
            let mut bytes = 0;
            let fits = |(_, _, size): &&&Content| {
                bytes += size;
                bytes <= BYTES
            };
            let count = rest.iter().take(FILES).take_while(fits).count().max(1);
            self.rebuild(cx, &rest[..count])?;
            ready.extend(rest[..count].iter().map(|(path, ..)| path.clone()));
            rest = &rest[count..];
        }
        Ok(ready.len() == files.len())
    }

    fn rebuild(&self, cx: &Context, files: &[&Content]) -> Result<()> {
        let wanted =
            files.iter().enumerate().map(|(tag, (_, hash, size))| WantedFile { tag, hash: *hash, size: *size });
        let sources = files.iter().map(|(path, hash, size)| LocalFile {
            path: path.clone(),
            hash: *hash,
            size: *size,
            recipe: None,
        });
        let slots = Slots { directory: &self.directory, files };
        let of_tag = |tag: usize| files.get(tag).map(|(path, ..)| path.clone());
        self.node.rebuild(cx, self.at, wanted.collect(), &slots, (&self.live, sources.collect()), &of_tag)?;
        let unknown = self.unknown(files.iter().copied())?;
        let sums = unknown.par_iter().map(|(path, hash, size)| {
            let place = self.directory.join(path.as_path());
            let opened = File::open(&place).map_err(|source| Error::io("read", place.display(), source))?;
            match SumAndHash::of(cx, opened, *size)? {
                Ok(both) if both.hash == *hash => Ok((both.hash, *both.sum.as_bytes())),
                Ok(_) => Err(Error::damaged(place.display(), "somebody has changed it")),
                Err(source) => Err(Error::io("read", place.display(), source)),
            }
        });
        self.node.db.remember_sums(sums.collect::<Result<Vec<_>>>()?)
    }

    /// Learns the sums of contents from the deployment directory, as far as it has them.
    pub(super) fn learn(&self, cx: &Context, contents: &[Content]) -> Result<()> {
        let unknown = self.unknown(contents.iter())?;
        let learnt = unknown.par_iter().map(|(path, hash, size)| {
            // Any failure only means that it is not learnt here.
            let Ok(file) = self.live.read(path) else { return Ok(None) };
            if file.metadata().map_or(0, |metadata| metadata.len()) != *size {
                return Ok(None);
            }
            let both = SumAndHash::of(cx, file, *size)?.ok().filter(|both| both.hash == *hash);
            Ok(both.map(|both| (both.hash, *both.sum.as_bytes())))
        });
        let learnt: Vec<_> = learnt.collect::<Result<_>>()?;
        self.node.db.remember_sums(learnt.into_iter().flatten())
    }

    /// Those of `contents` whose sum is not known.
    pub(super) fn unknown<'c>(&self, contents: impl Iterator<Item = &'c Content>) -> Result<Vec<&'c Content>> {
        let mut unknown = Vec::new();
        for content in contents {
            if self.look_up(&content.1)?.is_none() {
                unknown.push(content);
            }
        }
        Ok(unknown)
    }

    /// The sum of a content, if it is known.
    pub(super) fn sum(&self, hash: &Digest) -> Option<Sum> {
        self.look_up(hash).ok().flatten()
    }

    fn look_up(&self, hash: &Digest) -> Result<Option<Sum>> {
        if let Some(sum) = self.sums().get(hash) {
            return Ok(Some(*sum));
        }
        let found = self.node.db.sum(hash)?.map(Sum::from_bytes);
        let mut sums = self.sums();
        if let Some(sum) = found
            && sums.len() < SUMS
        {
            sums.insert(*hash, sum);
        }
        Ok(found)
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<Digest, Sum>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Materials<'_> {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.directory) {
            tracing::warn!(%error, "what was laid ready is left to the next push");
        }
    }
}

fn remove(directory: &Path) -> Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", directory.display(), source))
        }
        _ => Ok(()),
    }
}

/// The directory as the assembly sees it. It is the state's, where nobody else writes.
struct Slots<'a> {
    directory: &'a Path,
    files: &'a [&'a Content],
}

impl Slots<'_> {
    fn open(&self, tag: usize, options: &OpenOptions) -> Result<File> {
        let place = self.files.get(tag).map(|(path, ..)| self.directory.join(path.as_path()));
        let place = place.ok_or_else(|| Error::new(ErrorKind::Internal, "a file that nobody asked for"))?;
        let failed = |source| Error::io("lay ready", place.display(), source);
        match options.open(&place) {
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir_all(place.parent().unwrap_or(self.directory)).map_err(failed)?;
                options.open(&place).map_err(failed)
            }
            opened => opened.map_err(failed),
        }
    }
}

impl assemble::Staging for Slots<'_> {
    fn create(&self, tag: usize, _size: u64) -> Result<File> {
        self.open(tag, OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600))
    }

    fn reopen(&self, tag: usize) -> Result<File> {
        self.open(tag, OpenOptions::new().read(true).write(true))
    }

    fn complete(&self, _: usize, _: &File) -> Result<()> {
        Ok(())
    }
}
