//! Channels: what is announced arrives, whoever was away, and what is said by strangers changes nothing.
//!
//! | file | is |
//! |---|---|
//! | `conformance` | what every channel must do |
//! | `http` | the one without a broker: tokens, TLS, servers that are down, and servers that lie |

mod conformance;
mod http;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use depsync_engine::channel::{Announcement, Listener};
use depsync_engine::hash::Digest;
use depsync_engine::name::{HubId, Revision};

/// Somebody who writes down what he hears.
#[derive(Default)]
struct Ear {
    heard: Mutex<(Vec<Announcement>, usize)>,
    news: Condvar,
}

impl Ear {
    fn new() -> (Arc<Self>, Arc<dyn Listener>) {
        let ear = Arc::new(Self::default());
        let listener: Arc<dyn Listener> = Arc::<Self>::clone(&ear);
        (ear, listener)
    }

    /// Waits until what was heard is enough, and gives that, and how often a connection came about.
    fn wait_for(&self, what: &str, is_enough: impl Fn(&[Announcement], usize) -> bool) -> (Vec<Announcement>, usize) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut heard = self.heard.lock().expect("no panic");
        while !is_enough(&heard.0, heard.1) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it never came to this: {what}: {heard:?}");
            heard = self.news.wait_timeout(heard, left).expect("no panic").0;
        }
        heard.clone()
    }

    fn wait_for_last(&self, wanted: &Announcement) {
        self.wait_for("the last one", |heard, _| heard.last() == Some(wanted));
    }
}

impl Listener for Ear {
    fn announced(&self, announcement: Announcement) {
        self.heard.lock().expect("no panic").0.push(announcement);
        self.news.notify_all();
    }

    fn connected(&self) {
        self.heard.lock().expect("no panic").1 += 1;
        self.news.notify_all();
    }
}

fn announcement(deployment: &str, number: u64) -> Announcement {
    let hub: HubId = serde_json::from_str("\"000102030405060708090a0b0c0d0e0f\"").expect("an id");
    let record = Digest::of(&number.to_le_bytes());
    Announcement::new(hub, deployment.parse().expect("a name"), Revision { number, record }, record)
}
