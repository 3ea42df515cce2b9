//! The tree of a revision: known here already, told by its publisher, measured by what was done since one that is known, or
//! read as a whole. What was found is remembered in the ledger, and contents that were read for it wait in the spool.

use std::fs::File;

use depsync_engine::content::LocalContent;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Ledger, WantedContent};
use depsync_engine::tree::{self, Change, Entry, Pages, Tree, empty_root};

use super::client::Tool;
use super::dump::Dump;
use super::known::{self, Where};
use super::log::{LogEntry, Shown};
use super::measure::{Measured, Measuring, Step};
use super::spool::Spool;
use super::told::{self, Reached};
use super::transport::SvnTransport;
use super::{cat, hidden};

/// How many entries of the log are looked at for one whose tree is known, one number after the other.
const LOOKED_AT: [u64; 3] = [2, 20, NEAR];
/// In how many of them the whole tree is told at least once, if it fits; and how many are read where it does not.
const NEAR: u64 = 200;
const FAR: u64 = 2_000;

/// A known tree and its revision, and what came after it, newest first.
type Base = ((u64, Measured), Vec<LogEntry>);

/// The tree before some entries of the log and its number, if that is known, and the entries.
type Reachable = (Option<(Option<u64>, Measured)>, Vec<LogEntry>);

impl SvnTransport {
    /// The tree of `of`: as it is known, or measured.
    pub(super) fn tree(&self, cx: &Context, of: Revision, content: &dyn LocalContent) -> Result<Measured> {
        known::measured(&*self.ledger, of)?.map_or_else(|| self.measure(cx, of, content), Ok)
    }

    /// Measures the tree of `of`.
    pub(super) fn measure(&self, cx: &Context, of: Revision, content: &dyn LocalContent) -> Result<Measured> {
        let place = self.place(cx)?;
        if let Some(measured) = self.hear(cx, of, &place, content)? {
            return Ok(measured);
        }
        let Some((base, since)) = self.base_of(cx, of, &place)? else { return self.measure_whole(cx, of) };
        let (number, before) = base;
        hidden::shows_all(&since).map_err(|error| error.at(self.client.url()))?;
        let base = Some((number, before.clone()));
        let preceding = since.get(1).map_or(number, |entry| entry.revision);
        let said = since.first().and_then(|entry| known::recorded_root(entry, Some(preceding)));
        let told = told::ago(&since, before.told);
        if let Some(measured) = self.read_dump(cx, of, (base, told), content, &|tree, _| is_as_recorded(tree, said))? {
            return Ok(measured);
        }
        let since = self.entries_with_paths(cx, of.number, since.len() as u64)?;
        self.read_whole(cx, of, &since, said, &|whole, pages| {
            hidden::names_removals(&since, &place, Tree::new(pages, before.root), Tree::new(pages, whole.root))
        })
    }

    /// The tree of `of` as publishers tell it, where that spares this node more than it costs: what is wanted of it comes as
    /// whole contents then, and not as deltas. A tree on the way there that is told is remembered, so that less is to be read.
    fn hear(&self, cx: &Context, of: Revision, place: &Where, content: &dyn LocalContent) -> Result<Option<Measured>> {
        if content.wants_all() {
            return Ok(None);
        }
        let ledger: &dyn Ledger = &*self.ledger;
        let Some((base, since)) = self.reachable(cx, of, place)? else { return Ok(None) };
        let before = base.as_ref().map_or_else(empty_root, |(_, tree)| tree.root);
        let Some(Reached { index, measured, pages }) = told::reach(&since, base, ledger)? else { return Ok(None) };
        if !spares(Tree::new(&pages, before).diff(&Tree::new(&pages, measured.root)), content)? {
            return Ok(None);
        }
        let Some(entry) = since.get(index) else { return Ok(None) };
        known::remember(ledger, place.revision(entry.revision, entry.date), &measured, &pages)?;
        Ok((entry.revision == of.number).then_some(measured))
    }

    /// What [`told::reach`] needs for `of`: the tree that is known before, and what came after it, the oldest first. Where none is
    /// known, so many entries that the whole tree is told in one of them, if there is such a one not too far back.
    fn reachable(&self, cx: &Context, of: Revision, place: &Where) -> Result<Option<Reachable>> {
        let (mut base, mut since) = match self.base_of(cx, of, place)? {
            Some(((number, tree), since)) => (Some((Some(number), tree)), since),
            None => {
                let mut most = NEAR;
                let mut since = self.entries(cx, of.number, most)?;
                if since.len() as u64 == most && !since.iter().any(told::is_whole) && since.iter().any(told::says) {
                    most = FAR;
                    since = self.entries(cx, of.number, most)?;
                }
                let whole = (since.len() as u64) < most;
                (whole.then(|| (None, Measured::empty())), since)
            }
        };
        let shown = since.iter().take_while(|entry| entry.shown() == Shown::Whole).count();
        if shown < since.len() {
            since.truncate(shown);
            base = None;
        }
        since.reverse();
        Ok((!since.is_empty()).then_some((base, since)))
    }

