//! Publishing: one commit by one `svnmucc`, or by a checkout of our own where that takes much less.
//!
//! Order: contents are copied to a directory of ours, where nobody changes them, and checked against what was scanned;
//! then comes the commit. A commit is all or nothing, so nothing is left behind wherever this is broken off but the
//! directory, which goes with the process or with the next publish. Whether a commit whose answer was lost stands is
//! told by the nonce in its record.

use std::sync::Arc;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Look, Proposal, Published, Transport as _};
use depsync_engine::tree::{Change, Entry, Tree};
use jiff::Timestamp;

use super::checkout::{Checkout, Edits};
use super::client::Tool;
use super::known::{self, RECORD, Said};
use super::measure::{Measured, Notable};
use super::moves::Moves;
use super::properties::Properties;
use super::script::Publish;
use super::staged::Staged;
use super::told::Telling;
use super::transport::SvnTransport;

/// The most bytes that `svnmucc` says.
const SAID: usize = 1 << 20;

/// Makes the deployment's directory, and those above it. Says whether this call did.
pub(super) fn make_place(transport: &SvnTransport, cx: &Context) -> Result<bool> {
    let url = transport.client.url();
    transport.client.check_version(cx)?;
    let program = transport.client.program(cx, Tool::Svn)?;
    let program = program.args(["mkdir", "--parents", "-q", "-m", "a place for a deployment, by depsync"]);
    cx.step("svn.make-place");
    let (ended, _) = program.operand(url.pegged(None, None)).output(cx, transport.client.input(), SAID)?;
    if ended.status.success() {
        return Ok(true);
    }
    let failure = transport.client.failure(&ended.stderr);
    // Somebody else was first, perhaps.
    if failure.is_race() {
        return Ok(false);
    }
    Err(transport.client.error(cx, &failure, "make the deployment's directory"))
}

/// Publishes.
pub(super) fn publish(transport: &SvnTransport, cx: &Context, proposal: &Proposal<'_>) -> Result<Published> {
    let Some(base) = base(transport, cx, proposal)? else { return Ok(Published::Raced) };
    let place = transport.place(cx)?;
    let before = match proposal.parent {
        None => Measured::empty(),
        Some(parent) => transport.tree(cx, parent, proposal.content)?,
    };
    let restored = proposal.restores.map(|old| transport.tree(cx, old, proposal.content)).transpose()?;
    let moves = match proposal.restores {
        None => Moves::of(proposal.changes),
        Some(old) => Moves::back_to(proposal.changes, old.number),
    };
    let staged = match Staged::of(cx, &transport.room, proposal, &moves)? {
        Ok(staged) => staged,
        Err(moved) => return Ok(Published::Moved(moved)),
    };
    let properties =
        |path: &RelPath, entry: &Entry| before.notable.get(path).cloned().unwrap_or_else(|| Properties::of(entry));
    let commit = Publish {
        url: transport.client.url(),
        base,
        root: proposal.draft.root,
        changes: proposal.changes,
        moves: &moves,
        properties: &properties,
        content: &|path| staged.place(path),
    };
    // Subversion takes no other ends of lines in a message.
    let message = proposal.draft.message.replace("\r\n", "\n").replace('\r', "\n");
    let message = staged.write("message", message.as_bytes())?;
    let mut made = Measured {
        root: proposal.draft.root,
        notable: Arc::new(notable(proposal, (&before, restored.as_ref()), &moves)),
        externals: before.externals,
        told: None,
    };
    let telling = Telling::of(&before, &made, proposal.pages)?;
    made.told = telling.told;
    let record = format!("{RECORD}={}", Said::text(&proposal.draft, proposal.parent.map(|parent| parent.number))?);
    let said: Vec<String> = [record].into_iter().chain(telling.properties).collect();
    let ended = match by_checkout(transport, cx, proposal, &commit, &staged, before.root)? {
        Some(checkout) => checkout.commit(&message, &said).map(|ended| (ended, Vec::new())),
        None => {
            let script = staged.write("script", &commit.script())?;
            let program = transport.client.program(cx, Tool::Svnmucc)?;
            let program = program.arg("-r").arg(base.to_string()).arg("-F").arg(message).arg("-X").arg(script);
            // It opens all contents before it sends the first.
            let program = program.opening(staged.len() as u64);
            let program = said.iter().fold(program, |program, property| program.arg("--with-revprop").arg(property));
            cx.step("svn.commit");
            program.output(cx, transport.client.input(), SAID)
        }
    };
    let revision = match ended {
        Ok((ended, said)) if ended.status.success() => {
            let gone = || Error::damaged(transport.client.url(), "the commit went well, and is not in the log");
            match Commit::read(&said) {
                Some(Commit { number, date: Some(date) }) => place.revision(number, Some(date)),
                commit => committed(transport, cx, proposal, commit.map(|commit| commit.number))?.ok_or_else(gone)?,
            }
        }
        Ok((ended, _)) => {
            let failure = transport.client.failure(&ended.stderr);
            if failure.is_race() {
                return Ok(Published::Raced);
            }
            let error = transport.client.error(cx, &failure, "publish");
            lost(transport, cx, proposal, error)?
        }
        Err(error) => lost(transport, cx, proposal, error)?,
    };
    if slipped_in(transport, cx, (proposal.parent, base), revision)? {
        let root = transport.measure(cx, revision, proposal.content)?.root;
        return Ok(Published::Done { revision, root, sent: staged.bytes, recipes: Vec::new() });
    }
    known::remember(&*transport.ledger, revision, &made, proposal.pages)?;
    Ok(Published::Done { revision, root: made.root, sent: staged.bytes, recipes: Vec::new() })
}

