//! Which entries a worker looks at: what it tracks and what is wanted. What the server made is none of its business.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;
use crate::path::RelPath;
use crate::scan::Interest;
use crate::tree::Tree;

/// After so many questions the trees are read through once: a question costs a page of every level, which is right for
/// the few new entries of an ordinary scan and wrong for the first scan after an update.
const FEW: usize = 256;

/// Interested in the paths of some trees.
pub(super) struct Tracked<'a> {
    trees: Vec<Tree<'a>>,
    asked: AtomicUsize,
    hasher: RandomState,
    /// Hashes of all paths. Two paths of one hash only mean that one file too many is looked at. None: the trees
    /// cannot be read, so nobody knows.
    known: OnceLock<Option<HashSet<u64>>>,
    /// Where something was that the hub has removed, and the directories on the way there.
    removed: HashSet<RelPath>,
    ways: HashSet<RelPath>,
}

impl<'a> Tracked<'a> {
    pub(super) fn new(trees: impl IntoIterator<Item = Tree<'a>>) -> Self {
        Self {
            trees: trees.into_iter().collect(),
            asked: AtomicUsize::new(0),
            hasher: RandomState::new(),
            known: OnceLock::new(),
            removed: HashSet::new(),
            ways: HashSet::new(),
        }
    }

    /// The same, interested also in what lies at one of these paths or beneath one.
    pub(super) fn and_beneath(mut self, removed: Vec<RelPath>) -> Self {
        let above = |path: &RelPath| std::iter::successors(path.parent(), RelPath::parent);
        self.ways = removed.iter().flat_map(above).collect();
        self.removed = removed.into_iter().collect();
        self
    }

    fn was_there(&self, path: &RelPath) -> bool {
        let mut at_or_above = std::iter::successors(Some(path.clone()), RelPath::parent);
        !self.removed.is_empty() && (self.ways.contains(path) || at_or_above.any(|path| self.removed.contains(&path)))
    }

    fn read_through(&self) -> Result<HashSet<u64>> {
        let mut known = HashSet::new();
        let mut last = None;
        for tree in &self.trees {
            // The second tree is the first one, or close to it: what they share is not read again.
            match last.replace(*tree) {
                None => {
                    for entry in tree.iter() {
                        known.insert(self.hasher.hash_one(entry?.0.as_bytes()));
                    }
                }
                Some(before) => {
                    for change in before.diff(tree) {
                        known.insert(self.hasher.hash_one(change?.path.as_bytes()));
                    }
                }
            }
        }
        Ok(known)
    }
}

impl Interest for Tracked<'_> {
    fn wants(&self, path: &RelPath, _is_directory: bool) -> bool {
        if self.was_there(path) {
            return true;
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) < FEW {
            // A page that cannot be read means that nobody knows: look at it.
            return self.trees.iter().any(|tree| !matches!(tree.get(path), Ok(None)));
        }
        let known = self.known.get_or_init(|| self.read_through().ok());
        known.as_ref().is_none_or(|known| known.contains(&self.hasher.hash_one(path.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{self, Entry, MemoryPages, Mode};

    #[test]
    fn few_questions_and_many_get_the_same_answers() {
        let mut pages = MemoryPages::default();
        let path = |number: usize| RelPath::new(format!("d/{number:05}").into_bytes()).expect("path");
        let mut build = |numbers: std::ops::Range<usize>| {
            let entries = numbers.map(|number| Ok((path(number), Entry::Directory { mode: Mode::new(0o755) })));
            tree::build(entries, &mut pages).expect("builds")
        };
        let (one, two) = (build(0..700), build(300..1_000));
        let tracked = Tracked::new([Tree::new(&pages, one), Tree::new(&pages, two)]);
        for number in 0..1_200 {
            assert_eq!(tracked.wants(&path(number), false), number < 1_000, "{number}");
        }
        let path = |name: &str| RelPath::try_from(name).expect("path");
        let tracked = Tracked::new([]).and_beneath(vec![path("a/b"), path("c")]);
        for (name, wanted) in [("a", true), ("a/b", true), ("a/b/c/d", true), ("c", true), ("a/c", false), ("d", false)]
        {
            assert_eq!(tracked.wants(&path(name), false), wanted, "{name}");
        }
    }
}
