//! The hub's directory, as a shell on the far side does what is to be done in it.
//!
//! Requests go over the one connection there is (`wire`, `shell.sh`, `hub.sh`). Laws:
//! - a connection is made by the first call and kept; a call that fails in the middle drops it. A call whose answer was
//!   lost is never repeated here: whoever called decides ([`depsync_engine::error::ErrorKind::Indeterminate`] comes from
//!   above, where it is known what was at stake);
//! - a call that has to wait for another one keeps its own deadline;
//! - packs that were put wait in a spool until they are flushed, or many.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use jiff::Timestamp;

use super::ahead::Ahead;
use super::connection::{Connection, Route};
use super::rsync::Far;
use super::spool::{FEW, Spool};
use super::wire::{Reply, Request};
use super::{failure, rsync};
use crate::awaited::{Gate, Inside};
use crate::batch::{Answer, Call};
use crate::hub::layout::Place;
use crate::storage::{Listed, Placed, Probe, Staged, Storage};

/// The far side's statuses beside 0 and what programs give.
const ABSENT: u8 = 44;
const TOO_MANY: u8 = 45;
const NO_ROOT: u8 = 46;
pub(super) const SWEPT: u8 = 47;
const EXISTED: u8 = 48;
const DIFFERS: u8 = 49;
const GONE: u8 = 50;
const SKIPPED: u8 = 99;

/// The longest name that a listing is believed to have.
const NAME: usize = 260;

/// The hub's directory, as a shell on the far side does what is to be done in it.
#[derive(Debug)]
pub(super) struct Shell {
    route: Route,
    shown: String,
    line: Gate<Option<Connection>>,
    spool: Gate<Spool>,
    ahead: Gate<Ahead>,
    trips: AtomicU64,
}

impl Shell {
    /// Touches nothing.
    pub(super) fn new(route: Route) -> Self {
        let shown = route.shown.clone();
        Self {
            route,
            shown,
            line: Gate::default(),
            spool: Gate::default(),
            ahead: Gate::default(),
            trips: AtomicU64::new(0),
        }
    }

    /// How often this process has sent something and waited for the answer.
    pub(super) fn round_trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// Connects, if that has not been done. What is wrong where the account runs nothing for us, but has let us in.
    pub(super) fn connect(&self, cx: &Context) -> Result<std::result::Result<(), Error>> {
        let mut line = self.line.enter(cx).map_err(|error| error.at(&self.shown))?;
        if line.is_none() {
            match Connection::try_open(cx, &self.route)? {
                Ok(open) => *line = Some(open),
                Err(refused) => return Ok(Err(refused)),
            }
        }
        Ok(Ok(()))
    }

    /// Works over the connection there is, or a new one. One over which an answer was lost is of no use any more.
    fn over<T>(&self, cx: &Context, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut line = self.line.enter(cx).map_err(|error| error.at(&self.shown))?;
        let mut open = match line.take() {
            Some(open) => open,
            None => Connection::open(cx, &self.route)?,
        };
        let before = open.trips();
        let done = work(&mut open);
        self.trips.fetch_add(open.trips() - before, Ordering::Relaxed);
        if done.is_ok() {
            *line = Some(open);
        }
        done.map_err(|error| error.at(&self.shown))
    }

