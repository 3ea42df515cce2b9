//! `update`: bring the directory to the newest revision, or to a given one.

use depsync_engine::engine::{HeldRevision, UpdateOptions, UpdateOutcome};
use depsync_engine::error::Result;
use depsync_engine::name::DeploymentName;

use crate::args::Update;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::{self, BAD, FAINT, Length, STRONG, clean, styled};
use crate::units::{bytes, milliseconds};

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Update) -> Result<Answer> {
    let open = session.open(&args.operands)?;
    let options = UpdateOptions {
        to: args.to,
        unpin: args.unpin,
        retry: args.retry,
        dry_run: args.dry_run,
        prune: args.prune,
        allow_mass_delete: args.allow_mass_delete,
        ..UpdateOptions::default()
    };
    open.is_used()?;
    let outcome = open.node.update(&open.cx, &options)?;
    let length = if args.dry_run { Length::Full } else { session.length() };
    let failed = !outcome.problems.is_empty() || outcome.held.is_some();
    let exit = Exit::of_deed(!outcome.conflicts.is_empty(), failed, outcome.changed);
    let text = say(&outcome, &open.options.deployment, args.dry_run, length);
    Ok(Answer::deed(&outcome, text, exit).with_warnings(&outcome.warnings))
}

/// The outcome for people.
pub(super) fn say(outcome: &UpdateOutcome, deployment: &DeploymentName, dry_run: bool, length: Length) -> String {
    let mut out = String::new();
    if outcome.recovered {
        out.push_str("finished an interrupted update first\n");
    }
    let counts = text::counts(outcome.added, outcome.modified, outcome.removed);
    let goal = outcome.to.map_or_else(|| "no revision".to_owned(), |number| format!("revision {number}"));
    out.push_str(&match (outcome.changed, dry_run) {
        (false, _) => format!("nothing to do: {goal} of {deployment} is in place\n"),
        (true, true) => format!("would go from {} to {goal} of {deployment}: {counts}\n", origin(outcome.from)),
        (true, false) => format!(
            "{} of {deployment}, from {}: {counts} ({} fetched, {})\n",
            styled(STRONG, format_args!("at {goal}")),
            origin(outcome.from),
            bytes(outcome.bytes_fetched),
            milliseconds(outcome.duration_ms)
        ),
    });
    text::changes(&mut out, &outcome.changes, length);
    text::section(&mut out, "kept aside before it was replaced", &outcome.kept_aside, length, ToString::to_string);
    text::section(&mut out, "changed here, and left so", &outcome.drift, length, ToString::to_string);
    text::section(&mut out, "conflicts", &outcome.conflicts, length, text::conflict);
    if !outcome.conflicts.is_empty() {
        out.push_str(&format!("  {}\n", text::RESOLVE));
    }
    text::section(&mut out, "problems", &outcome.problems, length, text::remark);
    if let Some(held) = &outcome.held {
        out.push_str(&held_back(held));
    }
    if let Some(ghosts) = outcome.ghosts {
        out.push_str(&format!("{}\n", styled(FAINT, text::ghosts(ghosts))));
    }
    if let Some(pinned) = outcome.pinned.filter(|_| !dry_run) {
        let advice = format!("this node is pinned to revision {pinned} until `depsync update --unpin`");
        out.push_str(&format!("{}\n", styled(FAINT, advice)));
    }
    out
}

/// What is said of a revision that this node was not well with.
pub(super) fn held_back(held: &HeldRevision) -> String {
    let what = styled(BAD, clean(&held.to_string()));
    format!("{what}\n  it is not tried again before there is another one, or by `depsync update --retry`\n")
}

fn origin(from: Option<u64>) -> String {
    from.map_or_else(|| "nothing".to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::engine::Ghosts;
    use depsync_engine::hash::Digest;

    fn outcome() -> UpdateOutcome {
        UpdateOutcome {
            from: None,
            to: Some(2),
            root: Digest::of(b""),
            changed: true,
            added: 3,
            modified: 0,
            removed: 0,
            conflicts: vec![],
            problems: vec![],
            bytes_fetched: 1536,
            duration_ms: 1200,
            drift: vec![],
            kept_aside: vec!["x".try_into().expect("a path")],
            recovered: true,
            held: None,
            pinned: None,
            ghosts: None,
            changes: [].into_iter().collect(),
            warnings: vec![],
        }
    }

    fn args(to: Option<u64>, dry_run: bool) -> Update {
        Update {
            operands: Default::default(),
            to,
            unpin: false,
            retry: false,
            dry_run,
            prune: false,
            allow_mass_delete: false,
        }
    }

    fn plain(outcome: &UpdateOutcome, args: &Update) -> String {
        let text = say(outcome, &DeploymentName::default(), args.dry_run, Length::Short);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn an_update_says_where_from_and_where_to() {
        assert_eq!(
            plain(&UpdateOutcome { pinned: Some(2), ..outcome() }, &args(Some(2), false)),
            "finished an interrupted update first\n\
             at revision 2 of main, from nothing: 3 added, 0 modified, 0 removed (1.5 KiB fetched, 1.2 s)\n\
             kept aside before it was replaced:\n  x\n\
             this node is pinned to revision 2 until `depsync update --unpin`\n"
        );
        let ghosts = Some(Ghosts { entries: 1, bytes: 3 << 20 });
        let text = plain(&UpdateOutcome { ghosts, ..outcome() }, &args(None, false));
        assert!(text.ends_with("known and not here: 1 entry, 3.0 MiB (`depsync fetch`)\n"), "{text}");
        let quiet = UpdateOutcome { changed: false, recovered: false, kept_aside: vec![], from: Some(2), ..outcome() };
        assert_eq!(plain(&quiet, &args(None, false)), "nothing to do: revision 2 of main is in place\n");
        let held = HeldRevision { revision: 3, reason: "exit status: 1\u{1b}".into() };
        assert_eq!(
            plain(&UpdateOutcome { held: Some(held), ..quiet }, &args(None, false)),
            "nothing to do: revision 2 of main is in place\n\
             revision 3 is held back on this node: exit status: 1\\u{1b}\n  \
             it is not tried again before there is another one, or by `depsync update --retry`\n"
        );
        let dry = UpdateOutcome { recovered: false, kept_aside: vec![], from: Some(1), ..outcome() };
        assert_eq!(
            plain(&dry, &args(None, true)),
            "would go from 1 to revision 2 of main: 3 added, 0 modified, 0 removed\n"
        );
    }

    #[test]
    fn the_json_has_the_fields_of_the_contract() {
        let json = serde_json::to_value(outcome()).expect("JSON");
        for field in
            "from to root changed added modified removed conflicts problems bytes_fetched duration_ms".split(' ')
        {
            assert!(json.get(field).is_some(), "{field}");
        }
    }
}
