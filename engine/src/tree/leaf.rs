//! The entries of a leaf, decoded: keys whole and end to end in one piece of memory, values in another.
//!
//! A leaf is decoded far more often than its entries are taken out of it, so a key gets memory of its own only then.

use super::entry::Entry;
use crate::path::{self, RelPath};

/// See the module.
#[derive(Debug, Default)]
pub struct Leaf {
    keys: Vec<u8>,
    /// Where each key ends.
    ends: Vec<u32>,
    /// Of each key. See [`super::boundary::height_of`].
    heights: Vec<u8>,
    entries: Vec<Entry>,
}

impl Leaf {
    /// A leaf of these values, whose keys follow.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let count = entries.len();
        Self { keys: Vec::new(), ends: Vec::with_capacity(count), heights: Vec::with_capacity(count), entries }
    }

    /// Adds the key of the next value, a valid path.
    pub(super) fn add_key(&mut self, key: &[u8], height: u8) {
        self.keys.extend_from_slice(key);
        // 128 keys of 4,095 bytes at most.
        self.ends.push(self.keys.len() as u32);
        self.heights.push(height);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries without their keys, in the order of those.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Keys and entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &Entry)> + ExactSizeIterator {
        (0..self.len()).map(|index| (self.key(index), &self.entries[index]))
    }

    pub(super) fn key(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.keys[start..self.ends[index] as usize]
    }

    pub(super) fn path(&self, index: usize) -> RelPath {
        RelPath::of_checked(self.key(index))
    }

    pub(super) fn height(&self, index: usize) -> u8 {
        self.heights[index]
    }

    /// How many keys are below `key`.
    pub(super) fn below(&self, key: &RelPath) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if path::compare(self.key(middle), key.as_bytes()).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How much memory it takes, about.
    pub(super) fn memory(&self) -> usize {
        let target = |entry: &Entry| if let Entry::Symlink { target } = entry { target.as_bytes().len() } else { 0 };
        let each = size_of::<Entry>() + size_of::<u32>() + size_of::<u8>();
        self.keys.len() + self.len() * each + self.entries.iter().map(target).sum::<usize>()
    }
}