    /// What was brought ahead, once `name` is among it if it was announced.
    fn ahead_with(&self, cx: &Context, name: &RelPath) -> Result<Inside<'_, Ahead>> {
        let mut ahead = self.ahead.enter(cx)?;
        if ahead.is_awaited(name) {
            self.bring_ahead(cx, &mut ahead, Some(name))?;
        }
        Ok(ahead)
    }

    /// Brings what is next of what was announced. Fails only where the caller has no time or patience left.
    fn bring_ahead(&self, cx: &Context, ahead: &mut Ahead, name: Option<&RelPath>) -> Result<()> {
        let names = ahead.next(name);
        if names.is_empty() {
            return Ok(());
        }
        let brought = match ahead.directory() {
            Ok(to) => {
                self.over(cx, |open| match rsync::download(cx, &Far::of(open), &self.route.settings, &names, to) {
                    // The connection is as good as before.
                    Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Err(error)),
                    brought => brought.map(Ok),
                })
            }
            Err(source) => Err(Error::io("make", "a directory for packs", source)),
        };
        ahead.note(&names);
        let Err(error) = brought.flatten() else { return Ok(()) };
        ahead.give_up(error.kind() == ErrorKind::Unsupported);
        cx.check()?;
        tracing::warn!(%error, "packs are read part by part instead of being brought by rsync");
        Ok(())
    }

    fn ask(&self, cx: &Context, requests: &[Request]) -> Result<Vec<Reply>> {
        self.over(cx, |open| open.ask(cx, requests))
    }

    fn ask_one(&self, cx: &Context, request: Request) -> Result<Reply> {
        let mut answers = self.ask(cx, &[request])?;
        let answer = answers.pop().ok_or_else(|| Error::new(ErrorKind::Internal, "a request has no answer"))?;
        if answer.status == NO_ROOT {
            return Err(Error::new(ErrorKind::NotFound, "there is no such directory")
                .at(&self.shown)
                .hint("check the path of the hub's address"));
        }
        Ok(answer)
    }

    /// Reads a file; `None` if there is none.
    fn read(&self, cx: &Context, request: Request, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        let answer = self.ask_one(cx, request.limit(limit.saturating_add(1)))?;
        match answer.status {
            0 if answer.bytes.len() > limit => {
                Err(Error::damaged(self.place(name), format!("it has more than {limit} bytes")))
            }
            0 => Ok(Some(answer.bytes)),
            ABSENT => Ok(None),
            _ => Err(self.failed("read", name, &answer)),
        }
    }

    fn place(&self, name: &RelPath) -> String {
        format!("{}/{name}", self.shown)
    }

    fn failed(&self, op: &str, name: &RelPath, answer: &Reply) -> Error {
        failure::of_far_side(&answer.message).op(op.to_owned()).at(self.place(name))
    }

    fn exactly(&self, name: &RelPath, offset: u64, length: usize, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let end = offset.saturating_add(length as u64);
        if bytes.len() == length {
            return Ok(bytes);
        }
        Err(Error::damaged(self.place(name), format!("it ends before byte {end}")))
    }

    fn missing(&self, name: &RelPath) -> Error {
        Error::new(ErrorKind::NotFound, "there is no such file").op("read").at(self.place(name))
    }

    /// What makes `bytes` stand at `temporary`, whole and durable. Many of them are brought by rsync before.
    fn staging(&self, cx: &Context, temporary: &RelPath, bytes: &[u8]) -> Result<Request> {
        if bytes.len() as u64 <= FEW {
            return Ok(Request::call("stage").arg(temporary.as_bytes())?.bytes(bytes));
        }
        self.over(cx, |open| rsync::bring(cx, open, &self.route.settings, temporary, bytes))?;
        Request::call("brought").arg(temporary.as_bytes())
    }

    /// What puts `bytes` in the place of whatever has the name, through a temporary one.
    fn replacing(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Request> {
        let temporary = Staged::new()?.name;
        let staged = self.staging(cx, &temporary, bytes)?;
        staged.then("place").arg(temporary.as_bytes())?.arg(name.as_bytes())
    }

    /// What the far side is asked for a call.
    fn request(&self, cx: &Context, call: &Call<'_>) -> Result<Request> {
        let look = |function: &'static str, name: &RelPath, limit: usize| {
            let most = limit.saturating_add(1);
            Ok::<_, Error>(Request::call(function).arg(name.as_bytes())?.number(most as u64).limit(most))
        };
        match call {
            Call::Find(name, limit) => look("get", name, *limit),
            Call::Range(name, offset, length) => range(name, *offset, *length),
            Call::Insist(name, limit, None) => look("nothing", name, *limit),
            Call::Insist(name, limit, Some(bytes)) => Ok(look("same", name, *limit)?.bytes(bytes)),
            Call::Stage(staged, bytes) => self.staging(cx, &staged.name, bytes),
            Call::Commit(staged, name) => Request::call("commit").arg(staged.name.as_bytes())?.arg(name.as_bytes()),
            Call::Replace(name, bytes) => self.replacing(cx, name, bytes),
            Call::SetLine(name, line) => Ok(Request::call("set_line")
                .arg(Staged::new()?.name.as_bytes())?
                .arg(name.as_bytes())?
                .arg(&line.key)?
                .number(line.limit as u64)
                .bytes(line.value.as_bytes())),
        }
    }

    /// Writes a whole file under its name.
    fn write(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        loop {
            let request = self.replacing(cx, name, bytes)?;
            cx.step("ssh.write");
            let answer = self.ask_one(cx, request)?;
            match answer.status {
                0 => return Ok(()),
                // Somebody cleans up there.
                SWEPT => cx.check()?,
                _ => return Err(self.failed("write", name, &answer)),
            }
        }
    }
}

