//! Trees and changes for the unit tests of this room.

use depsync_engine::hash::Digest;
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Change, Entry, MemoryPages, Mode, Tree, build};

pub(super) fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

/// A file whose content is told apart by `number`.
pub(super) fn file(number: u64) -> Entry {
    Entry::File { mode: Mode::new(0o644), size: 1, hash: Digest::of(&number.to_le_bytes()) }
}

pub(super) fn directory() -> Entry {
    Entry::Directory { mode: Mode::new(0o755) }
}

/// What changes between two trees.
pub(super) fn changes(before: &[(&str, Entry)], after: &[(&str, Entry)]) -> Packed<Change> {
    let mut pages = MemoryPages::default();
    let mut root = |entries: &[(&str, Entry)]| {
        let mut entries: Vec<(RelPath, Entry)> =
            entries.iter().map(|(name, entry)| (path(name), entry.clone())).collect();
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        build(entries.into_iter().map(Ok), &mut pages).expect("builds")
    };
    let (before, after) = (root(before), root(after));
    Tree::new(&pages, before).diff(&Tree::new(&pages, after)).collect::<Result<_, _>>().expect("reads")
}
