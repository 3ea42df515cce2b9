//! A page: its bytes, and the verified form that the readers use.
//!
//! On disk a page is a frame of kind `Page` ([`crate::codec`]) around [`RawPage`], in columns: the level; for each key
//! how many bytes it shares with the key before it (0 for the first) and how many it adds; the added bytes, end to
//! end; then the entries of a leaf, or the children (id, count of entries, sum of file sizes) of a page above. A child
//! is keyed by its last key. Its id is the hash of the frame's bytes as stored.
//!
//! [`verify`] checks everything that can be seen from the page itself, [`Claim::check`] what the parent says of it:
//! shared lengths are as long as they can be, no integer is wider than need be, and the page ends where
//! [`super::boundary`] says. So two readable trees of one set are one tree.

use std::sync::{Arc, LazyLock};

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::boundary::{Fill, MAX_ITEMS, MAX_LEVEL, height_of};
use super::entry::Entry;
use super::leaf::Leaf;
use super::pages::Pages;
use crate::codec::{self, Frame};
use crate::error::{Error, Result};
use crate::hash::{Digest, Domain};
use crate::path::{self, RelPath};

/// A byte string: one copy in and out, where a list of integers is one call a byte.
#[derive(Debug, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

/// A key against the one before it.
#[derive(Debug, Serialize, Deserialize)]
struct RawKey {
    shared: u16,
    added: u16,
}

#[derive(Debug, Serialize, Deserialize)]
struct RawChild {
    id: Digest,
    entries: u64,
    bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Body {
    Entries(Vec<Entry>),
    Children(Vec<RawChild>),
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Entries(entries) => entries.len(),
            Self::Children(children) => children.len(),
        }
    }
}

/// A page as it is encoded. The builder fills it in place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RawPage {
    level: u8,
    keys: Vec<RawKey>,
    added: Bytes,
    body: Body,
}

impl RawPage {
    /// A page of `level` without items.
    pub(super) fn new(level: u8) -> Self {
        let body = if level == 0 { Body::Entries(Vec::new()) } else { Body::Children(Vec::new()) };
        Self { level, keys: Vec::new(), added: Bytes::default(), body }
    }

    /// Adds a key that follows `previous`, the last key of this page.
    pub(super) fn add_key(&mut self, previous: Option<&RelPath>, key: &RelPath) {
        let key = key.as_bytes();
        let shared = previous.map_or(0, |previous| common(previous.as_bytes(), key));
        // A path has at most 4,095 bytes.
        self.keys.push(RawKey { shared: shared as u16, added: (key.len() - shared) as u16 });
        self.added.0.extend_from_slice(&key[shared..]);
    }

    /// Adds the value of the key added last: an entry, on a leaf.
    pub(super) fn add_entry(&mut self, entry: Entry) {
        if let Body::Entries(entries) = &mut self.body {
            entries.push(entry);
        }
    }

    /// Adds the value of the key added last: a child, on a page above the leaves.
    pub(super) fn add_child(&mut self, id: Digest, totals: Totals) {
        if let Body::Children(children) = &mut self.body {
            children.push(RawChild { id, entries: totals.entries, bytes: totals.bytes });
        }
    }

    /// Encodes the page and names it.
    pub(super) fn seal(&self) -> Result<(Digest, Vec<u8>)> {
        let bytes = codec::encode(Frame::Page, self)?;
        Ok((Domain::Page.digest(&bytes), bytes))
    }

    /// Empties the page and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.added.0.clear();
        match &mut self.body {
            Body::Entries(entries) => entries.clear(),
            Body::Children(children) => children.clear(),
        }
    }
}

/// How many bytes `left` and `right` begin with in common.
fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

static EMPTY: LazyLock<Digest> = LazyLock::new(|| {
    let (id, _) = RawPage::new(0).seal().expect("because a page without items is far below every limit");
    id
});

/// The root of the tree without entries. Its page needs no store: it is never written and can always be read.
pub fn empty_root() -> Digest {
    *EMPTY
}

/// How much there is in a tree or beneath a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many entries.
    pub entries: u64,
    /// The sum of the sizes of files, in bytes.
    pub bytes: u64,
}

impl Totals {
    /// What one entry adds.
    pub(super) fn of(entry: &Entry) -> Self {
        Self { entries: 1, bytes: entry.size() }
    }

    /// The sum, unless it is 2^64 or more.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let entries = self.entries.checked_add(other.entries)?;
        Some(Self { entries, bytes: self.bytes.checked_add(other.bytes)? })
    }
}

