//! A node's record: what a revision does to a path.

use depsync_engine::error::Result;

use super::headers::{Headers, Lengths};
use super::input::damaged;
use super::place::Place;
use super::properties::Properties;
use super::text::{Sums, Text};

/// What a revision does to a path. Several records of a revision may be about one path; they hold in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The path.
    pub(crate) place: Place,
    /// What it is afterwards. A deletion does not say.
    pub(crate) kind: Option<Kind>,
    /// What is done.
    pub(crate) action: Action,
    /// What it begins as a copy of, a directory with all that is in it.
    pub(crate) source: Option<Source>,
    /// Its properties. None: as they were, or as those of the source are.
    pub(crate) properties: Option<Properties>,
    /// The text that follows. None: as it was, or as that of the source is.
    pub(crate) text: Option<Text>,
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file. A symbolic link is one too.
    File,
    /// A directory.
    Directory,
}

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// There was nothing.
    Add,
    /// It stays what it is.
    Change,
    /// It goes, a directory with all that is in it.
    Delete,
    /// It goes, and something new is there.
    Replace,
}

/// What a path begins as a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The revision of the source.
    pub(crate) revision: u64,
    /// Its path.
    pub(crate) place: Place,
    /// The checksums of its text, where they are declared. `svnrdump` does not.
    pub(crate) sums: Sums,
}

impl Node {
    /// Reads a record of `revision`, whose path is known; the dumped directory is `at`. Properties come later.
    pub(super) fn read(headers: &Headers, lengths: Lengths, place: Place, revision: u64, at: &[u8]) -> Result<Self> {
        let kind = headers.with("Node-kind", |value| match value {
            b"file" => Some(Kind::File),
            b"dir" => Some(Kind::Directory),
            _ => None,
        })?;
        let action = headers.with("Node-action", |value| match value {
            b"add" => Some(Action::Add),
            b"change" => Some(Action::Change),
            b"delete" => Some(Action::Delete),
            b"replace" => Some(Action::Replace),
            _ => None,
        })?;
        let action = action.ok_or_else(|| damaged("nothing is said to be done"))?;
        let source = source(headers, revision, at)?;
        let text = Text::read(headers, lengths)?;
        match action {
            Action::Delete if source.is_some() || text.is_some() || lengths.properties.is_some() => {
                return Err(damaged("a deletion that has a source, properties or a text"));
            }
            Action::Change if source.is_some() => return Err(damaged("a change that has a source")),
            Action::Add | Action::Change | Action::Replace if kind.is_none() => {
                return Err(damaged("neither a file nor a directory"));
            }
            _ if kind == Some(Kind::Directory) && text.is_some() => return Err(damaged("a directory that has a text")),
            _ => {}
        }
        Ok(Self { place, kind, action, source, properties: None, text })
    }
}

fn source(headers: &Headers, now: u64, at: &[u8]) -> Result<Option<Source>> {
    let revision = headers.number("Node-copyfrom-rev")?;
    match (revision, headers.get("Node-copyfrom-path")) {
        (None, None) => Ok(None),
        (Some(revision), Some(path)) if revision < now => {
            let place = Place::of(path, at)?;
            Ok(Some(Source { revision, place, sums: Sums::read(headers, "Text-copy-source")? }))
        }
        (Some(revision), Some(_)) => Err(damaged(format!("a copy from revision {revision}, which is not earlier"))),
        _ => Err(damaged("a copy without revision or path of its source")),
    }
}
