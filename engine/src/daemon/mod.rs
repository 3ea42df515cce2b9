//! The daemon: one deployment kept in step, until somebody cancels it.
//!
//! It waits for the first of these: the directory has changed and come to rest, somebody rings, a period is over. Then it
//! takes a turn: what changed here is published (`commit`), what is new in the hub is applied (`checkout`), by the same
//! commands that a person would type. So whatever kills it, the next command goes on from there.
//!
//! Laws:
//! - a turn looks at what has changed only, as long as the directory is watched; everything is looked at as a safety net,
//!   when the daemon starts, and in every period where it cannot be watched;
//! - a turn that fails is made again, later and later, with some chance in it; what is unseen stays unseen. How often it
//!   has failed is written down, so that one who is started again and again does not hurry;
//! - what is announced is a hint that a look at the hub is worth while, and nothing else; after false alarms it is heeded
//!   later and later, at last once in a period;
//! - drift that comes back again and again is somebody's work: it is named, and left to him until the hub has another
//!   revision;
//! - cancelling ends it between two steps of a command: what is there is as before or as after.
//!
//! | file | is |
//! |---|---|
//! | `duties` | what it is to do |
//! | `agenda` | when something is due: pure |
//! | `rewritten` | drift that keeps coming back: pure |
//! | `event` | what it tells |
//! | `post` | what comes and goes over the channel |
//! | `vitals` | how it is, for whoever looks from outside |
//! | `turn` | publishing and updating, once |

mod agenda;
mod duties;
mod event;
mod post;
mod rewritten;
mod turn;
mod vitals;

use std::sync::Arc;
use std::time::Instant;

use self::agenda::Agenda;
pub use self::duties::Duties;
pub use self::event::{Deed, Event};
use self::post::Post;
use self::rewritten::Rewritten;
use self::turn::Open;
pub use self::vitals::{Facts, Vitals, Work};
use crate::channel::{Channel, Mailbox};
use crate::context::Context;
use crate::engine::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::watch::{Lookout, Woke};

/// Keeps one deployment in step. See the module.
pub struct Daemon<'a> {
    node: &'a Node,
    duties: Duties,
    tell: &'a mut (dyn FnMut(&Event) + Send),
    lookout: Lookout,
    agenda: Agenda,
    rewritten: Rewritten,
    post: Post,
    vitals: Vitals,
    /// Whether the last look at the hub found anything new.
    was_behind: bool,
    /// How many turns there were.
    turns: u64,
    /// Whether the first turn is over.
    is_ready: bool,
    /// What was told of the watching, so that it is told once.
    told: Option<Event>,
    /// The same of what publishes and updates leave open.
    open: Open,
    open_here: Open,
}

impl<'a> Daemon<'a> {
    /// A daemon for `node`, which tells what it does. Nothing is done yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is nothing to do for it.
    pub fn new(node: &'a Node, duties: Duties, tell: &'a mut (dyn FnMut(&Event) + Send)) -> Result<Self> {
        duties.check()?;
        let agenda = Agenda::new(&duties, Instant::now(), node.setbacks()?)?;
        let lookout = Lookout::new()?;
        let post =
            Post::new(Mailbox::new(lookout.waker(), node.identity().deployment), duties.heartbeat, Instant::now());
        // And what chance adds to it.
        node.promise(post.beat() + post.beat() / 10);
        Ok(Self {
            node,
            duties,
            tell,
            lookout,
            agenda,
            rewritten: Rewritten::default(),
            post,
            vitals: Vitals::default(),
            was_behind: false,
            turns: 0,
            is_ready: false,
            told: None,
            open: Open::default(),
            open_here: Open::default(),
        })
    }

    /// Where a channel puts what it hears.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.post.mailbox)
    }

    /// How it is, at any time.
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }

    /// The same daemon, which also tells others over `channel`: what is new, and what this node has.
    pub fn with_channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.post.channel = Some(channel);
        self
    }

    /// Works until the context is cancelled.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] and [`ErrorKind::Unsupported`], which no waiting mends. Everything else is told, and tried
    /// again.
    pub fn run(&mut self, cx: &Context) -> Result<()> {
        let ended = self.go_on(cx);
        let is_cancelled = ended.as_ref().err().is_some_and(|error| error.kind() == ErrorKind::Cancelled);
        self.told_of(&Event::Stopped);
        if is_cancelled { Ok(()) } else { ended }
    }

    /// Tells what has happened.
    fn told_of(&mut self, event: &Event) {
        self.vitals.heard(event);
        (self.tell)(event);
    }

    fn go_on(&mut self, cx: &Context) -> Result<()> {
        loop {
            cx.alive();
            let beat = self.duties.beat.and_then(|beat| Instant::now().checked_add(beat));
            let until = self.agenda.next().min(self.post.next());
            let until = beat.map_or(until, |beat| beat.min(until));
            let woke = self.lookout.wait(cx, self.duties.settling, until)?;
            let told = woke == Woke::Rung && self.read_mail(cx);
            self.attend_to_post(cx);
            let now = Instant::now();
            if woke == Woke::Over && now < self.agenda.next() {
                continue;
            }
            let (mut ask, scan) = (self.agenda.is_poll_due(now), self.agenda.is_scan_due(now));
            let told = told && self.agenda.heeds(now);
            match woke {
                // On a worker it can wait until it is looked at anyway.
                Woke::Stirred if !self.duties.commit || self.agenda.waits(now) => continue,
                Woke::Rung => {
                    ask |= told;
                    if !ask && !scan {
                        continue;
                    }
                }
                Woke::Stirred | Woke::Over => {}
            }
            let turned = {
                self.turns += 1;
                let deployment = self.node.identity().deployment;
                let _span = tracing::info_span!("turn", number = self.turns, %deployment, scan, ask, told).entered();
                self.turn(cx, scan, ask, told)
            };
            if told {
                self.agenda.was_alarm(Instant::now(), !self.was_behind);
            }
            match turned {
                Ok(()) => self.went_well(cx, (scan, ask)),
                Err((deed, error)) => self.failed(cx, deed, error)?,
            }
            self.speak(cx, false);
            self.take_vitals(cx);
            self.node.rest();
            if !std::mem::replace(&mut self.is_ready, true) {
                self.told_of(&Event::Ready);
            }
        }
    }

    fn went_well(&mut self, cx: &Context, (scan, ask): (bool, bool)) {
        self.announce();
        if scan
            && self.duties.commit
            && let Err(error) = self.node.collect_reports(cx)
        {
            tracing::info!(%error, "what the nodes have told the hub is not known");
        }
        self.vitals.note(|facts| facts.well_at = Some(cx.now()));
        if self.agenda.went_well(Instant::now(), scan, ask) {
            self.write_setbacks(cx);
            self.told_of(&Event::Recovered);
        }
    }

    /// Writes down how often it has failed. Where the disk is full, one that is started again hurries.
    fn write_setbacks(&self, cx: &Context) {
        cx.step("state.setbacks");
        if let Err(error) = self.node.set_setbacks(self.agenda.failures()) {
            tracing::warn!(%error, "how often it has failed is not written down");
        }
    }

    fn failed(&mut self, cx: &Context, deed: Deed, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::Cancelled => return Err(error),
            ErrorKind::Usage | ErrorKind::Unsupported if self.agenda.is_first() => return Err(error),
            _ => {}
        }
        let again_in = self.agenda.failed(Instant::now(), error.kind());
        self.write_setbacks(cx);
        self.told_of(&Event::failed(deed, &error, self.agenda.failures(), again_in));
        Ok(())
    }
}
