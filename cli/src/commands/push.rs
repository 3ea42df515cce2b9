//! `push`: the newest revision goes to the nodes of a list, where nothing of ours is installed.

use std::path::Path;

use depsync_engine::engine::{Addressed, Delivery, PublishOutcome, PushOptions, PushOutcome};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;
use depsync_transports::SshDestination;
use depsync_transports::nodes::{self, Addressee};
use serde::Serialize;

use super::publish;
use crate::args::{Operands, Push};
use crate::exit::Exit;
use crate::output::{Answer, ErrorFacts};
use crate::session::Session;
use crate::settings::Settings;
use crate::text::{self, BAD, GOOD, Length, STRONG, WARN, clean, styled};
use crate::units::{bytes, counted, milliseconds};

/// How many nodes at a time, where nobody says.
const PARALLEL: u32 = 8;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Push) -> Result<Answer> {
    let operands = Operands { dir_operand: args.dir_operand.clone(), hub_operand: None };
    let settings = session.settings(&operands)?;
    let chosen = choose(session, args, &settings)?;
    let open = session.open_to_push(&settings)?;
    let addressed = chosen.iter().map(|addressee| Addressed {
        node: addressee.id.clone(),
        address: address(addressee),
        destination: Box::new(SshDestination::new(addressee, &settings.access.ssh)),
    });
    let options = PushOptions {
        publish: args.publishing.options(),
        to: args.to,
        check: args.check,
        prune: args.prune,
        parallel: args.parallel.or(settings.parallel).unwrap_or(PARALLEL) as usize,
    };
    let outcome = open.node.push(&open.cx, &options, addressed.collect())?;
    let text = say(&outcome, &open.options.deployment, options.publish.dry_run, session.length());
    let published = outcome.published.as_ref().map_or(&[][..], |published| &published.warnings);
    let warnings =
        outcome.nodes.iter().flat_map(|node| node.warnings.iter().map(|warning| format!("{}: {warning}", node.node)));
    let warnings: Vec<String> = published.iter().cloned().chain(warnings).collect();
    Ok(Answer::deed(&Facts::of(&outcome), text, exit(&outcome)).with_warnings(&warnings))
}

/// What a node is known again by: where it is, not how one gets in.
fn address(addressee: &Addressee) -> String {
    match addressee.address.port {
        Some(port) => format!("{} port={port}", addressee.shown()),
        None => addressee.shown(),
    }
}

/// The nodes of the list that are meant.
fn choose(session: &Session<'_>, args: &Push, settings: &Settings) -> Result<Vec<Addressee>> {
    let list = match &args.nodes {
        Some(list) => session.environment.cwd.join(list),
        None => settings.nodes.clone().ok_or_else(|| {
            Error::new(ErrorKind::Usage, "which nodes? No list was named")
                .hint("give --nodes FILE, or write `nodes = \"…\"` into depsync.toml")
        })?,
    };
    let all = nodes::read(&list, session.environment.home.as_deref().map(Path::new))?;
    if args.only.is_empty() {
        return Ok(all);
    }
    for selector in &args.only {
        if !all.iter().any(|node| selector.matches(node)) {
            return Err(Error::new(ErrorKind::Usage, format!("no node of the list is meant by `--only {selector}`"))
                .at(list.display())
                .hint("give a name, a host, or LABEL=VALUE as in the list"));
        }
    }
    Ok(all.into_iter().filter(|node| args.only.iter().any(|selector| selector.matches(node))).collect())
}

/// The outcome for machines.
#[derive(Serialize)]
struct Facts<'a> {
    revision: u64,
    root: String,
    changed: bool,
    failed: usize,
    published: Option<&'a PublishOutcome>,
    nodes: Vec<NodeFacts<'a>>,
    duration_ms: u64,
}

#[derive(Serialize)]
struct NodeFacts<'a> {
    #[serde(flatten)]
    delivery: &'a Delivery,
    error: Option<ErrorFacts>,
}

impl<'a> Facts<'a> {
    fn of(outcome: &'a PushOutcome) -> Self {
        let nodes = outcome.nodes.iter();
        let nodes = nodes.map(|delivery| NodeFacts { delivery, error: delivery.error.as_ref().map(Into::into) });
        Self {
            revision: outcome.revision,
            root: outcome.root.to_string(),
            changed: changed(outcome),
            failed: outcome.failed(),
            published: outcome.published.as_ref(),
            nodes: nodes.collect(),
            duration_ms: outcome.duration_ms,
        }
    }
}

