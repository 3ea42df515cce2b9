//! What has come over a channel, until somebody takes it: the last announcement, the last report of each node, and whether
//! anything was missed or asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Announcement, Listener, Report};
use crate::name::NodeId;
use crate::watch::Waker;

/// The most nodes whose reports wait. Of more, those that come first are kept: the others say so again.
const MOST: usize = 1 << 15;

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
    /// Whether somebody wants to know what this node has.
    pub asked: bool,
    /// The last report of each node.
    pub reports: BTreeMap<NodeId, Report>,
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

    fn asked(&self) {
        self.put(|mail| mail.asked = true);
    }

    fn reported(&self, report: Report) {
        self.put(|mail| {
            let node = report.report.node.clone();
            if mail.reports.len() < MOST || mail.reports.contains_key(&node) {
                mail.reports.insert(node, report);
            }
        });
    }
}
