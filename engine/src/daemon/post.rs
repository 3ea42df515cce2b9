//! What comes and goes over the channel, and what the hub is told of this node while nothing happens.
//!
//! Of itself a node says what it has when that has changed, when somebody asks, and once in a heartbeat, so that one that
//! is silent can be told from one that has nothing to say. The hub is told so every [`SLOWER`] heartbeats.
//! What others say is put on the list, many at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Daemon;
use crate::channel::{Announcement, Channel, Mail, Mailbox, Report};
use crate::context::Context;
use crate::name::NodeId;
use crate::transport::{NodeReport, Outcome};

/// How many heartbeats pass until the hub is told.
const SLOWER: u32 = 10;
/// How long reports wait for others, to be written down together.
const FILING: Duration = Duration::from_millis(200);

/// See the module.
pub(super) struct Post {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) channel: Option<Arc<dyn Channel>>,
    heartbeat: Duration,
    /// What was announced last.
    announced: Option<Announcement>,
    /// What was said last of this node over the channel, and when it is said again.
    said: Option<NodeReport>,
    say_at: Instant,
    /// When the hub is told again.
    tell_at: Instant,
    /// Reports that are not on the list yet, and when they are put there.
    unfiled: BTreeMap<NodeId, Report>,
    file_at: Instant,
}

impl Post {
    pub(super) fn new(mailbox: Mailbox, heartbeat: Duration, now: Instant) -> Self {
        Self {
            mailbox: Arc::new(mailbox),
            channel: None,
            heartbeat,
            announced: None,
            said: None,
            say_at: now,
            tell_at: now,
            unfiled: BTreeMap::new(),
            file_at: now,
        }
    }

    /// How often the hub is told.
    pub(super) fn beat(&self) -> Duration {
        self.heartbeat * SLOWER
    }

    /// When there is something to do for it.
    pub(super) fn next(&self) -> Instant {
        let spoken = if self.channel.is_some() { self.say_at.min(self.tell_at) } else { self.tell_at };
        if self.unfiled.is_empty() { spoken } else { spoken.min(self.file_at) }
    }

    /// Takes what has come; the reports stay here.
    fn take(&mut self) -> Mail {
        let mut mail = self.mailbox.take();
        self.unfiled.append(&mut mail.reports);
        mail
    }
}

impl Daemon<'_> {
    /// Reads the mail. Says whether it tells of a revision that is not known here.
    pub(super) fn read_mail(&mut self, cx: &Context) -> bool {
        let mail = self.post.take();
        if mail.asked {
            self.speak(cx, true);
        }
        let known = self.known();
        mail.connected || mail.announced.iter().any(|one| self.node.concerns(one) && known.as_ref() != Some(one))
    }

    /// Does what is due: puts reports on the list, and says that this node is alive.
    pub(super) fn attend_to_post(&mut self, cx: &Context) {
        let now = Instant::now();
        if !self.post.unfiled.is_empty() && self.post.file_at <= now {
            self.file_reports(cx);
        }
        self.speak(cx, false);
        if self.post.tell_at <= now {
            let beat = self.post.beat();
            // The first turn tells it anyway.
            if self.is_ready
                && let Err(error) = self.node.report_again(&self.in_time(cx))
            {
                tracing::info!(%error, "the hub was not told that this node is alive");
            }
            self.post.tell_at = now + self.agenda.about(beat);
        }
    }

    fn file_reports(&mut self, cx: &Context) {
        let reports = std::mem::take(&mut self.post.unfiled);
        self.post.file_at = Instant::now() + FILING;
        cx.step("state.file-reports");
        if let Err(error) = self.node.file_reports(cx, reports.values()) {
            // They say so again with the next heartbeat.
            tracing::warn!(%error, count = reports.len(), "what nodes report is not written down");
        }
    }

    /// Says over the channel what this node has, if that is news, or it is time to, or somebody asked.
    pub(super) fn speak(&mut self, cx: &Context, asked: bool) {
        let now = Instant::now();
        let Some(report) = self.own_report() else {
            self.post.say_at = now + self.post.heartbeat;
            return;
        };
        let is_news = self.post.said.as_ref() != Some(&report.report);
        if !asked && !is_news && now < self.post.say_at {
            return;
        }
        self.post.said = Some(report.report.clone());
        self.post.say_at = now + self.agenda.about(self.post.heartbeat);
        self.say(cx, report);
    }

    /// Says that another revision is being applied, to those who are there to hear it.
    pub(super) fn speak_of_updating(&mut self, cx: &Context) {
        let Some(mut report) = self.own_report() else { return };
        (report.report.outcome, report.report.since) = (Outcome::Updating, Some(cx.now()));
        // How it ends is news.
        self.post.said = None;
        self.say(cx, report);
    }

    fn say(&self, cx: &Context, mut report: Report) {
        let Some(channel) = &self.post.channel else { return };
        report.report.time = cx.now();
        // One beat and what chance adds to it.
        report.report.beat_s = Some((self.post.heartbeat * 2).as_secs().max(1));
        channel.report(&report);
    }

    /// What this node says of itself, if there is anybody to hear it.
    fn own_report(&self) -> Option<Report> {
        self.post.channel.as_ref()?;
        self.node.own_report().unwrap_or_else(|error| {
            tracing::warn!(%error, "what this node has is not known at the moment");
            None
        })
    }

    /// What could be announced.
    fn known(&self) -> Option<Announcement> {
        self.node.announcement().unwrap_or_else(|error| {
            tracing::warn!(%error, "the newest revision is not known at the moment");
            None
        })
    }

    /// Tells the others what stands in the hub.
    pub(super) fn announce(&mut self) {
        let Some(channel) = self.post.channel.as_ref().filter(|_| self.duties.commit) else { return };
        let now = self.known();
        if let Some(news) = now.as_ref().filter(|_| now != self.post.announced) {
            channel.announce(news);
        }
        self.post.announced = now;
    }
}
