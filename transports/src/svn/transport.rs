//! One deployment in a repository, as a transport.
//!
//! | call | is |
//! |---|---|
//! | `head` | `svn info`; what is not known yet, `svn log` as well |
//! | `record`, `history` | `svn log` |
//! | `root` | `svn log`, where that tells enough; otherwise `svnrdump` from the newest revision known here, or of the one |
//! | `fetch` | what `root` has read already; otherwise the same again |
//! | `publish` | `svnmucc`, one commit |
//!
//! There is no place for reports: those travel otherwise.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use depsync_engine::content::LocalContent;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{
    Capabilities, Deliver, Fetched, HubFacts, Ledger, Look, Names, NodeReport, OpenMode, Proposal, Published,
    Statement, Transport, Want, WantedContent,
};

use super::client::SvnClient;
use super::info::{Info, NodeKind};
use super::known::{self, Where};
use super::log::{End, LogEntry, Range};
use super::spool::Spool;
use super::{fetch, once, publish, staged, told};
use crate::tally::Tally;

/// How many entries of the log are read at the least: whoever asks for the newest wants the one before it next.
const AT_LEAST: u64 = 2;

/// How many bytes are held of what the entries of a log tell of trees: the older ones are as good as untold.
const TOLD: usize = 64 << 20;

/// How many directories with externals are named.
const NAMED: usize = 20;

/// See the module.
pub struct SvnTransport {
    pub(super) client: SvnClient,
    pub(super) ledger: Arc<dyn Ledger>,
    /// A directory for what is fetched and for what is to be published, on a disk with room.
    pub(super) room: PathBuf,
    pub(super) memory: Mutex<Memory>,
}

/// What this process has learnt.
#[derive(Debug, Default)]
pub(super) struct Memory {
    place: Option<Where>,
    /// Whether that is from a look at the head that nothing has followed yet: opening the hub need not look again.
    found: bool,
    /// What measuring has fetched.
    pub(super) spool: Option<Spool>,
    /// What was read of the log since the last look at the repository.
    log: Option<Read>,
}

/// Where a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// With the commit that only made the deployment's directory.
    OnlyMade,
    /// With the copy that brought the directory back: it was there, in this revision, before it was removed.
    BroughtBack(u64),
    Other,
}

/// Entries of the log, newest first, without paths.
#[derive(Debug)]
struct Read {
    /// The number from which on they were read.
    number: u64,
    entries: Vec<LogEntry>,
    /// Whether there are no older ones.
    whole: bool,
}

impl SvnTransport {
    /// The programs that were started so far.
    pub fn tally(&self) -> Tally {
        self.client.tally.clone()
    }