/// What a page says of one below it.
#[derive(Clone, Debug)]
pub(super) struct Child {
    /// The last key beneath it.
    pub(super) last: RelPath,
    /// The height of that key.
    pub(super) height: u8,
    /// The child's id.
    pub(super) id: Digest,
    /// What is beneath it.
    pub(super) totals: Totals,
}

/// What a page holds.
#[derive(Debug)]
pub(super) enum Items {
    Entries(Leaf),
    Children(Vec<Child>),
}

/// A page that passed its own checks.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) level: u8,
    pub(super) items: Items,
    pub(super) totals: Totals,
    /// Whether it ended by the rule; otherwise it can only be the last of its level.
    closed: bool,
}

/// What is known of a page before it is read.
pub(super) enum Claim<'a> {
    /// It is the top of a tree.
    Root,
    /// It is a child.
    Child {
        /// What the parent says.
        child: &'a Child,
        /// Its level.
        level: u8,
        /// The key that all its keys must be above: the last one before it.
        after: Option<&'a RelPath>,
        /// Whether it is the last page of its level.
        tail: bool,
    },
}

/// Reads the page `id` and verifies it, unless that was done before. The empty root needs no store.
pub(super) fn read(pages: &dyn Pages, id: &Digest, claim: &Claim<'_>) -> Result<Arc<Page>> {
    let Some(kept) = pages.kept(id) else { return Ok(read_stored(pages, id, claim)?.0) };
    if let Some(page) = kept.get(id) {
        claim.check(&page).map_err(|flaw| Error::damaged(place(id), flaw))?;
        return Ok(page);
    }
    let (page, _) = read_stored(pages, id, claim)?;
    kept.keep(*id, &page);
    Ok(page)
}

fn place(id: &Digest) -> String {
    format!("page {id}")
}

/// Reads the page `id` from the store and verifies it. Gives the bytes too.
pub(super) fn read_stored(pages: &dyn Pages, id: &Digest, claim: &Claim<'_>) -> Result<(Arc<Page>, Arc<[u8]>)> {
    if *id == empty_root() && matches!(claim, Claim::Root) {
        let (_, bytes) = RawPage::new(0).seal()?;
        let page = Page { level: 0, items: Items::Entries(Leaf::default()), totals: Totals::default(), closed: false };
        return Ok((Arc::new(page), bytes.into()));
    }
    let bytes = pages.page(id).map_err(|error| error.at(place(id)))?;
    if Domain::Page.digest(&bytes) != *id {
        return Err(Error::damaged(place(id), "its bytes have another hash"));
    }
    let raw: RawPage = codec::decode_canonical(Frame::Page, &bytes).map_err(|error| error.at(place(id)))?;
    let page = verify(raw).and_then(|page| claim.check(&page).map(|()| page));
    Ok((Arc::new(page.map_err(|flaw| Error::damaged(place(id), flaw))?), bytes))
}

/// The pages right beneath the page `id`, whose bytes these are, and its level. Nothing but the page itself is checked:
/// whoever reads the tree compares it with what its parent says.
pub fn children(id: &Digest, bytes: &[u8]) -> Result<(u8, Vec<Digest>)> {
    let raw = codec::decode(Frame::Page, bytes).map_err(|error| error.at(place(id)))?;
    let page = verify(raw).map_err(|flaw| Error::damaged(place(id), flaw))?;
    Ok(match page.items {
        Items::Entries(_) => (page.level, Vec::new()),
        Items::Children(children) => (page.level, children.into_iter().map(|child| child.id).collect()),
    })
}

/// Checks everything that can be seen from the page alone.
fn verify(raw: RawPage) -> Result<Page, &'static str> {
    let RawPage { level, keys, added, body } = raw;
    if level > MAX_LEVEL {
        return Err("its level is too high");
    }
    if keys.is_empty() || keys.len() > MAX_ITEMS {
        return Err("it holds no item, or more than 128");
    }
    if keys.len() != body.len() {
        return Err("keys and values differ in number");
    }
    let mut keys =
        Keys { level, keys: keys.into_iter(), rest: &added.0, key: Vec::new(), fill: Fill::default(), closed: false };
    let mut totals = Totals::default();
    let mut count = |more| totals.plus(more).map(|sum| totals = sum).ok_or("its totals overflow");
    let items = match body {
        Body::Entries(entries) if level == 0 => {
            entries.iter().try_for_each(|entry| count(Totals::of(entry)))?;
            let mut leaf = Leaf::of(entries);
            for _ in 0..leaf.len() {
                let height = keys.next()?;
                leaf.add_key(&keys.key, height);
            }
            Items::Entries(leaf)
        }
        Body::Children(children) if level > 0 => {
            let mut items = Vec::with_capacity(children.len());
            for RawChild { id, entries, bytes } in children {
                let totals = Totals { entries, bytes };
                count(totals)?;
                let height = keys.next()?;
                items.push(Child { last: RelPath::of_checked(&keys.key), height, id, totals });
            }
            Items::Children(items)
        }
        _ => return Err("its level and its items disagree"),
    };
    if !keys.rest.is_empty() {
        return Err("it holds more key bytes than its keys have");
    }
    let closed = keys.closed;
    Ok(Page { level, items, totals, closed })
}

