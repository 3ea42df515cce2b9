//! `status`: what is applied here, what differs, what every node has.

use std::fmt::Write as _;

use depsync_engine::engine::StatusOutcome;
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::transport::{NodeReport, Outcome};
use serde::Serialize;

use crate::args::Operands;
use crate::exit::Exit;
use crate::output::{Answer, ErrorFacts};
use crate::session::Session;
use crate::text::{self, FAINT, Length, STRONG, WARN, clean, first_line, styled};
use crate::units::counted;

#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    status: &'a StatusOutcome,
    /// Why the hub could not be asked.
    hub_error: Option<ErrorFacts>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, operands: &Operands) -> Result<Answer> {
    let open = session.open_existing(operands)?;
    let status = open.node.status(&open.cx)?;
    let exit = match &status.hub_error {
        // A status refuses nothing: a hub that is missing, empty or foreign is for a status one that cannot be asked.
        Some(error) if error.kind() == ErrorKind::Damaged => Exit::Damaged,
        Some(_) => Exit::TryAgain,
        None if !status.problems.is_empty() => Exit::Failed,
        None => Exit::Done,
    };
    let facts = Facts { status: &status, hub_error: status.hub_error.as_ref().map(ErrorFacts::from) };
    Ok(Answer::fact(&facts, say(&status, session.length()), exit).with_warnings(&status.warnings))
}

fn say(status: &StatusOutcome, length: Length) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(out, "{} {value}", styled(FAINT, format_args!("{name:<11}")))
            .expect("writing to a string cannot fail");
    };
    line("node", format!("{} ({})", status.node, if status.writes { "publishes" } else { "follows" }));
    line("directory", clean(&status.dir));
    line("hub", clean(&status.hub));
    line("deployment", status.deployment.to_string());
    line("applied", applied(status));
    if let Some(error) = &status.hub_error {
        line("head", styled(WARN, clean(&error.to_string())));
    }
    if !status.has_reports {
        line("nodes", "not reported: this hub has no place for it".to_owned());
    }
    if let Some(root) = &status.measured {
        line("root", root.to_string());
    }
    if !status.drift.is_empty() {
        let advice = if status.writes {
            "changed here and not published (`depsync publish`)"
        } else {
            "changed here by somebody else (`depsync verify --repair`)"
        };
        text::section(&mut out, advice, &status.drift, length, ToString::to_string);
    }
    text::section(&mut out, "conflicts", &status.conflicts, length, text::conflict);
    if !status.conflicts.is_empty() {
        out.push_str(&format!("  {}\n", text::RESOLVE));
    }
    text::section(&mut out, "held back", &status.held, length, text::remark);
    text::section(&mut out, "problems", &status.problems, length, text::remark);
    if !status.nodes.is_empty() {
        out.push_str(&nodes(&status.nodes, status.head));
    }
    out
}

fn applied(status: &StatusOutcome) -> String {
    let mut text = match (status.applied, status.head) {
        (None, None) => "nothing".to_owned(),
        (None, Some(head)) => format!("nothing; the newest revision is {head}"),
        (Some(applied), None) => format!("revision {applied}"),
        (Some(applied), Some(head)) if applied >= head => format!("revision {applied}, the newest"),
        (Some(applied), Some(head)) => {
            format!("revision {applied} of {head} ({} behind)", counted((head - applied) as usize, "revision"))
        }
    };
    if let Some(pin) = status.pinned {
        write!(text, ", pinned to {pin} (`depsync update --unpin`)").expect("writing to a string cannot fail");
    }
    styled(STRONG, text)
}