    /// The deployment where `client` is. Touches nothing.
    pub fn new(client: SvnClient, ledger: Arc<dyn Ledger>, room: PathBuf) -> Self {
        Self { client, ledger, room, memory: Mutex::default() }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn info(&self, cx: &Context) -> Result<Info> {
        let info = self.client.info(cx, None, None)?;
        if info.kind != NodeKind::Directory {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a file stands there, where a directory is to be the deployment",
            )
            .at(self.client.url()));
        }
        let mut memory = self.memory();
        (memory.place, memory.log) = (Some(Where::of(&info)), None);
        drop(memory);
        Ok(info)
    }

    pub(super) fn place(&self, cx: &Context) -> Result<Where> {
        let known = self.memory().place.clone();
        known.map_or_else(|| self.info(cx).map(|info| Where::of(&info)), Ok)
    }

    /// The newest revision, as `info` has it.
    pub(super) fn head_of(&self, cx: &Context, info: &Info) -> Result<Option<Revision>> {
        let head = Where::of(info).revision(info.changed, info.date);
        if known::measured(&*self.ledger, head)?.is_some() {
            return Ok(Some(head));
        }
        // A directory in which nothing ever was has no revision.
        if info.changed == 0 {
            return Ok(None);
        }
        Ok(self.entries(cx, info.changed, 1)?.first().map(|_| head))
    }

    /// At most `count` entries of the log down from `number`, newest first, without the one that only made the directory.
    /// They do not name paths: a log of a large revision that does costs more than all the rest.
    pub(super) fn entries(&self, cx: &Context, number: u64, count: u64) -> Result<Vec<LogEntry>> {
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let enough = |read: &&Read| read.number == number && (read.whole || read.entries.len() >= wanted);
        if let Some(read) = self.memory().log.as_ref().filter(enough) {
            return Ok(read.entries.iter().take(wanted).cloned().collect());
        }
        let (mut entries, whole) = self.chain(cx, number, count.max(AT_LEAST), false)?;
        self.memory().log = Some(Read { number, entries: entries.clone(), whole });
        entries.truncate(wanted);
        Ok(entries)
    }

    /// The same with the paths that each has changed.
    pub(super) fn entries_with_paths(&self, cx: &Context, number: u64, count: u64) -> Result<Vec<LogEntry>> {
        Ok(self.chain(cx, number, count, true)?.0)
    }

    /// Such entries, and whether there are no older ones. Where the directory was removed and brought back, the log goes
    /// on before that.
    fn chain(&self, cx: &Context, number: u64, count: u64, paths: bool) -> Result<(Vec<LogEntry>, bool)> {
        let (mut entries, mut from) = (Vec::new(), number);
        loop {
            let limit = count - entries.len() as u64;
            let mut read = self.read_log(cx, from, limit, paths)?;
            let ended = (read.len() as u64) < limit;
            let origin = self.origin(cx, read.last(), ended, paths)?;
            if origin == Origin::OnlyMade {
                read.pop();
            }
            entries.append(&mut read);
            match origin {
                Origin::BroughtBack(before) if (entries.len() as u64) < count => from = before,
                Origin::BroughtBack(_) => return Ok((entries, false)),
                Origin::OnlyMade => return Ok((entries, true)),
                Origin::Other => return Ok((entries, ended)),
            }
        }
    }

    /// What the oldest entry of a log is, which perhaps `ended` there. What a publisher of ours has written a record of is
    /// nothing particular, and neither is one whose tree is known here, if there are older ones.
    fn origin(&self, cx: &Context, oldest: Option<&LogEntry>, ended: bool, paths: bool) -> Result<Origin> {
        let place = self.place(cx)?;
        let Some(oldest) = oldest.filter(|oldest| !known::is_ours(oldest)) else {
            return Ok(Origin::Other);
        };
        if !ended && known::measured(&*self.ledger, place.revision(oldest.revision, oldest.date))?.is_some() {
            return Ok(Origin::Other);
        }
        let read = if paths { Vec::new() } else { self.read_log(cx, oldest.revision, 1, true)? };
        let entry = if paths { Some(oldest) } else { read.first() };
        Ok(match entry {
            Some(entry) if place.is_creation(entry) => Origin::OnlyMade,
            Some(entry) => place.before_it_came_back(entry).map_or(Origin::Other, Origin::BroughtBack),
            None => Origin::Other,
        })
    }

    /// At most `count` entries of the log down from `number`, newest first.
    fn read_log(&self, cx: &Context, number: u64, count: u64, paths: bool) -> Result<Vec<LogEntry>> {
        let limit = u32::try_from(count).unwrap_or(u32::MAX);
        let range = Range { from: End::At(number), to: End::At(1), limit: Some(limit), peg: Some(number) };
        let (mut entries, mut room) = (Vec::new(), TOLD);
        self.client.log(cx, &range, paths, &mut |mut entry| {
            told::keep_within(&mut entry, &mut room);
            entries.push(entry);
            Ok(())
        })?;
        Ok(entries)
    }
}

impl Transport for SvnTransport {
    fn endpoint(&self) -> &dyn fmt::Display {
        self.client.url()
    }

    fn open(&self, cx: &Context, mode: OpenMode) -> Result<HubFacts> {
        cx.check()?;
        let capabilities =
            Capabilities { reports: false, names: Names::PrintableUtf8, symlinks: true, publish_refused: None };
        if std::mem::take(&mut self.memory().found) {
            return Ok(HubFacts { id: self.place(cx)?.hub()?, capabilities, created: false });
        }
        let (info, created) = match (self.info(cx), mode) {
            (Err(error), OpenMode::Create | OpenMode::Deployment) if error.kind() == ErrorKind::NotFound => {
                let created = publish::make_place(self, cx)?;
                (self.info(cx)?, created)
            }
            (Err(error), OpenMode::Existing) if error.kind() == ErrorKind::NotFound => {
                return Err(error.hint(
                    "is the address right? `depsync init` or a first `publish` makes the directory in the repository",
                ));
            }
            (info, _) => (info?, false),
        };
        Ok(HubFacts { id: Where::of(&info).hub()?, capabilities, created })
    }

