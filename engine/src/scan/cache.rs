//! The stat cache: what the last scan saw, as sorted blocks of records.
//!
//! The cache stands for a tree, the *observed tree*: every record is one of its entries. A scan reports the difference
//! between that tree and the disk, and the cache that comes out of it stands for the new one. Whoever stores the
//! blocks stores the root of that tree beside them, in one transaction.
//!
//! A block that does not pass its check is dropped. What its records said is then unknown, also which of its entries
//! are gone from the disk meanwhile; so the next scan reports the whole tree instead of a difference (and still
//! believes the hashes in the blocks that are left).

use std::ops::Range;
use std::sync::Arc;

use super::block::{self, BlockKey, Record};
use crate::path::{self, RelPath};
use crate::stamp::Stamp;
use crate::tree::Entry;

/// A block's bytes, shared between the cache and whoever stores them.
pub type BlockBytes = Arc<Vec<u8>>;

/// The stat cache.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// Sorted by key; the names of a directory's blocks ascend from one block to the next.
    blocks: Vec<(BlockKey, BlockBytes)>,
    /// What was dropped: the store still holds it.
    damaged: Vec<BlockKey>,
}

impl Cache {
    /// An empty cache: the next scan reads everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes blocks as they were stored, in any order. Damaged ones are dropped and counted, never an error.
    pub fn load(blocks: impl IntoIterator<Item = (BlockKey, Vec<u8>)>) -> Self {
        let mut blocks: Vec<(BlockKey, Vec<u8>)> = blocks.into_iter().collect();
        if !blocks.is_sorted_by(|(left, _), (right, _)| left < right) {
            blocks.sort_by(|(left, _), (right, _)| left.cmp(right));
        }
        let mut cache = Self { blocks: Vec::with_capacity(blocks.len()), damaged: Vec::new() };
        let mut end: Vec<u8> = Vec::new();
        for (key, bytes) in blocks {
            let neighbour = cache.blocks.last().is_some_and(|(last, _)| last.directory == key.directory);
            match block::check(&key, &bytes) {
                Some(last) if !neighbour || *end < *key.first => {
                    end.clear();
                    end.extend_from_slice(last);
                    cache.blocks.push((key, Arc::new(bytes)));
                }
                _ => cache.damaged.push(key),
            }
        }
        cache
    }

    /// How many blocks were dropped because they were damaged.
    pub fn damaged(&self) -> usize {
        self.damaged.len()
    }

