//! A position in a tree, between what was passed and what is still to be read.
//!
//! Ahead of a cursor is an entry, a page that was not read yet, or the end. A page is opened (read and verified, its
//! items come next) or passed over, unread. Memory: one page for each level.

use std::sync::Arc;

use super::entry::Entry;
use super::leaf::Leaf;
use super::page::{Child, Claim, Page, read, read_stored};
use super::pages::Pages;
use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;

/// See the module.
pub(super) struct Cursor<'a> {
    pages: &'a dyn Pages,
    /// Opened pages above the leaves, the top one first; none is exhausted.
    stack: Vec<Opened>,
    leaf: Option<Arc<Page>>,
    /// How many entries of the leaf are passed.
    passed: usize,
    /// The page opened or passed last: while a page is ahead, all of its keys are above the last one of this.
    after: Option<Spot>,
}

struct Opened {
    page: Arc<Page>,
    /// How many children are passed.
    passed: usize,
    /// Whether the last child is the last page of its level.
    tail: bool,
}

/// A child of a page.
struct Spot {
    parent: Arc<Page>,
    index: usize,
    /// Whether it is the last page of its level.
    tail: bool,
}

/// A page and its bytes.
pub(super) type Stored = (Arc<Page>, Arc<[u8]>);

/// What is ahead of a cursor.
#[derive(Clone, Copy)]
pub(super) enum Ahead<'c> {
    /// An entry: its path, in bytes.
    Entry(&'c [u8]),
    /// A page of a level.
    Page(&'c Child, u8),
    /// Nothing.
    End,
}

impl Opened {
    /// The children ahead.
    fn ahead(&self) -> &[Child] {
        &self.page.children()[self.passed..]
    }

    /// The level of the children.
    fn level(&self) -> u8 {
        self.page.level - 1
    }
}

impl Spot {
    fn child(&self) -> &Child {
        &self.parent.children()[self.index]
    }

    /// What is known of it before it is read.
    fn claim<'c>(&'c self, after: Option<&'c Self>) -> Claim<'c> {
        let after = after.map(|after| &after.child().last);
        Claim::Child { child: self.child(), level: self.parent.level - 1, after, tail: self.tail }
    }
}

impl<'a> Cursor<'a> {
    /// At the start of the tree `root`. Reads the top page.
    pub(super) fn open_root(pages: &'a dyn Pages, root: &Digest) -> Result<Self> {
        let mut cursor = Self::at_end(pages);
        cursor.enter(read(pages, root, &Claim::Root)?, true);
        Ok(cursor)
    }

    /// At the start of the tree `root`. Reads the top page from the store and gives it, with its bytes.
    pub(super) fn open_stored_root(pages: &'a dyn Pages, root: &Digest) -> Result<(Self, Stored)> {
        let mut cursor = Self::at_end(pages);
        let stored = read_stored(pages, root, &Claim::Root)?;
        cursor.enter(Arc::clone(&stored.0), true);
        Ok((cursor, stored))
    }

    /// At the end of a tree.
    pub(super) fn at_end(pages: &'a dyn Pages) -> Self {
        Self { pages, stack: Vec::new(), leaf: None, passed: 0, after: None }
    }

    fn enter(&mut self, page: Arc<Page>, tail: bool) {
        if page.level == 0 {
            (self.leaf, self.passed) = (Some(page), 0);
        } else {
            self.stack.push(Opened { page, passed: 0, tail });
        }
    }

    /// What is ahead.
    pub(super) fn ahead(&self) -> Ahead<'_> {
        if let Some((key, _)) = self.entry() {
            return Ahead::Entry(key);
        }
        let next = self.stack.last().and_then(|opened| Some((opened.ahead().first()?, opened.level())));
        next.map_or(Ahead::End, |(child, level)| Ahead::Page(child, level))
    }

    /// The leaf that was opened last, where entries of it are ahead.
    fn leaf(&self) -> Option<&Leaf> {
        self.leaf.as_ref().map(|page| page.leaf()).filter(|leaf| self.passed < leaf.len())
    }

    /// The entry ahead.
    pub(super) fn entry(&self) -> Option<(&[u8], &Entry)> {
        self.leaf().map(|leaf| (leaf.key(self.passed), &leaf.entries()[self.passed]))
    }

    /// Passes the entry ahead and gives it.
    pub(super) fn take(&mut self) -> Option<(RelPath, Entry)> {
        let taken = self.entry().map(|(key, entry)| (RelPath::of_checked(key), entry.clone()));
        self.pass_entry();
        taken
    }

    /// Passes the entry ahead.
    pub(super) fn pass_entry(&mut self) {
        // Beyond the end of the leaf nothing is ahead.
        self.passed += 1;
    }

    /// Passes the rest of the leaf.
    pub(super) fn pass_leaf(&mut self) {
        self.leaf = None;
    }

    /// Passes over the page ahead, unread.
    pub(super) fn pass(&mut self) {
        if let Some(spot) = self.take_child() {
            self.after = Some(spot);
        }
    }

    /// Reads the page ahead: its items are ahead then. At an entry or at the end it does nothing.
    pub(super) fn open(&mut self) -> Result<()> {
        let Some(spot) = self.take_child() else { return Ok(()) };
        let page = read(self.pages, &spot.child().id, &spot.claim(self.after.as_ref()))?;
        self.opened(spot, page);
        Ok(())
    }

    /// Reads the page ahead from the store, like [`open`](Self::open), and gives it, with its bytes.
    pub(super) fn open_stored(&mut self) -> Result<Option<Stored>> {
        let Some(spot) = self.take_child() else { return Ok(None) };
        let stored = read_stored(self.pages, &spot.child().id, &spot.claim(self.after.as_ref()))?;
        self.opened(spot, Arc::clone(&stored.0));
        Ok(Some(stored))
    }

    fn opened(&mut self, spot: Spot, page: Arc<Page>) {
        let leaf = page.level == 0;
        self.enter(page, spot.tail);
        if leaf {
            self.after = Some(spot);
        }
    }

    /// Passes over the rest of the page opened last, which is above the leaves.
    pub(super) fn leave(&mut self) {
        if let Some(Opened { page, tail, .. }) = self.stack.pop() {
            // A page above the leaves has children.
            self.after = Some(Spot { index: page.children().len() - 1, parent: page, tail });
        }
    }

    /// Takes the child ahead out of its parent.
    fn take_child(&mut self) -> Option<Spot> {
        let opened = self.stack.last_mut()?;
        let (parent, index) = (Arc::clone(&opened.page), opened.passed);
        opened.passed += 1;
        let last = opened.ahead().is_empty();
        let tail = opened.tail && last;
        if last {
            self.stack.pop();
        }
        Some(Spot { parent, index, tail })
    }

    /// Moves on to the first entry that is not below `key`, and reads the pages on the way to it only.
    pub(super) fn seek(&mut self, key: &RelPath) -> Result<()> {
        loop {
            if let Some(leaf) = self.leaf() {
                let below = leaf.below(key);
                if below < leaf.len() {
                    self.passed = self.passed.max(below);
                    return Ok(());
                }
            }
            self.pass_leaf();
            match self.ahead() {
                Ahead::Page(child, _) if child.last < *key => self.pass(),
                Ahead::Page(..) => self.open()?,
                Ahead::Entry(..) | Ahead::End => return Ok(()),
            }
        }
    }
}
