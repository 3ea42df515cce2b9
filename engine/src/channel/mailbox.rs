//! What has come over a channel, until somebody takes it: the last announcement, and whether anything was missed.

use std::sync::{Mutex, PoisonError};

use super::{Announcement, Listener};
use crate::watch::Waker;

/// The mail of one deployment.
#[derive(Debug)]
pub struct Mailbox {
    bell: Waker,
    mail: Mutex<Mail>,
}

/// What has come since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// The last that was announced.
    pub announced: Option<Announcement>,
    /// Whether something may have been missed.
    pub connected: bool,
}

impl Mailbox {
    /// An empty one, which rings `bell` when something comes.
    pub fn new(bell: Waker) -> Self {
        Self { bell, mail: Mutex::default() }
    }

    /// Takes what has come.
    pub fn take(&self) -> Mail {
        std::mem::take(&mut *self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.ring();
    }
}

impl Listener for Mailbox {
    fn announced(&self, announcement: Announcement) {
        self.put(|mail| mail.announced = Some(announcement));
    }

    fn connected(&self) {
        self.put(|mail| mail.connected = true);
    }
}
