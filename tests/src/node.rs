//! A node at the level of objects: a tree, its pages and its files in memory, and nothing of scan or apply.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use depsync_engine::content::cutter::Cutter;
use depsync_engine::content::{Effort, LocalContent, ObjectId, ObjectKind, Piece, Recipe, RecipePart};
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::{Revision, random_bytes};
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::record::Draft;
use depsync_engine::transport::{
    Base, Deliver, Look, NodeReport, Outcome, Proposal, Published, REPORT_SCHEMA, Transport, Want, WantedContent,
};
use depsync_engine::tree::{self, Change, Entry, LinkTarget, MemoryPages, Mode, Pages, Tree};

/// What a node's directory holds: files by path. A file whose bytes begin with `->` is a symbolic link.
pub type Files = BTreeMap<RelPath, Vec<u8>>;

/// Files from literals.
pub fn files<'a>(list: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Files {
    list.into_iter().map(|(path, bytes)| (RelPath::try_from(path).expect(path), bytes.to_vec())).collect()
}

/// Bytes that do not compress and do not repeat.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

struct Disk<'a>(&'a Files);

impl LocalContent for Disk<'_> {
    fn open(&self, path: &RelPath) -> Result<File> {
        let bytes = self.0.get(path).ok_or_else(|| Error::new(ErrorKind::NotFound, "gone").at(path))?;
        let write = || -> std::io::Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        };
        write().map_err(|source| Error::io("write", path, source))
    }
}

fn entry(bytes: &[u8]) -> Entry {
    match bytes.strip_prefix(b"->") {
        Some(target) => Entry::Symlink { target: LinkTarget::new(target).expect("target") },
        None => Entry::File { mode: Mode::new(0o644), size: bytes.len() as u64, hash: Digest::of(bytes) },
    }
}

/// A node.
pub struct Node<T> {
    /// Its transport.
    pub transport: T,
    /// What it has applied.
    pub applied: Option<Revision>,
    /// Its files, as of that revision.
    pub files: Files,
    /// The recipes that it remembers when it publishes.
    pub remembered: HashMap<Digest, Recipe>,
    pages: MemoryPages,
    root: Digest,
}

impl<T: Transport> Node<T> {
    /// A node that has applied nothing.
    pub fn new(transport: T) -> Self {
        let (pages, files) = (MemoryPages::default(), Files::new());
        Self { transport, applied: None, files, remembered: HashMap::new(), pages, root: tree::empty_root() }
    }

    /// Publishes `files` on top of what is applied.
    pub fn publish(&mut self, cx: &Context, files: &Files) -> Result<Published> {
        self.publish_from(cx, files, files)
    }

    /// Publishes what was scanned as `files`, while the disk holds `disk`.
    pub fn publish_from(&mut self, cx: &Context, files: &Files, disk: &Files) -> Result<Published> {
        self.propose(cx, files, disk, None)
    }

    /// Publishes `files`, which are those of the revision `old`, with nothing on the disk.
    pub fn restore(&mut self, cx: &Context, files: &Files, old: Revision) -> Result<Published> {
        self.propose(cx, files, &Files::new(), Some(old))
    }

    fn propose(&mut self, cx: &Context, files: &Files, disk: &Files, restores: Option<Revision>) -> Result<Published> {
        let mut pages = self.pages.clone();
        let root = tree::build(files.iter().map(|(path, bytes)| Ok((path.clone(), entry(bytes)))), &mut pages)?;
        let (old, new) = (Tree::new(&pages, self.root), Tree::new(&pages, root));
        let changes: Packed<Change> = old.diff(&new).collect::<Result<_>>()?;
        let proposal = Proposal {
            parent: self.applied,
            draft: draft(root),
            changes: &changes,
            new_pages: &old.new_pages(&new)?,
            pages: &pages,
            content: &Disk(disk),
            recipes: &|content| Ok(self.remembered.get(content).cloned()),
            effort: Effort::default(),
            restores,
        };
        let published = self.transport.publish(cx, &proposal)?;
        if let Published::Done { revision, root: there, .. } = &published {
            (self.files, self.pages, self.root) = (files.clone(), pages, root);
            if *there == root {
                self.applied = Some(*revision);
            } else {
                // The hub has merged what somebody else did in the same moment.
                self.update_to(cx, *revision)?;
            }
        }
        Ok(published)
    }

