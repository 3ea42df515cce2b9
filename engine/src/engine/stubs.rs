//! Stub files: what stands in the directory for ghosts, so that a person or a server who looks there sees them.
//!
//! They are a courtesy: what is a ghost the index says, and a stub that is lost, edited or in the way of something changes
//! nothing but what somebody sees. A worker writes them after its work, for all ghosts that a [`Stubs`] has a form for, and
//! removes those of what is here or gone by now. Laws:
//! - only what this node has written is ever replaced or removed, and only as long as it is as it was written;
//! - a name that the deployment itself has is never a stub's;
//! - forms make names of paths, and two paths may get one name: the first in path order has it, the others get one with a
//!   part of their path's hash. So a name always means one ghost, and `fetch` takes it for that.
//!
//! Order of writes: the list says that it may be wrong -> what is not wanted is removed -> the list has what will be written
//! -> files -> the list is right. Killed in between, the next command reads what is there before it believes the list.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read as _;
use std::os::fd::AsFd as _;

use rustix::fs::{AtFlags, Mode, mkdirat, unlinkat};
use rustix::io::Errno;

use super::Node;
use crate::apply::Stage;
use crate::beneath::Root;
use crate::context::Context;
use crate::durable::{self, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::revdb::Position;
use crate::tree::{Entry, Tree};

/// What stands for a ghost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Where it lies, below the deployment directory.
    pub path: RelPath,
    /// What is in it.
    pub content: Vec<u8>,
}

/// The form of stub files.
pub trait Stubs: Debug + Send + Sync {
    /// What stands for an entry; none for one that nothing stands for.
    fn of(&self, path: &RelPath, entry: &Entry) -> Option<Stub>;

    /// Whether what is in a stub, perhaps somebody else's, says that it stands for `path`.
    fn means(&self, content: &[u8], path: &RelPath) -> bool;
}

/// The most bytes of a stub that is read.
const MOST: u64 = 1 << 20;
/// The name of the staging area that they are written in.
const STAGE: &str = "stubs";

impl Node {
    /// Makes the stubs those of the ghosts at `position`. What goes wrong is a warning.
    pub(super) fn refresh_stubs(&self, cx: &Context, root: &Root, position: &Position, warnings: &mut Vec<String>) {
        if let Err(error) = self.try_refresh_stubs(cx, root, position) {
            warnings.push(format!("the files that stand for what is not here are not up to date: {error}"));
        }
    }

    fn try_refresh_stubs(&self, cx: &Context, root: &Root, position: &Position) -> Result<()> {
        let (written_for, listed) = self.db.stubs()?;
        // A manager would publish them.
        let form = self.options.stubs.as_deref().filter(|_| !self.writes());
        let of = form.map(|_| (position.agreement, position.known()));
        if of == written_for && (of.is_some() || listed.is_empty()) {
            return Ok(());
        }
        let wanted = match form {
            Some(form) => named(self.stood_for(position, form)?)?,
            None => BTreeMap::new(),
        };
        let known = Tree::new(&*self.db, position.known());
        let (mut gone, mut ours, mut new) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (path, hash) in &listed {
            let is_wanted = wanted.get(path).is_some_and(|(_, stub)| Digest::of(&stub.content) == *hash);
            if is_wanted && written_for.is_some() {
                continue;
            }
            let is_ours = content_at(root, path)?.is_some_and(|content| Digest::of(&content) == *hash);
            if is_wanted && is_ours {
                continue;
            }
            gone.push(path.clone());
            if is_ours {
                ours.push(path);
            }
        }
        for (path, (_, stub)) in &wanted {
            let is_there = listed.contains_key(path) && gone.binary_search(path).is_err();
            let is_free = || Ok(ours.binary_search(&path).is_ok() || root.stamp(path)?.is_none());
            if !is_there && known.get(path)?.is_none() && is_free()? {
                new.insert(path.clone(), Digest::of(&stub.content));
            }
        }
        if !gone.is_empty() || !new.is_empty() {
            cx.step("stub.list");
            self.db.set_stubs(None, &[], &BTreeMap::new())?;
            for path in ours {
                cx.step("stub.remove");
                unlinkat(root.parent(path)?, path.name(), AtFlags::empty())
                    .map_err(|errno| Error::io("remove", root.display(path), errno))?;
            }
            self.db.set_stubs(None, &gone, &new)?;
            let stage = Stage::open(&self.places, STAGE)?;
            let written =
                new.keys().filter_map(|path| wanted.get(path)).try_for_each(|(_, stub)| write(cx, &stage, root, stub));
            written.and(stage.remove())?;
        }
        cx.step("stub.list");
        self.db.set_stubs(of, &[], &BTreeMap::new())
    }

