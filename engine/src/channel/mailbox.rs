//! What has come over a channel for one deployment, until somebody takes it: the last announcement of each hub, the last
//! report of each node, and whether anything was missed or asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Announcement, Listener, Report};
use crate::name::{DeploymentName, NodeId};
use crate::watch::Waker;

/// The most nodes whose reports wait. Of more, those that come first are kept: the others say so again.
const MOST: usize = 1 << 15;

/// The most hubs that have a deployment of this name.
const MOST_HUBS: usize = 64;

/// The mail of one deployment. What concerns another one is not kept.
#[derive(Debug)]
pub struct Mailbox {
    bell: Waker,
    deployment: DeploymentName,
    mail: Mutex<Mail>,
}

/// What has come since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// The last that was announced, of each hub.
    pub announced: Vec<Announcement>,
    /// Whether something may have been missed.
    pub connected: bool,
    /// Whether somebody wants to know what this node has.
    pub asked: bool,
    /// The last report of each node.
    pub reports: BTreeMap<NodeId, Report>,
}

impl Mailbox {
    /// An empty one, which rings `bell` when something comes.
    pub fn new(bell: Waker, deployment: DeploymentName) -> Self {
        Self { bell, deployment, mail: Mutex::default() }
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
        if announcement.deployment != self.deployment {
            return;
        }
        self.put(|mail| {
            if let Some(last) = mail.announced.iter_mut().find(|one| one.hub == announcement.hub) {
                *last = announcement;
            } else if mail.announced.len() < MOST_HUBS {
                mail.announced.push(announcement);
            }
        });
    }

    fn connected(&self) {
        self.put(|mail| mail.connected = true);
    }

    fn asked(&self) {
        self.put(|mail| mail.asked = true);
    }

    fn reported(&self, report: Report) {
        if report.deployment != self.deployment {
            return;
        }
        self.put(|mail| {
            let node = report.report.node.clone();
            if mail.reports.len() < MOST || mail.reports.contains_key(&node) {
                mail.reports.insert(node, report);
            }
        });
    }
}

/// The mailboxes of several deployments: what comes is put into all of them, and each keeps what concerns it.
impl Listener for Vec<Arc<Mailbox>> {
    fn announced(&self, announcement: Announcement) {
        self.iter().for_each(|mailbox| mailbox.announced(announcement.clone()));
    }

    fn connected(&self) {
        self.iter().for_each(|mailbox| mailbox.connected());
    }

    fn asked(&self) {
        self.iter().for_each(|mailbox| mailbox.asked());
    }

    fn reported(&self, report: Report) {
        self.iter().for_each(|mailbox| mailbox.reported(report.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;
    use crate::name::{HubId, Revision};
    use crate::watch::Lookout;

    #[test]
    fn each_deployment_keeps_its_own_mail() {
        let bell = || Lookout::new().expect("a lookout").waker();
        let name = |name: &str| name.parse::<DeploymentName>().expect("a name");
        let hub = |byte: &str| serde_json::from_str::<HubId>(&format!("\"{}\"", byte.repeat(16))).expect("an id");
        let boxes: Vec<_> = ["shop", "blog"].map(|one| Arc::new(Mailbox::new(bell(), name(one)))).to_vec();
        let say = |hub: HubId, deployment: &str, number: u64| {
            let revision = Revision { number, record: Digest::of(b"record") };
            let one = Announcement::new(hub, name(deployment), revision, Digest::of(b"root"));
            boxes.announced(one.clone());
            one
        };
        say(hub("0a"), "shop", 1);
        let shop = say(hub("0a"), "shop", 2);
        let blog = say(hub("0a"), "blog", 9);
        say(hub("0a"), "wiki", 9);
        let elsewhere = say(hub("0b"), "shop", 7);
        assert_eq!(boxes[0].take().announced, [shop, elsewhere]);
        assert_eq!(boxes[1].take().announced, [blog]);
        assert_eq!(boxes[0].take(), Mail::default());
        boxes.connected();
        assert!(boxes.iter().all(|mailbox| mailbox.take().connected));
    }
}
