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

use super::block::{self, BlockKey, Record, Starts};
use crate::path::{self, RelPath};
use crate::stamp::Stamp;
use crate::tree::Entry;

/// A block's bytes, shared between the cache and whoever stores them.
pub type BlockBytes = Arc<Vec<u8>>;

/// The stat cache.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// Sorted by key; the names of a directory's blocks ascend from one block to the next.
    blocks: Vec<Block>,
    /// What was dropped: the store still holds it.
    damaged: Vec<BlockKey>,
}

#[derive(Clone, Debug)]
struct Block {
    key: BlockKey,
    bytes: BlockBytes,
    starts: Starts,
}

impl Block {
    fn body(&self) -> &[u8] {
        block::body(&self.bytes)
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        block::read(self.body(), *self.starts.get(index)? as usize)
    }

    fn name(&self, index: usize) -> &[u8] {
        self.starts.get(index).map_or(&[], |&start| block::name_at(self.body(), start as usize))
    }

    /// How many of its names are below `name`.
    fn below(&self, name: &[u8]) -> usize {
        self.starts.partition_point(|&start| block::name_at(self.body(), start as usize) < name)
    }
}

/// Where a record is: block, and number in it. Places of one directory ascend as its names do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) block: usize,
    pub(super) index: usize,
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
        for (key, bytes) in blocks {
            let neighbour = cache.blocks.last().filter(|last| last.key.directory == key.directory);
            let ascending = neighbour.is_none_or(|last| *last.name(last.starts.len() - 1) < *key.first);
            match block::check(&key, &bytes) {
                Some(starts) if ascending => cache.blocks.push(Block { key, bytes: Arc::new(bytes), starts }),
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
        self.blocks.iter().map(|block| (&block.key, &block.bytes))
    }

    /// The stamp under which `path` was last observed. Costs a binary search and the reading of one block.
    pub fn stamp_of(&self, path: &RelPath) -> Option<Stamp> {
        self.record_of(path).map(|record| record.stamp)
    }

    /// Whether the content of `path` may begin like an archive: not if a record says otherwise. Costs the same.
    pub(super) fn may_be_archive(&self, path: &RelPath) -> bool {
        self.record_of(path).is_none_or(|record| record.marks.archive)
    }

    /// What `path` was last observed to be, at the same cost.
    pub fn entry_of(&self, path: &RelPath) -> Option<Entry> {
        self.record_of(path).map(|record| record.entry())
    }

    fn record_of(&self, path: &RelPath) -> Option<Record<'_>> {
        let name = path.name();
        let directory = &path.as_bytes()[..path.as_bytes().len().saturating_sub(name.len() + 1)];
        let blocks = self.directory(directory);
        self.record(self.lower_bound(&blocks, name)?).filter(|record| record.name == name)
    }

    /// The blocks of `directory` (empty: the root), as a range of indexes.
    pub(super) fn directory(&self, directory: &[u8]) -> Range<usize> {
        let start = self.first_of(directory);
        let length = self.blocks[start..].partition_point(|block| *block.key.directory == *directory);
        start..start + length
    }

    /// The blocks of `directory` and of everything beneath it.
    pub(super) fn subtree(&self, directory: &RelPath) -> Range<usize> {
        let start = self.first_of(directory.as_bytes());
        let within = |block: &Block| {
            let rest = block.key.directory.strip_prefix(directory.as_bytes());
            rest.is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
        };
        start..start + self.blocks[start..].partition_point(within)
    }

    fn first_of(&self, directory: &[u8]) -> usize {
        self.blocks.partition_point(|block| path::compare(&block.key.directory, directory).is_lt())
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The keys of dropped blocks under which no good one stands.
    pub(super) fn lost(&self) -> impl Iterator<Item = &BlockKey> {
        self.damaged.iter().filter(|&key| self.blocks.binary_search_by(|good| good.key.cmp(key)).is_err())
    }

    pub(super) fn key(&self, block: usize) -> &BlockKey {
        &self.blocks[block].key
    }

    /// The one of `blocks`, which belong to one directory, that begins with `first`.
    pub(super) fn find(&self, blocks: Range<usize>, first: &[u8]) -> Option<usize> {
        let keys = &self.blocks[blocks.clone()];
        let index = keys.binary_search_by(|block| (*block.key.first).cmp(first)).ok()?;
        Some(blocks.start + index)
    }

    pub(super) fn body(&self, block: usize) -> &[u8] {
        self.blocks[block].body()
    }

    /// How many records the block has.
    pub(super) fn count(&self, block: usize) -> usize {
        self.blocks[block].starts.len()
    }

    /// The record there, if there is one.
    #[inline]
    pub(super) fn record(&self, spot: Spot) -> Option<Record<'_>> {
        self.blocks.get(spot.block)?.record(spot.index)
    }

    /// The bytes of the block's records in `indexes`, as a range of its body.
    pub(super) fn extent(&self, block: usize, indexes: Range<usize>) -> Range<usize> {
        let block = &self.blocks[block];
        let start = |index: usize| block.starts.get(index).map_or(block.body().len(), |&start| start as usize);
        start(indexes.start)..start(indexes.end)
    }

    /// The name of the record there; empty where there is none.
    #[inline]
    pub(super) fn name(&self, spot: Spot) -> &[u8] {
        self.blocks.get(spot.block).map_or(&[], |block| block.name(spot.index))
    }

    /// The first record in `blocks`, which belong to one directory, whose name is not below `name`.
    pub(super) fn lower_bound(&self, blocks: &Range<usize>, name: &[u8]) -> Option<Spot> {
        let begun = self.blocks[blocks.clone()].partition_point(|block| *block.key.first <= *name);
        let Some(last) = begun.checked_sub(1) else {
            return (!blocks.is_empty()).then_some(Spot { block: blocks.start, index: 0 });
        };
        let block = blocks.start + last;
        let index = self.blocks[block].below(name);
        if index < self.count(block) {
            return Some(Spot { block, index });
        }
        (block + 1 < blocks.end).then_some(Spot { block: block + 1, index: 0 })
    }

    /// Every entry of the observed tree, in the order of paths.
    pub fn entries(&self) -> impl Iterator<Item = (RelPath, Entry)> {
        self.beneath(None).map(|(path, record)| (path, record.entry()))
    }

    /// Every record beneath `directory` (`None`: all that hang together), in the order of paths.
    pub(super) fn beneath(&self, directory: Option<&RelPath>) -> Beneath<'_> {
        let blocks = self.directory(directory.map_or(&[], RelPath::as_bytes));
        Beneath { cache: self, open: vec![(directory.cloned(), blocks, 0)] }
    }

    /// The cache after `changes`, which are sorted.
    pub(super) fn apply(self, changes: &[(BlockKey, Option<BlockBytes>)]) -> Self {
        if changes.is_empty() {
            return Self { damaged: Vec::new(), ..self };
        }
        let mut blocks = Vec::with_capacity(self.blocks.len() + changes.len());
        let mut old = self.blocks.into_iter().peekable();
        for (key, bytes) in changes {
            while let Some(block) = old.next_if(|old| old.key < *key) {
                blocks.push(block);
            }
            old.next_if(|old| old.key == *key);
            if let Some(bytes) = bytes {
                let starts = block::starts(block::body(bytes));
                blocks.push(Block { key: key.clone(), bytes: Arc::clone(bytes), starts });
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

/// Steps through a subtree: the open directories, each with the blocks ahead and how far the first of them is read.
pub(super) struct Beneath<'a> {
    cache: &'a Cache,
    open: Vec<(Option<RelPath>, Range<usize>, usize)>,
}

impl<'a> Iterator for Beneath<'a> {
    type Item = (RelPath, Record<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (directory, blocks, index) = self.open.last_mut()?;
            if blocks.start == blocks.end {
                self.open.pop();
                continue;
            }
            let Some(record) = self.cache.record(Spot { block: blocks.start, index: *index }) else {
                (blocks.start, *index) = (blocks.start + 1, 0);
                continue;
            };
            *index += 1;
            let path = RelPath::child_of(directory.as_ref(), record.name).expect("because the block was checked");
            if record.is_directory() {
                self.open.push((Some(path.clone()), self.cache.directory(path.as_bytes()), 0));
            }
            return Some((path, record));
        }
    }
}
