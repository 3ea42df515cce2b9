//! What is in the deployment, and what of it is here: for whoever wants to see it.

use serde::Serialize;

use super::Node;
use crate::error::Result;
use crate::hash::Digest;
use crate::name::Revision;
use crate::path::RelPath;
use crate::revdb::Position;
use crate::tree::{Entry, Tree};

/// How much of a revision is known and not here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ghosts {
    /// Entries: files, links, and directories.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// How a node stands, in a few words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The revision applied.
    pub applied: Option<u64>,
    /// What is known of it and not here.
    pub ghosts: Option<Ghosts>,
    /// What is wrong, for people: what its last report says.
    pub problem: Option<String>,
}

/// An entry of the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its path.
    pub path: RelPath,
    /// `file`, `directory` or `symlink`.
    pub r#type: &'static str,
    /// The size of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The hash of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    /// Permissions, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Where a link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether it is known and not here.
    pub ghost: bool,
}

impl Item {
    fn new(path: RelPath, entry: &Entry, ghost: bool) -> Self {
        let (r#type, size, hash, target) = match entry {
            Entry::File { size, hash, .. } => ("file", Some(*size), Some(*hash), None),
            Entry::Directory { .. } => ("directory", None, None, None),
            Entry::Symlink { target } => {
                ("symlink", None, None, Some(String::from_utf8_lossy(target.as_bytes()).into_owned()))
            }
        };
        let mode = entry.mode().map(|mode| format!("{:04o}", mode.bits()));
        Self { path, r#type, size, hash, mode, target, ghost }
    }
}

impl Node {
    /// Shows every entry of the revision that is here, in path order: those at and beneath `paths`, or all if none is named.
    /// Gives the revision's number; none before the first.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) for a path that is not in it, and whatever `show` says.
    pub fn list(&self, paths: &[RelPath], show: &mut dyn FnMut(Item) -> Result<()>) -> Result<Option<u64>> {
        let position = self.db.position()?;
        let Some((revision, _)) = position.applied else { return Ok(None) };
        let agreement = Tree::new(&*self.db, position.agreement);
        let known = Tree::new(&*self.db, position.known());
        let mut show = |path: RelPath, entry: &Entry| {
            let ghost = position.known.is_some() && agreement.get(&path)?.is_none();
            show(Item::new(path, entry, ghost))
        };
        if paths.is_empty() {
            for found in known.iter() {
                let (path, entry) = found?;
                show(path, &entry)?;
            }
            return Ok(Some(revision.number));
        }
        for path in self.wanted(&position, paths)? {
            let itself = known.get(&path)?.map(|entry| Ok((path.clone(), entry)));
            for found in itself.into_iter().chain(known.beneath(&path)) {
                let (path, entry) = found?;
                show(path, &entry)?;
            }
        }
        Ok(Some(revision.number))
    }

    /// How it stands, by what it has written down.
    pub fn summary(&self) -> Result<Summary> {
        let position = self.db.position()?;
        Ok(Summary {
            applied: position.applied.map(|(revision, _)| revision.number),
            ghosts: self.ghosts_of(&position)?,
            problem: self.db.said()?.and_then(|said| said.problem),
        })
    }

    /// The newest revision of the hub that it has seen.
    pub fn seen(&self) -> Result<Option<Revision>> {
        Ok(self.db.position()?.seen.map(|(revision, _)| revision))
    }

    /// How much is known and not here.
    pub(super) fn ghosts_of(&self, position: &Position) -> Result<Option<Ghosts>> {
        let Some(known) = position.known else { return Ok(None) };
        let known = Tree::new(&*self.db, known).totals()?;
        let here = Tree::new(&*self.db, position.agreement).totals()?;
        Ok(Some(Ghosts {
            entries: known.entries.saturating_sub(here.entries),
            bytes: known.bytes.saturating_sub(here.bytes),
        }))
    }
}
