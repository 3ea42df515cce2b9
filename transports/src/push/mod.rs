//! Agentless push: a plain directory on another machine, reached by ssh and rsync.
//!
//! The far side needs sshd, a POSIX shell with the usual programs, and rsync; nothing of ours is installed there. One
//! connection carries everything, as for a hub behind ssh: requests to a shell (`far.sh`), and rsync with its own block
//! delta for the files, from what this side has laid ready into a place beside the directory. Only the shell's renames
//! touch the directory itself.
//!
//! | file | is |
//! |---|---|
//! | `far.sh` | what the far side can be asked |
//! | `orders` | what it is asked, as a text of calls |
//! | `answers` | what it says |
//!
//! [Who may be pushed to, and what is left there](../../../engine/doc/push.md).

mod answers;
mod orders;

use std::collections::HashMap;

use depsync_engine::apply::Step;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::push::{Area, Arrival, Destination, Found, Holder, Laid, Mark, Scope, Sum};

use crate::nodes::Addressee;
use crate::ssh::SshSettings;
use crate::ssh::connection::{Connection, Route};
use crate::ssh::failure;
use crate::ssh::rsync::{self, Far};
use crate::ssh::wire::{FarShell, Reply, Request};
use answers::Seen;
use orders::Orders;

/// Statuses of `far.sh`.
const HELD: u8 = 51;
const ANOTHER_DEVICE: u8 = 52;
const NO_SUMS: u8 = 53;
const NO_PLACE: u8 = 54;
const COMPLAINTS: u8 = 55;

/// Where rsync keeps what it has of a file that is not whole: a name that is never deployed, as rsync leaves it out.
const PARTIAL: &str = "--partial-dir=.depsync-partial";

/// A longer text of calls goes to a file there, which takes two processes: the far side's shell reads a line byte by
/// byte.
const SHORT: usize = 4 << 10;
/// The most bytes of an answer about one path, beside the path itself.
const RECORD: usize = 128;
/// The most bytes of an answer about everything that is there.
const EVERYTHING: usize = 1 << 30;

/// A directory of a nodes list.
#[derive(Debug)]
pub struct SshDestination {
    route: Route,
    shown: String,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The directory and the place beside it, absolute.
    dir: String,
    work: String,
    exists: bool,
}

impl SshDestination {
    /// The directory of `addressee`; what the list does not say, `settings` do. Touches nothing.
    pub fn new(addressee: &Addressee, settings: &SshSettings) -> Self {
        let mut settings = settings.clone();
        if let Some(identity) = &addressee.identity {
            settings.identity = Some(identity.clone());
        }
        let staging = addressee.staging.clone().unwrap_or_default();
        let variables = vec![("R", addressee.address.path.clone()), ("S", staging)];
        let far = FarShell { functions: include_str!("far.sh"), variables };
        let shown = addressee.shown();
        let route = Route { address: addressee.address.clone(), shown: shown.clone(), settings, far };
        Self { route, shown, open: None }
    }

    /// Works over the connection. One over which an answer was lost is of no use any more.
    fn over<T>(&mut self, work: impl FnOnce(&mut Open, &SshSettings) -> Result<T>) -> Result<T> {
        let done = self.open.as_mut().ok_or_else(gone).and_then(|open| work(open, &self.route.settings));
        if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::NoSpace) {
            self.open = None;
        }
        done.map_err(|error| error.at(&self.shown))
    }

    fn ask(&mut self, cx: &Context, request: Request) -> Result<Reply> {
        self.over(|open, _| open.ask(cx, request))
    }

    /// Asks for the calls of `orders`, behind `call`.
    fn order(&mut self, cx: &Context, call: Request, orders: Orders, limit: usize) -> Result<Reply> {
        let text = orders.into_text();
        let request = if text.len() <= SHORT { call.word("run").bytes(&text) } else { call.word("orders").text(text) };
        self.ask(cx, request.limit(limit))
    }

    fn failed(&self, op: &str, reply: &Reply) -> Error {
        failure::of_far_side(&reply.message).op(op.to_owned()).at(&self.shown)
    }

    fn targets(&mut self, cx: &Context, links: &[RelPath]) -> Result<Vec<Found>> {
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let limit = links.len() * (depsync_engine::tree::MAX_TARGET + 2);
        let reply = self.order(cx, Request::call(""), Orders::of("targets", links), limit)?;
        if reply.status != 0 {
            return Err(self.failed("read links", &reply));
        }
        let targets = answers::targets(&reply.bytes, links.len()).map_err(|error| error.at(&self.shown))?;
        Ok(targets.into_iter().map(|target| target.map_or(Found::Other, |target| Found::Symlink { target })).collect())
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unreachable, "the connection is gone")
}

impl Open {
    fn ask(&mut self, cx: &Context, request: Request) -> Result<Reply> {
        let mut replies = self.connection.ask(cx, &[request])?;
        replies.pop().ok_or_else(|| Error::new(ErrorKind::Internal, "a request has no answer"))
    }
}

