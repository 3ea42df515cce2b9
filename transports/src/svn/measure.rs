//! The tree of a revision, from what `svnrdump` says of the revisions up to it.
//!
//! Each record of a dump is one step on the tree of the revision before. Contents go to the spool as they come and are
//! hashed on the way; a delta is applied to what the spool, or the deployment directory, has of its base. A removal is
//! made only where a record says so: what authorisation hides is left out of a dump without a word, and stays what it
//! was.
//!
//! A base that is not here (a ghost's) is fetched alone. What is only named and not to be had (a copy of something from a
//! revision that is not known here, or from outside; a base that was changed here) makes the tree [`Step::Lacking`]: whoever
//! asked reads a whole dump of the one revision instead, which names nothing.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use depsync_engine::content::LocalContent;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{self, Entry, LinkTarget, MAX_TARGET, MemoryPages, Overlay, Pages, Tree, empty_root};

use super::dump::{Action, Base, Dump, Item, Kind, Node, Place, Properties as Said};
use super::properties::Properties;
use super::spool::Spool;

/// Properties of the paths whose entries do not tell them.
pub(super) type Notable = BTreeMap<RelPath, Properties>;

/// What stands before the target in the text of a symbolic link.
const LINK: &[u8] = b"link ";

/// What is in an empty file.
const EMPTY: &[u8] = b"";

/// How many changed paths are held before they become part of the tree.
const HELD: usize = 50_000;

/// How many contents that deltas are against are fetched, each by a process of its own.
const MOST_BROUGHT: usize = 100;

/// A tree, and what its entries do not tell.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) root: Digest,
    pub(super) notable: Arc<Notable>,
    /// Whether the deployment's own directory has externals.
    pub(super) externals: bool,
    /// How many revisions ago a publisher has told the whole tree; none, if that is not known.
    pub(super) told: Option<u32>,
}

impl Measured {
    /// Of nothing.
    pub(super) fn empty() -> Self {
        Self { root: empty_root(), notable: Arc::default(), externals: false, told: None }
    }
}

/// What has come of a dump.
#[derive(Debug)]
pub(super) enum Step {
    /// It was read.
    Done,
    /// Something is only named, and not to be had.
    Lacking(String),
}

/// A tree that is being measured.
pub(super) struct Measuring<'a> {
    pages: Overlay<'a>,
    now: Measured,
    /// Trees of revisions, for copies from them.
    known: BTreeMap<u64, Measured>,
    /// What changes the tree and is not part of it yet.
    pending: BTreeMap<RelPath, Option<Entry>>,
    notable: Notable,
    spool: &'a mut Spool,
    content: &'a dyn LocalContent,
    earlier: &'a Earlier<'a>,
    bring: &'a Bring<'a>,
    /// How many contents were brought.
    brought: usize,
}

/// Fetches a content of the tree that measuring began with to the spool, if there is one such. Says whether it is there.
pub(super) type Bring<'a> = dyn Fn(Digest, u64, &mut Spool) -> Result<bool> + 'a;

/// Asks for the tree that a revision from before these had.
pub(super) type Earlier<'a> = dyn Fn(u64) -> Result<Option<Measured>> + 'a;

impl<'a> Measuring<'a> {
    /// From the tree of `base`, whose pages are in `pages`; from nothing, if there is none.
    pub(super) fn new(
        pages: &'a dyn Pages,
        base: Option<(u64, Measured)>,
        spool: &'a mut Spool,
        content: &'a dyn LocalContent,
        (earlier, bring): (&'a Earlier<'a>, &'a Bring<'a>),
    ) -> Self {
        let now = base.as_ref().map_or_else(Measured::empty, |(_, measured)| measured.clone());
        let notable = Notable::clone(&now.notable);
        let known = base.into_iter().collect();
        let (pages, pending) = (Overlay::new(pages), BTreeMap::new());
        Self { pages, now, known, pending, notable, spool, content, earlier, bring, brought: 0 }
    }

    /// Reads a dump to its end.
    pub(super) fn read<R: Read>(&mut self, cx: &Context, dump: &mut Dump<R>) -> Result<Step> {
        let mut revision = None;
        while let Some(item) = dump.next()? {
            cx.check()?;
            match item {
                Item::Format(_) | Item::Uuid(_) => {}
                Item::Revision(next) => {
                    self.end_revision(revision.replace(next.number))?;
                }
                Item::Node(node) => {
                    if let Step::Lacking(what) = self.node(&node, dump)? {
                        return Ok(Step::Lacking(what));
                    }
                    if self.pending.len() >= HELD {
                        self.flush()?;
                    }
                }
            }
        }
        self.end_revision(revision)?;
        Ok(Step::Done)
    }

