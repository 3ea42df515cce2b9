//! `publish`: the directory as a new revision. `rollback` speaks of its outcome in the same words.

use depsync_engine::engine::{PublishOptions, PublishOutcome};
use depsync_engine::error::Result;
use depsync_engine::name::DeploymentName;

use super::typed_path;
use crate::args::Publish;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{self, Length, STRONG, styled};
use crate::units::{bytes, milliseconds};

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Publish) -> Result<Answer> {
    let options = PublishOptions {
        forget: args.forget.iter().map(|path| typed_path(path)).collect::<Result<_>>()?,
        ..args.publishing.options()
    };
    let open = session.open(&args.operands)?;
    let outcome = open.node.publish(&open.cx, &options)?;
    Ok(answer(&outcome, &open.options.deployment, options.dry_run, session.length()))
}

/// What is said of a publish or a rollback.
pub(super) fn answer(outcome: &PublishOutcome, deployment: &DeploymentName, dry_run: bool, length: Length) -> Answer {
    let exit = Exit::of_deed(!outcome.conflicts.is_empty(), !outcome.problems.is_empty(), outcome.changed);
    Answer::deed(outcome, say(outcome, deployment, dry_run, length), exit).with_warnings(&outcome.warnings)
}

/// The outcome for people.
pub(super) fn say(outcome: &PublishOutcome, deployment: &DeploymentName, dry_run: bool, length: Length) -> String {
    let counts = text::counts(outcome.added, outcome.modified, outcome.removed);
    let mut out = match (outcome.changed, outcome.revision) {
        (true, _) if dry_run => {
            format!("would publish {deployment}: {counts} ({} changed)\n", bytes(outcome.bytes_changed))
        }
        (true, Some(number)) => format!(
            "{} of {deployment}: {counts} ({} changed, {} sent, {})\n",
            styled(STRONG, format_args!("published revision {number}")),
            bytes(outcome.bytes_changed),
            bytes(outcome.bytes_sent),
            milliseconds(outcome.duration_ms)
        ),
        (_, Some(number)) => format!("nothing to publish: revision {number} of {deployment} stands\n"),
        (_, None) => format!("nothing to publish: {deployment} has no revision yet\n"),
    };
    // A dry run is there to be read.
    text::changes(&mut out, &outcome.changes, if dry_run { Length::Full } else { length });
    if let Some(freight) = &outcome.freight {
        text::freight(&mut out, freight, length);
    }
    text::section(&mut out, "held back", &outcome.held, length, text::remark);
    text::section(&mut out, "conflicts", &outcome.conflicts, length, text::conflict);
    if !outcome.conflicts.is_empty() {
        out.push_str(&format!("  {}\n", text::RESOLVE));
    }
    text::section(&mut out, "problems", &outcome.problems, length, text::remark);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::engine::{Conflict, Remark};
    use depsync_engine::hash::Digest;
    use depsync_engine::path::RelPath;

    fn path(text: &str) -> RelPath {
        text.try_into().expect("a path")
    }

    fn outcome() -> PublishOutcome {
        PublishOutcome {
            revision: Some(4),
            root: Digest::of(b""),
            parent: Some(3),
            changed: true,
            added: 1,
            modified: 0,
            removed: 2,
            held: vec![Remark { path: Some(path("a.war")), reason: "no end record".into() }],
            conflicts: vec![Conflict { path: path("c"), mine: "modified", theirs: "removed", revision: 3 }],
            problems: vec![],
            bytes_changed: 2048,
            bytes_sent: 100,
            freight: None,
            duration_ms: 40,
            changes: [].into_iter().collect(),
            warnings: vec![],
        }
    }

    fn plain(outcome: &PublishOutcome, dry_run: bool) -> String {
        let text = say(outcome, &DeploymentName::default(), dry_run, Length::Short);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_publish_says_what_went_and_what_stayed() {
        assert_eq!(
            plain(&outcome(), false),
            "published revision 4 of main: 1 added, 0 modified, 2 removed (2.0 KiB changed, 100 B sent, 40 ms)\n\
             held back:\n  a.war: no end record\n\
             conflicts:\n  c: modified here, removed in the hub by revision 3\n\
             \x20 `depsync resolve PATH --mine` or `--theirs` ends a conflict\n"
        );
        assert!(plain(&outcome(), true).starts_with("would publish main: 1 added"));
        let nothing = PublishOutcome { changed: false, held: vec![], conflicts: vec![], ..outcome() };
        assert_eq!(plain(&nothing, false), "nothing to publish: revision 4 of main stands\n");
        assert_eq!(answer(&nothing, &DeploymentName::default(), false, Length::Short).exit(), Exit::Done);
        assert_eq!(answer(&outcome(), &DeploymentName::default(), false, Length::Short).exit(), Exit::Conflict);
    }

    #[test]
    fn the_json_has_the_fields_of_the_contract() {
        let json = serde_json::to_value(outcome()).expect("JSON");
        for field in "revision root parent changed added modified removed held conflicts problems bytes_changed bytes_sent duration_ms"
            .split(' ')
        {
            assert!(json.get(field).is_some(), "{field}");
        }
    }
}
