//! `status`: what is applied here, what differs, what every node has.

use std::fmt::Write as _;

use depsync_engine::engine::{Node, StatusOutcome};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::NodeId;
use depsync_engine::revdb::Heard;
use serde::Serialize;

use crate::args::Status;
use crate::exit::Exit;
use crate::output::{Answer, ErrorFacts};
use crate::roster;
use crate::session::Session;
use crate::text::{self, FAINT, Length, STRONG, WARN, clean, first_line, styled};
use crate::units::{bytes, counted, milliseconds};

#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    status: &'a StatusOutcome,
    /// Why the hub could not be asked.
    hub_error: Option<ErrorFacts>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Status) -> Result<Answer> {
    let open = session.open_existing(&args.operands)?;
    if let Some(node) = &args.history {
        return history(&open.node, node);
    }
    if let Some(node) = &args.forget {
        return forget(&open.node, node);
    }
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
    if let Some(ghosts) = status.ghosts {
        line("ghosts", text::ghosts(ghosts));
    }
    if let Some(error) = &status.hub_error {
        line("head", styled(WARN, clean(&error.to_string())));
    }
    if !status.has_reports && status.nodes.iter().all(|node| node.report.node == status.node) {
        line("nodes", "not heard of: this hub has no place for reports, and there is no channel".to_owned());
    }
    if let Some(root) = &status.measured {
        line("root", root.to_string());
    }
    if let Some(held) = &status.held_revision {
        out.push_str(&super::update::held_back(held));
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
        out.push_str(&roster::table(&status.nodes, length));
    }
    out
}

#[derive(Serialize)]
struct History {
    node: NodeId,
    reports: Vec<Heard>,
}

/// What a node has reported before.
fn history(node: &Node, name: &NodeId) -> Result<Answer> {
    let reports = node.report_history(name, u32::MAX)?;
    if reports.is_empty() {
        return Err(never_heard(name));
    }
    let text = reports.iter().map(reported).collect();
    Ok(Answer::fact(&History { node: name.clone(), reports }, text, Exit::Done))
}

/// One line of what a node has reported.
fn reported(heard: &Heard) -> String {
    let Heard { report, at } = heard;
    let applied = report.applied.map_or_else(|| "nothing".to_owned(), |applied| format!("revision {}", applied.number));
    let outcome = serde_json::to_value(&report.outcome).ok();
    let outcome = outcome.as_ref().and_then(|outcome| outcome.as_str()).unwrap_or_default();
    let took = report.duration_ms.map(|took| format!(", {}", milliseconds(took))).unwrap_or_default();
    let moved = report.bytes.map(|count| format!(", {}", bytes(count))).unwrap_or_default();
    let root = report.measured.map(|root| format!(", root {}", root.short())).unwrap_or_default();
    let problem = report.problem.as_deref().map(|problem| format!("  {}", first_line(problem))).unwrap_or_default();
    let time = at.unwrap_or(report.time).strftime("%Y-%m-%dT%H:%M:%SZ");
    let about = styled(FAINT, format_args!("{took}{moved}{root}, {}", clean(&report.version)));
    format!("{time}  {} {applied}{about}{problem}\n", styled(STRONG, format_args!("{:<8}", clean(outcome))))
}

#[derive(Serialize)]
struct Forgotten {
    node: NodeId,
    forgotten: bool,
}

/// Takes a node off the list.
fn forget(node: &Node, name: &NodeId) -> Result<Answer> {
    if !node.forget_reports(name)? {
        return Err(never_heard(name));
    }
    let text = format!("{name} is off the list until it reports again\n");
    Ok(Answer::deed(&Forgotten { node: name.clone(), forgotten: true }, text, Exit::Changed))
}

fn never_heard(node: &NodeId) -> Error {
    Error::new(ErrorKind::Usage, format!("nothing was ever heard here of a node `{node}`"))
        .hint("`depsync status` lists the nodes")
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

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::engine::State;
    use depsync_engine::error::Error;

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
            ghosts: None,
            head: Some(5),
            drift: vec!["conf/x".try_into().expect("a path")],
            conflicts: vec![],
            held: vec![],
            held_revision: None,
            problems: vec![],
            has_reports: true,
            nodes: vec![
                roster::tests::standing("web-1", 3, State::Behind),
                roster::tests::standing("a", 5, State::Drifted),
            ],
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
             nodes       1 behind, 1 drifted\n\
             NODE   STATE     REVISION  LAG        SINCE                 ROOT\n\
             web-1  behind           3  2, 90 s    2026-11-21T20:00:00Z  92a2b787a06d\n\
             a      drifted          5  -          2026-11-21T20:00:00Z  3f796163ebf9 (differs from its revision)\n"
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
