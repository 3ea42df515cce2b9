//! Channels: how nodes hear of a new revision at once, and managers of what each node has. The seam is [`depsync_engine::channel`].
//!
//! | file | is |
//! |---|---|
//! | `settings` | who serves, who listens where, and what proves that one may |
//! | `http` | a channel without a broker: one that serves, others that listen to its server-sent events |
//! | `board` | what was announced last, of each deployment, and what each node has said last |
//! | `server` | `GET /v1/announcements`, `POST /v1/reports` |
//! | `client` | listening, and reporting, again and again |
//! | `door` | where something is served: a thread, a socket, TLS |
//! | `status` | `GET /metrics`, `GET /healthz` of a process that runs |
//! | `pause` | how long to wait before the next attempt |
//! | `nats` | a channel over NATS; only with the feature `nats` |

mod board;
mod client;
mod door;
mod http;
#[cfg(feature = "nats")]
mod nats;
mod pause;
mod server;
mod settings;
mod status;

use std::sync::Arc;

use depsync_engine::channel::{Channel, Listener};
use depsync_engine::error::Result;
#[cfg(any(test, not(feature = "nats")))]
use depsync_engine::error::{Error, ErrorKind};

pub(crate) use client::client;
pub use http::HttpChannel;
pub(crate) use http::authorities;
#[cfg(feature = "nats")]
pub use nats::NatsChannel;
use settings::Carrier;
pub use settings::{ChannelSettings, Token};
pub(crate) use settings::{is_of_nats, unseen};
pub use status::{Status, StatusServer};

/// Starts the channel that `settings` name by their addresses.
///
/// # Errors
/// When the settings make no sense, or it cannot serve.
pub fn start(settings: &ChannelSettings, listener: &Arc<dyn Listener>) -> Result<Arc<dyn Channel>> {
    match settings.carrier()? {
        Carrier::Http => Ok(Arc::new(HttpChannel::start(settings, listener)?)),
        Carrier::Nats => start_nats(settings, listener),
    }
}

#[cfg(feature = "nats")]
fn start_nats(settings: &ChannelSettings, listener: &Arc<dyn Listener>) -> Result<Arc<dyn Channel>> {
    Ok(Arc::new(NatsChannel::start(settings, listener)?))
}

#[cfg(not(feature = "nats"))]
fn start_nats(settings: &ChannelSettings, _: &Arc<dyn Listener>) -> Result<Arc<dyn Channel>> {
    settings.check_for(Carrier::Nats)?;
    Err(not_built_in(settings))
}

#[cfg(any(test, not(feature = "nats")))]
fn not_built_in(settings: &ChannelSettings) -> Error {
    Error::new(ErrorKind::Unsupported, "this program was built without NATS")
        .at(settings.listen.first().map_or("", String::as_str))
        .hint("build it with `--features nats`, or name a manager who serves: https://HOST:PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_in_is_named() {
        let settings = ChannelSettings { listen: vec!["nats://127.0.0.1:4222".into()], ..Default::default() };
        let error = not_built_in(&settings);
        assert_eq!((error.kind(), error.place()), (ErrorKind::Unsupported, Some("nats://127.0.0.1:4222")));
        assert!(error.advice().is_some_and(|hint| hint.contains("--features nats")), "{error}");
    }

    #[test]
    #[cfg(not(feature = "nats"))]
    fn what_is_not_built_in_is_refused() {
        let bell = depsync_engine::watch::Lookout::new().expect("a lookout").waker();
        let listener: Arc<dyn Listener> = Arc::new(depsync_engine::channel::Mailbox::new(bell, Default::default()));
        let settings = ChannelSettings { listen: vec!["tls://127.0.0.1:4222".into()], ..Default::default() };
        assert_eq!(start(&settings, &listener).err().expect("refused").kind(), ErrorKind::Unsupported);
    }
}