/// A checkout in which all is ready for the commit, where that is the faster way.
fn by_checkout<'a>(
    transport: &'a SvnTransport,
    cx: &'a Context,
    proposal: &Proposal<'_>,
    commit: &Publish<'_>,
    staged: &Staged,
    before: Digest,
) -> Result<Option<Checkout<'a>>> {
    let scheme = transport.client.url().scheme();
    if proposal.restores.is_some() || !Edits::could_pay(scheme, proposal.changes.len() as u64) {
        return Ok(None);
    }
    let Some(edits) = Edits::of(commit) else { return Ok(None) };
    if !edits.pay(Tree::new(proposal.pages, before).totals()?) {
        return Ok(None);
    }
    let prepared = Checkout::make(cx, &transport.client, staged.path(), commit.base)
        .and_then(|checkout| checkout.prepare(&edits).map(|()| checkout));
    match prepared {
        Ok(checkout) => {
            checkout.fill(&edits, commit.content)?;
            Ok(Some(checkout))
        }
        Err(error) => {
            cx.check()?;
            tracing::warn!(%error, "no checkout for a large commit: it goes the slow way");
            Checkout::remove(staged.path())?;
            Ok(None)
        }
    }
}

/// Whether somebody has committed after `parent` and before our `revision`, which was made on the repository's `base`:
/// while a commit is on its way, Subversion lets others in that touch other files, and merges both.
fn slipped_in(
    transport: &SvnTransport,
    cx: &Context,
    (parent, base): (Option<Revision>, u64),
    revision: Revision,
) -> Result<bool> {
    if base + 1 == revision.number {
        return Ok(false);
    }
    // What lies between may be somebody else's part of the repository.
    let before = parent.map_or(0, |parent| parent.number);
    let newest = transport.history(cx, revision.number, 2)?;
    Ok(newest.iter().any(|one| one.revision.number > before && one.revision != revision))
}

/// An answer that was lost: the commit stands or not.
fn lost(transport: &SvnTransport, cx: &Context, proposal: &Proposal<'_>, error: Error) -> Result<Revision> {
    if !matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Io) {
        return Err(error);
    }
    match committed(transport, cx, proposal, None) {
        Ok(Some(revision)) => Ok(revision),
        Ok(None) => Err(error),
        Err(_) => Err(error.with_kind(ErrorKind::Indeterminate)),
    }
}

/// A commit, as `svnmucc` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Commit {
    number: u64,
    /// As the log has it; not told by every server.
    date: Option<Timestamp>,
}