    /// The newest revision before `of` whose tree is known here, and the entries of those after it.
    fn base_of(&self, cx: &Context, of: Revision, place: &Where) -> Result<Option<Base>> {
        for limit in LOOKED_AT {
            let mut entries = self.entries(cx, of.number, limit)?;
            let whole = (entries.len() as u64) < limit;
            for (index, entry) in entries.iter().enumerate().skip(1) {
                let revision = place.revision(entry.revision, entry.date);
                if let Some(measured) = known::measured(&*self.ledger, revision)? {
                    entries.truncate(index);
                    return Ok(Some(((revision.number, measured), entries)));
                }
            }
            if whole {
                break;
            }
        }
        Ok(None)
    }

    /// The same, reading all of the revision.
    pub(super) fn measure_whole(&self, cx: &Context, of: Revision) -> Result<Measured> {
        let mut entries = self.entries(cx, of.number, 2)?;
        let preceding = entries.get(1).map(|entry| entry.revision);
        entries.truncate(1);
        let said = entries.first().and_then(|entry| known::recorded_root(entry, preceding));
        self.read_whole(cx, of, &entries, said, &|_, _| Ok(()))
    }

    /// `entries` are those of the log down from `of`, whose publisher has `said` the root.
    fn read_whole(
        &self,
        cx: &Context,
        of: Revision,
        entries: &[LogEntry],
        said: Option<Digest>,
        check: &Check<'_>,
    ) -> Result<Measured> {
        hidden::shows_all(entries).map_err(|error| error.at(self.client.url()))?;
        let check = |tree: &Measured, pages: &dyn Pages| is_as_recorded(tree, said).and_then(|()| check(tree, pages));
        let told = entries.first().filter(|entry| told::is_whole(entry)).map(|_| 0);
        let measured = self.read_dump(cx, of, (None, told), &Nothing, &check)?;
        measured.ok_or_else(|| Error::damaged(self.client.url(), "a whole dump names what is not in it"))
    }

    /// The tree that the deployment had when the repository was at `number`, if it is known here.
    fn earlier(&self, cx: &Context, number: u64) -> Result<Option<Measured>> {
        let Some(entry) = self.entries(cx, number, 1)?.pop() else { return Ok(None) };
        known::measured(&*self.ledger, self.place(cx)?.revision(entry.revision, entry.date))
    }

    /// Reads a dump, and remembers the tree if it passes `check`.
    fn read_dump(
        &self,
        cx: &Context,
        of: Revision,
        (base, told): (Option<(u64, Measured)>, Option<u32>),
        content: &dyn LocalContent,
        check: &Check<'_>,
    ) -> Result<Option<Measured>> {
        let place = self.place(cx)?;
        let ledger: &dyn Ledger = &*self.ledger;
        let mut spool = Spool::new(&self.room)?;
        let range = base
            .as_ref()
            .map_or_else(|| format!("{0}:{0}", of.number), |(from, _)| format!("{}:{}", from + 1, of.number));
        let program = self.client.program(cx, Tool::Svnrdump)?.args(["dump", "-q", "-r", &range]);
        let program = program.args(base.is_some().then_some("--incremental")).operand(self.client.url().plain(None));
        cx.step("svn.dump");
        let earlier = |number: u64| self.earlier(cx, number);
        let tree = base.as_ref().map(|(number, measured)| (*number, measured.root));
        let bring = |hash: Digest, size: u64, spool: &mut Spool| match tree {
            Some(tree) => cat::fetch(self, cx, tree, &[WantedContent { hash, size }], spool),
            None => Ok(false),
        };
        let mut measuring = Measuring::new(ledger, base, &mut spool, content, (&earlier, &bring));
        let step = self
            .client
            .read(cx, "fetch", program, |said| measuring.read(cx, &mut Dump::new(said, place.path.as_bytes())))?;
        if let Step::Lacking(what) = step {
            tracing::info!(what, "all of the revision is fetched");
            return Ok(None);
        }
        if measuring.reached() != Some(of.number) {
            return Err(Error::damaged(self.client.url(), format!("what was sent ends before revision {}", of.number)));
        }
        let (mut measured, pages) = measuring.finish()?;
        measured.told = told;
        check(&measured, &pages).map_err(|error| error.at(self.client.url()))?;
        known::remember(ledger, of, &measured, &pages)?;
        self.memory().spool = Some(spool);
        Ok(Some(measured))
    }
}

/// What a tree must pass before it is believed, with its pages.
type Check<'a> = dyn Fn(&Measured, &dyn Pages) -> Result<()> + 'a;

fn is_as_recorded(tree: &Measured, said: Option<Digest>) -> Result<()> {
    hidden::is_as_recorded(tree.root, said)
}

/// Whether more of what changes is not wanted than is, in bytes.
fn spares(changes: tree::Diff<'_>, content: &dyn LocalContent) -> Result<bool> {
    let (mut wanted, mut spared) = (0_u64, 0_u64);
    for change in changes {
        let Change { path, before, after } = change?;
        let now = after.as_ref().and_then(Entry::content);
        let Some((_, size)) = now.filter(|_| now != before.as_ref().and_then(Entry::content)) else { continue };
        let sum = if content.wants(&path) { &mut wanted } else { &mut spared };
        *sum = sum.saturating_add(size);
    }
    Ok(spared > 0 && spared >= wanted)
}

/// A whole dump is a change of nothing.
struct Nothing;

impl LocalContent for Nothing {
    fn open(&self, path: &RelPath) -> Result<File> {
        Err(Error::new(ErrorKind::NotFound, "nothing is taken from here").at(path))
    }
}
