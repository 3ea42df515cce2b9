//! The service manager, if one has started us (systemd, `Type=notify`): it is told that we are ready, alive and stopping.
//!
//! Alive means that the work goes on: it is said by the daemon's own thread, whenever it wakes up or gets on with
//! something, and by no thread of its own. One that hangs is started again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::environment::Environment;

/// See the module. One of several parts of the process: it is ready when all of them are, and alive while all of them are.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// How often it wants to hear that we are alive.
    watchdog: Option<Duration>,
    part: usize,
    parts: Arc<Mutex<Parts>>,
}

#[derive(Debug, Default)]
struct Parts {
    parts: Vec<Part>,
    /// When it was told last that we are alive.
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    alive: Instant,
    ready: bool,
}

impl Service {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self::of(environment.watchdog, Arc::default())
    }

    /// The same for another part of the process.
    pub(crate) fn part(&self) -> Self {
        Self::of(self.watchdog, Arc::clone(&self.parts))
    }

    fn of(watchdog: Option<Duration>, parts: Arc<Mutex<Parts>>) -> Self {
        let mut all = parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = all.parts.len();
        all.parts.push(Part { alive: Instant::now(), ready: false });
        drop(all);
        Self { watchdog, part, parts }
    }

    /// How often it has to be said that we are alive: three times as often as it is wanted.
    pub(crate) fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 3)
    }

    /// The first turn is over.
    pub(crate) fn ready(&self) {
        let mut all = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        all.parts[self.part].ready = true;
        if all.parts.iter().all(|part| part.ready) {
            tell(&[NotifyState::Ready]);
        }
    }

    /// What `systemctl status` shows.
    pub(crate) fn says(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// The work goes on. Called often.
    pub(crate) fn alive(&self) {
        let Some(beat) = self.beat() else { return };
        let mut all = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        all.parts[self.part].alive = Instant::now();
        // One that hangs is not made up for by the others.
        let all_are = all.parts.iter().all(|part| part.alive.elapsed() < beat * 2);
        if all_are && all.told.is_none_or(|told| told.elapsed() >= beat / 2) {
            all.told = Some(Instant::now());
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// It ends.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// Where nobody listens, nothing is told.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
