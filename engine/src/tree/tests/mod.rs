//! The laws of the index. What is here serves them all: pools of keys, a model, and a store that counts.

mod cost;
mod golden;
mod hostile;
mod kept;
mod laws;
mod range;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use super::boundary::height_of;
use super::{Entry, LinkTarget, MemoryPages, Mode, PageSink, Pages, Step, Tree, build, edit};
use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;

/// The set that a tree stands for.
pub(super) type Model = BTreeMap<RelPath, Entry>;
/// An edit.
pub(super) type Changes = BTreeMap<RelPath, Option<Entry>>;

pub(super) fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

/// A file whose content is told apart by `number`.
pub(super) fn file(number: u64) -> Entry {
    Entry::File { mode: Mode::new(0o644), size: number % 100_000, hash: Digest::of(&number.to_le_bytes()) }
}

/// A file, now and then a directory or a link.
pub(super) fn entry(number: u64) -> Entry {
    match number % 7 {
        5 => Entry::Directory { mode: Mode::new(0o755) },
        6 => Entry::Symlink { target: LinkTarget::new(*b"../target").expect("a target") },
        _ => file(number),
    }
}

/// Names whose heights are known, so that small sets make deep trees.
pub(super) struct Pool {
    /// Height 0: they never end a page.
    pub(super) flat: Vec<RelPath>,
    /// Height 1.
    pub(super) ends: Vec<RelPath>,
    /// Height 2 and more.
    pub(super) high: Vec<RelPath>,
    /// 1,000 to 4,095 bytes: a few of them end a page by force.
    pub(super) long: Vec<RelPath>,
}

pub(super) static POOL: LazyLock<Pool> = LazyLock::new(|| {
    let mut pool = Pool { flat: Vec::new(), ends: Vec::new(), high: Vec::new(), long: Vec::new() };
    for number in 0..60_000_u32 {
        // Nested, with bytes that are not UTF-8 and bytes around the separator.
        let [_, high, mid, low] = number.to_be_bytes();
        let mut name = vec![b'a' + low % 3, [b'/', b'-', b' ', 0xff][usize::from(mid % 4)], b'n'];
        name.extend_from_slice(format!("{high:x}{mid:x}{low:02x}").as_bytes());
        name.push(0x80 | low);
        let name = RelPath::new(name).expect("a path");
        match height_of(name.as_bytes()) {
            0 if pool.flat.len() < 1_000 => pool.flat.push(name),
            1 if pool.ends.len() < 600 => pool.ends.push(name),
            0 | 1 => {}
            _ => pool.high.push(name),
        }
    }
    for number in 0..80 {
        let component = "x".repeat(240) + "/";
        let name = component.repeat(4 + number % 12) + &format!("{number}");
        pool.long.push(path(&name));
    }
    pool
});

impl Pool {
    /// A name for any number.
    pub(super) fn pick(&self, number: usize) -> &RelPath {
        let (kind, index) = (number % 16, number / 16);
        match kind {
            0..8 => &self.flat[index % self.flat.len()],
            8..14 => &self.ends[index % self.ends.len()],
            14 => &self.high[index % self.high.len()],
            _ => &self.long[index % self.long.len()],
        }
    }
}

pub(super) fn build_of(model: &Model) -> (Digest, MemoryPages) {
    let mut pages = MemoryPages::default();
    let entries = model.iter().map(|(path, entry)| Ok((path.clone(), entry.clone())));
    let root = build(entries, &mut pages).expect("builds");
    (root, pages)
}

pub(super) fn apply(model: &mut Model, changes: &Changes) {
    for (path, entry) in changes {
        match entry {
            Some(entry) => drop(model.insert(path.clone(), entry.clone())),
            None => drop(model.remove(path)),
        }
    }
}

pub(super) fn edit_of(tree: Tree<'_>, changes: &Changes, sink: &mut dyn PageSink) -> Digest {
    edit(tree, changes.iter().map(|(path, entry)| Ok((path.clone(), entry.clone()))), sink).expect("edits")
}

/// Every page of a tree.
pub(super) fn pages_of(tree: &Tree<'_>) -> HashSet<Digest> {
    let mut all = HashSet::new();
    tree.walk_pages(|id, step| {
        if matches!(step, Step::Found) {
            assert!(all.insert(*id), "a page occurs once");
        }
        Ok(true)
    })
    .expect("walks");
    all
}

/// A store that counts what is read and written.
pub(super) struct Counting<'a> {
    base: &'a dyn Pages,
    reads: AtomicUsize,
}

impl<'a> Counting<'a> {
    pub(super) fn new(base: &'a dyn Pages) -> Self {
        Self { base, reads: AtomicUsize::new(0) }
    }

    /// How many pages were read since the last call.
    pub(super) fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

impl Pages for Counting<'_> {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.base.page(id)
    }
}

/// A sink that counts.
#[derive(Default)]
pub(super) struct Written {
    pub(super) pages: MemoryPages,
    pub(super) puts: usize,
    pub(super) bytes: usize,
}

impl PageSink for Written {
    fn put(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        self.puts += 1;
        self.bytes += bytes.len();
        self.pages.put(id, bytes)
    }
}

/// Numbers that look random and are the same in every run (splitmix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