impl Destination for SshDestination {
    fn begin(&mut self, cx: &Context, holder: &Holder) -> Result<Arrival> {
        cx.check()?;
        let mut connection = Connection::open(cx, &self.route).map_err(|error| error.at(&self.shown))?;
        let request = Request::call("begin").arg(&holder.nonce)?.arg(&holder.node)?.limit(64 << 10);
        let replies = connection.ask(cx, &[request]).map_err(|error| error.at(&self.shown))?;
        let [reply] = &replies[..] else { return Err(Error::new(ErrorKind::Internal, "a request has no answer")) };
        let refused = |kind, why: &str| Err(Error::new(kind, why).at(&self.shown));
        match reply.status {
            0 => {}
            HELD => {
                let owner = if reply.message.is_empty() { "somebody" } else { &reply.message };
                return refused(ErrorKind::Locked, &format!("{owner} is pushing to it"))
                    .map_err(|error: Error| error.hint("wait for that push to end"));
            }
            ANOTHER_DEVICE => {
                return refused(ErrorKind::Usage, "the place for staging is on another file system than the directory")
                    .map_err(|error: Error| {
                        error.hint("give the node a `staging=` in the list that is on the directory's file system")
                    });
            }
            NO_PLACE => {
                return Err(self.failed("make a place beside it", reply).hint(
                    "files are staged beside the directory: let the account write there, or give the node a `staging=` \
                     in the list, on the same file system",
                ));
            }
            _ => return Err(self.failed("begin", reply).hint("check the path in the list")),
        }
        let (arrival, dir, work) = answers::arrival(&reply.bytes).map_err(|error| error.at(&self.shown))?;
        self.open = Some(Open { connection, dir, work, exists: arrival.place.is_some() });
        Ok(arrival)
    }

    fn look(&mut self, cx: &Context, scope: Scope<'_>) -> Result<Vec<(RelPath, Found)>> {
        let reply = match scope {
            Scope::Paths([]) => return Ok(Vec::new()),
            Scope::Paths(paths) => {
                let limit = paths.iter().map(|path| path.as_bytes().len() + RECORD).sum();
                self.order(cx, Request::call(""), Orders::of("look", paths), limit)?
            }
            Scope::Everything => self.ask(cx, Request::call("everything").limit(EVERYTHING))?,
        };
        if reply.status != 0 {
            return Err(self.failed("look at what is there", &reply));
        }
        let open = self.open.as_ref().ok_or_else(gone)?;
        let own = open.work.strip_prefix(&format!("{}/", open.dir)).and_then(|own| RelPath::try_from(own).ok());
        let seen = answers::seen(&reply.bytes).map_err(|error| error.at(&self.shown))?;
        let (mut found, mut links) = (Vec::with_capacity(seen.len()), Vec::new());
        for (path, seen) in seen {
            // The place for staging may have been put inside: it is ours.
            if own.as_ref().is_some_and(|own| path.is_within(own)) {
                continue;
            }
            match seen {
                Seen::Found(one) => found.push((path, one)),
                Seen::Link => links.push(path),
            }
        }
        let targets = self.targets(cx, &links)?;
        found.extend(links.into_iter().zip(targets));
        Ok(found)
    }

    fn sums(&mut self, cx: &Context, area: Area, files: &[RelPath]) -> Result<HashMap<RelPath, Sum>> {
        if files.is_empty() {
            return Ok(HashMap::new());
        }
        let limit = files.iter().map(|path| 2 * path.as_bytes().len() + RECORD).sum();
        let area = match area {
            Area::Live => Request::call("area=$D;"),
            Area::Staged => Request::call("area=$W/stage;"),
        };
        let reply = self.order(cx, area, Orders::of("sums", files), limit)?;
        match reply.status {
            0 => Ok(answers::sums(&reply.bytes)),
            NO_SUMS => Err(Error::new(ErrorKind::Unsupported, "there is no program for SHA-256 on the far side")
                .at(&self.shown)
                .hint("install coreutils there (sha256sum), or perl (shasum)")),
            _ => Err(self.failed("compute checksums", &reply)),
        }
    }

    fn bring(&mut self, cx: &Context, laid: &Laid<'_>) -> Result<u64> {
        self.over(|open, settings| {
            let stage = format!("{}/stage", open.work);
            let basis = format!("--compare-dest={}", open.dir);
            // What is there has its own times: equal size and time mean nothing.
            let mut options = vec!["--ignore-times", "--no-times", PARTIAL];
            if open.exists {
                options.push(&basis);
            }
            let far = Far::of(&open.connection);
            let places = (rsync::inside(laid.directory), far.inside(&stage));
            let list = || rsync::list(laid.files.iter().map(RelPath::as_bytes));
            if laid.all {
                rsync::copy_all(cx, &far, settings, &options, places, list)
            } else {
                rsync::copy(cx, &far, settings, &options, places, list())
            }
        })
    }

    fn mark(&mut self, cx: &Context, mark: &Mark) -> Result<()> {
        cx.step("push.mark");
        let reply = self.ask(cx, Request::call("mark").arg(mark.to_string())?)?;
        if reply.status == 0 { Ok(()) } else { Err(self.failed("leave a mark", &reply)) }
    }

    fn carry_out(&mut self, cx: &Context, steps: &Packed<Step>, aside: &str) -> Result<Option<String>> {
        cx.step("push.carry-out");
        let call = Request::call("carry_out").arg(aside)?;
        let reply = self.order(cx, call, Orders::to_carry_out(steps), 1 << 10)?;
        match reply.status {
            0 => Ok(None),
            COMPLAINTS => Ok(Some(failure::of_far_side(&reply.message).to_string())),
            _ => Err(self.failed("carry out", &reply)),
        }
    }

    fn end(&mut self, cx: &Context) -> Result<()> {
        if self.open.is_some() {
            self.ask(cx, Request::call("end"))?;
            self.open = None;
        }
        Ok(())
    }
}
