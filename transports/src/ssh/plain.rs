//! The hub's directory where the account runs rsync and nothing else: `command="rrsync -ro /srv/hub"`.
//!
//! Every read is an rsync over one connection ([`Master`]); packs are brought whole and parts of them read here
//! ([`Ahead`]). Laws:
//! - names that may change are read as they are now, each time;
//! - nothing can be published, for no rsync creates a name exclusively; nor is anything collected. What a node reports
//!   of itself is written where the key may write, each report whole in the place of the one before;
//! - `rrsync` takes every path for one beneath the directory that it is restricted to. The hub is what the address names
//!   there, or the nearest to it that has a hub: of `/srv/hub` first `srv/hub`, then `hub`, then that directory itself.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use jiff::Timestamp;
use tempfile::TempDir;

use super::ahead::Ahead;
use super::connection::Route;
use super::master::Master;
use super::rsync::{self, Far};
use super::{failure, listing};
use crate::awaited::{Gate, Inside};
use crate::batch::{self, Answer, Call};
use crate::child::Program;
use crate::hub::layout::Place;
use crate::storage::{Listed, Placed, Probe, Staged, Storage};

/// The longest line of a listing.
const LINE: usize = 400;
/// How often somebody else may be in the way, and for how long we let him pass the first time.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(30);
/// The most bytes of a `FORMAT` that tells where the hub is.
const FORMAT: usize = 64 << 10;
/// More than any file of a hub has.
const MOST: usize = 1 << 40;
const WHY: &str = "this key runs rsync and nothing else, which cannot create a revision exclusively";
const HINT: &str = "publish with a key that has a shell there, or where the hub is mounted";

/// See the module.
#[derive(Debug)]
pub(super) struct Plain {
    route: Route,
    shown: String,
    /// The hub's directory, as the far side's rsync calls it.
    root: String,
    master: Gate<Option<Master>>,
    ahead: Gate<Ahead>,
}

impl Plain {
    /// Connects, and finds the hub. `refused` is what a shell's start came to.
    pub(super) fn open(cx: &Context, route: &Route, refused: &Error) -> Result<Self> {
        let (route, shown) = (route.clone(), route.address.to_string());
        let mut plain = Self { route, shown, root: String::new(), master: Gate::default(), ahead: Gate::default() };
        drop(plain.far(cx)?);
        match plain.find_root(cx) {
            Ok(Some(root)) => plain.root = root,
            Ok(None) => {
                return Err(Error::new(ErrorKind::NotFound, "there is no hub here")
                    .at(&plain.shown)
                    .hint("this key runs rsync and nothing else: is the hub beneath the directory that it is restricted to, and the address right?"));
            }
            Err(error) => {
                cx.check()?;
                let why = format!("the account runs no shell for us ({refused}), and rsync fails ({error})");
                return Err(Error::new(error.kind(), why).op("connect").at(&plain.shown));
            }
        }
        tracing::debug!(root = plain.root, "rsync and nothing else");
        Ok(plain)
    }

    /// Where the hub is, of all the places that the address may mean.
    fn find_root(&self, cx: &Context) -> Result<Option<String>> {
        let path = &self.route.address.path;
        let top = if path.starts_with('/') { "/" } else { "./" };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let candidates: Vec<String> = (0..=parts.len()).map(|from| parts[from..].join("/")).collect();
        let format = |candidate: &String| Path::new(candidate).join("FORMAT");
        let names: Vec<String> = candidates.iter().map(|at| format(at).display().to_string()).collect();
        let to = directory()?;
        self.bring(cx, Some(top), &names, to.path(), FORMAT)?;
        let found = candidates.iter().find(|candidate| to.path().join(format(candidate)).is_file());
        Ok(found.map(|found| format!("{top}{found}")))
    }

    /// The connection there is, or a new one.
    fn far(&self, cx: &Context) -> Result<Far> {
        let mut master = self.master.enter(cx)?;
        if let Some(open) = &mut *master
            && open.has_ended()?
        {
            *master = None;
        }
        let open = match &mut *master {
            Some(open) => open,
            none => none.insert(Master::open(cx, &self.route)?),
        };
        Ok(open.far(&self.route, &self.root))
    }

    /// Runs an rsync, again while somebody else is in its way. A connection over which one failed is given up.
    fn run<T>(&self, cx: &Context, run: impl Fn(&Far) -> Result<T>) -> Result<T> {
        let mut tries = 0;
        loop {
            let failed = match run(&self.far(cx)?) {
                Err(error) if error.kind() == ErrorKind::Locked && tries < TRIES => error,
                Err(error) => {
                    if error.kind() == ErrorKind::Unreachable {
                        *self.master.enter(cx)? = None;
                    }
                    return Err(error.at(&self.shown));
                }
                done => return done,
            };
            tries += 1;
            tracing::debug!(error = %failed, "once more");
            cx.sleep(PAUSE * tries.min(10))?;
        }
    }

