//! Putting together what the threads found, in the order of paths.
//!
//! Here it is decided what a directory that could not be walked means: gone (it and all beneath it leave the observed
//! tree), or unknown (its old record and all beneath it stay). Then each directory in which something changed is cut
//! into blocks anew; blocks whose bytes stay the same are not reported, and old blocks that nobody claimed are removed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::block::{self, BlockKey, MAX_RECORDS};
use super::cache::{BlockBytes, Cache};
use super::merge::{Branch, Fate, OldBytes, Piece, Segment, Walk};
use super::walk::{Failure, Found};
use super::{Change, Counts, Problem, SpecialKind};
use crate::error::Result;
use crate::path::RelPath;

/// The parts of a [`super::Scan`].
#[derive(Default)]
pub(super) struct Assembled {
    pub(super) changes: Vec<Change>,
    pub(super) blocks: Vec<(BlockKey, Option<BlockBytes>)>,
    pub(super) problems: Vec<Problem>,
    pub(super) skipped: Vec<(RelPath, SpecialKind)>,
    pub(super) unsettled: Vec<RelPath>,
    pub(super) counts: Counts,
    pub(super) empty: bool,
}

/// Assembles `found`. `observed`: the cache stands for the tree that changes are reported against. `partial`: blocks of
/// directories that were not walked stay.
pub(super) fn assemble(cache: &Cache, mut found: Found, observed: bool, partial: bool) -> Result<Assembled> {
    let mut assembly = Assembly {
        cache,
        differs: observed,
        failures: std::mem::take(&mut found.failures),
        claimed: vec![partial; cache.len()],
        out: Assembled::default(),
    };
    assembly.run(&mut found.segments, observed)?;
    let Assembly { claimed, mut out, .. } = assembly;
    let written: HashSet<&BlockKey> = out.blocks.iter().map(|(key, _)| key).collect();
    let lost: Vec<BlockKey> = cache.lost().filter(|key| !written.contains(key)).cloned().collect();
    out.blocks.extend(lost.into_iter().map(|key| (key, None)));
    let unclaimed = claimed.iter().enumerate().filter(|(_, claimed)| !**claimed);
    out.blocks.extend(unclaimed.map(|(block, _)| (cache.key(block).clone(), None)));
    out.blocks.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    out.problems.sort_by(|left, right| left.path.cmp(&right.path));
    out.skipped.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.unsettled.sort();
    Ok(out)
}

struct Assembly<'a> {
    cache: &'a Cache,
    /// Whether changes are collected: not where all that is found is one.
    differs: bool,
    failures: HashMap<usize, Failure>,
    /// Which old blocks live on, as they are or rewritten.
    claimed: Vec<bool>,
    out: Assembled,
}

/// A directory whose changes are being handed out.
struct Frame {
    observed: bool,
    segments: std::vec::IntoIter<Segment>,
    changes: std::vec::IntoIter<Change>,
    taken: usize,
    branches: std::vec::IntoIter<Branch>,
}

impl Frame {
    /// Hands out changes up to the next branch, and gives that.
    fn next_branch(&mut self, changes: &mut Vec<Change>) -> Option<Branch> {
        loop {
            if let Some(branch) = self.branches.next() {
                changes.extend(self.changes.by_ref().take(branch.at - self.taken));
                self.taken = branch.at;
                return Some(branch);
            }
            changes.extend(self.changes.by_ref());
            let segment = self.segments.next()?;
            (self.changes, self.taken) = (segment.changes.into_iter(), 0);
            self.branches = segment.branches.into_iter();
        }
    }
}

