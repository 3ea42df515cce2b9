//! Where a page ends: a pure function of keys.
//!
//! The *height* of a key is how many leading zero bits its hash has, in steps of six. A page of level L ends after a
//! key whose height is above L: one key in 64 ends a leaf, one in 4,096 a page of level 1. Such an end is *natural*.
//! Where none comes, a page ends by *force*, at 128 items or at 16 KiB of keys. Both start the next page from nothing,
//! so what follows a page's end is cut the same whatever came before it: an edit is felt up to the next natural end
//! at most. Neither rule looks at values.

use crate::hash::Domain;

/// The most items of a page.
pub(super) const MAX_ITEMS: usize = 128;
/// A page ends once its keys sum up to this many bytes.
pub(super) const MAX_KEY_BYTES: usize = 16 << 10;
/// The highest level of a page. Reached only by a crafted set: a level holds a 64th of the items below it.
pub(super) const MAX_LEVEL: u8 = 12;
/// Leading zero bits for each level.
const BITS: u32 = 6;

/// The level up to which (exclusively) `key` ends a page: 0 to 10.
pub(super) fn height_of(key: &[u8]) -> u8 {
    let digest = Domain::Boundary.digest(key);
    let (head, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
    // At most 64 / 6, so it fits.
    (u64::from_be_bytes(*head).leading_zeros() / BITS) as u8
}

/// How full a page is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fill {
    items: usize,
    key_bytes: usize,
}

impl Fill {
    /// Counts an item of a page of `level` and says whether the page ends after it.
    pub(super) fn add(&mut self, level: u8, key: &[u8], height: u8) -> bool {
        self.items += 1;
        self.key_bytes += key.len();
        height > level || self.items >= MAX_ITEMS || self.key_bytes >= MAX_KEY_BYTES
    }

    /// How many items were counted.
    pub(super) fn items(self) -> usize {
        self.items
    }
}
