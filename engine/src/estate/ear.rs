//! What is heard over a channel for an estate: the last announcement of each deployment, until somebody takes it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::channel::{Announcement, Listener, Report};
use crate::name::DeploymentName;
use crate::watch::Waker;

/// The most deployments whose announcements wait. Of more, the hub is asked.
const MOST: usize = 1 << 16;

/// See the module.
#[derive(Debug)]
pub struct Ear {
    bell: Waker,
    heard: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    announced: BTreeMap<DeploymentName, Announcement>,
    connected: bool,
}

/// What has come since the last time.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) announced: Vec<Announcement>,
    /// Whether something may have been missed.
    pub(super) connected: bool,
}

impl Ear {
    pub(super) fn new(bell: Waker) -> Self {
        Self { bell, heard: Mutex::default() }
    }

    /// Takes what has come.
    pub(super) fn take(&self) -> Heard {
        let waiting = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        Heard { announced: waiting.announced.into_values().collect(), connected: waiting.connected }
    }

    fn put(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.ring();
    }
}

impl Listener for Ear {
    fn announced(&self, announcement: Announcement) {
        self.put(|waiting| {
            if waiting.announced.len() < MOST || waiting.announced.contains_key(&announcement.deployment) {
                waiting.announced.insert(announcement.deployment.clone(), announcement);
            } else {
                waiting.connected = true;
            }
        });
    }

    fn connected(&self) {
        self.put(|waiting| waiting.connected = true);
    }

    // What a node has of ten thousand deployments is read from the hub, one by one, by who wants to know.
    fn asked(&self) {}

    fn reported(&self, _: Report) {}
}