impl Commit {
    /// Reads `r7 committed by somebody at 2026-11-22T13:00:00.123456Z`; a hook's words may stand behind it.
    fn read(said: &[u8]) -> Option<Self> {
        let said = String::from_utf8_lossy(said);
        said.lines().find_map(|line| {
            let (number, rest) = line.strip_prefix('r')?.split_once(' ')?;
            let date = rest.rsplit_once(" at ").and_then(|(_, date)| date.parse().ok());
            Some(Self { number: number.parse().ok()?, date })
        })
    }
}

/// The revision with the proposal's nonce: the one with this number, or after the parent.
fn committed(
    transport: &SvnTransport,
    cx: &Context,
    proposal: &Proposal<'_>,
    number: Option<u64>,
) -> Result<Option<Revision>> {
    let (last, count) = match number {
        Some(number) => (number, 1),
        None => {
            let Some(head) = transport.head(cx, Look::Glance)? else { return Ok(None) };
            let after = proposal.parent.map_or(0, |parent| parent.number);
            (head.number, head.number.saturating_sub(after))
        }
    };
    let statements = transport.history(cx, last, count)?;
    let ours = |nonce: &Option<String>| nonce.as_deref() == Some(&*proposal.draft.nonce);
    Ok(statements.into_iter().find(|statement| ours(&statement.nonce)).map(|statement| statement.revision))
}

/// What the script leaves of properties that entries do not tell.
fn notable(proposal: &Proposal<'_>, (before, restored): (&Measured, Option<&Measured>), moves: &Moves) -> Notable {
    let mut notable = Notable::clone(&before.notable);
    if notable.is_empty() && restored.is_none_or(|restored| restored.notable.is_empty()) {
        return notable;
    }
    let mut back: Option<RelPath> = None;
    for Change { path, before: was, after } in proposal.changes.iter() {
        let had = notable.remove(&path);
        let Some(after) = after else { continue };
        if let Some(restored) = restored {
            let beneath = back.as_ref().is_some_and(|back| path.is_beneath(back));
            if !beneath && moves.source(&path).is_some() && after.is_directory() {
                back = Some(path.clone());
            }
            if beneath || moves.source(&path).is_some() {
                notable.extend(restored.notable.get(&path).map(|properties| (path.clone(), properties.clone())));
                continue;
            }
        }
        if let Some((source, _)) = moves.source(&path).filter(|_| after.is_directory()) {
            let come = before.notable.range(source.clone()..).take_while(|(other, _)| other.is_within(source));
            let come: Vec<_> = come
                .filter_map(|(other, properties)| {
                    let name = [path.as_bytes(), &other.as_bytes()[source.as_bytes().len()..]].concat();
                    Some((RelPath::new(name).ok()?, properties.clone()))
                })
                .collect();
            notable.extend(come);
        } else if was.is_some_and(|was| was.is_directory() == after.is_directory())
            && let Some(had) = had.filter(|had| had.externals)
        {
            notable.insert(path, Properties { externals: had.externals, ..Properties::of(&after) });
        }
    }
    notable
}

/// The revision that the commit is made on; none if it has lost a race already. Where there is a parent nobody looks: if
/// somebody has committed since, Subversion refuses the commit.
fn base(transport: &SvnTransport, cx: &Context, proposal: &Proposal<'_>) -> Result<Option<u64>> {
    if let Some(parent) = proposal.parent {
        return Ok(Some(parent.number));
    }
    let info = transport.info(cx)?;
    Ok(transport.head_of(cx, &info)?.is_none().then_some(info.revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_told_with_its_date() {
        let date = "2026-11-22T13:00:00.123456Z";
        let read = |said: &str| Commit::read(said.as_bytes()).map(|commit| (commit.number, commit.date));
        let parsed = Some(date.parse().expect("a time"));
        assert_eq!(read(&format!("r17 committed by at at {date}\n")), Some((17, parsed)));
        assert_eq!(read(&format!("\nr17 committed by <unknown> at {date}\nwarning: a hook")), Some((17, parsed)));
        assert_eq!(read("r17 committed by somebody at (null)\n"), Some((17, None)));
        assert_eq!(read("removed r\nr committed"), None);
    }
}
