//! Watching: what the kernel says has changed in a directory. Hints for what to look at, and never the truth.
//!
//! Laws:
//! - a path whose entry changed is named, or else it is said that everything has to be looked at, and why ([`Why`]);
//!   nothing is lost without a word. So a scan of the named paths after a hint finds what a whole scan would, as long as
//!   the kernel tells what it should; whoever must be sure scans everything now and then;
//! - a directory that appears is watched, and is to be looked at whole: what came into it before the watch is found by
//!   that look, what comes later is an event. One that moves away takes its watches with it: they are removed, and made
//!   anew where it arrives. What was beneath it is to be looked at, for its name may have been given to another one;
//! - what is ignored is not watched, and not named;
//! - a root that is removed says nothing as long as it is held open: [`Lookout::check`] finds out;
//! - what waits to be told is bounded: beyond [`MOST`] paths it is everything.
//!
//! There is no thread: [`Watch::wait`] blocks until something is settled, the time is over, or a [`Waker`] rings.
//!
//! | file | is |
//! |---|---|
//! | `kernel` | inotify: watches made and removed, events read |
//! | `marks` | which directories have a watch, and under which number |
//! | `hint` | what was told so far |
//! | `lookout` | a watch that remembers what nobody has looked at yet |
//! | `waker` | what ends a wait from another thread |

mod hint;
mod kernel;
mod lookout;
mod marks;
#[cfg(test)]
mod tests;
mod waker;

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub use self::hint::{Hint, MOST, Why};
use self::kernel::Inotify;
pub use self::lookout::{Lookout, Woke};
pub use self::waker::Waker;
use crate::beneath::Root;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::scan::Ignore;

/// When what has changed counts as settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settling {
    /// Nothing has changed for so long.
    pub quiet: Duration,
    /// Or so much time has passed since the first change: something always changes, and is held back by the scan.
    pub at_most: Duration,
}

impl Settling {
    /// Nobody waits.
    pub const AT_ONCE: Self = Self { quiet: Duration::ZERO, at_most: Duration::ZERO };
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something has changed, and has settled.
    Changed(Hint),
    /// A waker rang.
    Woken,
    /// The time is over.
    Over,
}

/// A watched directory.
#[derive(Debug)]
pub struct Watch {
    waker: Waker,
    /// None where nothing is watched.
    inotify: Option<Inotify>,
    hint: Hint,
    /// When the first and the last change came that were not told yet.
    since: Option<(Instant, Instant)>,
}

impl Watch {
    /// Watches `root` and what is beneath it, without what `ignore` hides. What cannot be watched is part of the first
    /// hint.
    ///
    /// # Errors
    /// When there is no watching at all on this system, or the context ends.
    pub fn open(cx: &Context, root: Root, ignore: Ignore) -> Result<Self> {
        let mut watch = Self::blind()?;
        watch.open_again(cx, root, ignore)?;
        Ok(watch)
    }

    /// Watches this instead of what it has watched so far. What was not told yet is forgotten.
    pub fn open_again(&mut self, cx: &Context, root: Root, ignore: Ignore) -> Result<()> {
        self.close();
        let mut told = Hint::default();
        self.inotify = Some(Inotify::open(cx, root, ignore, &mut told)?);
        self.note(told);
        Ok(())
    }

    /// Watches nothing any more.
    pub fn close(&mut self) {
        (self.inotify, self.hint, self.since) = (None, Hint::default(), None);
    }

    /// Watches nothing: waits for time and wakers only.
    pub fn blind() -> Result<Self> {
        Ok(Self { waker: Waker::new()?, inotify: None, hint: Hint::default(), since: None })
    }

    /// What ends a wait from elsewhere.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Device and inode of the directory that is watched, if one is.
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.inotify.as_ref().and_then(Inotify::identity)
    }

    /// How many directories are watched.
    pub fn directories(&self) -> usize {
        self.inotify.as_ref().map_or(0, Inotify::directories)
    }

    /// Waits until something has changed and settled, a waker rings, or it is `until`; what the kernel has told by then is
    /// taken in first. Cancellation is an error.
    pub fn wait(&mut self, cx: &Context, settling: Settling, until: Instant) -> Result<Waited> {
        let waker = self.waker.clone();
        let _rings = cx.cancel().on_cancel(move || waker.ring());
        loop {
            cx.check()?;
            let now = Instant::now();
            let told = self.since.map(|(first, last)| (last + settling.quiet).min(first + settling.at_most));
            if told.is_some_and(|told| told <= now) {
                self.since = None;
                return Ok(Waited::Changed(std::mem::take(&mut self.hint)));
            }
            let end = told.map_or(until, |told| told.min(until));
            let end = cx.deadline().map_or(end, |deadline| end.min(deadline));
            let (rang, stirred) = self.poll(end.saturating_duration_since(now))?;
            if rang && self.waker.take() {
                cx.check()?;
                return Ok(Waited::Woken);
            }
            if stirred && let Some(inotify) = &mut self.inotify {
                let mut told = Hint::default();
                inotify.read(cx, &mut told)?;
                self.note(told);
            } else if until <= now {
                return Ok(Waited::Over);
            }
        }
    }

    /// This was told just now.
    fn note(&mut self, told: Hint) {
        if !told.is_empty() {
            let now = Instant::now();
            self.since = Some((self.since.map_or(now, |(first, _)| first), now));
            self.hint.add_all(told);
        }
    }

    /// Waits for the kernel or a waker.
    fn poll(&self, time: Duration) -> Result<(bool, bool)> {
        // Rounded up: a wait that ends too early is one more round.
        let time = if time.is_zero() { time } else { time + Duration::from_millis(1) };
        let time =
            Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() };
        let mut fds = vec![PollFd::new(&self.waker, PollFlags::IN)];
        fds.extend(self.inotify.as_ref().map(|inotify| PollFd::new(inotify, PollFlags::IN)));
        match poll(&mut fds, Some(&time)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok((false, false)),
            Err(errno) => return Err(Error::io("wait for", "changes", errno)),
        }
        let stirred = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        Ok((!fds[0].revents().is_empty(), stirred))
    }
}