    /// Whether the cache knows nothing.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// All blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = (&BlockKey, &BlockBytes)> {
        self.blocks.iter().map(|(key, bytes)| (key, bytes))
    }

    /// The stamp under which `path` was last observed. Costs a binary search and the reading of one block.
    pub fn stamp_of(&self, path: &RelPath) -> Option<Stamp> {
        self.record_of(path).map(|record| record.stamp)
    }

    /// What `path` was last observed to be, at the same cost.
    pub fn entry_of(&self, path: &RelPath) -> Option<Entry> {
        self.record_of(path).map(|record| record.entry())
    }

    fn record_of(&self, path: &RelPath) -> Option<Record<'_>> {
        let name = path.name();
        let directory = &path.as_bytes()[..path.as_bytes().len().saturating_sub(name.len() + 1)];
        let mut cursor = self.cursor(self.directory(directory));
        cursor.seek(name);
        cursor.next().map(|located| located.record).filter(|record| record.name == name)
    }

    /// The blocks of `directory` (empty: the root), as a range of indexes.
    pub(super) fn directory(&self, directory: &[u8]) -> Range<usize> {
        let start = self.lower_bound(directory);
        let length = self.blocks[start..].iter().take_while(|(key, _)| *key.directory == *directory).count();
        start..start + length
    }

    /// The blocks of `directory` and of everything beneath it.
    pub(super) fn subtree(&self, directory: &RelPath) -> Range<usize> {
        let start = self.lower_bound(directory.as_bytes());
        let within = |key: &BlockKey| {
            let rest = key.directory.strip_prefix(directory.as_bytes());
            rest.is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
        };
        start..start + self.blocks[start..].partition_point(|(key, _)| within(key))
    }

    fn lower_bound(&self, directory: &[u8]) -> usize {
        self.blocks.partition_point(|(key, _)| path::compare(&key.directory, directory).is_lt())
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The keys of dropped blocks under which no good one stands.
    pub(super) fn lost(&self) -> impl Iterator<Item = &BlockKey> {
        self.damaged.iter().filter(|&key| self.blocks.binary_search_by(|(good, _)| good.cmp(key)).is_err())
    }

    pub(super) fn key(&self, block: usize) -> &BlockKey {
        &self.blocks[block].0
    }

    /// The one of `blocks`, which belong to one directory, that begins with `first`.
    pub(super) fn find(&self, blocks: Range<usize>, first: &[u8]) -> Option<usize> {
        let keys = &self.blocks[blocks.clone()];
        let index = keys.binary_search_by(|(key, _)| (*key.first).cmp(first)).ok()?;
        Some(blocks.start + index)
    }

    pub(super) fn body(&self, block: usize) -> &[u8] {
        block::body(&self.blocks[block].1)
    }

    /// A cursor over the records of `blocks`, which belong to one directory.
    pub(super) fn cursor(&self, blocks: Range<usize>) -> Cursor<'_> {
        let mut cursor = Cursor { cache: self, blocks, body: &[], next: None };
        cursor.enter();
        cursor
    }

    /// Visits every record beneath `directory`, in the order of paths.
    pub(super) fn visit(&self, directory: &RelPath, mut visit: impl FnMut(&RelPath, &Record<'_>)) {
        let mut open = vec![(directory.clone(), self.cursor(self.directory(directory.as_bytes())))];
        while let Some((directory, cursor)) = open.last_mut() {
            match cursor.next() {
                None => {
                    open.pop();
                }
                Some(located) => {
                    let path = directory.join(located.record.name).expect("because the block was checked");
                    visit(&path, &located.record);
                    if located.record.is_directory() {
                        let blocks = self.directory(path.as_bytes());
                        open.push((path, self.cursor(blocks)));
                    }
                }
            }
        }
    }

    /// The cache after `changes`, which are sorted.
    pub(super) fn apply(self, changes: &[(BlockKey, Option<BlockBytes>)]) -> Self {
        if changes.is_empty() {
            return Self { damaged: Vec::new(), ..self };
        }
        let mut blocks = Vec::with_capacity(self.blocks.len() + changes.len());
        let mut old = self.blocks.into_iter().peekable();
        for (key, bytes) in changes {
            while let Some(block) = old.next_if(|(old, _)| old < key) {
                blocks.push(block);
            }
            old.next_if(|(old, _)| old == key);
            if let Some(bytes) = bytes {
                blocks.push((key.clone(), Arc::clone(bytes)));
            }
        }
        blocks.extend(old);
        Self { blocks, damaged: Vec::new() }
    }
}

/// A record and the block it stands in.
#[derive(Clone, Copy)]
pub(super) struct Located<'a> {
    pub(super) record: Record<'a>,
    pub(super) block: usize,
}

/// Steps through the records of one directory.
pub(super) struct Cursor<'a> {
    cache: &'a Cache,
    /// The current block and those after it.
    blocks: Range<usize>,
    body: &'a [u8],
    next: Option<Record<'a>>,
}

impl<'a> Cursor<'a> {
    fn enter(&mut self) {
        self.body = if self.blocks.is_empty() { &[] } else { self.cache.body(self.blocks.start) };
        self.next = block::read(self.body, 0);
    }

    /// Moves to the first record whose name is not below `name`.
    pub(super) fn seek(&mut self, name: &[u8]) {
        let ahead = &self.cache.blocks[self.blocks.clone()];
        let skip = ahead.partition_point(|(key, _)| *key.first <= *name).saturating_sub(1);
        if skip > 0 {
            self.blocks.start += skip;
            self.enter();
        }
        while self.peek().is_some_and(|record| record.name < name) {
            self.next();
        }
    }

    pub(super) fn peek(&self) -> Option<&Record<'a>> {
        self.next.as_ref()
    }

    pub(super) fn next(&mut self) -> Option<Located<'a>> {
        let current = Located { record: self.next?, block: self.blocks.start };
        self.next = block::read(self.body, current.record.end);
        if self.next.is_none() {
            self.blocks.start += 1;
            self.enter();
        }
        Some(current)
    }
}
