//! `diff`: the paths that differ between two sides.

use depsync_engine::content::Freight;
use depsync_engine::engine::Node;
use depsync_engine::error::Result;
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Change, Entry};
use serde::Serialize;

use crate::args::{Diff, Operands};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{self, Deed, Length};

#[derive(Serialize)]
struct Facts {
    changes: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    freight: Option<Vec<Freight>>,
}

/// One difference for machines.
#[derive(Serialize)]
struct Line {
    path: RelPath,
    change: &'static str,
    before: Option<Side>,
    after: Option<Side>,
}

/// One side of a difference: only what such an entry has.
#[derive(Serialize)]
struct Side {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl From<&Entry> for Side {
    fn from(entry: &Entry) -> Self {
        Self {
            kind: match entry {
                Entry::File { .. } => "file",
                Entry::Directory { .. } => "directory",
                Entry::Symlink { .. } => "symlink",
            },
            mode: entry.mode().map(|mode| format!("{:04o}", mode.bits())),
            size: entry.is_file().then(|| entry.size()),
            hash: entry.content().map(|(hash, _)| hash.to_string()),
            target: match entry {
                Entry::Symlink { target } => Some(String::from_utf8_lossy(target.as_bytes()).into_owned()),
                _ => None,
            },
        }
    }
}

impl From<Change> for Line {
    fn from(change: Change) -> Self {
        let (before, after) = (change.before.as_ref().map(Side::from), change.after.as_ref().map(Side::from));
        Self { change: Deed::of(&change).name(), path: change.path, before, after }
    }
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Diff) -> Result<Answer> {
    let open = session.open_existing(&Operands::default())?;
    let diff = if args.bytes { Node::diff_with_bytes } else { Node::diff };
    let outcome = diff(&open.node, &open.cx, args.old.0, args.new.0)?;
    let mut out = String::new();
    text::changes(&mut out, &outcome.changes, Length::Full);
    if out.is_empty() {
        out.push_str("no difference\n");
    }
    if let Some(freight) = &outcome.freight {
        text::freight(&mut out, freight, session.length());
    }
    Ok(Answer::fact(&facts(&outcome.changes, outcome.freight), out, Exit::Done))
}

fn facts(changes: &Packed<Change>, freight: Option<Vec<Freight>>) -> Facts {
    Facts { changes: changes.iter().map(Line::from).collect(), freight }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::tree::{LinkTarget, Mode};

    #[test]
    fn a_difference_for_machines() {
        let change = Change {
            path: "a".try_into().expect("a path"),
            before: Some(Entry::Directory { mode: Mode::new(0o755) }),
            after: Some(Entry::Symlink { target: LinkTarget::new(*b"b").expect("a target") }),
        };
        assert_eq!(
            serde_json::to_string(&facts(&[change].into_iter().collect(), None)).expect("JSON"),
            r#"{"changes":[{"path":"a","change":"modified","before":{"kind":"directory","mode":"0755"},"after":{"kind":"symlink","target":"b"}}]}"#
        );
    }
}
