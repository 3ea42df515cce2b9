//! `fetch`: bring what is known and not here.

use depsync_engine::engine::FetchOutcome;
use depsync_engine::error::Result;

use super::typed_paths;
use crate::args::Fetch;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{self, Length, STRONG, styled};
use crate::units::{bytes, counted, milliseconds};

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Fetch) -> Result<Answer> {
    let paths = typed_paths(&args.paths)?;
    let open = session.open_tenant()?;
    open.is_used()?;
    open.meet()?;
    let outcome = open.node.fetch(&open.cx, &paths)?;
    let exit = Exit::of_deed(false, !outcome.problems.is_empty(), outcome.fetched > 0);
    let text = say(&outcome, session.length());
    Ok(Answer::deed(&outcome, text, exit).with_warnings(&outcome.warnings))
}

fn say(outcome: &FetchOutcome, length: Length) -> String {
    let mut out = if outcome.fetched == 0 && outcome.problems.is_empty() {
        format!("nothing to do: {} here, of revision {}\n", are(outcome.files), outcome.revision)
    } else {
        format!(
            "{}, of revision {}: {} ({} fetched, {})\n",
            styled(STRONG, format_args!("{} here now", are(outcome.fetched))),
            outcome.revision,
            bytes(outcome.bytes),
            bytes(outcome.bytes_fetched),
            milliseconds(outcome.duration_ms)
        )
    };
    text::section(&mut out, "kept aside before it was replaced", &outcome.kept_aside, length, ToString::to_string);
    text::section(&mut out, "problems", &outcome.problems, length, text::remark);
    out
}

fn are(files: u64) -> String {
    let verb = if files == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(usize::try_from(files).unwrap_or(usize::MAX), "file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_said() {
        let outcome = FetchOutcome {
            revision: 7,
            files: 3,
            fetched: 1,
            bytes: 2048,
            bytes_fetched: 1024,
            duration_ms: 12,
            kept_aside: vec![],
            problems: vec![],
            warnings: vec![],
        };
        let plain = |outcome: &FetchOutcome| anstream::adapter::strip_str(&say(outcome, Length::Short)).to_string();
        assert_eq!(plain(&outcome), "1 file is here now, of revision 7: 2.0 KiB (1.0 KiB fetched, 12 ms)\n");
        let nothing = FetchOutcome { fetched: 0, ..outcome };
        assert_eq!(plain(&nothing), "nothing to do: 3 files are here, of revision 7\n");
    }
}
