//! File calls that may hang, on a thread of their own.
//!
//! A call on a hard-mounted network file system whose server is gone cannot be interrupted: not by a deadline, not by
//! a signal, only by the death of the process, and some not even by that ([`crate::may_hang`]). So that a deadline or a cancellation can still be kept, every call runs
//! on the one worker thread of its [`Watchdog`], and the caller waits for it, or gives up waiting.
//!
//! Laws:
//! - at most one call is stuck at a time: as long as one hangs, the worker takes no other, and a new caller is told
//!   that the place is unreachable after a short patience, instead of piling up another stuck thread;
//! - a call that was given up before the worker took it never runs;
//! - a call that was given up while it ran may still take effect, later: the answer is lost, not undone. Publishing
//!   knows (it compares the record's bytes).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};

use crate::awaited::Awaited;

/// How long a caller waits behind a call that somebody has given up already.
const PATIENCE: Duration = Duration::from_secs(2);

type Job = Box<dyn FnOnce() + Send>;

/// One worker thread, and the right to give up on it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    jobs: Mutex<Option<Sender<Job>>>,
    /// Up while the worker is in a call that its caller has given up.
    stuck: Arc<AtomicBool>,
    place: String,
}

/// Where a call's answer goes.
type Slot<T> = Awaited<State<T>>;

enum State<T> {
    Queued,
    Running,
    /// The caller has given up: whoever sees it first does not run the call, or drops its answer.
    Abandoned,
    Done(thread::Result<T>),
}

impl Watchdog {
    /// A watchdog over calls on `place`. The thread is started by the first call.
    pub(crate) fn new(place: String) -> Self {
        Self { jobs: Mutex::new(None), stuck: Arc::new(AtomicBool::new(false)), place }
    }

    /// Runs `call` on the worker and waits for it, but not past the context's cancellation or deadline.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        cx: &Context,
        call: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        cx.check()?;
        let slot: Arc<Slot<Result<T>>> = Awaited::new(State::Queued);
        self.submit(job(Arc::clone(&slot), Arc::clone(&self.stuck), call))?;
        let _hook = slot.ring_on_cancel(cx);
        self.wait(cx, &slot)
    }

    fn submit(&self, job: Job) -> Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &mut *jobs {
            Some(sender) => sender,
            none => none.insert(start().map_err(|source| Error::io("start a thread for", &self.place, source))?),
        };
        sender.send(job).map_err(|_| Error::new(ErrorKind::Internal, "the thread for file calls is gone"))
    }

    fn wait<T: Send + 'static>(&self, cx: &Context, slot: &Slot<Result<T>>) -> Result<T> {
        let began = Instant::now();
        let mut state = slot.lock();
        loop {
            match std::mem::replace(&mut *state, State::Abandoned) {
                State::Done(Ok(answer)) => return answer,
                State::Done(Err(panic)) => {
                    drop(state);
                    resume_unwind(panic)
                }
                waiting => {
                    let running = matches!(waiting, State::Running);
                    if let Err(why) = self.give_up(cx, running, began) {
                        if running {
                            self.stuck.store(true, Ordering::SeqCst);
                        }
                        return Err(why);
                    }
                    *state = waiting;
                }
            }
            state = slot.wait(cx, state);
        }
    }

    fn give_up(&self, cx: &Context, running: bool, began: Instant) -> Result<()> {
        let hangs = || format!("{} does not answer; look at the server and the network of this mount", self.place);
        if !running && self.stuck.load(Ordering::SeqCst) && began.elapsed() >= PATIENCE {
            return Err(Error::new(ErrorKind::Unreachable, "an earlier file call still hangs")
                .at(&self.place)
                .hint(hangs()));
        }
        cx.check().map_err(|error| error.at(&self.place).hint(hangs()))
    }
}

fn start() -> std::io::Result<Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new().name("depsync-files".into()).spawn(move || jobs.into_iter().for_each(|job| job()))?;
    Ok(sender)
}

fn job<T: Send + 'static>(
    slot: Arc<Slot<Result<T>>>,
    stuck: Arc<AtomicBool>,
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Job {
    Box::new(move || {
        {
            let mut state = slot.lock();
            if matches!(*state, State::Abandoned) {
                return;
            }
            *state = State::Running;
        }
        // A panic belongs to the caller; the worker goes on.
        let answer = catch_unwind(AssertUnwindSafe(call));
        let mut state = slot.lock();
        if matches!(*state, State::Abandoned) {
            stuck.store(false, Ordering::SeqCst);
        } else {
            *state = State::Done(answer);
            slot.ring();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::context::Cancel;
    use std::sync::atomic::AtomicU32;

    /// A call that hangs until it is let go.
    fn hanging() -> (Sender<()>, impl FnOnce() -> Result<()> + Send + 'static) {
        let (release, held) = mpsc::channel();
        (release, move || {
            let _ = held.recv();
            Ok(())
        })
    }

    #[test]
    fn answers_errors_and_panics_reach_the_caller() {
        let dog = Watchdog::new("place".into());
        let cx = Context::new();
        assert_eq!(dog.run(&cx, || Ok(7)).expect("answer"), 7);
        let error = dog.run::<()>(&cx, || Err(Error::new(ErrorKind::NoSpace, "full"))).expect_err("error");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        let panicked = catch_unwind(AssertUnwindSafe(|| dog.run::<()>(&cx, || panic!("boom"))));
        assert!(panicked.is_err());
        assert_eq!(dog.run(&cx, || Ok(8)).expect("the worker lives"), 8);
    }

    #[test]
    fn a_deadline_is_kept_and_the_next_caller_is_not_stuck_too() {
        let dog = Watchdog::new("place".into());
        let (release, call) = hanging();
        let soon = Context::new().with_deadline(Instant::now() + Duration::from_millis(50));
        let error = dog.run(&soon, call).expect_err("late");
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(error.advice().is_some_and(|hint| hint.contains("place")));
        let ran = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ran);
        let error = dog.run(&Context::new(), move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        assert_eq!(error.expect_err("stuck").kind(), ErrorKind::Unreachable);
        drop(release);
        dog.run(&Context::new(), || Ok(())).expect("works again");
        assert_eq!(ran.load(Ordering::SeqCst), 0, "a call given up before it began must not run");
    }

    #[test]
    fn cancellation_ends_the_wait_at_once_and_before_the_call_nothing_runs() {
        let dog = Watchdog::new("place".into());
        let (release, call) = hanging();
        let cancel = Cancel::default();
        let cx = Context::new().with_cancel(cancel.clone());
        let began = Instant::now();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| dog.run(&cx, call));
            thread::sleep(Duration::from_millis(50));
            cancel.cancel();
            let error = waiting.join().expect("no panic").expect_err("cancelled");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        });
        assert!(began.elapsed() < PATIENCE, "woken by the hook, not by the slice");
        let error = dog.run::<()>(&cx, || panic!("must not run")).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        drop(release);
    }
}