    /// The last revision that was read.
    pub(super) fn reached(&self) -> Option<u64> {
        self.known.keys().next_back().copied()
    }

    /// The tree, and its pages.
    pub(super) fn finish(mut self) -> Result<(Measured, Overlay<'a>)> {
        self.flush()?;
        self.now.notable = Arc::new(self.notable);
        Ok((self.now, self.pages))
    }

    fn end_revision(&mut self, revision: Option<u64>) -> Result<()> {
        let Some(number) = revision else { return Ok(()) };
        self.flush()?;
        if *self.now.notable != self.notable {
            self.now.notable = Arc::new(self.notable.clone());
        }
        self.known.insert(number, self.now.clone());
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut fresh = MemoryPages::default();
        let changes = std::mem::take(&mut self.pending).into_iter().map(Ok);
        self.now.root = tree::edit(Tree::new(&self.pages, self.now.root), changes, &mut fresh)?;
        self.pages.absorb(fresh)
    }

    /// What is at `path` now.
    fn entry(&self, path: &RelPath) -> Result<Option<Entry>> {
        match self.pending.get(path) {
            Some(pending) => Ok(pending.clone()),
            None => Tree::new(&self.pages, self.now.root).get(path),
        }
    }

    fn node<R: Read>(&mut self, node: &Node, dump: &mut Dump<R>) -> Result<Step> {
        let path = match &node.place {
            Place::Beside(_) => return Ok(Step::Done),
            Place::Above(_) => return self.above(node),
            Place::Within(path) if path.is_empty() => return self.top(node),
            Place::Within(path) => RelPath::new(path.as_slice())
                .map_err(|error| error.with_kind(ErrorKind::Unsupported).hint("rename it in the repository"))?,
        };
        if matches!(node.action, Action::Delete | Action::Replace) {
            self.remove(&path)?;
        }
        match node.kind.filter(|_| node.action != Action::Delete) {
            None => Ok(Step::Done),
            Some(Kind::Directory) => self.directory(path, node),
            Some(Kind::File) => self.file(path, node, dump),
        }
    }

    /// A directory on the way to the deployment's.
    fn above(&mut self, node: &Node) -> Result<Step> {
        match node.action {
            Action::Change => {}
            Action::Add | Action::Replace if node.source.is_some() => {
                return Ok(Step::Lacking("the deployment came with a copy of a directory above it".to_owned()));
            }
            Action::Add | Action::Delete | Action::Replace => self.clear(),
        }
        Ok(Step::Done)
    }

    /// The deployment's own directory.
    fn top(&mut self, node: &Node) -> Result<Step> {
        match node.action {
            Action::Change => {}
            Action::Add | Action::Replace if node.source.is_some() => {
                return Ok(Step::Lacking("the deployment is a copy".to_owned()));
            }
            Action::Add | Action::Delete | Action::Replace => self.clear(),
        }
        if node.kind == Some(Kind::File) {
            return Err(Error::new(ErrorKind::Unsupported, "the deployment's place in the repository is a file"));
        }
        let mut properties = Properties { externals: self.now.externals, ..Properties::default() };
        take(&mut properties, node.properties.as_ref());
        self.now.externals = properties.externals;
        Ok(Step::Done)
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.notable.clear();
        self.now = Measured::empty();
    }

    /// Removes what is at `path`, and all beneath it.
    fn remove(&mut self, path: &RelPath) -> Result<()> {
        let mut gone: Vec<RelPath> = vec![path.clone()];
        for entry in Tree::new(&self.pages, self.now.root).beneath(path) {
            gone.push(entry?.0);
        }
        gone.extend(
            self.pending.range(path.clone()..).map(|(path, _)| path.clone()).take_while(|other| other.is_within(path)),
        );
        for path in gone {
            self.notable.remove(&path);
            self.pending.insert(path, None);
        }
        Ok(())
    }