    /// Publishes and expects to be the only one.
    pub fn must_publish(&mut self, files: &Files) -> Revision {
        match self.publish(&Context::new(), files).expect("publish") {
            Published::Done { revision, .. } => revision,
            other => panic!("not published: {other:?}"),
        }
    }

    /// Applies the head. The bytes that were fetched.
    pub fn update(&mut self, cx: &Context) -> Result<u64> {
        let Some(head) = self.transport.head(cx, Look::Glance)? else { return Ok(0) };
        self.update_to(cx, head)
    }

    /// Applies `to`, verifying everything as the engine would.
    pub fn update_to(&mut self, cx: &Context, to: Revision) -> Result<u64> {
        if self.applied == Some(to) {
            return Ok(0);
        }
        if self.transport.record(cx, to.number)?.revision != to {
            return Err(Error::new(ErrorKind::Damaged, "not the record that the head names"));
        }
        let root = self.transport.root(cx, to, &Disk(&self.files))?;
        let source = Fetching { cx, transport: &self.transport, at: to, pages: Mutex::new((self.pages.clone(), 0)) };
        let changes: Vec<Change> =
            Tree::new(&source, self.root).diff(&Tree::new(&source, root)).collect::<Result<_>>()?;
        let wanted: Vec<WantedContent> = changes
            .iter()
            .filter_map(|change| change.after.as_ref()?.content())
            .map(|(hash, size)| WantedContent { hash, size })
            .collect();
        let mut basket = Basket::new(&wanted).with(&self.files)?;
        let fetched = if wanted.is_empty() {
            0
        } else {
            self.transport.fetch(cx, to, Want::Contents(&wanted), &mut basket)?.bytes
        };
        let (pages, page_bytes) = source.pages.into_inner().expect("no panic");
        for change in changes {
            match change.after {
                None => drop(self.files.remove(&change.path)),
                Some(Entry::File { hash, size, .. }) => {
                    drop(self.files.insert(change.path, basket.rebuild(hash, size)?));
                }
                Some(Entry::Symlink { target }) => {
                    drop(self.files.insert(change.path, [b"->", target.as_bytes()].concat()));
                }
                Some(Entry::Directory { .. }) => {}
            }
        }
        (self.pages, self.root, self.applied) = (pages, root, Some(to));
        Ok(fetched + page_bytes)
    }
}

fn draft(root: Digest) -> Draft {
    let nonce = random_bytes().expect("random").iter().map(|byte| format!("{byte:02x}")).collect();
    Draft {
        root,
        author: "test".into(),
        node: "node".parse().expect("id"),
        nonce,
        time: "2026-11-21T20:00:00Z".parse().expect("time"),
        message: "test".into(),
        accepts: vec![],
    }
}

/// A report of `node`.
pub fn report(node: &str, applied: Option<Revision>) -> NodeReport {
    NodeReport {
        schema: REPORT_SCHEMA,
        node: node.parse().expect("id"),
        nonce: "00".into(),
        writes: false,
        applied,
        root: None,
        measured: None,
        time: "2026-11-21T20:00:00Z".parse().expect("time"),
        full_scan: None,
        pinned: false,
        outcome: Outcome::Applied,
        problem: None,
        version: "test".into(),
        since: None,
        duration_ms: None,
        bytes: None,
        beat_s: None,
    }
}

/// Pages that are fetched when they are asked for.
struct Fetching<'a, T> {
    cx: &'a Context,
    transport: &'a T,
    at: Revision,
    pages: Mutex<(MemoryPages, u64)>,
}