impl Assembly<'_> {
    fn run(&mut self, segments: &mut [Vec<Segment>], observed: bool) -> Result<()> {
        let top = self.enter(std::mem::take(&mut segments[0]), None, observed)?;
        self.out.empty = self.out.counts.entries == 0;
        let mut open = vec![top];
        while let Some(frame) = open.last_mut() {
            let Some(branch) = frame.next_branch(&mut self.out.changes) else {
                open.pop();
                continue;
            };
            let observed = frame.observed;
            let walk = match branch.fate {
                Fate::Gone => {
                    self.remove_beneath(&branch.path, observed);
                    continue;
                }
                Fate::Kept => {
                    self.keep_beneath(&branch.path, observed);
                    continue;
                }
                Fate::Walk(walk) => walk,
            };
            match self.failures.remove(&walk.id) {
                None => {
                    let contents = std::mem::take(&mut segments[walk.id]);
                    let entered = self.enter(contents, Some(&branch.path), walk.observed)?;
                    if let Some(entry) = walk.change.filter(|_| self.differs) {
                        self.out.changes.push((branch.path, Some(entry)));
                    }
                    open.push(entered);
                }
                Some(Failure::Absent) => self.absent(&branch.path, &walk, observed),
                Some(Failure::Unsettled) => {
                    self.keep(&branch.path, &walk, observed);
                    self.out.unsettled.push(branch.path);
                }
                Some(Failure::Unreadable(error)) => {
                    self.keep(&branch.path, &walk, observed);
                    self.out.problems.push(Problem { path: Some(branch.path), error, subtree: true });
                }
            }
        }
        Ok(())
    }

    /// Opens a directory that was walked: settles its blocks and collects what is not a change.
    fn enter(&mut self, mut segments: Vec<Segment>, path: Option<&RelPath>, observed: bool) -> Result<Frame> {
        let path = path.map_or(&[][..], RelPath::as_bytes);
        self.claimed[self.cache.directory(path)].fill(false);
        if segments.iter().any(|segment| segment.dirty || self.moved(segment)) {
            self.cut(path, &mut segments)?;
        } else {
            self.claimed[self.cache.directory(path)].fill(true);
        }
        for segment in &mut segments {
            self.out.problems.append(&mut segment.problems);
            self.out.skipped.append(&mut segment.skipped);
            self.out.unsettled.append(&mut segment.unsettled);
            self.out.counts.entries += segment.counts.entries;
            self.out.counts.hashed += segment.counts.hashed;
            self.out.counts.hashed_bytes += segment.counts.hashed_bytes;
            segment.pieces = Vec::new();
            segment.fresh = Vec::new();
        }
        Ok(Frame {
            observed,
            segments: segments.into_iter(),
            changes: Vec::new().into_iter(),
            taken: 0,
            branches: Vec::new().into_iter(),
        })
    }

    /// Whether the record of a directory in the segment is not the old one.
    fn moved(&self, segment: &Segment) -> bool {
        segment.branches.iter().any(|branch| match &branch.fate {
            Fate::Walk(walk) => match self.failures.get(&walk.id) {
                None => walk.fresh.is_some(),
                Some(Failure::Absent) => walk.old.is_some(),
                Some(Failure::Unsettled | Failure::Unreadable(_)) => false,
            },
            Fate::Gone | Fate::Kept => false,
        })
    }

    /// The bytes of a piece, after all is known.
    fn bytes<'s>(&'s self, segment: &'s Segment, piece: &Piece) -> &'s [u8] {
        let old = |old: &OldBytes| &self.cache.body(old.block)[old.range.clone()];
        match piece {
            Piece::Old(bytes) => old(bytes),
            Piece::Fresh(range) => &segment.fresh[range.clone()],
            Piece::Branch(index) => {
                let Fate::Walk(walk) = &segment.branches[*index].fate else { return &[] };
                match (self.failures.get(&walk.id), &walk.fresh) {
                    (Some(Failure::Absent), _) => &[],
                    (None, Some(fresh)) => &segment.fresh[fresh.clone()],
                    _ => walk.old.as_ref().map_or(&[], old),
                }
            }
        }
    }

    /// Cuts a directory's records into blocks, and reports those that are not the old ones.
    fn cut(&mut self, directory: &[u8], segments: &mut [Segment]) -> Result<()> {
        if let [segment] = segments
            && segment.is_one_block()
        {
            // All new, and of the size of a block: what the walk has written becomes the block. On a first scan that
            // is nearly all there is, and it is not held twice.
            return self.settle(directory, std::mem::take(&mut segment.fresh));
        }
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        let mut count = MAX_RECORDS;
        for segment in &*segments {
            for piece in &segment.pieces {
                let bytes = self.bytes(segment, piece);
                for record in block::records(bytes) {
                    if count == MAX_RECORDS || block::starts_block(record.name) {
                        blocks.push(Vec::new());
                        count = 0;
                    }
                    count += 1;
                    if let Some(block) = blocks.last_mut() {
                        block.extend_from_slice(&bytes[record.start..record.end]);
                    }
                }
            }
        }
        blocks.into_iter().try_for_each(|body| self.settle(directory, body))
    }

    /// Reports a block, unless it is the old one.
    fn settle(&mut self, directory: &[u8], body: Vec<u8>) -> Result<()> {
        let Some(first) = block::read(&body, 0) else { return Ok(()) };
        if let Some(block) = self.cache.find(self.cache.directory(directory), first.name) {
            self.claimed[block] = true;
            if self.cache.body(block) == body {
                return Ok(());
            }
        }
        let key = BlockKey { directory: directory.into(), first: first.name.into() };
        self.out.blocks.push((key, Some(Arc::new(block::seal(directory, body)?))));
        Ok(())
    }

    /// A directory that was gone when it was to be opened.
    fn absent(&mut self, path: &RelPath, walk: &Walk, observed: bool) {
        if observed && walk.old.is_some() {
            let was_directory = walk.observed;
            self.out.changes.push((path.clone(), None));
            if was_directory {
                self.remove_beneath(path, observed);
            }
        }
    }

    /// A directory that is unknown: what was observed in its place stays.
    fn keep(&mut self, path: &RelPath, walk: &Walk, observed: bool) {
        let Some(old) = &walk.old else { return };
        let Some(record) = block::read(self.cache.body(old.block), old.range.start) else { return };
        if !observed && self.differs {
            self.out.changes.push((path.clone(), Some(record.entry())));
        }
        if record.is_directory() {
            self.keep_beneath(path, observed);
        }
    }

    fn keep_beneath(&mut self, path: &RelPath, observed: bool) {
        self.claimed[self.cache.subtree(path)].fill(true);
        if !observed && self.differs {
            let kept = self.cache.beneath(Some(path)).map(|(path, record)| (path, Some(record.entry())));
            self.out.changes.extend(kept);
        }
    }

    fn remove_beneath(&mut self, path: &RelPath, observed: bool) {
        self.claimed[self.cache.subtree(path)].fill(false);
        // What starts from the empty tree has nothing to take out of it.
        if observed {
            self.out.changes.extend(self.cache.beneath(Some(path)).map(|(path, _)| (path, None)));
        }
    }
}
