//! `evict`: what was fetched on demand goes again, and stays known.

use depsync_engine::engine::{EvictOptions, EvictOutcome};
use depsync_engine::error::Result;

use super::typed_paths;
use crate::args::{Evict, Operands};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{self, Length, STRONG, styled};
use crate::units::{bytes, counted, milliseconds};

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Evict) -> Result<Answer> {
    let idle = args.idle.map(|idle| idle.0);
    let options = EvictOptions { paths: typed_paths(&args.paths)?, idle, dry_run: args.dry_run };
    let open = session.open_existing(&Operands::default())?;
    let outcome = open.node.evict(&open.cx, &options)?;
    let exit = Exit::of_deed(false, !outcome.left.is_empty(), outcome.evicted > 0);
    let length = if args.dry_run { Length::Full } else { session.length() };
    let text = say(&outcome, args.dry_run, length);
    Ok(Answer::deed(&outcome, text, exit).with_warnings(&outcome.warnings))
}

fn say(outcome: &EvictOutcome, dry_run: bool, length: Length) -> String {
    let files = counted(usize::try_from(outcome.evicted).unwrap_or(usize::MAX), "file");
    let mut out = match (outcome.evicted, dry_run) {
        (0, _) => "nothing to evict\n".to_owned(),
        (_, true) => format!("would evict {files}, {}\n", bytes(outcome.bytes)),
        (_, false) => format!(
            "{}, {} freed ({})\n",
            styled(STRONG, format_args!("evicted {files}")),
            bytes(outcome.bytes),
            milliseconds(outcome.duration_ms)
        ),
    };
    text::changes(&mut out, &outcome.changes, length);
    text::section(&mut out, "left as it is", &outcome.left, length, text::remark);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::engine::Remark;

    #[test]
    fn what_went_and_what_stays_is_said() {
        let outcome = EvictOutcome {
            evicted: 2,
            bytes: 3 << 20,
            left: vec![Remark { path: Some("x".try_into().expect("a path")), reason: "it was changed here".into() }],
            duration_ms: 12,
            changes: [].into_iter().collect(),
            warnings: vec![],
        };
        let plain = |outcome: &EvictOutcome, dry_run| {
            anstream::adapter::strip_str(&say(outcome, dry_run, Length::Short)).to_string()
        };
        assert_eq!(
            plain(&outcome, false),
            "evicted 2 files, 3.0 MiB freed (12 ms)\nleft as it is:\n  x: it was changed here\n"
        );
        let none = EvictOutcome { left: vec![], ..outcome };
        assert_eq!(plain(&none, true), "would evict 2 files, 3.0 MiB\n");
        assert_eq!(plain(&EvictOutcome { evicted: 0, ..none }, false), "nothing to evict\n");
    }
}
