//! What is said over a connection. It counts as said when the server has answered behind it.

use std::time::Duration;

use async_nats::Client;
use async_nats::client::{PublishErrorKind, RequestErrorKind};
use depsync_engine::error::{Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::pause::within;
use super::session::{Signs, lost};
use super::{Link, subject};

/// How often the server has to show that it is there.
const BEAT: Duration = Duration::from_secs(15);
/// How long all nodes together take to answer who asks: ten thousand of them, five in a millisecond.
pub(super) const SPREAD: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Voice<'a> {
    pub(super) link: &'a Link,
    pub(super) url: &'a str,
    pub(super) client: Client,
}

impl Voice<'_> {
    /// Says the newest announcements, for ever.
    pub(super) async fn announce(&self) -> Result<()> {
        let mut reader = self.link.announcements.reader();
        while let Some(news) = reader.next().await {
            for one in news {
                self.say(subject::announced(&one), one.to_text()?).await?;
            }
            self.be_answered().await?;
        }
        Ok(())
    }

    /// Says the newest reports, for ever, and all of them again some time after somebody has asked.
    pub(super) async fn report(&self, mut asked: watch::Receiver<()>) -> Result<()> {
        let mut reader = self.link.reports.reader();
        loop {
            tokio::select! {
                biased;
                _ = asked.changed() => {
                    // What is reported meanwhile is in the answer, and so is whatever else is asked.
                    sleep(within(SPREAD)).await;
                    asked.mark_unchanged();
                    reader = self.link.reports.reader();
                }
                news = reader.next() => {
                    let Some(news) = news else { return Ok(()) };
                    for one in news {
                        self.say(subject::reported(&one), one.to_text()?).await?;
                    }
                    self.be_answered().await?;
                }
            }
        }
    }

    /// Who keeps the list asks, and asks again when something was dropped. Nobody has heard all then: whatever it was may
    /// have been news.
    pub(super) async fn ask(&self, mut signs: watch::Receiver<Signs>) -> Result<()> {
        loop {
            let dropped = signs.borrow().dropped;
            if self.link.keeps {
                for deployment in self.link.scope.each() {
                    let hub = self.link.scope.hub(deployment).map_or_else(String::new, |hub| hub.to_string());
                    self.say(subject::ask(deployment), hub).await?;
                }
                self.be_answered().await?;
            }
            let more = signs.wait_for(|signs| signs.dropped > dropped).await.map(drop);
            more.map_err(|source| lost(self.url).because(source))?;
            // The burst may last.
            sleep(SPREAD).await;
            self.link.listener.connected();
        }
    }

    /// Makes sure that the server is there, for ever.
    pub(super) async fn beat(&self) -> Result<()> {
        loop {
            sleep(BEAT).await;
            self.be_answered().await?;
        }
    }

    async fn say(&self, subject: String, text: String) -> Result<()> {
        match self.client.publish(subject, text.into()).await {
            Ok(()) => Ok(()),
            // Nothing that is tried again would be shorter.
            Err(source) if source.kind() == PublishErrorKind::MaxPayloadExceeded => {
                let error = Error::new(ErrorKind::Refused, "the channel's server takes no messages of that length");
                let hint = "its `max_payload` has to be 128 KiB or more";
                self.link.complaints.tell(&error.at(self.url).because(source).hint(hint), self.url);
                Ok(())
            }
            Err(source) => Err(lost(self.url).because(source)),
        }
    }

    /// Waits until the server has taken all that was said before, subscriptions too: it answers in order, and that nobody
    /// listens in a place where nobody does.
    pub(super) async fn be_answered(&self) -> Result<()> {
        match self.client.request(self.client.new_inbox(), "".into()).await {
            Err(source) if source.kind() != RequestErrorKind::NoResponders => {
                let error = Error::new(ErrorKind::Unreachable, "the channel's server does not answer");
                let hint =
                    "where users have permissions, all need those for `depsync.inbox.>`, to publish and to subscribe";
                Err(error.at(self.url).because(source).hint(hint))
            }
            _ => Ok(()),
        }
    }
}
