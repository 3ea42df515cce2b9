//! What does not work, told once until something else does not.
//!
//! The client library tells every attempt, and is not let into the log; so this has a way there of its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use depsync_engine::error::Error;
use tracing::dispatcher::{Dispatch, get_default, with_default};

/// See the module.
#[derive(Debug)]
pub(super) struct Complaints {
    log: Dispatch,
    /// What was told of each server last.
    last: Mutex<BTreeMap<String, String>>,
}

impl Complaints {
    /// For the log of the thread that asks for it.
    pub(super) fn new() -> Self {
        Self { log: get_default(Clone::clone), last: Mutex::default() }
    }

    /// Does this without any log.
    pub(super) fn silently<T>(work: impl FnOnce() -> T) -> T {
        with_default(&Dispatch::none(), work)
    }

    /// Tells what does not work.
    pub(super) fn tell(&self, error: &Error, url: &str) {
        let text = error.to_string();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = last.insert(url.to_owned(), text.clone()) != Some(text);
        with_default(&self.log, || {
            if is_new {
                let hint = error.advice();
                tracing::warn!(%error, hint, url, "no channel as it should be; the hub is asked in every period");
            } else {
                tracing::debug!(%error, url, "still no channel as it should be");
            }
        });
    }

    /// Says that something was passed over.
    pub(super) fn pass_over(&self, error: &Error) {
        with_default(&self.log, || tracing::debug!(%error, "something else was said over the channel"));
    }

    /// It works, as far as can be seen.
    pub(super) fn settled(&self) {
        if !std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner)).is_empty() {
            with_default(&self.log, || tracing::info!("the channel works again"));
        }
    }
}