impl<T: Transport> Pages for Fetching<'_, T> {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        let mut pages = self.pages.lock().expect("no panic");
        if !pages.0.contains(id) {
            let mut basket = Basket::new(&[]);
            pages.1 += self.transport.fetch(self.cx, self.at, Want::Pages(&[*id]), &mut basket)?.bytes;
            pages.0.absorb(basket.pages);
        }
        pages.0.page(id)
    }
}

/// Takes whatever a fetch delivers.
struct Basket {
    wanted: Vec<WantedContent>,
    pages: MemoryPages,
    recipes: HashMap<Digest, Recipe>,
    pieces: HashMap<Digest, Vec<u8>>,
    /// The recipes of the files that are there before.
    held: HashMap<Digest, Recipe>,
}

impl Basket {
    fn new(wanted: &[WantedContent]) -> Self {
        let (pages, recipes, pieces, held) = Default::default();
        Self { wanted: wanted.to_vec(), pages, recipes, pieces, held }
    }

    /// With the pieces of the files that are there before, and their recipes.
    fn with(mut self, files: &Files) -> Result<Self> {
        for bytes in files.values() {
            let cut = Cutter::default().cut_slice(bytes)?;
            for (offset, piece) in cut.recipe.positions() {
                let start = usize::try_from(offset).expect("it is in memory");
                self.pieces.insert(piece.hash, bytes[start..start + piece.length as usize].to_vec());
            }
            self.held.insert(cut.hash, cut.recipe);
        }
        Ok(self)
    }

    fn rebuild(&self, hash: Digest, size: u64) -> Result<Vec<u8>> {
        let single = Recipe::default();
        let recipe = self.recipes.get(&hash).unwrap_or(&single);
        let missing = || Error::new(ErrorKind::Damaged, "a piece is missing");
        let mut bytes = Vec::new();
        recipe.walk(&mut |_, part| {
            bytes.extend_from_slice(match part {
                RecipePart::Inline(inline) => inline,
                RecipePart::Piece(_, piece) => self.pieces.get(&piece.hash).ok_or_else(missing)?,
            });
            Ok(())
        })?;
        if recipe.size() == 0 && size > 0 {
            bytes.extend_from_slice(self.pieces.get(&hash).ok_or_else(missing)?);
        }
        if Digest::of(&bytes) == hash { Ok(bytes) } else { Err(Error::new(ErrorKind::Damaged, "not the file")) }
    }
}

impl Deliver for Basket {
    fn page(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        tree::PageSink::put(&mut self.pages, id, bytes)
    }

    fn recipe(&mut self, file: Digest, recipe: Recipe) -> Result<()> {
        self.recipes.insert(file, recipe);
        Ok(())
    }

    fn needed(&mut self) -> Result<Vec<ObjectId>> {
        let single = self.wanted.iter().filter(|wanted| wanted.size > 0 && !self.recipes.contains_key(&wanted.hash));
        let single = single.map(|wanted| ObjectId::piece(wanted.hash));
        let pieces =
            self.recipes.values().flat_map(|recipe| recipe.pieces().iter().map(|piece| ObjectId::piece(piece.hash)));
        Ok(single.chain(pieces).filter(|id| !self.pieces.contains_key(&id.hash)).collect())
    }

    fn base(&mut self, object: &ObjectId) -> Result<Option<Base>> {
        Ok(match object.kind {
            ObjectKind::Piece => self.pieces.get(&object.hash).cloned().map(Base::Piece),
            ObjectKind::Recipe => self.held.get(&object.hash).cloned().map(Arc::new).map(Base::Recipe),
            ObjectKind::Page => None,
        })
    }

    fn pieces(&mut self, pieces: &[Piece<'_>]) -> Result<()> {
        self.pieces.extend(pieces.iter().map(|piece| (piece.hash(), piece.bytes().to_vec())));
        Ok(())
    }
}