/// Asks for a part of a file.
fn range(name: &RelPath, offset: u64, length: usize) -> Result<Request> {
    let request = Request::call("range").arg(name.as_bytes())?.number(offset).number(length as u64);
    Ok(request.limit(length.saturating_add(1)))
}

/// How a commit ended, if it ended.
fn placed(status: u8) -> Option<Placed> {
    match status {
        0 => Some(Placed::Created),
        EXISTED => Some(Placed::Existed),
        SWEPT => Some(Placed::Swept),
        _ => None,
    }
}

impl Storage for Shell {
    fn endpoint(&self) -> &dyn fmt::Display {
        &self.shown
    }

    fn make(&self, cx: &Context) -> Result<()> {
        cx.step("ssh.make");
        let answer = self.ask_one(cx, Request::call("make"))?;
        if answer.status == 0 {
            return Ok(());
        }
        Err(failure::of_far_side(&answer.message).op("make the hub's directory").at(&self.shown))
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        cx.step("ssh.probe");
        let request =
            Request::call("probe").arg(Staged::new()?.name.as_bytes())?.arg(Staged::new()?.name.as_bytes())?;
        let answer = self.ask_one(cx, request)?;
        let said = String::from_utf8_lossy(&answer.bytes).into_owned();
        let now = said.lines().find_map(|line| line.strip_prefix("time ")).and_then(time);
        let says = |word: &str| said.lines().any(|line| line == word);
        // Full today, a hub tomorrow: whoever writes will be told.
        let full = says("full");
        Ok(Probe { writable: now.is_some() || full, exclusive: says("exclusive") || full, refused: None, now })
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.find(cx, name, limit)?.ok_or_else(|| self.missing(name))
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        if let Some(waiting) = self.spool.enter(cx)?.get(name) {
            return Ok(Some(waiting));
        }
        if let Some(brought) = self.ahead_with(cx, name)?.whole(name, limit) {
            return Ok(Some(brought));
        }
        let request = Request::call("get").arg(name.as_bytes())?.number((limit as u64).saturating_add(1));
        self.read(cx, request, name, limit)
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        if let Some(part) = self.ahead_with(cx, name)?.part(name, offset, length) {
            return Ok(part);
        }
        let bytes = self.read(cx, range(name, offset, length)?, name, length)?.ok_or_else(|| self.missing(name))?;
        self.exactly(name, offset, length, bytes)
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        // Whoever has no time left hears it from what is read.
        if let Ok(mut ahead) = self.ahead.enter(cx) {
            ahead.announce(packs);
            let _ = self.bring_ahead(cx, &mut ahead, None);
        }
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        cx.check()?;
        if !matches!(Place::of(name), Some(Place::Pack(_))) {
            self.write(cx, name, bytes)?;
            return Ok(Created::Yes);
        }
        let full = self.spool.enter(cx)?.put(name, bytes)?;
        if full {
            self.flush(cx)?;
        }
        Ok(Created::Yes)
    }

