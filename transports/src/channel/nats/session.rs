//! A connection: what is heard, what is said, and how its end is noticed.
//!
//! Nothing waits without bound: for what is said there is a place on the board; of what is heard so much waits that a burst
//! fits, and when more comes it is dropped, the node looks at the hub, and who keeps the list asks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{ConnectErrorKind, ConnectOptions, Event, Message, ServerAddr, Subscriber};
use depsync_engine::channel::{Announcement, Report};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::HubId;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;

use super::voice::Voice;
use super::{Link, subject};

/// How long a connection may take to come about, and an answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many messages of a kind wait. The library reads at most 128 buffers before it lets others work; of those that a
/// report fills, that is half as many.
const WAITING: usize = 4096;
const BUFFER: u16 = 8 << 10;

/// See the module.
pub(super) struct Session<'a> {
    voice: Voice<'a>,
    signs: watch::Receiver<Signs>,
    announcements: Vec<Subscriber>,
    asks: Vec<Subscriber>,
    /// None, if this node keeps no list.
    reports: Vec<Subscriber>,
}

/// What the library has noticed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    is_lost: bool,
    /// How much was dropped.
    pub(super) dropped: u64,
}

impl Link {
    /// Connects. What is said from now on is heard.
    pub(super) async fn enter<'a>(&'a self, server: &'a ServerAddr) -> Result<Session<'a>> {
        let url = server.as_url_str();
        let (told, signs) = watch::channel(Signs::default());
        let client = self.options(told, url).connect(server).await.map_err(|source| {
            let error = match source.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    Error::new(ErrorKind::Refused, "the channel's server does not let this node in")
                        .hint("its token, or user and password, have to be the ones in the server's configuration")
                }
                _ => Error::new(ErrorKind::Unreachable, "the channel's server cannot be reached"),
            };
            error.at(url).because(source)
        })?;
        let subscribe =
            async |subject: String| client.subscribe(subject).await.map_err(|source| lost(url).because(source));
        let (mut announcements, mut asks, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        asks.push(subscribe(subject::ask(None)).await?);
        for deployment in self.scope.each() {
            announcements.push(subscribe(subject::announcements(deployment)).await?);
            asks.push(subscribe(subject::asks(deployment)).await?);
            if self.keeps {
                reports.push(subscribe(subject::reports(deployment)).await?);
            }
        }
        let voice = Voice { link: self, url, client };
        voice.be_answered().await?;
        Ok(Session { voice, signs, announcements, asks, reports })
    }

    fn options(&self, told: watch::Sender<Signs>, url: &str) -> ConnectOptions {
        let (complaints, place) = (Arc::clone(&self.complaints), url.to_owned());
        let was_tried = AtomicBool::new(false);
        let mut options = ConnectOptions::new()
            .name("depsync")
            .no_echo()
            .ignore_discovered_servers()
            .custom_inbox_prefix(subject::INBOX)
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .subscription_capacity(WAITING)
            .read_buffer_capacity(BUFFER)
            // Where the library would connect again the session ends, and its runtime with it.
            .reconnect_delay_callback(move |_| match was_tried.swap(true, Ordering::Relaxed) {
                true => PATIENCE,
                false => Duration::ZERO,
            })
            .event_callback(move |event| {
                match event {
                    Event::Disconnected | Event::Closed => told.send_modify(|signs| signs.is_lost = true),
                    Event::SlowConsumer(_) => told.send_modify(|signs| signs.dropped += 1),
                    Event::ServerError(error) => {
                        let error = Error::new(ErrorKind::Refused, format!("the channel's server says {error}"));
                        complaints.tell(&error.at(&place), &place);
                    }
                    _ => {}
                }
                std::future::ready(())
            });
        if let Some(token) = &self.token {
            options = match &self.user {
                Some(user) => options.user_and_password(user.clone(), token.secret().to_owned()),
                None => options.token(token.secret().to_owned()),
            };
        }
        match &self.authorities {
            Some(path) => options.add_root_certificates(path.clone()),
            None => options,
        }
    }
}

impl Session<'_> {
    /// Hears and says all there is, until the connection has ended; and why it has.
    pub(super) async fn stay(self) -> Error {
        let Self { voice, mut signs, announcements, asks, reports } = self;
        let link = voice.link;
        let (ask, asked) = watch::channel(());
        // Who asked before was not heard.
        link.listener.asked();
        link.listener.connected();
        if link.was_connected.swap(true, Ordering::Relaxed) {
            // All others may have come back with this node: it answers as they do.
            ask.send_replace(());
        }
        let dropped = signs.clone();
        let ended = tokio::select! {
            _ = signs.wait_for(|signs| signs.is_lost) => Ok(()),
            () = hear(stream::select_all(announcements), |message| link.hear_announcement(message)) => Ok(()),
            () = hear(stream::select_all(asks), |message| link.hear_question(message, &ask)) => Ok(()),
            () = hear(stream::select_all(reports).chain(stream::pending()), |message| link.hear_report(message)) => Ok(()),
            ended = voice.announce() => ended,
            ended = voice.report(asked) => ended,
            ended = voice.ask(dropped) => ended,
            ended = voice.beat() => ended,
        };
        ended.err().unwrap_or_else(|| lost(voice.url))
    }
}

async fn hear(mut messages: impl Stream<Item = Message> + Unpin, mut heard: impl FnMut(&Message)) {
    while let Some(message) = messages.next().await {
        heard(&message);
    }
}

impl Link {
    fn hear_announcement(&self, message: &Message) {
        let read = std::str::from_utf8(&message.payload).map_err(|source| damaged(message).because(source));
        match read.and_then(Announcement::parse) {
            Ok(one) if subject::announced(&one) != message.subject.as_str() => {
                self.complaints.pass_over(&damaged(message));
            }
            Ok(one) if self.scope.holds(one.hub, &one.deployment) => self.listener.announced(one),
            Ok(_) => {}
            Err(error) => self.complaints.pass_over(&error),
        }
    }

    fn hear_report(&self, message: &Message) {
        match Report::parse(&message.payload) {
            Ok(one) if subject::reported(&one) != message.subject.as_str() => {
                self.complaints.pass_over(&damaged(message));
            }
            Ok(one) if self.scope.holds(one.hub, &one.deployment) => self.listener.reported(one),
            Ok(_) => {}
            Err(error) => self.complaints.pass_over(&error),
        }
    }

    /// A question names the hub, if who asks knows it.
    fn hear_question(&self, message: &Message, ask: &watch::Sender<()>) {
        let hub: Option<HubId> = std::str::from_utf8(&message.payload).ok().and_then(|text| text.parse().ok());
        if hub.is_none_or(|hub| self.scope.may_be_ours(hub)) {
            self.listener.asked();
            ask.send_replace(());
        }
    }
}

fn damaged(message: &Message) -> Error {
    Error::new(ErrorKind::Damaged, "a message that is not what its subject says").at(message.subject.escape_debug())
}

pub(super) fn lost(url: &str) -> Error {
    Error::new(ErrorKind::Unreachable, "the connection to the channel's server is lost").at(url)
}
