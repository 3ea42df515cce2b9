//! Contents as they came: end to end in a file without a name, found by their digest.
//!
//! To know the root of a tree of plain files one must have read them. What was read for that is what an update wants
//! next, so it waits here instead of being fetched twice. The file goes with its handle, whatever happens to the
//! process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use depsync_engine::error::{Error, Result};
use depsync_engine::hash::Digest;

use super::dump::Base;

/// See the module.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    held: HashMap<Digest, Span>,
    end: u64,
}

/// Where a content lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    length: u64,
}

impl Spool {
    /// An empty one, in a directory whose disk has room for what is fetched.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let failed = |source| Error::io("make", format!("a file in {}", directory.display()), source);
        let file =
            std::fs::create_dir_all(directory).and_then(|()| tempfile::tempfile_in(directory)).map_err(failed)?;
        Ok(Self { file, held: HashMap::new(), end: 0 })
    }

    /// Takes a content, whose digest is known at its end: see [`Self::keep`].
    pub(super) fn incoming(&self) -> Incoming<'_> {
        Incoming { file: &self.file, at: self.end }
    }

    /// Keeps what came last, and gives it a name.
    pub(super) fn keep(&mut self, digest: Digest, length: u64) {
        // What is there already is not kept twice: the next content takes its place.
        if let Entry::Vacant(free) = self.held.entry(digest) {
            free.insert(Span { start: self.end, length });
            self.end += length;
        }
    }

    /// The content, if it is here.
    pub(super) fn content(&self, digest: &Digest) -> Option<Held<'_>> {
        self.held.get(digest).map(|&Span { start, length }| Held { file: &self.file, start, length, read: 0 })
    }
}

/// Where a content is written.
pub(super) struct Incoming<'a> {
    file: &'a File,
    at: u64,
}

impl Write for Incoming<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A content that is here.
pub(super) struct Held<'a> {
    file: &'a File,
    start: u64,
    length: u64,
    read: u64,
}

impl Read for Held<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length - self.read).unwrap_or(usize::MAX);
        let most = into.len().min(left);
        let count = self.file.read_at(&mut into[..most], self.start + self.read)?;
        self.read += count as u64;
        Ok(count)
    }
}

impl Base for Held<'_> {
    fn fill_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(bytes, self.start + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(spool: &mut Spool, bytes: &[u8]) -> Digest {
        spool.incoming().write_all(bytes).expect("writes");
        let digest = Digest::of(bytes);
        spool.keep(digest, bytes.len() as u64);
        digest
    }

    fn get(spool: &Spool, digest: &Digest) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        spool.content(digest)?.read_to_end(&mut bytes).expect("reads");
        Some(bytes)
    }

    #[test]
    fn what_came_is_there_by_its_digest() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spool = Spool::new(directory.path()).expect("a spool");
        let contents: Vec<Vec<u8>> =
            vec![b"one".to_vec(), Vec::new(), vec![7; 300_000], b"one".to_vec(), b"two".to_vec()];
        let digests: Vec<Digest> = contents.iter().map(|content| put(&mut spool, content)).collect();
        // One that is broken off is written over.
        spool.incoming().write_all(&[1; 1000]).expect("writes");
        let last = put(&mut spool, b"last");
        for (digest, content) in digests.iter().zip(&contents) {
            assert_eq!(get(&spool, digest).as_ref(), Some(content));
        }
        assert_eq!(get(&spool, &last).as_deref(), Some(&b"last"[..]));
        assert_eq!(spool.end, 3 + 300_000 + 3 + 4);
        assert!(get(&spool, &Digest::of(b"nobody")).is_none());
        assert!(std::fs::read_dir(directory.path()).expect("reads").next().is_none(), "it has no name");
    }

    #[test]
    fn a_base_ends_where_it_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spool = Spool::new(directory.path()).expect("a spool");
        let digest = put(&mut spool, b"0123456789");
        put(&mut spool, b"behind it");
        let base = spool.content(&digest).expect("is there");
        let mut bytes = [0; 4];
        base.fill_at(&mut bytes, 6).expect("reads");
        assert_eq!(&bytes, b"6789");
        for offset in [7, u64::MAX, u64::MAX - 3] {
            assert!(base.fill_at(&mut bytes, offset).is_err(), "{offset}");
        }
    }
}
