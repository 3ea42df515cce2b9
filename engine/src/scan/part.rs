//! A part of the directory: paths, and how much of each.

use std::collections::BTreeMap;

use crate::path::RelPath;

/// How much of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It, and nothing beneath it.
    Itself,
    /// It, and everything that is or was beneath it.
    Whole,
}

/// A part of the directory. See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    paths: BTreeMap<RelPath, Reach>,
}

impl Part {
    /// Adds a path.
    pub fn add(&mut self, path: RelPath, reach: Reach) {
        let before = self.paths.entry(path).or_insert(reach);
        *before = reach.max(*before);
    }

    /// Adds another part.
    pub fn add_all(&mut self, other: Self) {
        for (path, reach) in other.paths {
            self.add(path, reach);
        }
    }

    /// How many paths are named.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The paths, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&RelPath, Reach)> {
        self.paths.iter().map(|(path, reach)| (path, *reach))
    }
}

impl IntoIterator for Part {
    type Item = (RelPath, Reach);
    type IntoIter = std::collections::btree_map::IntoIter<RelPath, Reach>;

    fn into_iter(self) -> Self::IntoIter {
        self.paths.into_iter()
    }
}

impl FromIterator<(RelPath, Reach)> for Part {
    fn from_iter<I: IntoIterator<Item = (RelPath, Reach)>>(paths: I) -> Self {
        let mut part = Self::default();
        for (path, reach) in paths {
            part.add(path, reach);
        }
        part
    }
}

/// Whether a sorted list asks for all of `directory`: it or one above it is named so.
pub(super) fn is_whole(part: &[(RelPath, Reach)], directory: &RelPath) -> bool {
    let whole = |path: &RelPath| {
        part.binary_search_by(|(other, _)| other.cmp(path)).is_ok_and(|index| part[index].1 == Reach::Whole)
    };
    whole(directory) || directory.ancestors().any(|above| whole(&above))
}
