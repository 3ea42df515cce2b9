//! The Merkle index: a sorted map from path to entry, cut into pages that are named by their hash.
//!
//! It is a *prolly tree* (Noms, Dolt). Sorted entries are cut into leaf pages, the pages' last keys into pages of
//! level 1, and so on up to a single page, whose id is the root. Where a page ends is decided by the hash of a key
//! alone (`boundary`), so a value never moves a cut, and a cut depends on nothing but the keys around it. Laws, each
//! a property test:
//! - the same set of entries has the same root, whatever order it came in; [`edit`] equals [`build`] byte for byte;
//! - an edit of d entries in a tree of n reads and writes O(d log n) pages, and so does the diff of two trees;
//! - a subtree of the directory is one range of keys ([`Tree::beneath`]).
//!
//! Everything that shapes a root (the cut, the encoding, the empty root) belongs to [`TREE_VERSION`], which records
//! name. Golden vectors in the tests hold it still.
//!
//! Pages come from outside ([`Pages`]) and are believed in nothing: the bytes are checked against their id, then the
//! order, the cut, the level, and what the parent claims of its child. What fails is [`ErrorKind::Damaged`] and names
//! the page. [`build`] and [`edit`] only ever write new pages, to a [`PageSink`]; children come before their parents.
//!
//! [`ErrorKind::Damaged`]: crate::error::ErrorKind::Damaged

mod boundary;
mod builder;
mod cursor;
mod diff;
mod edit;
mod entry;
mod kept;
mod leaf;
mod page;
mod pages;
mod read;
#[cfg(test)]
mod tests;

pub use builder::build;
pub use diff::{Change, Diff};
pub use edit::edit;
pub use entry::{Entry, LinkTarget, MAX_TARGET, Mode};
pub use kept::KeptPages;
pub use leaf::Leaf;
pub use page::{Totals, children, empty_root};
pub use pages::{MemoryPages, Overlay, PageSink, Pages};
pub use read::{Entries, Step, Tree};

/// The version of everything that shapes a root. A record names the version that its root was made under.
pub const TREE_VERSION: u32 = 1;
