//! What every call of the engine carries: cancellation, a deadline, a clock and an observer.
//!
//! The engine is blocking and owns no runtime, so a caller stops it from outside: [`Cancel::cancel`] raises a flag
//! that long work looks at between steps ([`Context::check`]) and runs the *kill hooks* of whatever blocks at that
//! moment (a child process, a stuck file call). A call that finds the context cancelled at its start does nothing.
//!
//! [`Context::step`] names a point between two durable writes. Embedders may ignore it; the crash tests kill the
//! process there, at every step, one after the other.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::error::{Error, ErrorKind, Result};

/// A part of the work, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Walking and hashing the directory. Unit: entries.
    Scan,
    /// Cutting and uploading what is new. Unit: content bytes.
    Upload,
    /// Fetching and rebuilding files in staging. Unit: content bytes.
    Stage,
    /// Renaming into place. Unit: paths.
    Commit,
}

/// How far a phase has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// How much is done, in the phase's unit.
    pub done: u64,
    /// How much there is, where that is known.
    pub total: Option<u64>,
}

/// How far a push to one node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivering {
    /// It is going to be pushed to.
    Waiting,
    /// Connecting, and seeing who is there.
    Arriving,
    /// Looking at what is there.
    Looking,
    /// So many files are on their way.
    Sending(u64),
    /// So many paths are being changed.
    Applying(u64),
    /// It has what it should.
    Done,
    /// It has not.
    Failed,
}

/// Somebody who watches: a progress bar, a metric, a test.
pub trait Observer: Send + Sync {
    /// A push to `node` has come further.
    fn delivering(&self, _node: &str, _how_far: Delivering) {}

    /// Whoever waits for something for long still does so, and is well.
    fn alive(&self) {}

    /// A phase has come further. Called often: be quick.
    fn progress(&self, _progress: Progress) {}

    /// The next durable step is about to be taken.
    fn step(&self, _name: &'static str) {}
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Where the time comes from. Tests set it; everything that is recorded asks it.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Waits until the wall clock has moved on by `duration`.
    fn sleep(&self, duration: Duration);
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A cancellation token: clones share one flag.
#[derive(Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    raised: AtomicBool,
    next: AtomicU64,
    hooks: Mutex<Vec<(u64, Hook)>>,
}

impl Cancel {
    /// Raises the flag and runs the kill hooks. Doing so twice is the same as once.
    pub fn cancel(&self) {
        if !self.0.raised.swap(true, Ordering::SeqCst) {
            for (_, hook) in self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                hook();
            }
        }
    }

    /// Whether the flag is up.
    pub fn is_cancelled(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Runs `hook` on cancellation, until the returned guard is dropped. If the flag is up already it runs at once.
    #[must_use = "the hook is removed when the guard is dropped"]
    pub fn on_cancel(&self, hook: impl Fn() + Send + Sync + 'static) -> HookGuard {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            drop(hooks);
            hook();
        } else {
            hooks.push((id, Box::new(hook)));
        }
        HookGuard { cancel: self.clone(), id }
    }
}

/// Keeps a kill hook registered while it lives.
pub struct HookGuard {
    cancel: Cancel,
    id: u64,
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        let mut hooks = self.cancel.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.retain(|(id, _)| *id != self.id);
    }
}

/// What a call carries. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    cancel: Cancel,
    deadline: Option<Instant>,
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
}

impl Default for Context {
    fn default() -> Self {
        Self { cancel: Cancel::default(), deadline: None, observer: Arc::new(Unobserved), clock: Arc::new(SystemClock) }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cancelled", &self.cancel.is_cancelled())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// A context without deadline, watched by nobody, on the system's clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same context under another cancellation token.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same context with a deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same context, watched by `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The same context on another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The cancellation token.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The deadline, if there is one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Time left before the deadline; `None` without one.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Fails when the context was cancelled or its deadline has passed. Long work calls it between steps.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "interrupted"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::new(ErrorKind::DeadlineExceeded, "the deadline passed"));
        }
        Ok(())
    }

    /// Announces the durable step that is about to be taken.
    pub fn step(&self, name: &'static str) {
        self.observer.step(name);
    }

    /// Says that the work goes on.
    pub fn alive(&self) {
        self.observer.alive();
    }

    /// Reports progress.
    pub fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        self.observer.progress(Progress { phase, done, total });
    }

    /// Reports how far a push to `node` has come.
    pub fn delivering(&self, node: &str, how_far: Delivering) {
        self.observer.delivering(node, how_far);
    }

    /// The wall clock's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits, but not past cancellation or the deadline.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        const SLICE: Duration = Duration::from_millis(50);
        let mut left = duration;
        while !left.is_zero() {
            self.check()?;
            let slice = left.min(SLICE).min(self.time_left().unwrap_or(SLICE));
            self.clock.sleep(slice);
            left = left.saturating_sub(slice.max(Duration::from_millis(1)));
        }
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_context_fails_its_check_and_runs_hooks_once() {
        let cx = Context::new();
        let ran = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&ran);
        let _guard = cx.cancel().on_cancel(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let unused = Arc::clone(&ran);
        drop(cx.cancel().on_cancel(move || {
            unused.fetch_add(100, Ordering::SeqCst);
        }));
        assert!(cx.check().is_ok());
        cx.cancel().cancel();
        cx.cancel().cancel();
        assert_eq!(cx.check().expect_err("cancelled").kind(), ErrorKind::Cancelled);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_passed_deadline_fails_the_check_and_ends_a_sleep() {
        let cx = Context::new().with_deadline(Instant::now());
        assert_eq!(cx.check().expect_err("late").kind(), ErrorKind::DeadlineExceeded);
        assert!(cx.sleep(Duration::from_secs(3600)).is_err());
    }
}
