//! Stub files: what stands in the directory for ghosts, so that a person or a server who looks there sees them.
//!
//! They are a courtesy: what is a ghost the index says, and a stub that is lost, edited or in the way of something changes
//! nothing but what somebody sees. A worker writes them after its work, for all ghosts that a [`Stubs`] has a form for, and
//! removes those of what is here or gone by now. Laws:
//! - only what this node has written is ever replaced or removed, and only as long as it is as it was written;
//! - a name that the deployment itself has is never a stub's;
//! - forms make names of paths, and two paths may get one name: the first in path order has it, the others get one with a
//!   part of their path's hash. So a name always means one ghost, and `fetch` takes it for that.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read as _;

use rustix::fs::{AtFlags, Mode, mkdirat, unlinkat};
use rustix::io::Errno;

use super::Node;
use crate::beneath::Root;
use crate::context::Context;
use crate::durable::{self, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::revdb::{Position, Stubbed};
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

    /// The name of the archive that a stub is for, by what is in it; none if it does not say.
    fn archive(&self, content: &[u8]) -> Option<Vec<u8>>;
}

/// The most bytes of a stub that is read.
const MOST: u64 = 1 << 20;

impl Node {
    /// Makes the stubs those of the ghosts at `position`. What goes wrong is a warning.
    pub(super) fn refresh_stubs(&self, cx: &Context, root: &Root, position: &Position, warnings: &mut Vec<String>) {
        if let Err(error) = self.try_refresh_stubs(cx, root, position) {
            warnings.push(format!("the files that stand for what is not here are not up to date: {error}"));
        }
    }

    fn try_refresh_stubs(&self, cx: &Context, root: &Root, position: &Position) -> Result<()> {
        let before = self.db.stubs()?;
        // A manager would publish them.
        let has_form = self.options.stubs.is_some() && !self.writes();
        let of = has_form.then(|| (position.agreement, position.known()));
        if before.of == of {
            return Ok(());
        }
        let wanted = if has_form { self.stubs_of(position)? } else { BTreeMap::new() };
        let known = Tree::new(&*self.db, position.known());
        let mut files: BTreeMap<RelPath, Digest> = BTreeMap::new();
        for (path, written) in &before.files {
            let stays = wanted.get(path).is_some_and(|(_, stub)| Digest::of(&stub.content) == *written);
            if stays {
                files.insert(path.clone(), *written);
            } else if content_at(root, path)?.is_some_and(|content| Digest::of(&content) == *written) {
                cx.step("stub.remove");
                let parent = root.parent(path)?;
                unlinkat(&parent, path.name(), AtFlags::empty())
                    .map_err(|errno| Error::io("remove", root.display(path), errno))?;
            }
        }
        for (path, (_, stub)) in wanted {
            if files.contains_key(&path) || known.get(&path)?.is_some() || root.stamp(&path)?.is_some() {
                continue;
            }
            write(cx, root, &path, &stub.content)?;
            files.insert(path, Digest::of(&stub.content));
        }
        cx.step("stub.note");
        self.db.set_stubs(&Stubbed { of, files })
    }

    /// The stubs of all ghosts, each with what it stands for.
    fn stubs_of(&self, position: &Position) -> Result<BTreeMap<RelPath, (RelPath, Stub)>> {
        let mut all: BTreeMap<RelPath, (RelPath, Stub)> = BTreeMap::new();
        let Some(form) = &self.options.stubs else { return Ok(all) };
        for (ghost, entry) in self.ghosts(position)? {
            let Some(mut stub) = form.of(&ghost, &entry) else { continue };
            if all.contains_key(&stub.path) {
                stub.path = told_apart(&stub.path, &ghost)?;
            }
            all.insert(stub.path.clone(), (ghost, stub));
        }
        Ok(all)
    }

    /// The ghost that somebody means who names its stub; none if `path` is none.
    pub(super) fn ghost_of_stub(&self, position: &Position, path: &RelPath) -> Result<Option<RelPath>> {
        let Some(form) = &self.options.stubs else { return Ok(None) };
        let mut meant: Vec<RelPath> = Vec::new();
        for (ghost, entry) in self.ghosts(position)? {
            if form.of(&ghost, &entry).is_some_and(|stub| stub.path == *path) {
                meant.push(ghost);
            }
        }
        if meant.is_empty() {
            return Ok(self.stubs_of(position)?.remove(path).map(|(ghost, _)| ghost));
        }
        if meant.len() > 1
            && let Ok(root) = Root::open(&self.places.dir)
            && let Some(archive) = content_at(&root, path)?.and_then(|content| form.archive(&content))
        {
            // It was written by somebody else, and says of which of them it is.
            let exact = meant.iter().find(|ghost| ghost.as_bytes().ends_with(&archive));
            return Ok(exact.or(meant.first()).cloned());
        }
        Ok(meant.into_iter().next())
    }
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

fn write(cx: &Context, root: &Root, path: &RelPath, content: &[u8]) -> Result<()> {
    let mut above: Vec<RelPath> = path.ancestors().collect();
    above.reverse();
    for directory in above {
        match mkdirat(root.parent(&directory)?, directory.name(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("make the directory", root.display(&directory), errno)),
        }
    }
    // A name that is no text has no stub.
    let Ok(name) = std::str::from_utf8(path.name()) else { return Ok(()) };
    let parent = root.parent(path)?;
    let parent = std::os::fd::AsFd::as_fd(&parent);
    let target =
        Target { staging: parent, temporary: ".depsync-stub", directory: parent, name, mode: 0o644 };
    durable::replace_hastily(cx, target, content)
}
