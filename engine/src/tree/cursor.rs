//! A position in a tree, between what was passed and what is still to be read.
//!
//! Ahead of a cursor is an entry, a page that was not read yet, or the end. A page is opened (read and verified, its
//! items come next) or passed over, unread. Memory: one page for each level.

use std::sync::Arc;

use super::entry::Entry;
use super::page::{Child, Claim, Items, Page, read, read_child};
use super::pages::Pages;
use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;

/// See the module.
pub(super) struct Cursor<'a> {
    pages: &'a dyn Pages,
    /// Opened pages above the leaves, the top one first; none is exhausted.
    stack: Vec<Opened>,
    leaf: std::vec::IntoIter<(RelPath, Entry)>,
    /// The last key of the page opened or passed last: while a page is ahead, all of its keys are above this one.
    after: Option<RelPath>,
}

struct Opened {
    /// The level of the children.
    level: u8,
    children: std::vec::IntoIter<Child>,
    /// Whether the last child is the last page of its level.
    tail: bool,
}

/// What is ahead of a cursor.
#[derive(Clone, Copy)]
pub(super) enum Ahead<'c> {
    /// The entry at a path.
    Entry(&'c RelPath),
    /// A page of a level.
    Page(&'c Child, u8),
    /// Nothing.
    End,
}

impl<'a> Cursor<'a> {
    /// At the start of the tree `root`. Reads the top page and gives its bytes.
    pub(super) fn open_root(pages: &'a dyn Pages, root: &Digest) -> Result<(Self, Arc<[u8]>)> {
        let mut cursor = Self::at_end(pages);
        let (page, bytes) = read(pages, root, &Claim::Root)?;
        cursor.enter(page, true);
        Ok((cursor, bytes))
    }

    /// At the end of a tree.
    pub(super) fn at_end(pages: &'a dyn Pages) -> Self {
        Self { pages, stack: Vec::new(), leaf: Vec::new().into_iter(), after: None }
    }

    fn enter(&mut self, page: Page, tail: bool) {
        match page.items {
            Items::Entries(entries) => self.leaf = entries.into_iter(),
            Items::Children(children) => {
                self.stack.push(Opened { level: page.level - 1, children: children.into_iter(), tail });
            }
        }
    }

    /// What is ahead.
    pub(super) fn ahead(&self) -> Ahead<'_> {
        if let Some((path, _)) = self.leaf.as_slice().first() {
            return Ahead::Entry(path);
        }
        let next = self.stack.last().and_then(|opened| Some((opened.children.as_slice().first()?, opened.level)));
        next.map_or(Ahead::End, |(child, level)| Ahead::Page(child, level))
    }

    /// The entries ahead on the leaf that was opened last.
    pub(super) fn leaf(&self) -> &[(RelPath, Entry)] {
        self.leaf.as_slice()
    }

    /// Passes the entry ahead and gives it.
    pub(super) fn take(&mut self) -> Option<(RelPath, Entry)> {
        self.leaf.next()
    }

    /// Passes the rest of the leaf.
    pub(super) fn pass_leaf(&mut self) {
        self.leaf = Vec::new().into_iter();
    }

    /// Passes over the page ahead, unread.
    pub(super) fn pass(&mut self) {
        if let Some((child, _, _)) = self.take_child() {
            self.after = Some(child.last);
        }
    }

    /// Reads the page ahead: its items are ahead then. Gives its bytes. At an entry or at the end it does nothing.
    pub(super) fn open(&mut self) -> Result<Option<Arc<[u8]>>> {
        let Some((child, level, tail)) = self.take_child() else { return Ok(None) };
        let (page, bytes) = read_child(self.pages, &child, level, self.after.as_ref(), tail)?;
        self.enter(page, tail);
        if level == 0 {
            self.after = Some(child.last);
        }
        Ok(Some(bytes))
    }

    /// Passes over the rest of the page opened last, which is above the leaves.
    pub(super) fn leave(&mut self) {
        let rest = self.stack.pop().map(|opened| opened.children);
        if let Some(child) = rest.and_then(Iterator::last) {
            self.after = Some(child.last);
        }
    }

    /// Takes the child ahead out of its parent: with its level, and whether it is the last page of it.
    fn take_child(&mut self) -> Option<(Child, u8, bool)> {
        let opened = self.stack.last_mut()?;
        let (level, child) = (opened.level, opened.children.next()?);
        let last = opened.children.as_slice().is_empty();
        let tail = opened.tail && last;
        if last {
            self.stack.pop();
        }
        Some((child, level, tail))
    }

    /// Moves on to the first entry that is not below `key`, and reads the pages on the way to it only.
    pub(super) fn seek(&mut self, key: &RelPath) -> Result<()> {
        loop {
            let entries = self.leaf.as_slice();
            let below = entries.partition_point(|(path, _)| path < key);
            if below < entries.len() {
                self.leaf.by_ref().take(below).for_each(drop);
                return Ok(());
            }
            self.pass_leaf();
            match self.ahead() {
                Ahead::Page(child, _) if child.last < *key => self.pass(),
                Ahead::Page(..) => drop(self.open()?),
                Ahead::Entry(..) | Ahead::End => return Ok(()),
            }
        }
    }
}
