//! What differs between two trees, without reading what they share.
//!
//! Two cursors move through both trees in step. Equal pages ahead of both are passed over, unread. Otherwise the page
//! of the higher level is opened, until entries meet entries. Insertions and removals put the two out of phase: one
//! stands in a leaf while the other stands before a whole page, which is then opened, shared or not, as its first key
//! is not known. They fall into step again at the next natural end, so this costs a page or two on each level.
//!
//! No lower bound of an unread page is kept, because it could never tell more: entries are passed smallest first, so
//! what is ahead of one cursor lies above everything that the other has passed.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::cursor::{Ahead, Cursor};
use super::entry::Entry;
use super::read::Tree;
use crate::error::Result;
use crate::hash::Digest;
use crate::path::{self, RelPath};

/// A path at which two trees differ. At least one side is there, and the sides are not equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The path.
    pub path: RelPath,
    /// What the older tree has.
    pub before: Option<Entry>,
    /// What the newer tree has.
    pub after: Option<Entry>,
}

/// The changes between two trees, in order of paths. Memory: one page of each tree for each level. Ends after the
/// first error.
pub struct Diff<'a> {
    state: State<'a>,
}

enum State<'a> {
    Unread(Tree<'a>, Tree<'a>),
    At(Merge<'a>),
    Ended,
}

impl<'a> Diff<'a> {
    pub(super) fn new(older: Tree<'a>, newer: Tree<'a>) -> Self {
        Self { state: State::Unread(older, newer) }
    }

    fn advance(&mut self) -> Result<Option<Change>> {
        if let State::Unread(older, newer) = self.state {
            self.state = State::At(Merge::new(older, newer, true)?);
        }
        match &mut self.state {
            State::At(merge) => merge.next(),
            _ => Ok(None),
        }
    }
}

impl Iterator for Diff<'_> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}

/// See [`Tree::new_pages`].
///
/// Every page of the newer tree that the older one does not have is opened: only equal pages are passed over there. The
/// other way round, a shared page may be opened while the two are out of phase; it is then opened in the older tree
/// too, because its entries meet themselves. So the opened pages of the one less those of the other are the answer.
pub(super) fn new_pages<'a>(older: Tree<'a>, newer: Tree<'a>) -> Result<Vec<Digest>> {
    let mut merge = Merge::new(older, newer, false)?;
    while merge.next()?.is_some() {}
    let old: HashSet<Digest> = merge.older.opened.into_iter().collect();
    let mut new = merge.newer.opened;
    new.retain(|id| !old.contains(id));
    Ok(new)
}

struct Merge<'a> {
    older: Side<'a>,
    newer: Side<'a>,
    /// Whether changes are wanted; otherwise it is the opened pages, and what is only in the older tree stays shut.
    changes: bool,
}

struct Side<'a> {
    cursor: Cursor<'a>,
    /// The pages opened so far, if they are wanted.
    opened: Vec<Digest>,
}

/// What to do next.
enum Move {
    OpenOlder,
    OpenNewer,
    PassOlder,
    PassBoth,
    Removed,
    Added,
    Both,
    Stop,
}

impl<'a> Side<'a> {
    fn new(tree: Tree<'a>, record: bool) -> Result<Self> {
        let cursor = Cursor::open_root(tree.pages(), &tree.root())?;
        let opened = if record && !tree.is_empty() { vec![tree.root()] } else { Vec::new() };
        Ok(Self { cursor, opened })
    }

    fn open(&mut self, record: bool) -> Result<()> {
        if let (true, Ahead::Page(child, _)) = (record, self.cursor.ahead()) {
            self.opened.push(child.id);
        }
        self.cursor.open()
    }
}

impl<'a> Merge<'a> {
    fn new(older: Tree<'a>, newer: Tree<'a>, changes: bool) -> Result<Self> {
        if older.root() == newer.root() {
            let side = |tree: Tree<'a>| Side { cursor: Cursor::at_end(tree.pages()), opened: Vec::new() };
            return Ok(Self { older: side(older), newer: side(newer), changes });
        }
        Ok(Self { older: Side::new(older, !changes)?, newer: Side::new(newer, !changes)?, changes })
    }

    fn next(&mut self) -> Result<Option<Change>> {
        loop {
            let record = !self.changes;
            match self.decide() {
                Move::OpenOlder => self.older.open(record)?,
                Move::OpenNewer => self.newer.open(record)?,
                Move::PassOlder => self.older.cursor.pass(),
                Move::PassBoth => {
                    self.older.cursor.pass();
                    self.newer.cursor.pass();
                }
                Move::Removed => {
                    if let Some((path, before)) = self.older.cursor.take() {
                        return Ok(Some(Change { path, before: Some(before), after: None }));
                    }
                }
                Move::Added => {
                    if let Some((path, after)) = self.newer.cursor.take() {
                        return Ok(Some(Change { path, before: None, after: Some(after) }));
                    }
                }
                Move::Both => {
                    if self.older.cursor.entry() == self.newer.cursor.entry() {
                        self.older.cursor.pass_entry();
                        self.newer.cursor.pass_entry();
                        continue;
                    }
                    let before = self.older.cursor.take().map(|(_, before)| before);
                    if let Some((path, after)) = self.newer.cursor.take() {
                        return Ok(Some(Change { path, before, after: Some(after) }));
                    }
                }
                Move::Stop => return Ok(None),
            }
        }
    }

    fn decide(&self) -> Move {
        let (older, newer) = (&self.older.cursor, &self.newer.cursor);
        // A page that lies in the older tree only has to be read for its removals, and for nothing else.
        let removed = if self.changes { Move::OpenOlder } else { Move::PassOlder };
        match (older.ahead(), newer.ahead()) {
            (Ahead::End, Ahead::End) => Move::Stop,
            (Ahead::End, Ahead::Page(..)) => Move::OpenNewer,
            (Ahead::End, Ahead::Entry(..)) => Move::Added,
            (Ahead::Page(..), Ahead::End) => removed,
            (Ahead::Entry(..), Ahead::End) => Move::Removed,
            (Ahead::Entry(old), Ahead::Entry(new)) => match path::compare(old, new) {
                Ordering::Less => Move::Removed,
                Ordering::Equal => Move::Both,
                Ordering::Greater => Move::Added,
            },
            (Ahead::Entry(..), Ahead::Page(..)) => Move::OpenNewer,
            (Ahead::Page(old, _), Ahead::Entry(new)) if path::compare(old.last.as_bytes(), new).is_lt() => removed,
            (Ahead::Page(..), Ahead::Entry(..)) => Move::OpenOlder,
            (Ahead::Page(old, _), Ahead::Page(new, _)) if old.id == new.id => Move::PassBoth,
            (Ahead::Page(_, old), Ahead::Page(_, new)) if old < new => Move::OpenNewer,
            (Ahead::Page(..), Ahead::Page(..)) => Move::OpenOlder,
        }
    }
}