    fn directory(&mut self, path: RelPath, node: &Node) -> Result<Step> {
        let mut properties = Properties::default();
        if let Some(source) = &node.source {
            let Some((from, measured)) = self.source(&source.place, source.revision)? else {
                return Ok(Step::Lacking(format!("{path} is a copy of what is not known here")));
            };
            match self.copy(&from, &measured, &path)? {
                Some(copied) => properties = copied,
                None => return Ok(Step::Lacking(format!("{path} is a copy of what is not known here"))),
            }
        } else if node.action == Action::Change {
            let Some(before) = self.entry(&path)? else {
                return Ok(Step::Lacking(format!("{path} changes and is not known here")));
            };
            properties = self.properties(&path, &before);
        }
        take(&mut properties, node.properties.as_ref());
        let entry = Entry::Directory { mode: properties.of_directory() };
        self.put(path, entry, properties);
        Ok(Step::Done)
    }

    /// Where a source is, and the tree that it is in.
    fn source(&mut self, place: &Place, revision: u64) -> Result<Option<(RelPath, Measured)>> {
        let Place::Within(path) = place else { return Ok(None) };
        let Ok(path) = RelPath::new(path.as_slice()) else { return Ok(None) };
        if !self.known.contains_key(&revision) {
            let Some(earlier) = (self.earlier)(revision)? else { return Ok(None) };
            self.known.insert(revision, earlier);
        }
        Ok(self.known.get(&revision).map(|measured| (path, measured.clone())))
    }

    /// Copies the directory `from` of a tree to `to`; gives its properties.
    fn copy(&mut self, from: &RelPath, measured: &Measured, to: &RelPath) -> Result<Option<Properties>> {
        let tree = Tree::new(&self.pages, measured.root);
        let Some(top) = tree.get(from)?.filter(Entry::is_directory) else { return Ok(None) };
        let mut copied = Vec::new();
        for entry in tree.beneath(from) {
            let (path, entry) = entry?;
            let name = [to.as_bytes(), &path.as_bytes()[from.as_bytes().len()..]].concat();
            copied.push((RelPath::new(name)?, entry, measured.notable.get(&path).cloned()));
        }
        for (path, entry, notable) in copied {
            let properties = notable.unwrap_or_else(|| Properties::of(&entry));
            self.put(path, entry, properties);
        }
        Ok(Some(measured.notable.get(from).cloned().unwrap_or_else(|| Properties::of(&top))))
    }

    /// The properties that `path` has, which is `entry`.
    fn properties(&self, path: &RelPath, entry: &Entry) -> Properties {
        self.notable.get(path).cloned().unwrap_or_else(|| Properties::of(entry))
    }

    fn put(&mut self, path: RelPath, entry: Entry, properties: Properties) {
        if properties == Properties::of(&entry) {
            self.notable.remove(&path);
        } else {
            self.notable.insert(path.clone(), properties);
        }
        self.pending.insert(path, Some(entry));
    }

    fn file<R: Read>(&mut self, path: RelPath, node: &Node, dump: &mut Dump<R>) -> Result<Step> {
        let lacking = |what: &str| Ok(Step::Lacking(format!("{path} {what}")));
        let (mut properties, before) = match (&node.source, node.action) {
            (Some(source), _) => {
                let Some((from, measured)) = self.source(&source.place, source.revision)? else {
                    return lacking("is a copy of what is not known here");
                };
                let Some(entry) = Tree::new(&self.pages, measured.root).get(&from)? else {
                    return lacking("is a copy of what is not known here");
                };
                (measured.notable.get(&from).cloned().unwrap_or_else(|| Properties::of(&entry)), Some((from, entry)))
            }
            (None, Action::Change) => {
                let Some(entry) = self.entry(&path)? else { return lacking("changes and is not known here") };
                (self.properties(&path, &entry), Some((path.clone(), entry)))
            }
            (None, _) => (Properties::default(), None),
        };
        take(&mut properties, node.properties.as_ref());
        let Some(content) = self.content(node, before.as_ref(), dump)? else {
            return lacking("changes from what is not to be had here");
        };
        let entry = match self.target(&properties, &content)? {
            Target::Is(target) => Entry::Symlink { target },
            Target::Unknown => return lacking("becomes a link to what is not to be had here"),
            Target::None => match content {
                Content::Link(target) => {
                    let (hash, size) = self.spooled(&[LINK, target.as_bytes()].concat())?;
                    Entry::File { mode: properties.of_file(), size, hash }
                }
                Content::File(hash, size) => Entry::File { mode: properties.of_file(), size, hash },
            },
        };
        self.put(path, entry, properties);
        Ok(Step::Done)
    }

