//! `HEAD`: a hint of the newest record, and `HEADS`: the hints of all deployments in one file.
//!
//! The records are the truth; a hint may lag, be missing, or be damaged. Laws:
//! - `HEAD` moves only forward: it is replaced with a higher number, and whoever has replaced it looks once more for the
//!   record after that, and goes on if it is there. So whatever the order of the writes of several publishers is, the
//!   last of them leaves the newest number;
//! - a glance is one read of a name that exists. Only when it is missing is anything else looked at, and then it is told
//!   apart whether there is a hub at all.

use std::sync::Arc;

use depsync_engine::context::Context;
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::{DeploymentName, MAX_REVISION, Revision};
use depsync_engine::record::Envelope;

use super::chain::Chain;
use super::layout;
use super::reading::Reading;
use crate::batch::{Call, Line};
use crate::storage::Storage;

const MAX_HEAD: usize = 256;
pub(super) const MAX_HEADS: usize = 4 << 20;
/// How many names `revisions/` may hold: a bound for memory, far above any deployment.
const MAX_RECORDS: usize = 50_000_000;

/// What `HEAD` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    At(Revision),
    Missing,
    Damaged,
}

/// `number hash`, and a newline.
fn parse(text: &str) -> Option<Revision> {
    let (number, record) = text.strip_suffix('\n')?.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    let record: Digest = record.parse().ok()?;
    (1..=MAX_REVISION).contains(&number).then_some(Revision { number, record })
}

/// What `HEAD` is to say.
pub(super) fn line(head: Revision) -> String {
    format!("{} {}\n", head.number, head.record)
}

/// Reads the hint.
pub(super) fn hint(hub: &Reading<'_>) -> Result<Hint> {
    match hub.get(&layout::head(hub.deployment), MAX_HEAD) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Hint::Missing),
        Err(error) if error.kind() == ErrorKind::Damaged => Ok(Hint::Damaged),
        Err(error) => Err(error),
        Ok(bytes) => Ok(read_line(&bytes).map_or(Hint::Damaged, Hint::At)),
    }
}

fn read_line(bytes: &[u8]) -> Option<Revision> {
    std::str::from_utf8(bytes).ok().and_then(parse)
}

/// The hint, with one read and without knowing whose it is; none if it is missing or does not read.
pub(super) fn peek(cx: &Context, storage: &dyn Storage, deployment: &DeploymentName) -> Result<Option<Revision>> {
    match storage.get(cx, &layout::head(deployment), MAX_HEAD) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => Ok(None),
        read => read.map(|bytes| read_line(&bytes)),
    }
}

/// The head as the hint says; where there is no hint, as the records say.
pub(super) fn glance(hub: &Reading<'_>, chain: &mut Chain) -> Result<Option<Revision>> {
    let head = match hint(hub)? {
        Hint::At(head) => Some(head),
        Hint::Missing | Hint::Damaged => newest(hub, chain)?,
    };
    if let Some(head) = head {
        chain.note_head(head);
    }
    Ok(head)
}

/// The head as the records say; the hint is put right where that is possible.
pub(super) fn heal(hub: &Reading<'_>, chain: &mut Chain) -> Result<Option<Revision>> {
    let hinted = hint(hub)?;
    let from = match hinted {
        Hint::At(head) => chain.look(hub, head.number)?,
        Hint::Missing | Hint::Damaged => None,
    };
    let from = match from {
        Some(record) => Some(record.revision()),
        None => newest(hub, chain)?,
    };
    let Some(from) = from else { return Ok(None) };
    let head = walk_on(hub, chain, from)?;
    if hinted != Hint::At(head) {
        // A reader may not be allowed to; the next publisher will do it.
        if let Err(error) = write(hub, head) {
            tracing::debug!(%error, "HEAD stays as it is");
        }
    }
    chain.note_head(head);
    Ok(Some(head))
}

