//! The roll of one directory: its records, and which of them the listing has shown to be unchanged.
//!
//! Most names of a directory were there before, and most file systems list them in the order of the last listing, or in
//! that order turned around. So a name is first held against the neighbour of the record that was found last; that
//! spares an unchanged entry all that follows (a copy of name and stamp, sorting, joining). Where the guess fails the
//! record is searched; where it keeps failing (ext4 lists in the order of hashes) the names are left to be sorted and
//! joined with the records that are not marked.
//!
//! A mark says: this record was listed, is not hidden, and has the stamp under which its hash may be believed.

use std::ops::Range;

use super::cache::{Cache, Located, Spot};
use crate::stamp::Stamp;

/// How many searches may fail to pay before names are left to be sorted.
const SEARCHES: u32 = 64;

/// The records of a directory, by number in the order of their names, each with a mark.
#[derive(Default)]
pub(super) struct Roll {
    blocks: Range<usize>,
    /// The number of the first record of each block.
    firsts: Vec<usize>,
    len: usize,
    marks: Vec<u64>,
    /// Where a name was found last, and whether the listing goes backwards from there.
    last: Option<Spot>,
    backwards: bool,
    searches: u32,
}

impl Roll {
    /// Begins anew with the records of `blocks`, which belong to one directory. Nothing is marked.
    pub(super) fn begin(&mut self, cache: &Cache, blocks: Range<usize>) {
        self.firsts.clear();
        self.len = 0;
        for block in blocks.clone() {
            self.firsts.push(self.len);
            self.len += cache.count(block);
        }
        self.marks.clear();
        self.marks.resize(self.len.div_ceil(64), 0);
        (self.blocks, self.last, self.searches) = (blocks, None, SEARCHES);
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Marks the record of `name` if it vouches for `stamp` and is not `hidden`.
    #[inline]
    pub(super) fn mark(&mut self, cache: &Cache, name: &[u8], stamp: &Stamp, hidden: impl FnOnce() -> bool) -> bool {
        let Some(spot) = self.find(cache, name) else { return false };
        if !cache.record(spot).is_some_and(|record| record.vouches_for(stamp)) || hidden() {
            return false;
        }
        let number = self.number(spot);
        self.marks[number / 64] |= 1 << (number % 64);
        true
    }

    /// Marks all records.
    pub(super) fn mark_all(&mut self) {
        self.marks.fill(u64::MAX);
    }

    /// Takes the mark from the record of `name`, if there is one.
    pub(super) fn unmark(&mut self, cache: &Cache, name: &[u8]) {
        if let Some(spot) = cache.lower_bound(&self.blocks, name).filter(|&spot| cache.name(spot) == name) {
            let number = self.number(spot);
            self.marks[number / 64] &= !(1 << (number % 64));
        }
    }

    fn number(&self, spot: Spot) -> usize {
        self.firsts[spot.block - self.blocks.start] + spot.index
    }

    #[inline]
    fn find(&mut self, cache: &Cache, name: &[u8]) -> Option<Spot> {
        if let Some(spot) = self.guess(cache)
            && cache.name(spot) == name
        {
            self.last = Some(spot);
            self.searches = self.searches.saturating_add(1);
            return Some(spot);
        }
        self.search(cache, name)
    }

    fn search(&mut self, cache: &Cache, name: &[u8]) -> Option<Spot> {
        self.searches = self.searches.checked_sub(1)?;
        let spot = cache.lower_bound(&self.blocks, name).filter(|&spot| cache.name(spot) == name)?;
        self.backwards = self.last.map_or(self.backwards, |last| spot < last);
        self.last = Some(spot);
        Some(spot)
    }

    /// What would be listed next. The first guess follows the directory before.
    #[inline]
    fn guess(&self, cache: &Cache) -> Option<Spot> {
        let last_of = |block: usize| Spot { block, index: cache.count(block) - 1 };
        let Range { start, end } = self.blocks;
        match (self.last, self.backwards) {
            (None, _) if self.len == 0 => None,
            (None, true) => Some(last_of(end - 1)),
            (None, false) => Some(Spot { block: start, index: 0 }),
            (Some(Spot { block, index }), true) if index > 0 => Some(Spot { block, index: index - 1 }),
            (Some(Spot { block, .. }), true) => (block > start).then(|| last_of(block - 1)),
            (Some(Spot { block, index }), false) if index + 1 < cache.count(block) => {
                Some(Spot { block, index: index + 1 })
            }
            (Some(Spot { block, .. }), false) => (block + 1 < end).then_some(Spot { block: block + 1, index: 0 }),
        }
    }

    /// The first number at or after `from` whose name is not below `name`; all names before `from` are.
    pub(super) fn lower_bound(&self, cache: &Cache, from: usize, name: &[u8]) -> usize {
        // What is joined next is often next.
        if from == self.len || self.spot(from).is_some_and(|spot| cache.name(spot) >= name) {
            return from;
        }
        let found = cache.lower_bound(&self.blocks, name);
        found.map_or(self.len, |spot| self.number(spot))
    }

    /// The record of this number.
    pub(super) fn record<'a>(&self, cache: &'a Cache, number: usize) -> Option<Located<'a>> {
        let spot = self.spot(number)?;
        Some(Located { record: cache.record(spot)?, block: spot.block })
    }

    fn spot(&self, number: usize) -> Option<Spot> {
        let within = self.firsts.partition_point(|&first| first <= number).checked_sub(1)?;
        let index = number - self.firsts[within];
        (number < self.len).then_some(Spot { block: self.blocks.start + within, index })
    }

    /// Where the run of marked records that begins at `from` ends; `from` itself if that is not marked.
    pub(super) fn marked_until(&self, from: usize, end: usize) -> usize {
        let mut at = from;
        while at < end {
            let ones = (self.marks[at / 64] >> (at % 64)).trailing_ones() as usize;
            at += ones;
            // Short of the word's end: an unmarked one.
            if ones == 0 || !at.is_multiple_of(64) {
                break;
            }
        }
        at.min(end)
    }

    /// The records in `numbers`, as numbers within blocks.
    pub(super) fn parts(&self, cache: &Cache, numbers: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let from = self.firsts.partition_point(|&first| first <= numbers.start).saturating_sub(1);
        let end = self.firsts.partition_point(|&first| first < numbers.end);
        (from..end).map(move |within| {
            let (block, first) = (self.blocks.start + within, self.firsts[within]);
            let count = cache.count(block);
            (block, numbers.start.saturating_sub(first)..(numbers.end - first).min(count))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::block::{self, BlockKey, Marks};
    use crate::tree::{Entry, Mode};
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp { mode: 0o120_777, size: 1, mtime: 2, ctime: 3, inode: 4, device: 5 };

    fn cache(names: &[Vec<u8>], of: usize) -> Cache {
        let target = crate::tree::LinkTarget::new(&b"x"[..]).expect("target");
        let blocks = names.chunks(of).map(|names| {
            let mut body = Vec::new();
            for name in names {
                block::write(&mut body, name, &STAMP, Marks::TRUSTED, &Entry::Symlink { target: target.clone() });
            }
            let key = BlockKey { directory: b"d"[..].into(), first: names[0].clone().into() };
            (key, block::seal(b"d", body).expect("seals"))
        });
        let mut other = Vec::new();
        block::write(&mut other, b"m", &STAMP, Marks::TRUSTED, &Entry::Directory { mode: Mode::new(0o755) });
        let around = [&b"c"[..], b"e"].map(|directory| {
            let mut body = Vec::new();
            block::write(&mut body, b"m", &STAMP, Marks::TRUSTED, &Entry::Symlink { target: target.clone() });
            (
                BlockKey { directory: directory.into(), first: b"m"[..].into() },
                block::seal(directory, body).expect("seals"),
            )
        });
        let cache = Cache::load(blocks.chain(around));
        assert_eq!(cache.damaged(), 0);
        cache
    }

    proptest! {
        #[test]
        fn whatever_the_order_each_name_is_found_where_it_is(
            names in proptest::collection::btree_set("[a-z]{1,3}", 0..150), of in 1usize..40,
            order in proptest::collection::vec((0usize..160, any::<bool>()), 0..250), listed in 0u8..3,
        ) {
            let names: Vec<Vec<u8>> = names.into_iter().map(String::into_bytes).collect();
            let cache = cache(&names, of);
            let mut roll = Roll::default();
            roll.begin(&cache, cache.directory(b"d"));
            prop_assert_eq!(roll.len(), names.len());
            let mut marked = vec![false; names.len()];
            // Forwards, backwards, or anyhow and with gaps.
            let order: Vec<(usize, bool)> = match listed {
                0 => (0..names.len()).map(|number| (number, true)).collect(),
                1 => (0..names.len()).rev().map(|number| (number, true)).collect(),
                _ => order,
            };
            for (number, same) in order {
                let Some(name) = names.get(number) else {
                    prop_assert!(!roll.mark(&cache, b"zzzz", &STAMP, || false));
                    continue;
                };
                let stamp = Stamp { size: if same { 1 } else { 2 }, ..STAMP };
                let found = roll.mark(&cache, name, &stamp, || false);
                prop_assert!(same || !found);
                marked[number] |= found;
            }
            prop_assert!(listed == 2 || marked.iter().all(|marked| *marked));
            for from in 0..names.len() {
                let run = marked[from..].iter().take_while(|marked| **marked).count();
                prop_assert_eq!(roll.marked_until(from, names.len()), from + run);
                prop_assert_eq!(roll.record(&cache, from).expect("a record").record.name, &names[from][..]);
                prop_assert_eq!(roll.lower_bound(&cache, from / 2, &names[from]), from);
                let parts: Vec<&[u8]> = roll
                    .parts(&cache, from / 2..from)
                    .flat_map(|(block, range)| block::records(&cache.body(block)[cache.extent(block, range)]).map(|record| record.name))
                    .collect();
                prop_assert_eq!(parts, names[from / 2..from].iter().map(|name| &name[..]).collect::<Vec<_>>());
            }
            prop_assert!(roll.record(&cache, names.len()).is_none());
            prop_assert_eq!(roll.lower_bound(&cache, 0, b"zzzz"), names.len());
        }
    }

    #[test]
    fn what_is_hidden_or_of_another_directory_is_not_marked() {
        let cache = cache(&[b"a".to_vec()], 1);
        let mut roll = Roll::default();
        roll.begin(&cache, cache.directory(b"d"));
        assert!(!roll.mark(&cache, b"m", &STAMP, || false));
        assert!(!roll.mark(&cache, b"a", &STAMP, || true) && roll.marked_until(0, 1) == 0);
        assert!(roll.mark(&cache, b"a", &STAMP, || false) && roll.marked_until(0, 1) == 1);
        roll.begin(&cache, cache.directory(b"dd"));
        assert!(!roll.mark(&cache, b"m", &STAMP, || false) && roll.len() == 0);
    }
}