    /// The ghosts that something can stand for, and what.
    fn stood_for(&self, position: &Position, form: &dyn Stubs) -> Result<Vec<(RelPath, Stub)>> {
        let ghosts = self.ghosts(position)?.into_iter();
        Ok(ghosts.filter_map(|(ghost, entry)| form.of(&ghost, &entry).map(|stub| (ghost, stub))).collect())
    }

    /// What is meant by paths of which some may be stubs: the ghosts that those stand for.
    pub(super) fn meant(&self, position: &Position, paths: &[RelPath]) -> Result<Vec<RelPath>> {
        let Some(form) = self.options.stubs.as_deref() else { return Ok(paths.to_vec()) };
        let known = Tree::new(&*self.db, position.known());
        let agreement = Tree::new(&*self.db, position.agreement);
        // What is a ghost itself, or a directory, is meant itself.
        let may_be_stub = |path: &RelPath| -> Result<bool> {
            let Some(entry) = known.get(path)? else { return Ok(true) };
            Ok(!entry.is_directory() && agreement.get(path)?.is_some())
        };
        let mut stood_for = None;
        let mut meant = Vec::new();
        for path in paths {
            if !may_be_stub(path)? {
                meant.push(path.clone());
                continue;
            }
            let all = match &stood_for {
                Some(all) => all,
                None => stood_for.insert(self.stood_for(position, form)?),
            };
            let ghost = match self.said_by(form, path, all)? {
                Some(ghost) => Some(ghost),
                None => named(all.clone())?.remove(path).map(|(ghost, _)| ghost),
            };
            meant.push(ghost.unwrap_or_else(|| path.clone()));
        }
        Ok(meant)
    }

    /// Which of several ghosts of one name the file of that name says it stands for.
    fn said_by(&self, form: &dyn Stubs, path: &RelPath, all: &[(RelPath, Stub)]) -> Result<Option<RelPath>> {
        let mut same = all.iter().filter(|(_, stub)| stub.path == *path).map(|(ghost, _)| ghost);
        let Ok(root) = Root::open(&self.places.dir) else { return Ok(None) };
        let content = content_at(&root, path)?;
        Ok(content.and_then(|content| same.find(|ghost| form.means(&content, ghost))).cloned())
    }
}

/// All stubs by their names, each of which is one's own; with what they stand for.
fn named(all: Vec<(RelPath, Stub)>) -> Result<BTreeMap<RelPath, (RelPath, Stub)>> {
    let mut named: BTreeMap<RelPath, (RelPath, Stub)> = BTreeMap::new();
    for (ghost, mut stub) in all {
        if named.contains_key(&stub.path) {
            stub.path = told_apart(&stub.path, &ghost)?;
        }
        named.insert(stub.path.clone(), (ghost, stub));
    }
    Ok(named)
}

/// Another name for the stub of `ghost`: with eight digits of its path's hash before the extension.
fn told_apart(stub: &RelPath, ghost: &RelPath) -> Result<RelPath> {
    let hash = Digest::of(ghost.as_bytes()).to_string();
    let name = stub.name();
    let (stem, extension) = match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => name.split_at(dot),
        None => (name, &b""[..]),
    };
    RelPath::child_of(stub.parent().as_ref(), &[stem, b"-", &hash.as_bytes()[..8], extension].concat())
}

/// What is in a small regular file; none where there is none.
fn content_at(root: &Root, path: &RelPath) -> Result<Option<Vec<u8>>> {
    let file = match root.read(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => return Ok(None),
        file => file?,
    };
    let mut content = Vec::new();
    file.take(MOST).read_to_end(&mut content).map_err(|source| Error::io("read", root.display(path), source))?;
    Ok(Some(content))
}

fn write(cx: &Context, stage: &Stage, root: &Root, stub: &Stub) -> Result<()> {
    // A name that is no text has no stub.
    let Ok(name) = std::str::from_utf8(stub.path.name()) else { return Ok(()) };
    let mut above: Vec<RelPath> = stub.path.ancestors().collect();
    above.reverse();
    for directory in above {
        match mkdirat(root.parent(&directory)?, directory.name(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("make the directory", root.display(&directory), errno)),
        }
    }
    let (staging, parent) = (stage.directory(), root.parent(&stub.path)?);
    let target =
        Target { staging: staging.as_fd(), temporary: &stage.name(0), directory: parent.as_fd(), name, mode: 0o644 };
    durable::replace_hastily(cx, target, &stub.content)
}
