//! The service manager, if one has started us (systemd, `Type=notify`): it is told that we are ready, alive and stopping.
//!
//! Alive means that the work goes on: it is said by the daemon's own thread, whenever it wakes up or gets on with
//! something, and by no thread of its own. One that hangs is started again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::environment::Environment;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// How often it wants to hear that we are alive.
    watchdog: Option<Duration>,
    last: Mutex<Option<Instant>>,
}

impl Service {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self { watchdog: environment.watchdog, last: Mutex::default() }
    }

    /// How often it has to be said that we are alive: three times as often as it is wanted.
    pub(crate) fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 3)
    }

    /// The first turn is over.
    pub(crate) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// What `systemctl status` shows.
    pub(crate) fn says(&self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// The work goes on. Called often.
    pub(crate) fn alive(&self) {
        let Some(beat) = self.beat() else { return };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= beat / 2) {
            *last = Some(Instant::now());
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
