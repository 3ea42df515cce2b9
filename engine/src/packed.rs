//! A long list, held encoded.
//!
//! A first publish or update has a change for every file. As values with a path of their own each, a million of them
//! take 160 MB, a clone as much again; encoded they take about 60. So lists that grow with the tree are held like
//! this, and their items decoded one at a time, where they are used.
//!
//! Items stand in blocks of a few kibibytes. Within a block an item is stored as what differs from the one before:
//! the first byte, how many of the following bytes are the same, and the rest. The first field of what is listed is a
//! path, so the first byte is its length, and neighbours share most of the path. A block begins anew, which is what
//! makes walking backwards cheap.
//!
//! What is encoded here was a value of this process and is decoded by this process. That it cannot be encoded, or does
//! not decode, is a defect of the program.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

/// A block that has reached this many bytes takes no more items.
const BLOCK: usize = 4 << 10;

/// A list of `T`, encoded. See the module.
#[derive(Clone)]
pub struct Packed<T> {
    blocks: Vec<Vec<u8>>,
    /// The encoding of the last item, of which the next one is a difference.
    last: Vec<u8>,
    len: usize,
    of: PhantomData<fn() -> T>,
}

/// What stands before the bytes of an item: its first byte, how many of the next it shares with the item before, and
/// how many follow.
type Head = (u8, u32, u32);

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: &T) {
        let mut encoded = Vec::with_capacity(self.last.len() + 16);
        codec::append(&mut encoded, item).expect("because what is listed can be encoded");
        if self.blocks.last().is_none_or(|block| block.len() >= BLOCK) {
            if let Some(full) = self.blocks.last_mut() {
                full.shrink_to_fit();
            }
            self.blocks.push(Vec::new());
            self.last.clear();
        }
        let block = self.blocks.last_mut().expect("because one was just added");
        let before = self.last.get(1..).unwrap_or(&[]);
        let (head, rest) = encoded.split_first().map_or((0, &[][..]), |(head, rest)| (*head, rest));
        let shared = before.iter().zip(rest).take_while(|(before, now)| before == now).count();
        let lengths: Head = (head, shared as u32, (rest.len() - shared) as u32);
        codec::append(block, &lengths).expect("because three numbers can be encoded");
        block.extend_from_slice(&rest[shared..]);
        self.len += 1;
        self.last = encoded;
    }

    /// Moves the items of `other` behind those of this list, as they are encoded.
    pub fn append(&mut self, other: Self) {
        self.blocks.extend(other.blocks);
        self.len += other.len;
        self.last = other.last;
    }

    /// The items in order, each decoded when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.blocks.iter().flat_map(Items::of)
    }

    /// The items from the last to the first.
    pub fn iter_backwards(&self) -> impl Iterator<Item = T> + '_ {
        self.blocks.iter().rev().flat_map(|block| Items::of(block).collect::<Vec<_>>().into_iter().rev())
    }
}

/// The items of one block.
struct Items<B, T> {
    bytes: B,
    at: usize,
    current: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

impl<B, T> Items<B, T> {
    fn of(bytes: B) -> Self {
        Self { bytes, at: 0, current: Vec::new(), of: PhantomData }
    }
}

impl<B: AsRef<[u8]>, T: DeserializeOwned> Iterator for Items<B, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let bytes = self.bytes.as_ref().get(self.at..).filter(|bytes| !bytes.is_empty())?;
        let ((head, shared, added), taken): (Head, usize) =
            codec::take(bytes).expect("because this process has encoded it");
        let end = taken + added as usize;
        match self.current.first_mut() {
            Some(first) => *first = head,
            None => self.current.push(head),
        }
        self.current.truncate(1 + shared as usize);
        self.current.extend_from_slice(&bytes[taken..end]);
        self.at += end;
        let (item, _) = codec::take(&self.current).expect("because this process has encoded it");
        Some(item)
    }
}

impl<T> Default for Packed<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), last: Vec::new(), len: 0, of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Extend<T> for Packed<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(&item));
    }
}

impl<T: Serialize + DeserializeOwned> FromIterator<T> for Packed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut packed = Self::new();
        packed.extend(items);
        packed
    }
}

/// The items of a list that is given up while it is read: each block goes when its last item was taken.
pub struct IntoIter<T> {
    blocks: std::vec::IntoIter<Vec<u8>>,
    current: Option<Items<Vec<u8>, T>>,
}

impl<T: Serialize + DeserializeOwned> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(item) = self.current.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            self.current = Some(Items::of(self.blocks.next()?));
        }
    }
}

impl<T: Serialize + DeserializeOwned> IntoIterator for Packed<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { blocks: self.blocks.into_iter(), current: None }
    }
}

impl<T: Serialize + DeserializeOwned + PartialEq> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<T: Serialize + DeserializeOwned + Eq> Eq for Packed<T> {}

impl<T: Serialize + DeserializeOwned + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RelPath;
    use proptest::prelude::*;

    type Item = (RelPath, Option<u64>);

    fn any_items() -> impl Strategy<Value = Vec<Item>> {
        let path = proptest::collection::vec(b'a'..=b'c', 1..255).prop_map(|bytes| RelPath::new(bytes).expect("path"));
        proptest::collection::vec((path, any::<Option<u64>>()), 0..80)
    }

    proptest! {
        #[test]
        fn it_is_the_list_that_was_put_in(items in any_items(), cut in any::<prop::sample::Index>()) {
            let (left, rest) = items.split_at(cut.index(items.len() + 1));
            let (middle, right) = rest.split_at(rest.len() / 2);
            let mut packed: Packed<Item> = left.iter().cloned().collect();
            packed.append(middle.iter().cloned().collect());
            packed.extend(right.iter().cloned());
            prop_assert_eq!(packed.len(), items.len());
            prop_assert_eq!(&packed.iter().collect::<Vec<_>>(), &items);
            prop_assert_eq!(packed.iter_backwards().collect::<Vec<_>>(), items.iter().rev().cloned().collect::<Vec<_>>());
            prop_assert_eq!(packed.into_iter().collect::<Vec<_>>(), items);
        }
    }

    #[test]
    fn neighbours_share_their_path() {
        let items = (0..10_000u64).map(|number| {
            let path = format!("webapps/shop/WEB-INF/classes/com/example/shop/Class{number:06}.class");
            (RelPath::new(path.into_bytes()).expect("path"), Some(number))
        });
        let packed: Packed<Item> = items.collect();
        let bytes: usize = packed.blocks.iter().map(Vec::capacity).sum();
        assert!(bytes < 16 * packed.len(), "{bytes} bytes");
    }
}
