//! What authorisation leaves out must not be taken for removed.
//!
//! Subversion leaves a subtree that an account may not read out of dumps, without a word. So
//! - a revision that the log shows only a part of is an error;
//! - a tree that its publisher has written the root of must have that root;
//! - where a revision was read as a whole, what it lacks against one before must be removed by a revision between.

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::tree::Tree;

use super::known::Where;
use super::log::{Action, LogEntry, Shown};

fn hidden(what: String) -> Error {
    Error::new(ErrorKind::Damaged, what)
        .hint("give the account the right to read all of the deployment; nothing was changed")
}

/// Fails if a part of a revision is hidden from this account.
pub(super) fn shows_all(entries: &[LogEntry]) -> Result<()> {
    match entries.iter().find(|entry| entry.shown() != Shown::Whole) {
        Some(entry) => Err(hidden(format!(
            "a part of revision {} is hidden from this account, or it was committed without a message",
            entry.revision
        ))),
        None => Ok(()),
    }
}

/// Fails if the tree is another one than its publisher has written down.
pub(super) fn is_as_recorded(root: Digest, recorded: Option<Digest>) -> Result<()> {
    match recorded.filter(|recorded| *recorded != root) {
        Some(recorded) => Err(hidden(format!(
            "the tree has the root {}, and its publisher wrote {}: a part of it is hidden from this account",
            root.short(),
            recorded.short()
        ))),
        None => Ok(()),
    }
}

/// Fails if the newer tree lacks something that none of the revisions after the older one has removed.
pub(super) fn names_removals(since: &[LogEntry], place: &Where, older: Tree<'_>, newer: Tree<'_>) -> Result<()> {
    let top = format!("/{}", place.path);
    let top = top.trim_end_matches('/');
    let gone: Vec<&str> = since
        .iter()
        .flat_map(|entry| &entry.paths)
        .filter(|path| matches!(path.action, Action::Deleted | Action::Replaced))
        .map(|path| path.path.as_str())
        .collect();
    for change in older.diff(&newer) {
        let change = change?;
        if change.after.is_some() {
            continue;
        }
        let path = [top.as_bytes(), b"/", change.path.as_bytes()].concat();
        let beneath =
            |above: &&str| path.strip_prefix(above.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        if !gone.iter().any(beneath) {
            return Err(hidden("it is not there any more, and no revision has removed it".to_owned())
                .op("fetch")
                .at(&change.path));
        }
    }
    Ok(())
}
