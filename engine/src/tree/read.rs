//! Reading a tree: one entry, a range, totals, and the pages for the garbage collector.

use std::sync::Arc;

use super::cursor::{Ahead, Cursor};
use super::diff::{Diff, new_pages};
use super::entry::Entry;
use super::leaf::Leaf;
use super::page::{Claim, Totals, empty_root, read};
use super::pages::Pages;
use crate::error::Result;
use crate::hash::Digest;
use crate::path::{self, RelPath};

/// A tree: a root, and where its pages are. Reading verifies every page it touches.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    pages: &'a dyn Pages,
    root: Digest,
}

/// What a walk over pages has come to. See [`Tree::walk_pages`].
pub enum Step<'s> {
    /// A page that was not read yet. The answer says whether to read it; what is beneath it is passed over otherwise.
    Found,
    /// The page was read and verified. The answer says whether to go on to the pages beneath it.
    Read {
        /// Its bytes as stored.
        bytes: &'s Arc<[u8]>,
        /// Its entries, if it is a leaf; else none.
        leaf: &'s Leaf,
    },
}

impl<'a> Tree<'a> {
    /// The tree `root` whose pages are in `pages`. Nothing is read yet.
    pub fn new(pages: &'a dyn Pages, root: Digest) -> Self {
        Self { pages, root }
    }

    /// The tree without entries, over `pages`.
    pub fn empty(pages: &'a dyn Pages) -> Self {
        Self::new(pages, empty_root())
    }

    /// The root.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Where the pages are.
    pub fn pages(&self) -> &'a dyn Pages {
        self.pages
    }

    /// Whether there is no entry. Reads nothing.
    pub fn is_empty(&self) -> bool {
        self.root == empty_root()
    }

    /// The entry at `path`. Reads one page for each level.
    pub fn get(&self, path: &RelPath) -> Result<Option<Entry>> {
        let mut page = read(self.pages, &self.root, &Claim::Root)?;
        let (mut after, mut tail) = (None, true);
        while page.level > 0 {
            let children = page.children();
            let index = children.partition_point(|child| child.last < *path);
            let Some(child) = children.get(index) else { return Ok(None) };
            tail &= index + 1 == children.len();
            if let Some(before) = index.checked_sub(1) {
                after = Some(children[before].last.clone());
            }
            let claim = Claim::Child { child, level: page.level - 1, after: after.as_ref(), tail };
            page = read(self.pages, &child.id, &claim)?;
        }
        let leaf = page.leaf();
        let index = leaf.below(path);
        let found = index < leaf.len() && leaf.key(index) == path.as_bytes();
        Ok(found.then(|| leaf.entries()[index].clone()))
    }

    /// All entries, in order.
    pub fn iter(&self) -> Entries<'a> {
        self.range(Range::All)
    }

    /// The entries strictly beneath `directory`, in order.
    pub fn beneath(&self, directory: &RelPath) -> Entries<'a> {
        self.range(Range::Beneath(directory.clone()))
    }

    /// The entries that are not below `key`, in order.
    pub fn from(&self, key: &RelPath) -> Entries<'a> {
        self.range(Range::From(key.clone()))
    }

    fn range(&self, range: Range) -> Entries<'a> {
        Entries { state: State::Unread(*self), range }
    }

    /// How many entries there are, and how many bytes their files have. Reads the top page only.
    pub fn totals(&self) -> Result<Totals> {
        Ok(read(self.pages, &self.root, &Claim::Root)?.totals)
    }

    /// What changes from this tree to `newer`, in order of paths. Shared pages are not read.
    pub fn diff(&self, newer: &Tree<'a>) -> Diff<'a> {
        Diff::new(*self, *newer)
    }

    /// The ids of exactly those pages of `newer` that this tree does not have, each above those beneath it.
    ///
    /// Reads O(d log n) pages of both trees for d changes, and holds as many ids.
    pub fn new_pages(&self, newer: &Tree<'a>) -> Result<Vec<Digest>> {
        new_pages(*self, *newer)
    }

    /// Visits every page, each above those beneath it: once found, and once read if `visit` answered yes to that.
    ///
    /// The answer to [`Step::Found`] is where a collector passes over what it has walked for another tree. The empty
    /// tree has no page.
    pub fn walk_pages(&self, mut visit: impl FnMut(&Digest, Step<'_>) -> Result<bool>) -> Result<()> {
        if self.is_empty() || !visit(&self.root, Step::Found)? {
            return Ok(());
        }
        let (mut cursor, (page, bytes)) = Cursor::open_stored_root(self.pages, &self.root)?;
        if !visit(&self.root, Step::Read { bytes: &bytes, leaf: page.leaf() })? {
            return Ok(());
        }
        loop {
            cursor.pass_leaf();
            let Ahead::Page(child, level) = cursor.ahead() else { return Ok(()) };
            let id = child.id;
            if !visit(&id, Step::Found)? {
                cursor.pass();
            } else if let Some((page, bytes)) = cursor.open_stored()? {
                let beneath = visit(&id, Step::Read { bytes: &bytes, leaf: page.leaf() })?;
                if !beneath && level > 0 {
                    cursor.leave();
                }
            }
        }
    }
}

/// A range of entries, in order. Memory: one page for each level. Ends after the first error.
pub struct Entries<'a> {
    state: State<'a>,
    range: Range,
}

enum State<'a> {
    Unread(Tree<'a>),
    At(Cursor<'a>),
    Ended,
}

enum Range {
    All,
    From(RelPath),
    Beneath(RelPath),
}

impl<'a> Entries<'a> {
    fn start(&self, tree: &Tree<'a>) -> Result<Cursor<'a>> {
        let mut cursor = Cursor::open_root(tree.pages, &tree.root)?;
        match &self.range {
            Range::All => {}
            Range::From(key) => cursor.seek(key)?,
            Range::Beneath(directory) => {
                cursor.seek(directory)?;
                if matches!(cursor.ahead(), Ahead::Entry(key) if key == directory.as_bytes()) {
                    cursor.pass_entry();
                }
            }
        }
        Ok(cursor)
    }

    fn advance(&mut self) -> Result<Option<(RelPath, Entry)>> {
        if let State::Unread(tree) = self.state {
            self.state = State::At(self.start(&tree)?);
        }
        let State::At(cursor) = &mut self.state else { return Ok(None) };
        loop {
            match cursor.ahead() {
                Ahead::Page(..) => cursor.open()?,
                Ahead::End => return Ok(None),
                Ahead::Entry(key) => {
                    let within = match &self.range {
                        Range::Beneath(directory) => path::is_beneath(key, directory.as_bytes()),
                        Range::All | Range::From(_) => true,
                    };
                    return Ok(if within { cursor.take() } else { None });
                }
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(RelPath, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}
