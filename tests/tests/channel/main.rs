//! Channels: what is announced arrives, whoever was away, and what is said by strangers changes nothing.
//!
//! | file | is |
//! |---|---|
//! | `conformance` | what every channel must do |
//! | `http` | the one without a broker: tokens, TLS, servers that are down, and servers that lie |
//! | `nats` | the one over a real NATS server |

mod conformance;
mod http;
mod nats;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use depsync_engine::channel::{Announcement, Listener, Report};
use depsync_engine::hash::Digest;
use depsync_engine::name::{HubId, Revision};

/// What somebody has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    announced: Vec<Announcement>,
    connected: usize,
    asked: usize,
    reports: Vec<Report>,
}

/// Somebody who writes down what he hears.
#[derive(Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Condvar,
}

impl Ear {
    fn new() -> (Arc<Self>, Arc<dyn Listener>) {
        let ear = Arc::new(Self::default());
        let listener: Arc<dyn Listener> = Arc::<Self>::clone(&ear);
        (ear, listener)
    }

    /// Waits until what was heard is enough, and gives that.
    fn wait_for(&self, what: &str, is_enough: impl Fn(&Heard) -> bool) -> Heard {
        let until = Instant::now() + Duration::from_secs(30);
        let mut heard = self.heard.lock().expect("no panic");
        while !is_enough(&heard) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it never came to this: {what}: {heard:?}");
            heard = self.news.wait_timeout(heard, left).expect("no panic").0;
        }
        heard.clone()
    }

    fn wait_for_last(&self, wanted: &Announcement) {
        self.wait_for("the last one", |heard| heard.announced.last() == Some(wanted));
    }

    /// What was heard so far.
    fn heard(&self) -> Heard {
        self.heard.lock().expect("no panic").clone()
    }

    fn put(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().expect("no panic"));
        self.news.notify_all();
    }
}

impl Listener for Ear {
    fn announced(&self, announcement: Announcement) {
        self.put(|heard| heard.announced.push(announcement));
    }

    fn connected(&self) {
        self.put(|heard| heard.connected += 1);
    }

    fn asked(&self) {
        self.put(|heard| heard.asked += 1);
    }

    fn reported(&self, report: Report) {
        self.put(|heard| heard.reports.push(report));
    }
}

fn hub() -> HubId {
    serde_json::from_str("\"000102030405060708090a0b0c0d0e0f\"").expect("an id")
}

fn announcement(deployment: &str, number: u64) -> Announcement {
    let record = Digest::of(&number.to_le_bytes());
    Announcement::new(hub(), deployment.parse().expect("a name"), Revision { number, record }, record)
}

fn report(node: &str, number: u64) -> Report {
    let applied = Revision { number, record: Digest::of(&number.to_le_bytes()) };
    Report::new(hub(), "main".parse().expect("a name"), depsync_tests::node::report(node, Some(applied)))
}
