//! Listening to a server, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depsync_engine::channel::{Announcement, Listener};
use depsync_engine::error::{Error, ErrorKind, Result};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::Client;

use super::server::BEAT;
use super::settings::Token;

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before the next attempt: at first, and at most.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// The most bytes without the end of an event among them. Many short ones may come in one piece.
const MOST: usize = 1 << 20;

/// What it takes to ask a server.
pub(super) fn client(authorities: Vec<reqwest::Certificate>) -> Result<Client> {
    // Who is silent for three beats is gone.
    let mut builder = Client::builder().connect_timeout(PATIENCE).read_timeout(BEAT * 3).tcp_nodelay(true);
    builder = builder.redirect(reqwest::redirect::Policy::none()).tls_certs_merge(authorities);
    builder.build().map_err(|source| Error::new(ErrorKind::Usage, "no client for the channel").because(source))
}

/// Listens to the server at `url` for ever.
pub(super) async fn listen(client: Client, url: String, token: Option<Token>, listener: Arc<dyn Listener>) {
    let mut wait = SHORTEST;
    loop {
        let heard = hear(&client, &url, token.as_ref(), &*listener).await;
        match &heard {
            Ok(()) => wait = SHORTEST,
            Err(error) => tracing::warn!(%error, url, "no channel; the hub is asked in every period"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
    }
}

/// Connects, and hears all that is said. It went well if anything was.
async fn hear(client: &Client, url: &str, token: Option<&Token>, listener: &dyn Listener) -> Result<()> {
    let failed = |source: reqwest::Error| {
        Error::new(ErrorKind::Unreachable, "the channel's server does not answer").at(url).because(source.without_url())
    };
    let mut request = client.get(format!("{}/v1/announcements", url.trim_end_matches('/')));
    if let Some(token) = token {
        request = request.header(reqwest::header::AUTHORIZATION, token.header());
    }
    let response = request.header(reqwest::header::ACCEPT, "text/event-stream").send().await.map_err(failed)?;
    if !response.status().is_success() {
        let what = format!("the channel's server says {}", response.status());
        return Err(Error::new(ErrorKind::Refused, what).at(url));
    }
    listener.connected();
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
            Err(error) => tracing::debug!(%error, url, "something else was said over the channel"),
        }
    }
    Ok(())
}
