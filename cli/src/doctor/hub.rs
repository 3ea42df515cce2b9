//! The programs for the hub, the hub, its newest revision, what it lets us do, and the room that it has.

use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind};
use depsync_transports::{Endpoint, programs};

use super::{Check, Patient, disk, judge};

/// How long the hub has to answer, if the command has more time.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// All of it.
pub(super) fn look(patient: &mut Patient<'_>) -> Vec<Check> {
    let mut checks = vec![needed(patient)];
    if !patient.has_hub() {
        checks.push(Check::skipped("hub", "none was named: the first push makes one of this node's own"));
        return checks;
    }
    checks.extend(visit(patient));
    checks.push(space(patient));
    checks
}

/// The same context with no more time than a hub may take.
pub(super) fn in_time(cx: &Context) -> Context {
    let time = cx.time_left().map_or(PATIENCE, |left| left.min(PATIENCE));
    cx.clone().with_deadline(Instant::now() + time)
}

fn needed(patient: &Patient<'_>) -> Check {
    const NAME: &str = "programs";
    let settings = patient.settings;
    let pushes = settings.nodes.is_some();
    let address = if settings.hub_named { settings.options.hub.as_str() } else { "/" };
    let needed = match programs::needed(address, &settings.access.svn, pushes) {
        Ok(needed) => needed,
        Err(error) => return Check::of(NAME, &error, "write the hub's address as the README does"),
    };
    if needed.is_empty() {
        return Check::ok(NAME, "none are needed");
    }
    let asked = needed.iter().map(|program| (program.name.as_str(), program.version(&in_time(&patient.cx))));
    let (there, missing): (Vec<_>, Vec<_>) = asked.partition(|(_, version)| version.is_ok());
    if let Some((name, Err(error))) = missing.first() {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let found =
            if missing.len() == 1 { format!("`{name}`: {error}") } else { format!("{}: {error}", names.join(", ")) };
        return Check::failed(NAME, found, error.advice().unwrap_or("see that it runs"));
    }
    let there: Vec<String> =
        there.into_iter().filter_map(|(name, said)| Some(format!("{name} ({})", said.ok()?))).collect();
    Check::ok(NAME, there.join(", "))
}

/// Opens the hub, and reads its newest revision.
fn visit(patient: &mut Patient<'_>) -> Vec<Check> {
    let cx = in_time(&patient.cx);
    let Some((node, hub)) = &patient.node else {
        let error = Endpoint::parse(&patient.settings.options.hub).err();
        let why = error.map_or_else(|| "this node cannot be opened".to_owned(), |error| error.to_string());
        return vec![Check::failed("hub", why, "write the hub's address as the README does")];
    };
    let address = hub.transport().endpoint().to_string();
    let begun = Instant::now();
    let greeting = match node.greet(&cx) {
        Ok(greeting) => greeting,
        Err(error) => {
            let why = "the hub was not opened";
            return vec![unopened(&error), Check::skipped("head", why), Check::skipped("rights", why)];
        }
    };
    let newest = node.glance(&cx);
    let took = begun.elapsed();
    let known = node.identity().hub_id.is_some();
    let which = if known { "the one that this node knows" } else { "which this node has not met yet" };
    let mut checks = vec![judge::hub(&format!("{address}: {}, {which}", greeting.id), took)];
    patient.hub_answers = true;
    let applied = patient.findings.as_ref().and_then(|findings| findings.applied);
    let here = applied.map_or_else(|| "none is applied here".to_owned(), |number| format!("{number} is applied here"));
    checks.push(match newest {
        Err(error) => Check::of("head", &error, "see whether the hub was restored, and `depsync log`"),
        Ok(newest) => {
            patient.head = newest.head;
            match newest.head {
                Some((head, time)) => {
                    let time = time.strftime("%Y-%m-%dT%H:%M:%SZ");
                    let lags = if newest.lags {
                        "; the hub's hint at it is behind, the next command puts it right"
                    } else {
                        ""
                    };
                    Check::ok("head", format!("revision {} of {time}, {here}{lags}", head.number))
                }
                None => Check::ok("head", "no revision of this deployment yet"),
            }
        }
    });
    match node.company(&cx, patient.head.map(|(head, _)| head)) {
        Ok(nodes) => patient.nodes = nodes,
        Err(error) => tracing::warn!(%error, "the reports of the nodes could not be read"),
    }
    checks.push(rights(patient.publishes(), greeting.publish_refused, greeting.reports));
    checks
}

/// A hub that could not be opened.
fn unopened(error: &Error) -> Check {
    let advice = match error.kind() {
        ErrorKind::DeadlineExceeded => "it did not answer in time: see whether its host and the network are up",
        ErrorKind::Unreachable => "see whether its host and the network are up, and whether it is mounted",
        _ => "see that it can be reached by hand",
    };
    Check::of("hub", error, advice)
}

fn rights(publishes: Option<bool>, refused: Option<String>, reports: Option<bool>) -> Check {
    const NAME: &str = "rights";
    let allow = "give this user the right to write into the hub, as engine/doc/operations.md says";
    match (publishes, refused, reports) {
        (Some(true), Some(why), _) => Check::failed(NAME, format!("nothing can be published: {why}"), allow),
        (_, None, _) => Check::ok(NAME, "it can be published to"),
        (_, Some(why), Some(false)) => {
            let found = format!("to read only: {why}; the others do not hear how this node stands");
            Check::warning(NAME, found, format!("{allow}, or use a channel for the reports"))
        }
        (_, Some(why), _) => Check::ok(NAME, format!("it cannot be published to from here: {why}")),
    }
}

fn space(patient: &Patient<'_>) -> Check {
    const NAME: &str = "hub-space";
    let address = &patient.settings.options.hub;
    let place = match Endpoint::parse(address) {
        _ if !patient.settings.hub_named => patient.places.state.clone(),
        Ok(Endpoint::Mount { path, .. }) => path,
        _ => return Check::skipped(NAME, "it is on another machine"),
    };
    if !patient.hub_answers {
        return Check::skipped(NAME, "the hub was not opened");
    }
    match disk::room(&place) {
        Some(room) => judge::space(NAME, &place.display().to_string(), room, None),
        None => Check::skipped(NAME, "the system does not say what is left"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Failed, Ok, Warning};
    use super::*;

    #[test]
    fn who_has_to_publish_has_to_be_allowed_to() {
        let no = || Some("this process may not write there".to_owned());
        for (publishes, refused, reports, wanted) in [
            (Some(true), None, Some(true), Ok),
            (Some(true), no(), Some(false), Failed),
            (Some(true), no(), Some(true), Failed),
            (Some(false), no(), Some(true), Ok),
            (Some(false), no(), Some(false), Warning),
            (Some(false), no(), None, Ok),
            (None, no(), Some(false), Warning),
        ] {
            assert_eq!(
                rights(publishes, refused.clone(), reports).verdict,
                wanted,
                "{publishes:?} {refused:?} {reports:?}"
            );
        }
    }
}