    /// Brings those of the files `names` that exist and have at most `most` bytes. What rsync says of the others.
    fn bring(&self, cx: &Context, root: Option<&str>, names: &[String], to: &Path, most: usize) -> Result<String> {
        self.run(cx, |far| {
            let far = root.map_or_else(|| far.clone(), |root| Far { root: root.to_owned(), ..far.clone() });
            let program = rsync::program(&far, &self.route.settings)
                .args(["--ignore-missing-args", "--info=skip1"])
                .arg(format!("--max-size={}", most.min(MOST)))
                .operand(far.directory())
                .operand(to);
            said(cx, program, names, (names.len() + 1) * LINE)
        })
    }

    /// Reads one file as it is now.
    fn read(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        let to = directory()?;
        let said = self.bring(cx, None, &[name.to_string()], to.path(), limit)?;
        let path = to.path().join(name.as_path());
        if path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() <= limit as u64) {
            return std::fs::read(path).map(Some).map_err(|source| Error::io("read", self.place(name), source));
        }
        if said.contains("is over max-size") {
            return Err(Error::damaged(self.place(name), format!("it has more than {limit} bytes")));
        }
        if path.exists() || said.contains("skipping non-regular") {
            return Err(
                Error::new(ErrorKind::Io, "something that is no regular file stands there").at(self.place(name))
            );
        }
        Ok(None)
    }

    /// The lines of a listing of `name`, and if it is a directory of what is in it.
    fn listed(&self, cx: &Context, name: &str, limit: usize) -> Result<Vec<listing::Line>> {
        let text = self.run(cx, |far| {
            let program = rsync::program(far, &self.route.settings)
                .args(["--ignore-missing-args", "--dirs", "--list-only", "--8-bit-output"])
                .variable("TZ", "UTC")
                .operand(far.directory())
                .operand(".");
            said(cx, program, &[name.to_owned()], limit.saturating_add(2).saturating_mul(LINE))
        })?;
        Ok(listing::parse(text.as_bytes()))
    }

    /// What was brought ahead, with `names` among it.
    fn ahead_with<'a>(
        &self,
        cx: &Context,
        names: impl Iterator<Item = &'a RelPath> + Clone,
    ) -> Result<Inside<'_, Ahead>> {
        let mut ahead = self.ahead.enter(cx)?;
        if let Some(awaited) = names.clone().find(|name| ahead.is_awaited(name)) {
            let batch = ahead.next(Some(awaited));
            self.bring_ahead(cx, &mut ahead, &batch)?;
        }
        let besides = ahead.besides(names);
        self.bring_ahead(cx, &mut ahead, &besides)?;
        Ok(ahead)
    }

    fn bring_ahead(&self, cx: &Context, ahead: &mut Ahead, names: &[RelPath]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let to = ahead.directory().map_err(|source| Error::io("make", "a directory for packs", source))?;
        let brought = self.run(cx, |far| rsync::download(cx, far, &self.route.settings, names, to));
        ahead.note(names);
        brought
    }

    fn place(&self, name: &RelPath) -> String {
        format!("{}/{name}", self.shown)
    }

    fn missing(&self, name: &RelPath) -> Error {
        Error::new(ErrorKind::NotFound, "there is no such file").op("read").at(self.place(name))
    }

    fn refused<T>(&self, cx: &Context) -> Result<T> {
        cx.check()?;
        Err(Error::new(ErrorKind::Unsupported, WHY).at(&self.shown).hint(HINT))
    }

    /// Brings the file `name` of this side's directory `from` to its place.
    fn send(&self, cx: &Context, from: &Path, name: &RelPath, option: &str) -> Result<()> {
        let mut source = from.as_os_str().to_owned();
        source.push("/");
        self.run(cx, |far| {
            let program = rsync::program(far, &self.route.settings).args(["--ignore-times", option]);
            let program = program.operand(&source).operand(far.directory());
            said(cx, program, &[name.to_string()], LINE).map(drop)
        })
    }
}

/// Runs an rsync with names on its stdin: what it says on its stdout.
fn said(cx: &Context, program: Program, names: &[String], limit: usize) -> Result<String> {
    let (ended, said) = program.output(cx, rsync::list(names.iter().map(String::as_bytes)), limit)?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&said).into_owned());
    }
    Err(failure::of_rsync(ended.status.code(), &ended.stderr))
}

fn directory() -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix("depsync-").tempdir();
    made.map_err(|source| Error::io("make", "a directory for what rsync brings", source))
}

impl Storage for Plain {
    fn endpoint(&self) -> &dyn fmt::Display {
        &self.shown
    }