/// The keys of a page, one after the other, each verified.
struct Keys<'a> {
    level: u8,
    keys: std::vec::IntoIter<RawKey>,
    rest: &'a [u8],
    /// The one that [`next`](Self::next) went on to.
    key: Vec<u8>,
    fill: Fill,
    closed: bool,
}

impl Keys<'_> {
    /// Goes on to the next key and gives its height.
    fn next(&mut self) -> Result<u8, &'static str> {
        let RawKey { shared, added } = self.keys.next().ok_or("keys and values differ in number")?;
        if self.closed {
            return Err("it goes on where it had to end");
        }
        let (shared, added) = (usize::from(shared), usize::from(added));
        if shared > self.key.len() || added > self.rest.len() {
            return Err("a key is longer than its bytes");
        }
        let (suffix, rest) = self.rest.split_at(added);
        self.rest = rest;
        // Longest possible prefix: the bytes after it differ, and they decide the order (a key without further bytes
        // would be a prefix of the one before it, or the same).
        let before = self.key.get(shared);
        if before.is_some() && before == suffix.first() {
            return Err("a key shares more than it says");
        }
        if self.fill.items() > 0 && path::compare(&self.key[shared..], suffix).is_ge() {
            return Err("its keys are out of order");
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        if path::flaw(&self.key).is_some() {
            return Err("a key is not a path");
        }
        let height = height_of(&self.key);
        self.closed = self.fill.add(self.level, &self.key, height);
        Ok(height)
    }
}

impl Claim<'_> {
    /// Checks what only the surroundings of a page can tell.
    fn check(&self, page: &Page) -> Result<(), &'static str> {
        match self {
            Self::Root => match &page.items {
                Items::Children(children) if children.len() == 1 => Err("it is a root with a single child"),
                _ => Ok(()),
            },
            Self::Child { child, level, after, tail } => {
                if page.level != *level {
                    return Err("its level is not the one below its parent's");
                }
                if page.totals != child.totals {
                    return Err("its totals are not those that its parent says");
                }
                if page.last() != Some(child.last.as_bytes()) {
                    return Err("its last key is not the one that its parent says");
                }
                let above =
                    |after: &&RelPath| page.first().is_some_and(|key| path::compare(after.as_bytes(), key).is_lt());
                if !after.as_ref().is_none_or(above) {
                    return Err("it begins before its place");
                }
                if page.closed || *tail { Ok(()) } else { Err("it ends where it had to go on") }
            }
        }
    }
}

impl Page {
    /// The entries, if it is a leaf; else none.
    pub(super) fn leaf(&self) -> &Leaf {
        static NONE: LazyLock<Leaf> = LazyLock::new(Leaf::default);
        match &self.items {
            Items::Entries(leaf) => leaf,
            Items::Children(_) => &NONE,
        }
    }

    /// The pages right beneath it; a leaf has none.
    pub(super) fn children(&self) -> &[Child] {
        match &self.items {
            Items::Entries(_) => &[],
            Items::Children(children) => children,
        }
    }

    /// How much memory it takes, about.
    pub(super) fn memory(&self) -> usize {
        let child = |child: &Child| size_of_val(child) + child.last.as_bytes().len();
        size_of::<Self>() + self.leaf().memory() + self.children().iter().map(child).sum::<usize>()
    }

    fn first(&self) -> Option<&[u8]> {
        match &self.items {
            Items::Entries(leaf) => leaf.iter().next().map(|(key, _)| key),
            Items::Children(children) => children.first().map(|child| child.last.as_bytes()),
        }
    }

    fn last(&self) -> Option<&[u8]> {
        match &self.items {
            Items::Entries(leaf) => leaf.iter().next_back().map(|(key, _)| key),
            Items::Children(children) => children.last().map(|child| child.last.as_bytes()),
        }
    }
}
