//! What was announced last, of each deployment. Whoever falls behind is told the newest, and nothing in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use depsync_engine::channel::Announcement;
use depsync_engine::name::{DeploymentName, HubId};
use tokio::sync::watch;

/// The most deployments that are remembered.
const MOST: usize = 1 << 17;

/// Of which deployment of which hub.
type Topic = (String, DeploymentName);

/// See the module. A number with each says what a reader has seen already.
#[derive(Clone, Debug)]
pub(super) struct Board(watch::Sender<Posted>);

#[derive(Clone, Debug, Default)]
pub(super) struct Posted {
    last: u64,
    topics: Arc<BTreeMap<Topic, (u64, Arc<Announcement>)>>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Posted::default()))
    }

    /// Posts an announcement in the place of the last one of its deployment.
    pub(super) fn post(&self, announcement: &Announcement) {
        let topic = topic(announcement.hub, announcement.deployment.clone());
        self.0.send_modify(|posted| {
            posted.last += 1;
            let topics = Arc::make_mut(&mut posted.topics);
            if topics.len() >= MOST && !topics.contains_key(&topic) {
                topics.clear();
            }
            topics.insert(topic, (posted.last, Arc::new(announcement.clone())));
        });
    }

    /// Reads it from now on.
    pub(super) fn reader(&self) -> Reader {
        let mut reader = self.0.subscribe();
        // What stands there already is news to whoever comes.
        reader.mark_changed();
        Reader { reader, seen: 0 }
    }
}

fn topic(hub: HubId, deployment: DeploymentName) -> Topic {
    (hub.to_string(), deployment)
}

/// Somebody who reads the board.
#[derive(Debug)]
pub(super) struct Reader {
    reader: watch::Receiver<Posted>,
    seen: u64,
}

impl Reader {
    /// Waits until there is something new, and gives that; none when there will not be any more.
    pub(super) async fn next(&mut self) -> Option<Vec<Arc<Announcement>>> {
        loop {
            self.reader.changed().await.ok()?;
            let posted = self.reader.borrow_and_update().clone();
            let new = posted.topics.values().filter(|(number, _)| *number > self.seen);
            let new: Vec<_> = new.map(|(_, announcement)| Arc::clone(announcement)).collect();
            self.seen = posted.last;
            if !new.is_empty() {
                return Some(new);
            }
        }
    }
}