/// Follows the records beyond `from`.
fn walk_on(hub: &Reading<'_>, chain: &mut Chain, from: Revision) -> Result<Revision> {
    let mut head = from;
    while let Some(next) = next(hub, chain, head)? {
        hub.cx.check()?;
        head = next.revision();
    }
    Ok(head)
}

/// The record after `head`, if it exists; it must follow by hash.
pub(super) fn next(hub: &Reading<'_>, chain: &mut Chain, head: Revision) -> Result<Option<Arc<Envelope>>> {
    match chain.look(hub, head.number + 1)? {
        Some(next) if !next.follows(Some(head)) => {
            Err(hub
                .damaged(&layout::record(hub.deployment, head.number + 1), "it does not follow the record before it"))
        }
        next => Ok(next),
    }
}

/// The newest record by the names in `revisions/`. Nothing at all there means a deployment without revisions, but
/// only in a hub that still is the one we know.
fn newest(hub: &Reading<'_>, chain: &mut Chain) -> Result<Option<Revision>> {
    super::identity::confirm(hub.cx, hub.storage, hub.hub)?;
    let listed = hub.storage.list(hub.cx, Some(&layout::revisions(hub.deployment)), MAX_RECORDS)?;
    let number = listed.iter().filter_map(|listed| layout::record_number(&listed.name)).max();
    number.map(|number| chain.record(hub, number, None).map(|record| record.revision())).transpose()
}

/// Replaces `HEAD`, and this deployment's line of `HEADS`.
fn write(hub: &Reading<'_>, head: Revision) -> Result<()> {
    hub.storage.replace(hub.cx, &layout::head(hub.deployment), line(head).as_bytes())?;
    write_heads(hub, head)
}

/// After a publish: moves both hints forward to `head`, or further if somebody has published after it.
pub(super) fn advance(hub: &Reading<'_>, chain: &mut Chain, published: Revision) -> Result<()> {
    let name = layout::head(hub.deployment);
    let mut head = published;
    loop {
        hub.cx.step("hub.head");
        hub.storage.replace(hub.cx, &name, line(head).as_bytes())?;
        // Somebody may have published and written HEAD before our write put it back.
        match next(hub, chain, head)? {
            Some(next) => head = next.revision(),
            None => break,
        }
    }
    chain.note_head(head);
    hub.cx.step("hub.heads");
    write_heads(hub, head)
}

fn write_heads(hub: &Reading<'_>, head: Revision) -> Result<()> {
    let line = line_of_heads(hub.deployment, head);
    hub.storage.perform(hub.cx, &[Call::SetLine(layout::heads(), &line)], &mut Vec::new())
}

/// The line of a deployment in `HEADS`.
pub(super) fn line_of_heads(deployment: &DeploymentName, head: Revision) -> Line {
    Line { key: deployment.to_string(), value: line(head).trim_end().to_owned(), limit: MAX_HEADS }
}

/// The lines of `HEADS` that read; it is a hint, so the others are passed over.
pub(super) fn parse_heads(bytes: &[u8]) -> Vec<(DeploymentName, Revision)> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let read = |line: &str| {
        let (deployment, head) = line.split_once(' ')?;
        Some((deployment.parse().ok()?, parse(head)?))
    };
    text.split_inclusive('\n').filter_map(read).collect()
}

/// The heads of all deployments, as `HEADS` says.
pub(super) fn heads(hub: &Reading<'_>) -> Result<Vec<(DeploymentName, Revision)>> {
    match hub.get(&layout::heads(), MAX_HEADS) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map(|bytes| parse_heads(&bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_nothing_else_reads() {
        let head = Revision { number: 12, record: Digest::of(b"x") };
        assert_eq!(parse(&line(head)), Some(head));
        let text = line(head);
        for bad in ["", "12\n", text.trim(), &text.replace("12", "0"), &text.replace("12", "-1"), &format!("{text}x")] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        let heads = format!("main {text}broken\nsite {text}");
        assert_eq!(parse_heads(heads.as_bytes()).len(), 2);
    }
}
