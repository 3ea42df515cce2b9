//! `verify`: read every tracked file and compare it with the applied revision.

use depsync_engine::engine::VerifyOutcome;
use depsync_engine::error::Result;

use crate::args::Verify;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{self, BAD, GOOD, Length, styled};
use crate::units::{bytes, counted, milliseconds};

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Verify) -> Result<Answer> {
    let open = session.open_existing(&args.operands)?;
    let outcome = open.node.verify(&open.cx, args.repair)?;
    let text = say(&outcome, session.length());
    Ok(Answer::deed(&outcome, text, exit(&outcome)))
}

fn exit(outcome: &VerifyOutcome) -> Exit {
    match (outcome.matches && outcome.problems.is_empty(), outcome.repaired) {
        (false, _) => Exit::Damaged,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Changed,
    }
}

fn say(outcome: &VerifyOutcome, length: Length) -> String {
    let what = match outcome.revision {
        Some(number) => format!("revision {number}"),
        None => "no revision".to_owned(),
    };
    let read = format!(
        "({} compared, {} read, {})",
        if outcome.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", outcome.entries) },
        bytes(outcome.bytes_read),
        milliseconds(outcome.duration_ms)
    );
    let mut out = match (outcome.matches, outcome.repaired) {
        (true, 0) => format!("{}: the directory is {what} {read}\n", styled(GOOD, "verified")),
        (true, count) => {
            let paths = counted(usize::try_from(count).unwrap_or(usize::MAX), "path");
            format!("{} {paths}: the directory is {what} again {read}\n", styled(GOOD, "repaired"))
        }
        (false, _) => format!("{}: the directory is not {what} {read}\n", styled(BAD, "differs")),
    };
    if !outcome.matches {
        out.push_str(&format!("  root     {}\n  measured {}\n", outcome.root, outcome.measured));
    }
    text::section(&mut out, "differing", &outcome.differing, length, text::remark);
    text::section(&mut out, "problems", &outcome.problems, length, text::remark);
    if !outcome.matches && outcome.repaired == 0 {
        out.push_str("  `depsync verify --repair` brings them back\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::engine::Remark;
    use depsync_engine::hash::Digest;

    #[test]
    fn a_difference_is_a_failed_verification_and_a_repair_is_a_change() {
        let mut outcome = VerifyOutcome {
            revision: Some(2),
            root: Digest::of(b"root"),
            measured: Digest::of(b"root"),
            matches: true,
            differing: vec![],
            problems: vec![],
            repaired: 0,
            entries: 1,
            bytes_read: 9,
            duration_ms: 5,
        };
        let plain = |outcome: &_| anstream::adapter::strip_str(&say(outcome, Length::Short)).to_string();
        assert_eq!(plain(&outcome), "verified: the directory is revision 2 (1 entry compared, 9 B read, 5 ms)\n");
        assert_eq!(exit(&outcome), Exit::Done);
        outcome.repaired = 1;
        assert!(plain(&outcome).starts_with("repaired 1 path: the directory is revision 2 again"));
        assert_eq!(exit(&outcome), Exit::Changed);
        outcome.problems.push(Remark { path: None, reason: "unreadable".into() });
        assert_eq!(exit(&outcome), Exit::Damaged);
        outcome.matches = false;
        assert_eq!(exit(&outcome), Exit::Damaged);
    }
}
