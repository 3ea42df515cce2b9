//! `log`: the revisions, newest first.

use std::fmt::Write as _;

use depsync_engine::engine::{LogEntry, Node, Stat};
use depsync_engine::error::Result;
use serde::Serialize;

use crate::args::{Log, Operands};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{FAINT, STRONG, clean, first_line, styled};
use crate::units::bytes;

#[derive(Serialize)]
struct Facts {
    revisions: Vec<LogEntry>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Log) -> Result<Answer> {
    let open = session.open_existing(&Operands::default())?;
    let log = if args.stat { Node::log_with_stat } else { Node::log };
    let revisions = log(&open.node, &open.cx, args.limit)?;
    let text = say(&revisions);
    Ok(Answer::fact(&Facts { revisions }, text, Exit::Done))
}

fn say(entries: &[LogEntry]) -> String {
    if entries.is_empty() {
        return "no revision yet\n".to_owned();
    }
    let width = entries.iter().map(|entry| entry.revision.number.to_string().len()).max().unwrap_or(1);
    let mut out = String::new();
    for entry in entries {
        let mark = if entry.applied { '*' } else { ' ' };
        let number = styled(STRONG, format_args!("{:>width$}", entry.revision.number));
        let time = entry.time.strftime("%Y-%m-%dT%H:%M:%SZ");
        let mut about = clean(&entry.author);
        if let Some(node) = &entry.node {
            about += &format!(" on {node}");
        }
        if let Some(root) = &entry.root {
            about += &format!(", root {}", root.short());
        }
        let message = first_line(&entry.message);
        let gap = if message.is_empty() { "" } else { "  " };
        writeln!(out, "{mark} {number}  {time}  {}{gap}{message}", styled(FAINT, about))
            .expect("writing to a string cannot fail");
        if let Some(stat) = &entry.stat {
            writeln!(out, "  {:>width$}  {}", "", stated(stat)).expect("writing to a string cannot fail");
        }
    }
    out
}

/// What a revision has brought.
fn stated(stat: &Stat) -> String {
    let sent = stat.bytes_sent.map_or("an unknown number of bytes".to_owned(), bytes);
    match stat.bytes_changed {
        Some(changed) => format!("{sent} sent for {} changed", bytes(changed)),
        None => format!("{sent} sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use depsync_engine::name::Revision;

    #[test]
    fn one_line_a_revision_and_the_applied_one_is_marked() {
        let entry = |number, message: &str, applied| LogEntry {
            revision: Revision { number, record: Digest::of(b"record") },
            root: Some(Digest::of(b"root")),
            author: "ops@web-1".into(),
            node: Some("web-1".parse().expect("an id")),
            time: "2026-11-21T20:00:00Z".parse().expect("a time"),
            message: message.into(),
            applied,
            stat: None,
        };
        let text = say(&[entry(10, "two\nlines", false), entry(9, "", true)]);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "  10  2026-11-21T20:00:00Z  ops@web-1 on web-1, root 92a2b787a06d  two …\n\
             *  9  2026-11-21T20:00:00Z  ops@web-1 on web-1, root 92a2b787a06d\n"
        );
        let by_hand = LogEntry { root: None, node: None, author: "alice".into(), ..entry(8, "by hand", false) };
        assert_eq!(
            anstream::adapter::strip_str(&say(&[by_hand])).to_string(),
            "  8  2026-11-21T20:00:00Z  alice  by hand\n"
        );
        let stat = |bytes_changed| Some(Stat { bytes_sent: Some(28_672), bytes_changed });
        let stated = say(&[
            LogEntry { stat: stat(Some(31 << 20)), ..entry(10, "", false) },
            LogEntry { stat: stat(None), ..entry(9, "", false) },
        ]);
        let lines: Vec<String> = anstream::adapter::strip_str(&stated).to_string().lines().map(str::to_owned).collect();
        assert_eq!((&lines[1][..], &lines[3][..]), ("      28.0 KiB sent for 31.0 MiB changed", "      28.0 KiB sent"));
        assert_eq!(say(&[]), "no revision yet\n");
    }
}
