//! Listening to a server, and reporting to it, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depsync_engine::channel::{Announcement, Listener, Report};
use depsync_engine::error::{Error, ErrorKind, Result};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::{Client, RequestBuilder, Response};

use super::board::{Item as _, Reader};
use super::pause::Pause;
use super::server::BEAT;
use super::settings::Token;

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes without the end of an event among them. Many short ones may come in one piece.
const MOST: usize = 1 << 20;

/// What it takes to ask a server.
pub(crate) fn client(authorities: Vec<reqwest::Certificate>) -> Result<Client> {
    // Who is silent for three beats is gone.
    let mut builder = Client::builder().connect_timeout(PATIENCE).read_timeout(BEAT * 3).tcp_nodelay(true);
    builder = builder.redirect(reqwest::redirect::Policy::none()).tls_certs_merge(authorities);
    builder.build().map_err(|source| Error::new(ErrorKind::Usage, "no client for the channel").because(source))
}

/// A server, as it is spoken to.
#[derive(Clone)]
pub(super) struct Server {
    client: Client,
    /// Without a slash at its end.
    url: String,
    token: Option<Token>,
}

impl Server {
    pub(super) fn new(client: Client, url: &str, token: Option<Token>) -> Self {
        Self { client, url: url.trim_end_matches('/').to_owned(), token }
    }

    /// Listens for ever.
    pub(super) async fn listen(self, listener: Arc<dyn Listener>) {
        let mut pause = Pause::new();
        loop {
            match self.hear(&*listener).await {
                Ok(()) => pause.reset(),
                Err(error) => {
                    tracing::warn!(%error, url = self.url, "no channel; the hub is asked in every period");
                }
            }
            tokio::time::sleep(pause.draw()).await;
        }
    }

    /// Says all that is to be said, for ever. What is not heard is said again, until there is something newer.
    pub(super) async fn report(self, mut reader: Reader<Report>) {
        let mut unsaid = BTreeMap::new();
        let mut pause = Pause::new();
        loop {
            let news = if unsaid.is_empty() { reader.next().await } else { Some(reader.news()) };
            let Some(news) = news else { return };
            unsaid.extend(news.into_iter().map(|report| (report.topic(), report)));
            let Some((topic, report)) = unsaid.pop_first() else { continue };
            match self.say(&report).await {
                Ok(()) => pause.reset(),
                Err(error) if error.kind() == ErrorKind::Unreachable => {
                    tracing::warn!(%error, url = self.url, "a report was not heard");
                    unsaid.insert(topic, report);
                    tokio::time::sleep(pause.draw()).await;
                }
                Err(error) => tracing::warn!(%error, url = self.url, "a report was not taken"),
            }
        }
    }

    async fn say(&self, report: &Report) -> Result<()> {
        let request = self.client.post(format!("{}/v1/reports", self.url)).body(report.to_text()?);
        self.send(request.header(reqwest::header::CONTENT_TYPE, "application/json").timeout(BEAT)).await.map(drop)
    }

    /// Connects, and hears all that is said. It went well if anything was.
    async fn hear(&self, listener: &dyn Listener) -> Result<()> {
        let request = self.client.get(format!("{}/v1/announcements", self.url));
        let response = self.send(request.header(reqwest::header::ACCEPT, "text/event-stream")).await?;
        listener.connected();
        // It may have been started a moment ago, and know of nobody.
        listener.asked();
        // An event that has no end would be kept as long as it comes.
        let unread = AtomicUsize::new(0);
        let bounded = response.bytes_stream().take_while(|bytes| {
            let length = bytes.as_ref().map_or(0, axum::body::Bytes::len);
            std::future::ready(unread.fetch_add(length, Ordering::Relaxed) + length <= MOST)
        });
        let mut events = std::pin::pin!(bounded.eventsource());
        while let Some(Ok(event)) = events.next().await {
            unread.store(0, Ordering::Relaxed);
            match Announcement::parse(&event.data) {
                Ok(announcement) => listener.announced(announcement),
                Err(error) => tracing::debug!(%error, url = self.url, "something else was said over the channel"),
            }
        }
        Ok(())
    }

    /// Sends a request with the token. What is no success is an error.
    async fn send(&self, mut request: RequestBuilder) -> Result<Response> {
        if let Some(token) = &self.token {
            request = request.header(reqwest::header::AUTHORIZATION, token.header());
        }
        let response = request.send().await.map_err(|source| {
            Error::new(ErrorKind::Unreachable, "the channel's server does not answer")
                .at(&self.url)
                .because(source.without_url())
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let kind = if status.is_server_error() { ErrorKind::Unreachable } else { ErrorKind::Refused };
        Err(Error::new(kind, format!("the channel's server says {status}")).at(&self.url))
    }
}
