//! The Merkle index: 100,000 files in 1,000 directories.

use depsync_engine::hash::Digest;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Entry, MemoryPages, Mode, Overlay, Tree, build, edit};

use crate::subject::{Amount, Subject};

const FILES: u64 = 100_000;

pub(crate) fn subjects() -> Vec<Subject> {
    vec![
        Subject { name: "tree: build 100,000 entries", amount: Amount::Items(100_000), prepare: building },
        Subject { name: "tree: edit 1 of 100,000 entries", amount: Amount::Items(1), prepare: || editing(1) },
        Subject { name: "tree: edit 1,000 of 100,000 entries", amount: Amount::Items(1000), prepare: || editing(1000) },
        Subject { name: "tree: diff, 1,000 of 100,000 differ", amount: Amount::Items(1000), prepare: diffing },
    ]
}

fn path(number: u64) -> RelPath {
    RelPath::try_from(format!("app-{:03}/file-{number:06}.xml", number / 100).as_str()).expect("a path")
}

fn file(number: u64) -> Entry {
    Entry::File { hash: Digest::of(&number.to_le_bytes()), size: number, mode: Mode::new(0o644) }
}

fn entries() -> Vec<(RelPath, Entry)> {
    (0..FILES).map(|number| (path(number), file(number))).collect()
}

fn tree() -> (MemoryPages, Digest) {
    let mut pages = MemoryPages::default();
    let root = build(entries().into_iter().map(Ok), &mut pages).expect("builds");
    (pages, root)
}

fn changes(count: u64) -> Vec<(RelPath, Option<Entry>)> {
    (0..count).map(|number| number * (FILES / count)).map(|number| (path(number), Some(file(number + FILES)))).collect()
}

fn building() -> Box<dyn FnMut()> {
    let entries = entries();
    Box::new(move || {
        let mut pages = MemoryPages::default();
        build(entries.iter().cloned().map(Ok), &mut pages).expect("builds");
    })
}

fn editing(count: u64) -> Box<dyn FnMut()> {
    let ((pages, root), changes) = (tree(), changes(count));
    Box::new(move || {
        let mut fresh = MemoryPages::default();
        edit(Tree::new(&pages, root), changes.iter().cloned().map(Ok), &mut fresh).expect("edits");
    })
}

fn diffing() -> Box<dyn FnMut()> {
    let (pages, root) = tree();
    let mut fresh = MemoryPages::default();
    let new = edit(Tree::new(&pages, root), changes(1000).into_iter().map(Ok), &mut fresh).expect("edits");
    Box::new(move || {
        let both = Overlay::with(fresh.clone(), &pages);
        assert_eq!(Tree::new(&both, root).diff(&Tree::new(&both, new)).count(), 1000);
    })
}
