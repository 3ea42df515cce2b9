//! What the repository once had: asked at a first contact, where nothing is known here of earlier revisions.
//!
//! The log says in which revisions a path was changed or removed, by itself or with a directory above it; what was there
//! before is compared with what is here. A file that no revision has touched costs nothing. One whose lines or keywords
//! `svn cat` translates is not recognised.

use std::collections::HashMap;
use std::io::BufRead as _;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Hasher;
use depsync_engine::path::RelPath;
use depsync_engine::transport::WantedContent;

use super::client::Tool;
use super::log::{Action, LogEntry};
use super::transport::SvnTransport;

/// How many contents are compared, each by a process of its own.
const MOST: usize = 2_000;

/// Where the `count` revisions up to `last` have removed something.
pub(super) fn removals(transport: &SvnTransport, cx: &Context, last: u64, count: u64) -> Result<Vec<RelPath>> {
    let entries = transport.entries_with_paths(cx, last, count)?;
    let top = format!("{}/", format!("/{}", transport.place(cx)?.path).trim_end_matches('/'));
    let gone = entries.iter().flat_map(|entry| &entry.paths).filter(|path| path.action.removes());
    let mut paths: Vec<RelPath> =
        gone.filter_map(|path| RelPath::new(path.path.strip_prefix(&top)?.as_bytes()).ok()).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Those of `files` that one of the `count` revisions up to `last` had with the same content.
pub(super) fn had(
    transport: &SvnTransport,
    cx: &Context,
    last: u64,
    count: u64,
    files: &[(RelPath, WantedContent)],
) -> Result<Vec<RelPath>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let entries = transport.entries_with_paths(cx, last, count)?;
    let top = format!("/{}", transport.place(cx)?.path);
    let changes = Changes::of(&entries);
    let (mut found, mut compared) = (Vec::new(), 0);
    for (path, content) in files {
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else { continue };
        for number in changes.before(&format!("{}/{name}", top.trim_end_matches('/'))) {
            if compared == MOST {
                tracing::warn!("files that the repository once had may stay: there are too many to compare");
                return Ok(found);
            }
            compared += 1;
            if is(transport, cx, path, number, content)? {
                found.push(path.clone());
                break;
            }
        }
    }
    Ok(found)
}

/// Where paths were changed, and where they were removed.
struct Changes<'a>(HashMap<&'a str, Vec<(u64, Action)>>);

impl<'a> Changes<'a> {
    fn of(entries: &'a [LogEntry]) -> Self {
        let mut all: HashMap<&str, Vec<(u64, Action)>> = HashMap::new();
        for (entry, path) in entries.iter().flat_map(|entry| entry.paths.iter().map(move |path| (entry, path))) {
            all.entry(&path.path).or_default().push((entry.revision, path.action));
        }
        Self(all)
    }

    /// The revisions before those in which something was done to what was at `path`, the newest first.
    fn before(&self, path: &str) -> Vec<u64> {
        let own = self.0.get(path).into_iter().flatten().filter(|(_, action)| *action != Action::Added);
        let above = path.match_indices('/').filter_map(|(end, _)| self.0.get(&path[..end])).flatten();
        let gone = above.filter(|(_, action)| action.removes());
        let mut numbers: Vec<u64> = own.chain(gone).map(|(number, _)| number - 1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.reverse();
        numbers
    }
}

/// Whether a path had this content in a revision.
fn is(transport: &SvnTransport, cx: &Context, path: &RelPath, number: u64, content: &WantedContent) -> Result<bool> {
    let program = transport.client.program(cx, Tool::Svn)?.arg("cat");
    let program = program.operand(transport.client.url().pegged(Some(path), Some(number)));
    let same = transport.client.read(cx, "look for what was there once", program, |said| {
        let (mut hasher, mut left) = (Hasher::plain(), content.size);
        loop {
            cx.check()?;
            let there = said.fill_buf().map_err(|source| Error::io("read", path, source))?;
            let count = there.len();
            if count == 0 || count as u64 > left {
                return Ok(count == 0 && left == 0 && hasher.finish() == content.hash);
            }
            hasher.update(there);
            said.consume(count);
            left -= count as u64;
        }
    });
    match same {
        // It was not there yet, or was a directory; or nobody may say.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Ok(false),
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svn::log::ChangedPath;

    #[test]
    fn what_was_there_is_there_before_each_change_of_it_and_each_removal_above_it() {
        let entry = |revision: u64, paths: &[(&str, Action)]| {
            let changed = |&(path, action): &(&str, Action)| ChangedPath {
                path: path.to_owned(),
                action,
                kind: None,
                copied_from: None,
                content_changed: true,
                properties_changed: false,
            };
            LogEntry { revision, paths: paths.iter().map(changed).collect(), ..LogEntry::default() }
        };
        let entries = [
            entry(9, &[("/d/main", Action::Modified), ("/d/main/a", Action::Deleted)]),
            entry(7, &[("/d/main/a/b", Action::Modified), ("/d/main/a/bb", Action::Deleted)]),
            entry(5, &[("/d/main/a/b", Action::Added), ("/d/main/a", Action::Replaced)]),
            entry(3, &[("/d/main/a", Action::Added)]),
        ];
        let changes = Changes::of(&entries);
        assert_eq!(changes.before("/d/main/a/b"), [8, 6, 4]);
        assert_eq!(changes.before("/d/main/a/bb"), [8, 6, 4]);
        assert_eq!(changes.before("/d/main/a"), [8, 4]);
        assert_eq!(changes.before("/d/main/own"), [0; 0]);
    }
}