fn changed(outcome: &PushOutcome) -> bool {
    outcome.published.as_ref().is_some_and(|published| published.changed)
        || outcome.nodes.iter().any(|node| node.changed)
}

/// Nodes that failed alike give the status of that failure; otherwise it is 1.
fn exit(outcome: &PushOutcome) -> Exit {
    let failed = outcome.nodes.iter().filter(|node| !node.has_it());
    let mut exits = failed.map(|node| node.error.as_ref().map_or(Exit::Failed, |error| Exit::of(error.kind())));
    if let Some(first) = exits.next() {
        return if exits.all(|exit| exit == first) { first } else { Exit::Failed };
    }
    let published = outcome.published.as_ref();
    let conflicts = published.is_some_and(|published| !published.conflicts.is_empty());
    let problems = published.is_some_and(|published| !published.problems.is_empty());
    Exit::of_deed(conflicts, problems, changed(outcome))
}

fn say(outcome: &PushOutcome, deployment: &DeploymentName, dry_run: bool, length: Length) -> String {
    let mut out = String::new();
    if let Some(published) = &outcome.published {
        out.push_str(&publish::say(published, deployment, dry_run, length));
    }
    let (count, failed) = (outcome.nodes.len(), outcome.failed());
    let revision = styled(STRONG, format_args!("revision {}", outcome.revision));
    out.push_str(&match (dry_run, failed) {
        (true, _) => format!("would bring {} to {revision}:\n", counted(count, "node")),
        (_, 0) => format!("{} at {revision} ({})\n", counted(count, "node"), milliseconds(outcome.duration_ms)),
        (_, failed) => format!(
            "{} of {} at {revision}, {} ({})\n",
            count - failed,
            counted(count, "node"),
            styled(BAD, format_args!("{failed} not")),
            milliseconds(outcome.duration_ms)
        ),
    });
    let width = outcome.nodes.iter().map(|node| node.node.as_str().len()).max().unwrap_or(0);
    for node in &outcome.nodes {
        out.push_str(&format!("  {:<width$}  {}\n", node.node.as_str(), how_it_went(node, dry_run)));
        if let Some(hint) = node.error.as_ref().and_then(Error::advice) {
            out.push_str(&format!("  {:<width$}  hint: {}\n", "", clean(hint)));
        }
    }
    for node in &outcome.nodes {
        let title = |what: &str| format!("{}: {what}", node.node);
        text::section(&mut out, &title("changed there by somebody else"), &node.drift, length, text::remark);
        let kept = node.kept_in.as_deref().unwrap_or_default();
        let kept = title(&format!("kept aside there, in kept/{kept}"));
        text::section(&mut out, &kept, &node.kept_aside, length, ToString::to_string);
        text::section(&mut out, &title("problems"), &node.problems, length, text::remark);
    }
    out
}

fn how_it_went(node: &Delivery, dry_run: bool) -> String {
    let counts = text::counts(node.added, node.modified, node.removed);
    let from = node.from.map_or_else(|| "nothing known".to_owned(), |number| number.to_string());
    if let Some(error) = &node.error {
        return format!("{} {}", styled(BAD, "failed:"), clean(&error.to_string()));
    }
    if dry_run {
        return if node.changed { format!("from {from}: {counts}") } else { "has it".to_owned() };
    }
    let mut said = match (node.problems.is_empty(), node.changed) {
        (false, _) => format!("{}, from {from}: {counts}", styled(WARN, "in part")),
        (true, true) => format!(
            "{}, from {from}: {counts} ({} sent, {})",
            styled(GOOD, "updated"),
            bytes(node.bytes_sent),
            milliseconds(node.duration_ms)
        ),
        (true, false) => "had it already".to_owned(),
    };
    if node.checked {
        said.push_str(", all looked at");
    }
    if let Some(count) = node.untracked.filter(|count| *count > 0) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        said.push_str(&format!(", {} of nobody's concern left alone", counted(count, "path")));
    }
    said
}
