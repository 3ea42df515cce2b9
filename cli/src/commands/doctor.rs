//! `doctor`: what could keep this node from working, and what to do.

use depsync_engine::error::Result;
use serde::Serialize;

use crate::args::Doctor;
use crate::doctor::{self, Check, Verdict, worst};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{BAD, FAINT, GOOD, WARN, clean, styled};
use crate::units::counted;

#[derive(Serialize)]
struct Facts<'a> {
    /// The worst of all verdicts.
    verdict: Verdict,
    checks: &'a [Check],
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Doctor) -> Result<Answer> {
    let checks = doctor::examine(session, &args.operands)?;
    let facts = Facts { verdict: worst(&checks), checks: &checks };
    let exit = if facts.verdict == Verdict::Failed { Exit::Failed } else { Exit::Done };
    Ok(Answer::fact(&facts, say(&checks, session.global.quiet), exit))
}

/// A line for each, with what to do beneath it. `quiet`: only what needs attention.
fn say(checks: &[Check], quiet: bool) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks.iter().filter(|check| !quiet || check.verdict >= Verdict::Warning) {
        let mark = match check.verdict {
            Verdict::Ok => styled(GOOD, "ok     "),
            Verdict::Skipped => styled(FAINT, "skipped"),
            Verdict::Warning => styled(WARN, "warning"),
            Verdict::Failed => styled(BAD, "failed "),
        };
        out.push_str(&format!("{mark}  {:<width$}  {}\n", check.name, clean(&check.found)));
        if let Some(advice) = &check.advice {
            out.push_str(&format!("         {:<width$}  {}: {}\n", "", styled(GOOD, "hint"), clean(advice)));
        }
    }
    if !quiet {
        out.push_str(&format!("{}\n", counts(checks)));
    }
    out
}

fn counts(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
    let mut parts = vec![format!("{} ok", count(Verdict::Ok))];
    if count(Verdict::Skipped) > 0 {
        parts.push(format!("{} skipped", count(Verdict::Skipped)));
    }
    if warnings > 0 {
        parts.push(styled(WARN, counted(warnings, "warning")));
    }
    if failed > 0 {
        parts.push(styled(BAD, format_args!("{failed} failed")));
    }
    format!("{}: {}", counted(checks.len(), "check"), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_check_and_what_to_do_beneath() {
        let checks = [
            Check::ok("hub", "/mnt/hub"),
            Check::skipped("hub-clock", "not told"),
            Check::warning("space", "little\u{1b}", "make room"),
            Check::failed("hook", "none", "install it"),
        ];
        let plain = |quiet| anstream::adapter::strip_str(&say(&checks, quiet)).to_string();
        let bad = "warning  space      little\\u{1b}\n                    hint: make room\n\
                   failed   hook       none\n                    hint: install it\n";
        assert_eq!(plain(true), bad);
        assert_eq!(
            plain(false),
            format!(
                "ok       hub        /mnt/hub\nskipped  hub-clock  not told\n{bad}\
                 4 checks: 1 ok, 1 skipped, 1 warning, 1 failed\n"
            )
        );
        let facts = Facts { verdict: worst(&checks), checks: &checks };
        let json = serde_json::to_value(facts).expect("JSON");
        assert_eq!((&json["verdict"], &json["checks"][3]["advice"]), (&"failed".into(), &"install it".into()));
    }
}
