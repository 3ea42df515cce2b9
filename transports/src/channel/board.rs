//! What was said last, of each thing. Whoever falls behind is told the newest, and nothing in between.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use depsync_engine::channel::{Announcement, Report};
use depsync_engine::name::{DeploymentName, NodeId};
use tokio::sync::watch;

/// The most things that are remembered.
const MOST: usize = 1 << 17;

/// What can stand on a board.
pub(super) trait Item: Clone + Debug {
    /// Of what there is only one.
    type Topic: Clone + Debug + Ord;

    fn topic(&self) -> Self::Topic;
}

impl Item for Announcement {
    /// A deployment of a hub.
    type Topic = (String, DeploymentName);

    fn topic(&self) -> Self::Topic {
        (self.hub.to_string(), self.deployment.clone())
    }
}

impl Item for Report {
    /// A node of a deployment.
    type Topic = (String, DeploymentName, NodeId);

    fn topic(&self) -> Self::Topic {
        (self.hub.to_string(), self.deployment.clone(), self.report.node.clone())
    }
}

/// See the module. A number with each says what a reader has seen already.
#[derive(Clone, Debug)]
pub(super) struct Board<T: Item>(watch::Sender<Posted<T>>);

#[derive(Clone, Debug)]
pub(super) struct Posted<T: Item> {
    last: u64,
    topics: Arc<BTreeMap<T::Topic, Note<T>>>,
}

impl<T: Item> Board<T> {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Posted { last: 0, topics: Arc::default() }))
    }

    /// Posts an item in the place of the last one of its topic.
    pub(super) fn post(&self, item: &T) {
        let topic = item.topic();
        self.0.send_modify(|posted| {
            posted.last += 1;
            let topics = Arc::make_mut(&mut posted.topics);
            if topics.len() >= MOST && !topics.contains_key(&topic) {
                topics.clear();
            }
            topics.insert(topic, Note { number: posted.last, item: Arc::new(item.clone()) });
        });
    }

    /// Reads it from now on.
    pub(super) fn reader(&self) -> Reader<T> {
        let mut reader = self.0.subscribe();
        // What stands there already is news to whoever comes.
        reader.mark_changed();
        Reader { reader, seen: 0 }
    }
}

/// The last of a topic, and the how-manieth on the board it is.
#[derive(Clone, Debug)]
struct Note<T> {
    number: u64,
    item: Arc<T>,
}

/// Somebody who reads the board.
#[derive(Debug)]
pub(super) struct Reader<T: Item> {
    reader: watch::Receiver<Posted<T>>,
    seen: u64,
}

impl<T: Item> Reader<T> {
    /// Waits until there is something new, and gives that; none when there will not be any more.
    pub(super) async fn next(&mut self) -> Option<Vec<Arc<T>>> {
        loop {
            self.reader.changed().await.ok()?;
            let news = self.news();
            if !news.is_empty() {
                return Some(news);
            }
        }
    }

    /// What is new by now.
    pub(super) fn news(&mut self) -> Vec<Arc<T>> {
        let posted = self.reader.borrow_and_update().clone();
        let news = posted.topics.values().filter(|note| note.number > self.seen);
        let news = news.map(|note| Arc::clone(&note.item)).collect();
        self.seen = posted.last;
        news
    }
}
