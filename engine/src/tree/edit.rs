//! Editing a tree: the old one is streamed through the chunkers, and what cannot have changed is taken over unread.
//!
//! A page of the old tree is taken over, whole and with all beneath it, where no change falls into its range and where
//! pages of its level and of all levels below begin anyway. What a page holds depends on where it begins and on the
//! keys that follow, so the chunkers would have cut the very same page. The last page of a level ended because there
//! was no more: what is appended falls into its range. Everywhere else the page is read and its items go through the
//! chunkers. A removed or added end makes the cuts go out of phase up to the next natural end, a page or two away on
//! each level: that is the whole cost.

use std::iter::Peekable;

use super::builder::{Builder, Top};
use super::entry::Entry;
use super::page::{Child, Claim, Page, empty_root, read};
use super::pages::{PageSink, Pages};
use super::read::Tree;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;

/// Applies `changes`, which ascend strictly, to `tree`: `Some` puts an entry, `None` removes one (an absent path stays
/// absent). Writes new pages to `sink`, some of which the tree may have, and gives the new root.
///
/// The root is that of [`build`](super::build) over the resulting set. For d changes in a tree of n entries, O(d log n)
/// pages are read and written. Errors: [`ErrorKind::Internal`] where the order is broken, and whatever `changes`,
/// `sink` and the tree's pages say.
pub fn edit(
    tree: Tree<'_>,
    changes: impl IntoIterator<Item = Result<(RelPath, Option<Entry>)>>,
    sink: &mut dyn PageSink,
) -> Result<Digest> {
    let changes = Ascending { changes: changes.into_iter(), last: None };
    let mut edit = Edit { pages: tree.pages(), changes: changes.peekable(), builder: Builder::new(sink) };
    if edit.changes.peek().is_none() {
        return Ok(tree.root());
    }
    let page = read(edit.pages, &tree.root(), &Claim::Root)?;
    edit.splice(&page, None, true)?;
    edit.apply_before(None)?;
    match edit.builder.finish()? {
        None => Ok(empty_root()),
        Some(top) => root_of(tree.pages(), top),
    }
}

/// The root at or below `top`: a page that was taken over may have a single child, now that nothing is beside it.
fn root_of(pages: &dyn Pages, top: Top) -> Result<Digest> {
    let Top { mut child, mut level, taken } = top;
    while taken && level > 0 {
        let page = read(pages, &child.id, &Claim::Child { child: &child, level, after: None, tail: true })?;
        let [only] = page.children() else { break };
        child = only.clone();
        level -= 1;
    }
    Ok(child.id)
}

type Changed = (RelPath, Option<Entry>);

/// Changes whose order is checked.
struct Ascending<I> {
    changes: I,
    last: Option<RelPath>,
}

impl<I: Iterator<Item = Result<Changed>>> Iterator for Ascending<I> {
    type Item = Result<Changed>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.changes.next()?;
        Some(next.and_then(|(path, entry)| {
            if self.last.as_ref().is_some_and(|last| *last >= path) {
                return Err(Error::new(ErrorKind::Internal, "changes are not in ascending order").at(&path));
            }
            self.last = Some(path.clone());
            Ok((path, entry))
        }))
    }
}

struct Edit<'e, I: Iterator<Item = Result<Changed>>> {
    pages: &'e dyn Pages,
    changes: Peekable<Ascending<I>>,
    builder: Builder<'e>,
}

impl<I: Iterator<Item = Result<Changed>>> Edit<'_, I> {
    /// Puts the items of `page` and the changes among them through the chunkers. Its keys are above `after`; `tail`
    /// says that it is the last page of its level.
    fn splice<'p>(&mut self, page: &'p Page, mut after: Option<&'p RelPath>, tail: bool) -> Result<()> {
        let leaf = page.leaf();
        for (index, entry) in leaf.entries().iter().enumerate() {
            let path = leaf.path(index);
            if self.apply_before(Some(&path))? {
                self.builder.push_known(path, leaf.height(index), entry.clone())?;
            }
        }
        let count = page.children().len();
        for (index, child) in page.children().iter().enumerate() {
            self.splice_child(child, page.level - 1, after, tail && index + 1 == count)?;
            after = Some(&child.last);
        }
        Ok(())
    }

    fn splice_child(&mut self, child: &Child, level: u8, after: Option<&RelPath>, tail: bool) -> Result<()> {
        if !self.touches(&child.last, tail) && self.builder.begins(level) {
            return self.builder.take_over(child.clone(), level);
        }
        let page = read(self.pages, &child.id, &Claim::Child { child, level, after, tail })?;
        self.splice(&page, after, tail)
    }

    /// Whether the next change falls into the range that ends with `last`, or has no end.
    fn touches(&mut self, last: &RelPath, tail: bool) -> bool {
        match self.changes.peek() {
            None => false,
            Some(Ok((path, _))) => tail || path <= last,
            // It comes to light when it is taken.
            Some(Err(_)) => true,
        }
    }

    /// Applies the changes up to and including `path`, or all. Says whether the old entry at `path` stays.
    fn apply_before(&mut self, path: Option<&RelPath>) -> Result<bool> {
        loop {
            match (self.changes.peek(), path) {
                (None, _) => return Ok(true),
                (Some(Ok((changed, _))), Some(path)) if changed > path => return Ok(true),
                _ => {}
            }
            let Some((changed, entry)) = self.changes.next().transpose()? else { return Ok(true) };
            let replaced = path == Some(&changed);
            if let Some(entry) = entry {
                self.builder.push(changed, entry)?;
            }
            if replaced {
                return Ok(false);
            }
        }
    }
}
