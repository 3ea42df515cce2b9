//! The revision database, and what it tells of this node. It is read from a copy.

use depsync_engine::apply::Places;
use depsync_engine::engine::{Findings, Node};
use depsync_engine::error::Result;
use depsync_engine::revdb::{cache_is_sound, has_state};
use depsync_transports::Hub;

use super::Check;
use crate::session::connect;
use crate::settings::Settings;
use crate::text::clean;

const NAME: &str = "database";
/// What to do about a database that SQLite does not read for a reason of its own.
const RESTORE: &str = "see what the system says of its disk (`dmesg`); with the state directory moved aside `depsync update` \
                       begins anew";

/// What was looked at, what the node knows of itself, and the node itself. One that cannot be read knows nothing, and its
/// hub is looked at all the same.
pub(super) fn look(settings: &Settings, places: &Places) -> (Vec<Check>, Option<Findings>, Option<(Node, Hub)>) {
    let is_new = !has_state(&places.state);
    let opened = open(settings, false).and_then(|(node, hub)| Ok((node.findings()?, node, hub)));
    match opened {
        Ok((_, node, hub)) if is_new => (
            vec![Check::skipped(NAME, "nothing was ever published from here or brought here")],
            None,
            Some((node, hub)),
        ),
        Ok((findings, node, hub)) => {
            let mut checks = vec![cache(places)];
            checks.extend(told(&findings));
            (checks, Some(findings), Some((node, hub)))
        }
        Err(error) => (vec![Check::of(NAME, &error, RESTORE)], None, open(settings, true).ok()),
    }
}

fn open(settings: &Settings, without_state: bool) -> Result<(Node, Hub)> {
    let options = settings.options.clone();
    let mut hub = None;
    let open = if without_state { Node::examine_without_state } else { Node::examine };
    let node = open(
        options.clone(),
        Box::new(|places: &Places, ledger| {
            let opened = connect(&options, &settings.access, places, ledger)?;
            let transport = opened.transport();
            hub = Some(opened);
            Ok(transport)
        }),
    )?;
    let hub = hub.expect("an open node has asked for its transport");
    Ok((node, hub))
}

fn cache(places: &Places) -> Check {
    let found = format!("{} is sound", places.state.join("state.db").display());
    if cache_is_sound(&places.state) {
        return Check::ok(NAME, found);
    }
    let advice = "nothing: the next command makes the cache anew, and reads every file once";
    Check::warning(NAME, format!("{found}, but cache.db is damaged"), advice)
}

/// What the node has to tell of itself.
fn told(findings: &Findings) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.push(match findings.interrupted {
        true => {
            Check::warning("update", "an update was interrupted", "the next `depsync update` or `publish` finishes it")
        }
        false => Check::ok("update", "none was interrupted"),
    });
    if let Some(held) = &findings.held {
        let found = format!("revision {} is held back: {}", held.revision, clean(&held.reason));
        let advice = "put right what the hook says, then `depsync update --retry`, or publish another revision";
        checks.push(Check::warning("held", found, advice));
    }
    checks
}