    fn head(&self, cx: &Context, look: Look) -> Result<Option<Revision>> {
        cx.check()?;
        if look == Look::Heal {
            staged::clear(&self.room)?;
        }
        self.memory().found = false;
        let info = self.info(cx)?;
        let head = self.head_of(cx, &info)?;
        self.memory().found = true;
        Ok(head)
    }

    fn record(&self, cx: &Context, number: u64) -> Result<Statement> {
        let mut statements = self.history(cx, number, 1)?;
        statements.pop().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no revision {number}")).at(self.client.url())
        })
    }

    fn history(&self, cx: &Context, last: u64, count: u64) -> Result<Vec<Statement>> {
        cx.check()?;
        let nobody = || Error::new(ErrorKind::NotFound, format!("there is no revision {last}")).at(self.client.url());
        if count == 0 {
            return Ok(Vec::new());
        }
        if !(1..=u64::from(u32::MAX)).contains(&last) {
            return Err(nobody());
        }
        let place = self.place(cx)?;
        let mut entries = self.entries(cx, last, count.saturating_add(1))?;
        if entries.first().is_none_or(|entry| entry.revision != last) {
            return Err(nobody());
        }
        let mut statements = Vec::new();
        let mut parent = None;
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        if entries.len() > most {
            parent = entries.pop().map(|entry| place.revision(entry.revision, entry.date));
        }
        for entry in entries.into_iter().rev() {
            let revision = place.revision(entry.revision, entry.date);
            let root = known::measured(&*self.ledger, revision)?.map(|measured| measured.root);
            statements.push(place.statement(entry, parent, root));
            parent = Some(revision);
        }
        Ok(statements)
    }

    fn root(&self, cx: &Context, of: Revision, content: &dyn LocalContent) -> Result<Digest> {
        cx.check()?;
        Ok(self.tree(cx, of, content)?.root)
    }

    fn left_out(&self, of: Revision) -> Result<Vec<String>> {
        let Some(measured) = known::measured(&*self.ledger, of)? else { return Ok(Vec::new()) };
        let linked = measured.notable.iter().filter(|(_, properties)| properties.externals);
        let mut named: Vec<String> =
            measured.externals.then(|| "the deployment's own directory".to_owned()).into_iter().collect();
        named.extend(linked.clone().take(NAMED).map(|(path, _)| path.to_string()));
        let mut lines: Vec<String> =
            named.into_iter().map(|place| format!("{place} has svn:externals, which are not followed")).collect();
        let more = linked.count().saturating_sub(NAMED);
        if more > 0 {
            lines.push(format!("{more} more directories have svn:externals, which are not followed"));
        }
        Ok(lines)
    }

    fn removals(&self, cx: &Context, last: u64, count: u64) -> Result<Vec<RelPath>> {
        cx.check()?;
        once::removals(self, cx, last, count)
    }

    fn had(&self, cx: &Context, last: u64, count: u64, files: &[(RelPath, WantedContent)]) -> Result<Vec<RelPath>> {
        cx.check()?;
        once::had(self, cx, last, count, files)
    }

    fn fetch(&self, cx: &Context, at: Revision, want: Want<'_>, to: &mut dyn Deliver) -> Result<Fetched> {
        cx.check()?;
        fetch::fetch(self, cx, at, want, to)
    }

    fn publish(&self, cx: &Context, proposal: &Proposal<'_>) -> Result<Published> {
        cx.check()?;
        publish::publish(self, cx, proposal)
    }

    fn has_reports(&self) -> bool {
        false
    }

    fn report(&self, cx: &Context, _: &NodeReport) -> Result<()> {
        cx.check()?;
        Err(Error::new(ErrorKind::Unsupported, "a repository takes no reports").at(self.client.url()))
    }

    fn reports(&self, cx: &Context) -> Result<Vec<NodeReport>> {
        cx.check()?;
        Ok(Vec::new())
    }
}
