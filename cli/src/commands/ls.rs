//! `ls`: what is in the deployment, and what of it is here.

use std::fmt::Write as _;

use depsync_engine::engine::Item;
use depsync_engine::error::Result;
use serde::Serialize;

use super::typed_paths;
use crate::args::{Ls, Operands};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{FAINT, styled};
use crate::units::{bytes, counted};

#[derive(Serialize)]
struct Facts {
    revision: Option<u64>,
    entries: Vec<Item>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Ls) -> Result<Answer> {
    let paths = typed_paths(&args.paths)?;
    let open = session.open_existing(&Operands::default())?;
    let mut entries = Vec::new();
    let revision = open.node.list(&paths, &mut |item| {
        if !(args.ghosts && !item.ghost || args.here && item.ghost) {
            entries.push(item);
        }
        Ok(())
    })?;
    let facts = Facts { revision, entries };
    let text = say(&facts);
    Ok(Answer::fact(&facts, text, Exit::Done))
}

fn say(facts: &Facts) -> String {
    let Some(revision) = facts.revision else { return "nothing was applied here yet\n".to_owned() };
    let mut out = String::new();
    let (mut files, mut ghosts, mut sum, mut away) = (0_usize, 0_usize, 0_u64, 0_u64);
    for item in &facts.entries {
        let size = item.size.map_or_else(|| "-".to_owned(), bytes);
        let hash = item.hash.map_or_else(String::new, |hash| hash.short());
        let slash = if item.r#type == "directory" { "/" } else { "" };
        let target = item.target.as_ref().map_or_else(String::new, |target| format!(" -> {}", target.escape_debug()));
        let state = if item.ghost { "ghost" } else { "here" };
        let line = format!("{state:<5}  {size:>10}  {hash:<12}  {}{slash}{target}", item.path);
        let line = if item.ghost { styled(FAINT, line) } else { line };
        writeln!(out, "{line}").expect("writing to a string cannot fail");
        if item.r#type != "directory" {
            files += 1;
            sum += item.size.unwrap_or(0);
            if item.ghost {
                ghosts += 1;
                away += item.size.unwrap_or(0);
            }
        }
    }
    let of = format!("revision {revision}: {}, {}", counted(files, "file"), bytes(sum));
    let rest =
        if ghosts > 0 { format!("; {} not here, {}", counted(ghosts, "file"), bytes(away)) } else { String::new() };
    writeln!(out, "{of}{rest}").expect("writing to a string cannot fail");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;

    #[test]
    fn a_line_an_entry_and_what_it_comes_to() {
        let item = |path: &str, r#type, size: Option<u64>, ghost| Item {
            path: path.try_into().expect("a path"),
            r#type,
            size,
            hash: size.map(|_| Digest::of(b"x")),
            mode: None,
            target: None,
            ghost,
        };
        let link = Item { target: Some("a\u{1b}".into()), ..item("l", "symlink", None, false) };
        let facts = Facts {
            revision: Some(3),
            entries: vec![
                item("w", "directory", None, false),
                item("w/a.war", "file", Some(2048), true),
                item("w/b", "file", Some(1), false),
                link,
            ],
        };
        let short = Digest::of(b"x").short();
        assert_eq!(
            anstream::adapter::strip_str(&say(&facts)).to_string(),
            format!(
                "here            -                w/\n\
                 ghost     2.0 KiB  {short}  w/a.war\n\
                 here          1 B  {short}  w/b\n\
                 here            -                l -> a\\u{{1b}}\n\
                 revision 3: 3 files, 2.0 KiB; 1 file not here, 2.0 KiB\n"
            )
        );
        assert_eq!(say(&Facts { revision: None, entries: vec![] }), "nothing was applied here yet\n");
    }
}