/// The table of nodes: who has what, and since when it is known.
fn nodes(reports: &[NodeReport], head: Option<u64>) -> String {
    let width = reports.iter().map(|report| report.node.as_str().len()).max().unwrap_or(0).max(4);
    let heading = format!("{:<width$}  {:>8}  {:<9}  {:<20}  {}", "NODE", "REVISION", "OUTCOME", "REPORTED", "ROOT");
    let mut out = format!("{}\n", styled(FAINT, heading));
    for report in reports {
        let number = report.applied.map(|revision| revision.number);
        let outcome = match &report.outcome {
            Outcome::Applied => "applied",
            Outcome::Partial => "partial",
            Outcome::Failed => "failed",
            _ => "unknown",
        };
        let late = number < head || report.outcome != Outcome::Applied || report.measured != report.root;
        let row = format!(
            "{:<width$}  {:>8}  {:<9}  {:<20}  {}",
            report.node.as_str(),
            number.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            outcome,
            report.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            report.measured.map_or_else(|| "-".to_owned(), |root| root.short()),
        );
        out.push_str(&if late { styled(WARN, row) } else { row });
        if report.measured.is_some() && report.measured != report.root {
            out.push_str(" (differs from its revision)");
        }
        if report.pinned {
            out.push_str(" (pinned)");
        }
        if let Some(problem) = &report.problem {
            out.push_str(&format!(" {}", first_line(problem)));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::error::Error;
    use depsync_engine::hash::Digest;
    use depsync_engine::name::Revision;

    fn report(node: &str, number: u64, measured: &[u8]) -> NodeReport {
        NodeReport {
            schema: 1,
            node: node.parse().expect("an id"),
            nonce: "00".into(),
            writes: false,
            applied: Some(Revision { number, record: Digest::of(b"r") }),
            root: Some(Digest::of(b"root")),
            measured: Some(Digest::of(measured)),
            time: "2026-11-21T20:00:00.5Z".parse().expect("a time"),
            full_scan: None,
            pinned: false,
            outcome: Outcome::Applied,
            problem: None,
            version: "0.1.0".into(),
        }
    }

    fn status() -> StatusOutcome {
        StatusOutcome {
            node: "web-1".parse().expect("an id"),
            dir: "/srv/d".into(),
            hub: "/mnt/hub".into(),
            hub_id: None,
            deployment: Default::default(),
            writes: false,
            applied: Some(3),
            measured: None,
            pinned: None,
            head: Some(5),
            drift: vec!["conf/x".try_into().expect("a path")],
            conflicts: vec![],
            held: vec![],
            problems: vec![],
            has_reports: true,
            nodes: vec![report("web-1", 3, b"root"), report("a", 5, b"other")],
            hub_error: None,
            warnings: vec![],
        }
    }

    #[test]
    fn a_status_says_who_has_what() {
        let text = anstream::adapter::strip_str(&say(&status(), Length::Short)).to_string();
        assert_eq!(
            text,
            "node        web-1 (follows)\n\
             directory   /srv/d\n\
             hub         /mnt/hub\n\
             deployment  main\n\
             applied     revision 3 of 5 (2 revisions behind)\n\
             changed here by somebody else (`depsync verify --repair`):\n  conf/x\n\
             NODE   REVISION  OUTCOME    REPORTED              ROOT\n\
             web-1         3  applied    2026-11-21T20:00:00Z  92a2b787a06d\n\
             a             5  applied    2026-11-21T20:00:00Z  3f796163ebf9 (differs from its revision)\n"
        );
    }

    #[test]
    fn the_json_has_the_fields_of_the_contract_and_the_reason_of_a_missing_head() {
        let mut status = status();
        status.head = None;
        status.hub_error = Some(Error::new(ErrorKind::Unreachable, "not mounted").at("/mnt/hub"));
        let facts = Facts { status: &status, hub_error: status.hub_error.as_ref().map(ErrorFacts::from) };
        let json = serde_json::to_value(facts).expect("JSON");
        for field in "node dir hub applied pinned head drift conflicts nodes has_reports".split(' ') {
            assert!(json.get(field).is_some(), "{field}");
        }
        assert_eq!(json["hub_error"]["kind"], "unreachable");
        let text = anstream::adapter::strip_str(&say(&status, Length::Short)).to_string();
        assert!(text.contains("applied     revision 3\nhead        /mnt/hub: not mounted\n"), "{text}");
    }
}
