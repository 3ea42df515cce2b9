//! Cutting a sorted stream of entries into pages, in memory proportional to the depth.
//!
//! One open page per level. When a page ends it is written and its last key becomes an item of the level above. Two
//! things keep the tree canonical:
//! - the top is the lowest level that has one page, so a single item that stands alone on the highest level is not a
//!   page but the root itself;
//! - a key of great height at the very start would write a chain of pages with one child each that the root may turn
//!   out to lie beneath. Such a page is *held* until its parent has a second item.

use super::boundary::{Fill, MAX_LEVEL, height_of};
use super::entry::Entry;
use super::page::{Child, RawPage, Totals, empty_root};
use super::pages::PageSink;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;

/// Builds the tree of `entries`, which ascend strictly, writes its pages to `sink` and gives its root.
///
/// Memory grows with the depth only. The empty tree writes nothing. Errors: [`ErrorKind::Internal`] where the order
/// is broken, and whatever `entries` and `sink` say.
pub fn build(entries: impl IntoIterator<Item = Result<(RelPath, Entry)>>, sink: &mut dyn PageSink) -> Result<Digest> {
    let mut builder = Builder::new(sink);
    for entry in entries {
        let (path, entry) = entry?;
        builder.push(path, entry)?;
    }
    Ok(builder.finish()?.map_or_else(empty_root, |top| top.child.id))
}

/// What became the root.
pub(super) struct Top {
    pub(super) child: Child,
    pub(super) level: u8,
    /// Whether the page was taken over from the old tree, and not written by this builder.
    pub(super) taken: bool,
}

/// A chunker for each level.
pub(super) struct Builder<'s> {
    sink: &'s mut dyn PageSink,
    levels: Vec<Level>,
}

/// The open page of a level, and what is known of the level.
struct Level {
    page: RawPage,
    fill: Fill,
    totals: Totals,
    /// The last key, of this page or of the one before it, and its height.
    last: Option<(RelPath, u8)>,
    /// The first child of the open page.
    first: Option<Link>,
    /// The first page of this level, unwritten, while it has one child and nothing follows it.
    held: Option<Held>,
}

/// A child, and whether its page was taken over from the old tree.
#[derive(Clone)]
struct Link {
    child: Child,
    taken: bool,
}

struct Held {
    id: Digest,
    bytes: Vec<u8>,
    only: Link,
}

impl Level {
    fn new(level: u8) -> Self {
        let (fill, totals) = (Fill::default(), Totals::default());
        Self { page: RawPage::new(level), fill, totals, last: None, first: None, held: None }
    }

    /// Adds a key; says whether the page ends after it. The value must follow.
    fn add(&mut self, level: u8, key: RelPath, height: u8, totals: Totals) -> Result<bool> {
        let last = self.last.as_ref().map(|(last, _)| last);
        if last.is_some_and(|last| *last >= key) {
            return Err(Error::new(ErrorKind::Internal, "entries are not in ascending order").at(&key));
        }
        let sum = self.totals.plus(totals);
        self.totals = sum.ok_or_else(|| Error::new(ErrorKind::Unsupported, "the sizes sum up beyond 2^64").at(&key))?;
        self.page.add_key(last.filter(|_| self.fill.items() > 0), &key);
        let ends = self.fill.add(level, key.as_bytes(), height);
        self.last = Some((key, height));
        Ok(ends)
    }
}

impl<'s> Builder<'s> {
    pub(super) fn new(sink: &'s mut dyn PageSink) -> Self {
        Self { sink, levels: Vec::new() }
    }

    /// Adds an entry after all others.
    pub(super) fn push(&mut self, path: RelPath, entry: Entry) -> Result<()> {
        let height = height_of(path.as_bytes());
        self.push_known(path, height, entry)
    }

    /// Adds an entry after all others, at a path whose height is known.
    pub(super) fn push_known(&mut self, path: RelPath, height: u8, entry: Entry) -> Result<()> {
        let level = self.level(0)?;
        let ends = level.add(0, path, height, Totals::of(&entry))?;
        level.page.add_entry(entry);
        if ends { self.end_page(0) } else { Ok(()) }
    }

