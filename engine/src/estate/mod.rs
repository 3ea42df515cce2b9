//! An estate: many deployments of one hub, each with a directory of its own, kept in step by one process.
//!
//! Ten thousand of them are ten thousand names on a board, and nothing more: the hub is asked once in a period for the marks
//! of all ([`Registry`]), whoever has another mark than when he was in step last has something to do, and a few threads
//! take what is to be done, one deployment at a time each. A deployment's database and transport are open while somebody
//! works on it, and a few are kept open for those that change often.
//!
//! Laws:
//! - a turn is the same commands that a person would type, under the same locks: whatever kills the process, the next
//!   command goes on from there;
//! - a mark is a hint, and the register a copy: what is wrong in either costs a look, and everybody is looked at in every
//!   period of checks anyway;
//! - one that fails keeps no other from its work: it is tried again, later and later;
//! - one that is not loaded costs nothing: no directory, no database, no look. It is loaded when somebody wants something
//!   of it, and let go when nobody has for long.
//!
//! | file | is |
//! |---|---|
//! | `duties` | what it is to do |
//! | `selection` | whom it is to do it for: pure |
//! | `board` | who has what to do, and when: pure |
//! | `turn` | one turn for one deployment |
//! | `apart` | one that does not lie where the others do: watched by itself |
//! | `ear` | what is heard over a channel |
//! | `seams` | what it must be given: the hub's marks, and where deployments lie |
//! | `told` | what it tells |

mod apart;
mod board;
mod duties;
mod ear;
mod seams;
mod selection;
mod told;
mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use self::board::{Board, Job};
pub use self::duties::EstateDuties;
pub use self::ear::Ear;
pub use self::seams::{Household, Registry};
pub use self::selection::Selection;
pub use self::told::{EstateEvent, EstateFacts, EstateTold};
use crate::beneath::Root;
use crate::channel::Channel;
use crate::context::Context;
use crate::daemon::Event;
use crate::engine::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::name::DeploymentName;
use crate::revdb::{Register, RegisterEntry};
use crate::scan::{Ignore, Part, Reach};
use crate::watch::{Hint, Waited, Watch};

/// See the module.
pub struct Estate<'a> {
    register: &'a Register,
    registry: &'a dyn Registry,
    household: &'a dyn Household,
    duties: EstateDuties,
    /// Whether anything in the deployments is lazy.
    is_lazy: bool,
    tell: &'a (dyn Fn(EstateTold<'_>) + Send + Sync),
    channel: Option<Arc<dyn Channel>>,
    board: Mutex<Board>,
    /// Rung when there is something to do.
    bell: Condvar,
    open: Mutex<VecDeque<(DeploymentName, Node)>>,
    ear: Arc<Ear>,
    watch: Mutex<Watch>,
    asked: AtomicU64,
    turns: AtomicU64,
    deaf: AtomicU64,
    gauge: Arc<Mutex<EstateFacts>>,
}

/// How long somebody without work waits before he looks whether he is still wanted.
const PAUSE: Duration = Duration::from_millis(200);