    fn make(&self, cx: &Context) -> Result<()> {
        // It was found.
        cx.check()
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        let from = directory()?;
        let name = Staged::new()?.name;
        write(from.path(), &name, b"")?;
        let writable = match self.send(cx, from.path(), &name, "--dry-run") {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => false,
            Err(error) => return Err(error),
        };
        Ok(Probe { writable, exclusive: false, refused: Some(format!("{WHY}; {HINT}")), now: None })
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.find(cx, name, limit)?.ok_or_else(|| self.missing(name))
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        let announced = {
            let mut ahead = self.ahead.enter(cx)?;
            if ahead.is_awaited(name) {
                let batch = ahead.next(Some(name));
                self.bring_ahead(cx, &mut ahead, &batch)?;
            }
            ahead.whole(name, limit)
        };
        if announced.is_some() { Ok(announced) } else { self.read(cx, name, limit) }
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        let ahead = self.ahead_with(cx, std::iter::once(name))?;
        if let Some(part) = ahead.part(name, offset, length) {
            return Ok(part);
        }
        drop(ahead);
        let end = offset.saturating_add(length as u64);
        let bytes = self.get(cx, name, usize::MAX)?;
        let part = usize::try_from(offset).ok().and_then(|from| bytes.get(from..from.checked_add(length)?));
        part.map(<[u8]>::to_vec).ok_or_else(|| Error::damaged(self.place(name), format!("it ends before byte {end}")))
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        if let Ok(mut ahead) = self.ahead.enter(cx) {
            ahead.announce(packs);
            let batch = ahead.next(None);
            if let Err(error) = self.bring_ahead(cx, &mut ahead, &batch) {
                tracing::debug!(%error, "packs are brought one by one");
                ahead.give_up(false);
            }
        }
    }

    fn put_if_absent(&self, cx: &Context, _name: &RelPath, _bytes: &[u8]) -> Result<Created> {
        self.refused(cx)
    }

    fn stage(&self, cx: &Context, _staged: &Staged, _bytes: &[u8]) -> Result<()> {
        self.refused(cx)
    }

    fn commit(&self, cx: &Context, _staged: &Staged, _name: &RelPath) -> Result<Placed> {
        self.refused(cx)
    }

    /// Reports are this node's alone. Hints are not: whoever puts one back must be able to look once more in time.
    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        if !matches!(Place::of(name), Some(Place::Report(..))) {
            return self.refused(cx);
        }
        let from = directory()?;
        write(from.path(), name, bytes)?;
        cx.step("ssh.report");
        match self.send(cx, from.path(), name, "--fsync") {
            // An rsync of before 3.2.4, here or there.
            Err(error) if error.kind() == ErrorKind::Unsupported => self.send(cx, from.path(), name, "--whole-file"),
            sent => sent,
        }
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        let name = directory.map_or_else(String::new, ToString::to_string);
        let lines = self.listed(cx, &if name.is_empty() { "./".to_owned() } else { format!("{name}/") }, limit)?;
        let beneath = |line: listing::Line| {
            let name = match name.as_str() {
                "" => line.name.as_str(),
                above => line.name.strip_prefix(above)?.strip_prefix('/')?,
            };
            let is_name = !name.is_empty() && name != "." && !name.contains('/');
            is_name.then(|| Listed { name: name.as_bytes().to_vec(), directory: line.directory })
        };
        let mut listed: Vec<Listed> = lines.into_iter().filter_map(beneath).collect();
        if listed.len() > limit {
            let shown = directory.map_or_else(|| self.shown.clone(), |directory| self.place(directory));
            return Err(Error::new(ErrorKind::Refused, format!("more than {limit} names")).op("list").at(shown));
        }
        listed.sort_unstable();
        Ok(listed)
    }

    fn remove(&self, cx: &Context, _name: &RelPath) -> Result<()> {
        self.refused(cx)
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        let lines = self.listed(cx, &name.to_string(), 1)?;
        let name = name.to_string();
        Ok(lines.into_iter().find(|line| line.name == name).map(|line| line.modified))
    }

    fn perform(&self, cx: &Context, calls: &[Call<'_>], answers: &mut Vec<Answer>) -> Result<()> {
        // Parts of many packs: they come together.
        let names = calls.iter().filter(|call| matches!(call, Call::Range(..))).map(Call::name);
        if names.clone().nth(1).is_some() {
            drop(self.ahead_with(cx, names)?);
        }
        batch::in_turn(self, cx, calls, answers)
    }
}

/// Writes a file of this side's.
fn write(directory: &Path, name: &RelPath, bytes: &[u8]) -> Result<()> {
    let path = directory.join(name.as_path());
    let above = path.parent().unwrap_or(directory);
    let written = std::fs::create_dir_all(above).and_then(|()| std::fs::write(&path, bytes));
    written.map_err(|source| Error::io("write", "what is to be sent", source))
}