    /// Whether pages of `level` and below it begin here, so that one of the old tree may be taken over.
    pub(super) fn begins(&self, level: u8) -> bool {
        self.levels.iter().take(usize::from(level) + 1).all(|level| level.fill.items() == 0)
    }

    /// Takes over a page of `level` of the old tree, unread, with all beneath it. Only where [`Self::begins`] says so.
    pub(super) fn take_over(&mut self, child: Child, level: u8) -> Result<()> {
        self.add_child(level + 1, Link { child, taken: true })
    }

    /// The chunker of `level`. Levels come into being from the bottom up, on their first use.
    fn level(&mut self, level: u8) -> Result<&mut Level> {
        if level > MAX_LEVEL {
            return Err(Error::new(ErrorKind::Unsupported, "the names of this tree make it too deep"));
        }
        while self.levels.len() <= usize::from(level) {
            // At most MAX_LEVEL, so it fits.
            self.levels.push(Level::new(self.levels.len() as u8));
        }
        Ok(&mut self.levels[usize::from(level)])
    }

    fn add_child(&mut self, number: u8, link: Link) -> Result<()> {
        if self.level(number)?.last.is_some() {
            self.release(number)?;
        }
        let level = self.level(number)?;
        let Child { last, height, id, totals } = link.child.clone();
        if level.fill.items() == 0 {
            level.first = Some(link);
        }
        let ends = level.add(number, last, height, totals)?;
        level.page.add_child(id, totals);
        if ends { self.end_page(number) } else { Ok(()) }
    }

    /// Writes what is held below `level`: there is a second item, so the root lies above.
    fn release(&mut self, level: u8) -> Result<()> {
        for below in &mut self.levels[..usize::from(level)] {
            if let Some(held) = below.held.take() {
                self.sink.put(held.id, held.bytes)?;
            }
        }
        Ok(())
    }

    /// Ends the open page of `level`, which has items, and makes it an item of the level above.
    fn end_page(&mut self, number: u8) -> Result<()> {
        let child = self.seal(number)?;
        self.add_child(number + 1, Link { child, taken: false })
    }

    /// Names the open page of `level`, writes or holds it, and starts the next.
    fn seal(&mut self, number: u8) -> Result<Child> {
        let index = usize::from(number);
        let stands_first = self.levels.get(index + 1).is_none_or(|above| above.last.is_none());
        let level = &mut self.levels[index];
        let (id, bytes) = level.page.seal()?;
        let (last, height) = level.last.clone().expect("because a page that ends has a last key");
        let child = Child { last, height, id, totals: level.totals };
        match level.first.take() {
            Some(only) if stands_first && level.fill.items() == 1 => level.held = Some(Held { id, bytes, only }),
            _ => self.sink.put(id, bytes)?,
        }
        level.page.clear();
        level.fill = Fill::default();
        level.totals = Totals::default();
        Ok(child)
    }

    /// Ends all pages and gives the root; nothing, if nothing was added.
    pub(super) fn finish(mut self) -> Result<Option<Top>> {
        let mut number = 0;
        // Ending a page may make another level.
        while usize::from(number) + 1 < self.levels.len() {
            if self.levels[usize::from(number)].fill.items() > 0 {
                self.end_page(number)?;
            }
            number += 1;
        }
        let Some(highest) = self.levels.last_mut() else { return Ok(None) };
        match highest.first.take() {
            Some(only) if highest.fill.items() == 1 => Ok(Some(self.descend(only, number - 1))),
            _ => Ok(Some(Top { child: self.seal(number)?, level: number, taken: false })),
        }
    }

    /// The root at or below the only page of `level`: the first one that has more than one item.
    fn descend(&mut self, mut top: Link, mut level: u8) -> Top {
        while let Some(held) = self.levels[usize::from(level)].held.take() {
            top = held.only;
            level -= 1;
        }
        Top { child: top.child, level, taken: top.taken }
    }
}