impl<'a> Estate<'a> {
    /// An estate. Nothing is done yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is nothing to do for it.
    pub fn new(
        register: &'a Register,
        registry: &'a dyn Registry,
        household: &'a dyn Household,
        duties: EstateDuties,
        is_lazy: bool,
        tell: &'a (dyn Fn(EstateTold<'_>) + Send + Sync),
    ) -> Result<Self> {
        duties.check()?;
        let watch = Watch::blind()?;
        Ok(Self {
            register,
            registry,
            household,
            board: Mutex::new(Board::new(duties.period, duties.check)?),
            duties,
            is_lazy,
            tell,
            channel: None,
            bell: Condvar::new(),
            open: Mutex::default(),
            ear: Arc::new(Ear::new(watch.waker())),
            watch: Mutex::new(watch),
            asked: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            deaf: AtomicU64::new(0),
            gauge: Arc::default(),
        })
    }

    /// What listens to a channel for it.
    pub fn ear(&self) -> Arc<Ear> {
        Arc::clone(&self.ear)
    }

    /// The same estate, which also tells others over `channel` what is new.
    pub fn with_channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channel = Some(channel);
        self
    }

    /// How it was a moment ago, at any time.
    pub fn gauge(&self) -> Arc<Mutex<EstateFacts>> {
        Arc::clone(&self.gauge)
    }

    /// How it is.
    pub fn facts(&self) -> EstateFacts {
        let board = self.board();
        let loaded = || board.tenants().filter(|tenant| tenant.entry.loaded);
        let is_behind = |tenant: &&board::Tenant| tenant.head.is_some() && tenant.head != tenant.entry.mark;
        EstateFacts {
            deployments: board.len() as u64,
            loaded: loaded().count() as u64,
            behind: loaded().filter(is_behind).count() as u64,
            failed: loaded().filter(|tenant| tenant.entry.failures > 0).count() as u64,
            asked: self.asked.load(Ordering::Relaxed),
            turns: self.turns.load(Ordering::Relaxed),
            deaf: self.deaf.load(Ordering::Relaxed),
        }
    }

    /// Works until the context is cancelled.
    pub fn run(&self, cx: &Context) -> Result<()> {
        let ended = std::thread::scope(|scope| {
            for _ in 0..self.duties.parallel {
                scope.spawn(|| self.work(cx));
            }
            let apart = if self.duties.commit { self.household.apart() } else { Vec::new() };
            for (name, directory) in apart.into_iter().filter(|(name, _)| self.is_included(name)) {
                scope.spawn(move || self.look_after(cx, &name, &directory));
            }
            let ended = self.oversee(cx);
            // Whatever has ended this ends the others.
            cx.cancel().cancel();
            self.bell.notify_all();
            ended
        });
        (self.tell)(EstateTold::Stopped);
        match ended {
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(()),
            ended => ended,
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, name: &DeploymentName, event: &Event) {
        (self.tell)(EstateTold::Daemon(name, event));
    }

    fn tell_all(&self, name: &DeploymentName, event: &EstateEvent) {
        (self.tell)(EstateTold::One(name, event));
    }

    fn in_time(&self, cx: &Context) -> Context {
        match self.duties.timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            Some(deadline) => cx.clone().with_deadline(deadline),
            None => cx.clone(),
        }
    }

    /// One of those who work.
    fn work(&self, cx: &Context) {
        let mut board = self.board();
        while !cx.cancel().is_cancelled() {
            let Some((name, job)) = board.take(Instant::now()) else {
                board = self.bell.wait_timeout(board, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            };
            let entry = board.get(&name).map(|tenant| tenant.entry.clone());
            drop(board);
            self.turns.fetch_add(1, Ordering::Relaxed);
            let turned = self.turn(cx, entry.unwrap_or_else(|| RegisterEntry::new(name)), &job);
            if let Err(error) = self.register.put(&turned.entry) {
                tracing::warn!(%error, "the register is behind");
            }
            board = self.board();
            board.done(turned.entry, turned.again, turned.checked, Instant::now());
        }
    }

    /// Finds out who has something to do, until it is cancelled.
    fn oversee(&self, cx: &Context) -> Result<()> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (mut poll_at, mut deaf, mut is_ready) = (now, 0_u32, false);
        let mut version = self.register.version()?;
        for entry in self.register.all()? {
            if self.is_included(&entry.name) {
                self.enter(entry, now);
            }
        }
        self.discover(self.household.here()?, now)?;
        if self.duties.commit {
            self.open_eyes(cx, &mut watch);
        }
        loop {
            cx.alive();
            let now = Instant::now();
            if poll_at <= now {
                match self.ask(cx, now) {
                    Ok(()) => {
                        self.deaf.store(0, Ordering::Relaxed);
                        if std::mem::take(&mut deaf) > 0 {
                            (self.tell)(EstateTold::Hears);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                    Err(error) if !is_ready && matches!(error.kind(), ErrorKind::Usage | ErrorKind::Unsupported) => {
                        return Err(error);
                    }
                    Err(error) => {
                        deaf += 1;
                        self.deaf.store(u64::from(deaf), Ordering::Relaxed);
                        (self.tell)(EstateTold::Deaf(&error, deaf));
                    }
                }
                // What is watched says itself what is new there.
                if self.duties.commit && watch.identity().is_none() {
                    self.open_eyes(cx, &mut watch);
                    self.discover(self.household.here()?, now)?;
                }
                let mut board = self.board();
                poll_at = now + self.duties.period * 9 / 10 + board.share_of(self.duties.period / 5);
            }
            let (at, idle) = (cx.now(), self.duties.idle);
            let is_idle = |entry: &RegisterEntry| {
                let patience = idle.and_then(|idle| SignedDuration::try_from(idle).ok());
                let waited = entry.used.map_or(SignedDuration::MAX, |used| at.duration_since(used));
                patience.is_some_and(|patience| waited > patience) && !self.is_eager(&entry.name)
            };
            let next = {
                let mut board = self.board();
                board.remind(now, is_idle);
                board.next()
            };
            self.bell.notify_all();
            if !is_ready && !self.board().is_at_work() {
                is_ready = true;
                let facts = self.facts();
                (self.tell)(EstateTold::Ready(
                    usize::try_from(facts.loaded).unwrap_or(usize::MAX),
                    usize::try_from(facts.deployments).unwrap_or(usize::MAX),
                ));
            }
            *self.gauge.lock().unwrap_or_else(PoisonError::into_inner) = self.facts();
            let soon = now + if is_ready { self.duties.period } else { PAUSE };
            let beat = self.duties.beat.map_or(soon, |beat| now + beat);
            let until = next.map_or(poll_at, |next| next.max(now + PAUSE).min(poll_at)).min(soon).min(beat);
            match watch.wait(cx, self.duties.settling, until)? {
                Waited::Changed(hint) => self.stirred(&mut watch, hint)?,
                Waited::Woken => {
                    if self.listen() {
                        poll_at = Instant::now();
                    }
                }
                Waited::Over => {}
            }
            let now_version = self.register.version()?;
            if now_version != version {
                version = now_version;
                self.read_register()?;
            }
        }
    }

    fn is_included(&self, name: &DeploymentName) -> bool {
        self.duties.include.means(&self.household.names(name))
    }

    fn is_eager(&self, name: &DeploymentName) -> bool {
        self.duties.eager.means(&self.household.names(name))
    }

    fn enter(&self, mut entry: RegisterEntry, now: Instant) {
        entry.loaded |= self.is_eager(&entry.name);
        self.board().enter(entry, now);
    }

    /// Puts those on the board that are ours and are not there yet. A directory that is new here is somebody's work.
    fn discover(&self, names: Vec<DeploymentName>, now: Instant) -> Result<()> {
        for name in names {
            if self.board().get(&name).is_some() || !self.is_included(&name) {
                continue;
            }
            let entry = RegisterEntry { loaded: self.duties.commit, ..RegisterEntry::new(name) };
            self.enter(entry, now);
        }
        Ok(())
    }

    /// Asks the hub for all of them.
    fn ask(&self, cx: &Context, now: Instant) -> Result<()> {
        let marks = match self.registry.marks(&self.in_time(cx)) {
            // Who is told to seed makes it.
            Err(error) if error.kind() == ErrorKind::NotFound && self.duties.commit && self.duties.seed => {
                Some(BTreeMap::new())
            }
            Err(error) if error.kind() == ErrorKind::NotFound && self.duties.commit => {
                return Err(error.hint_instead(
                    "mount the hub that belongs there; where there is none yet, start it once with --seed, and what is here is \
                     published",
                ));
            }
            marks => marks?,
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some(marks) = marks else {
            self.board().open();
            return Ok(());
        };
        if marks.is_empty() && self.duties.commit && !self.duties.seed && !self.household.here()?.is_empty() {
            return Err(Error::new(
                ErrorKind::Refused,
                "there is no revision in the hub, and there are directories here: nothing was published",
            )
            .hint("if they are to be what all nodes get, start it once with --seed; if not, see whether it is the right hub"));
        }
        let mut board = self.board();
        board.open();
        if self.duties.commit {
            board.missed(&marks);
        }
        drop(board);
        for (name, mark) in marks {
            if !self.is_included(&name) {
                continue;
            }
            if self.board().get(&name).is_none() {
                self.enter(RegisterEntry::new(name.clone()), now);
            }
            self.board().heard(&name, &mark, now);
        }
        Ok(())
    }

    /// Watches the directories of all of them.
    fn open_eyes(&self, cx: &Context, watch: &mut Watch) {
        let Some(grounds) = self.household.grounds() else { return };
        let opened = Root::open(&grounds).and_then(|root| watch.open_again(cx, root, Ignore::new()));
        if let Err(error) = opened {
            tracing::warn!(%error, "the directories are not watched: each is looked at in every period of checks");
        }
    }

    /// Gives those something to do whose directories have changed.
    fn stirred(&self, watch: &mut Watch, hint: Hint) -> Result<()> {
        let now = Instant::now();
        let part = match hint {
            Hint::Paths(part) => part,
            Hint::Everything(why) => {
                if why.lasts() {
                    watch.close();
                }
                self.discover(self.household.here()?, now)?;
                let mut board = self.board();
                let names: Vec<DeploymentName> = board.tenants().map(|tenant| tenant.entry.name.clone()).collect();
                names.iter().for_each(|name| board.want(name, Job { check: true, ..Job::default() }));
                return Ok(());
            }
        };
        let mut jobs: BTreeMap<DeploymentName, Job> = BTreeMap::new();
        for (path, reach) in part {
            let Some((name, path)) = self.household.owner(&path) else { continue };
            let job = jobs.entry(name).or_default();
            match path {
                Some(path) => job.part.add(path, reach),
                None if reach == Reach::Whole => job.check = true,
                None => {}
            }
        }
        self.discover(jobs.keys().cloned().collect(), now)?;
        let mut board = self.board();
        for (name, job) in jobs {
            let job = if job.check { Job { part: Part::default(), ..job } } else { job };
            board.want(&name, job);
        }
        Ok(())
    }

    /// Takes what was heard. Says whether the hub is to be asked.
    fn listen(&self) -> bool {
        let (heard, now) = (self.ear.take(), Instant::now());
        let mut board = self.board();
        for one in heard.announced {
            board.heard(&one.deployment, &self.registry.mark(one.revision), now);
        }
        heard.connected
    }

    /// Takes what others have written into the register: somebody wants something of one of them.
    fn read_register(&self) -> Result<()> {
        let now = Instant::now();
        for entry in self.register.all()? {
            if !self.is_included(&entry.name) {
                continue;
            }
            let is_new = entry.loaded && self.board().get(&entry.name).is_none_or(|tenant| !tenant.entry.loaded);
            if self.board().get(&entry.name).is_none() {
                self.enter(RegisterEntry { loaded: false, ..entry.clone() }, now);
            }
            self.board().load(&entry.name, &entry);
            if is_new {
                self.tell_all(&entry.name, &EstateEvent::Loaded);
            }
        }
        Ok(())
    }

    /// Opens one, or takes the one that was kept open.
    fn open(&self, cx: &Context, name: &DeploymentName) -> Result<Node> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(one, _)| one == name)
            && let Some((_, node)) = open.remove(at)
        {
            return Ok(node);
        }
        drop(open);
        self.household.open(cx, name)
    }

    /// Keeps one open, and closes the one that was not needed for longest.
    fn keep(&self, name: &DeploymentName, node: Node) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back((name.clone(), node));
        let closed = if open.len() > self.duties.open { open.pop_front() } else { None };
        drop(open);
        drop(closed);
    }

    /// Tells the others what stands in the hub.
    fn announce(&self, node: &Node) {
        let Some(channel) = self.channel.as_ref().filter(|_| self.duties.commit) else { return };
        match node.announcement() {
            Ok(Some(news)) => channel.announce(&news),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the newest revision is not known at the moment"),
        }
    }
}