    fn flush(&self, cx: &Context) -> Result<()> {
        let mut spool = self.spool.enter(cx)?;
        if spool.is_empty() {
            return Ok(());
        }
        let sent = self.over(cx, |open| spool.send(cx, open, &self.route.settings));
        // Whoever put it knows that it did not arrive.
        *spool = Spool::default();
        sent
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        cx.step("ssh.stage");
        let request = self.staging(cx, &staged.name, bytes)?;
        let answer = self.ask_one(cx, request)?;
        if answer.status == 0 { Ok(()) } else { Err(self.failed("write", &staged.name, &answer)) }
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        cx.step("ssh.commit");
        let request = Request::call("commit").arg(staged.name.as_bytes())?.arg(name.as_bytes())?;
        let answer = self.ask_one(cx, request)?;
        placed(answer.status).ok_or_else(|| self.failed("create", name, &answer))
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        self.write(cx, name, bytes)
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        let shown = || directory.map_or_else(|| self.shown.clone(), |directory| self.place(directory));
        let name = directory.map_or(&b"."[..], RelPath::as_bytes);
        let request = Request::call("list").arg(name)?.number(limit as u64).limit(limit.saturating_mul(NAME));
        let answer = self.ask_one(cx, request)?;
        match answer.status {
            0 => {}
            ABSENT => return Ok(Vec::new()),
            TOO_MANY => {
                return Err(Error::new(ErrorKind::Refused, format!("more than {limit} names")).op("list").at(shown()));
            }
            _ => return Err(failure::of_far_side(&answer.message).op("list").at(shown())),
        }
        let listed = answer.bytes.split(|&byte| byte == 0).filter_map(|entry| {
            let (kind, name) = entry.split_first()?;
            Some(Listed { name: name.to_vec(), directory: *kind == b'd' })
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_unstable();
        Ok(listed)
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        cx.step("ssh.remove");
        let answer = self.ask_one(cx, Request::call("rm -f --").arg(name.as_bytes())?)?;
        if answer.status == 0 { Ok(()) } else { Err(self.failed("remove", name, &answer)) }
    }

    fn perform(&self, cx: &Context, calls: &[Call<'_>], answers: &mut Vec<Answer>) -> Result<()> {
        // What is read together is announced together: if the first part is here, they all may be.
        let mut calls = calls;
        while let Some((Call::Range(name, offset, length), behind)) = calls.split_first()
            && let Some(part) = self.ahead_with(cx, name)?.part(name, *offset, *length)
        {
            answers.push(Answer::Found(Some(part)));
            calls = behind;
        }
        if calls.is_empty() {
            return Ok(());
        }
        let mut requests: Vec<Request> = calls.iter().map(|call| self.request(cx, call)).collect::<Result<_>>()?;
        for behind in requests.iter_mut().skip(1) {
            behind.gate();
        }
        calls.iter().filter_map(Call::step).for_each(|step| cx.step(step));
        let replies = self.ask(cx, &requests)?;
        for (call, reply) in calls.iter().zip(&replies) {
            if reply.status == SKIPPED {
                break;
            }
            let name = call.name();
            answers.push(match (call, reply.status) {
                (_, NO_ROOT) => return Err(self.missing(name)),
                (Call::Find(..) | Call::Insist(..), ABSENT | GONE) => Answer::Found(None),
                (Call::Range(..), ABSENT) => return Err(self.missing(name)),
                (Call::Range(_, offset, length), 0) => {
                    Answer::Found(Some(self.exactly(name, *offset, *length, reply.bytes.clone())?))
                }
                (Call::Insist(_, _, Some(bytes)), 0) => Answer::Found(Some(bytes.to_vec())),
                (Call::Find(_, limit) | Call::Insist(_, limit, _), 0 | DIFFERS) => {
                    if reply.bytes.len() > *limit {
                        return Err(Error::damaged(self.place(name), format!("it has more than {limit} bytes")));
                    }
                    Answer::Found(Some(reply.bytes.clone()))
                }
                (Call::Commit(..), status) => {
                    Answer::Placed(placed(status).ok_or_else(|| self.failed("create", name, reply))?)
                }
                (_, 0) => Answer::Done,
                _ => return Err(self.failed("write", name, reply)),
            });
        }
        Ok(())
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        let answer = self.ask_one(cx, Request::call("modified").arg(name.as_bytes())?)?;
        match answer.status {
            0 => Ok(time(&String::from_utf8_lossy(&answer.bytes))),
            ABSENT => Ok(None),
            _ => Err(self.failed("look at", name, &answer)),
        }
    }
}

/// Seconds since 1970, with or without a fraction.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Timestamp::new(seconds.parse().ok()?, digits.parse().ok()?).ok()
}