    /// The content that a file has after `node`; none where its base is not to be had.
    fn content<R: Read>(
        &mut self,
        node: &Node,
        before: Option<&(RelPath, Entry)>,
        dump: &mut Dump<R>,
    ) -> Result<Option<Content>> {
        let before = before.map(|(path, entry)| (path, Content::of(entry)));
        if node.text.is_none() {
            // What is added without a text is empty.
            return Ok(Some(before.map_or(Content::File(Digest::of(b""), 0), |(_, content)| content)));
        }
        let (local, link, text, held);
        let base: Option<&dyn Base> = match &before {
            None => None,
            Some((_, Content::File(_, 0))) => Some(&EMPTY as &dyn Base),
            Some((_, Content::Link(target))) => {
                link = [LINK, target.as_bytes()].concat();
                text = &*link;
                Some(&text)
            }
            Some((path, Content::File(hash, size))) => {
                if self.spool.content(hash).is_none()
                    && let Ok(file) = self.content.open(path)
                {
                    local = file;
                    Some(&local)
                } else {
                    if self.spool.content(hash).is_none() && !self.bring(*hash, *size)? {
                        return Ok(None);
                    }
                    let Some(content) = self.spool.content(hash) else { return Ok(None) };
                    held = content;
                    Some(&held)
                }
            }
        };
        let mut incoming = self.spool.incoming();
        match dump.text(base, &mut incoming) {
            Ok(applied) => {
                self.spool.keep(applied.digest, applied.length);
                Ok(Some(Content::File(applied.digest, applied.length)))
            }
            // The base is not what it was: somebody has changed it here.
            Err(error) if error.kind() == ErrorKind::Damaged && before.is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches what a delta is against and is not here (a ghost's content), unless there is too much of that.
    fn bring(&mut self, hash: Digest, size: u64) -> Result<bool> {
        if self.brought == MOST_BROUGHT {
            return Ok(false);
        }
        self.brought += 1;
        (self.bring)(hash, size, self.spool)
    }

    /// Whether a file of this content and these properties is a symbolic link, and to what.
    fn target(&self, properties: &Properties, content: &Content) -> Result<Target> {
        match content {
            _ if !properties.special => Ok(Target::None),
            Content::Link(target) => Ok(Target::Is(target.clone())),
            Content::File(_, size) if *size > (LINK.len() + MAX_TARGET) as u64 => Ok(Target::None),
            Content::File(_, 0) => Ok(Target::None),
            Content::File(hash, _) => {
                let Some(mut held) = self.spool.content(hash) else { return Ok(Target::Unknown) };
                let mut text = Vec::new();
                held.read_to_end(&mut text).map_err(|source| Error::io("read", "what was fetched", source))?;
                let target = text.strip_prefix(LINK).and_then(|target| LinkTarget::new(target).ok());
                Ok(target.map_or(Target::None, Target::Is))
            }
        }
    }

    fn spooled(&mut self, bytes: &[u8]) -> Result<(Digest, u64)> {
        let failed = |source| Error::io("write", "what was fetched", source);
        std::io::Write::write_all(&mut self.spool.incoming(), bytes).map_err(failed)?;
        let (hash, size) = (Digest::of(bytes), bytes.len() as u64);
        self.spool.keep(hash, size);
        Ok((hash, size))
    }
}

/// Where a symbolic link points.
enum Target {
    /// It is none.
    None,
    /// There.
    Is(LinkTarget),
    /// That is not known.
    Unknown,
}

/// What svn calls the text of a file.
enum Content {
    /// A file's: its digest and size.
    File(Digest, u64),
    /// A symbolic link's.
    Link(LinkTarget),
}

impl Content {
    fn of(entry: &Entry) -> Self {
        match entry {
            Entry::File { hash, size, .. } => Self::File(*hash, *size),
            Entry::Symlink { target } => Self::Link(target.clone()),
            Entry::Directory { .. } => Self::File(Digest::of(b""), 0),
        }
    }
}

/// Takes in what a record says of properties.
fn take(properties: &mut Properties, said: Option<&Said>) {
    match said {
        None => {}
        Some(Said::Complete(values)) => {
            *properties = Properties::default();
            for (name, value) in values {
                properties.take(name, Some(value));
            }
        }
        Some(Said::Delta { set, deleted }) => {
            for (name, value) in set {
                properties.take(name, Some(value));
            }
            for name in deleted {
                properties.take(name, None);
            }
        }
    }
}
