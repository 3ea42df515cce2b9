//! Channels: how nodes hear of a new revision at once. The seam is [`depsync_engine::channel`].
//!
//! | file | is |
//! |---|---|
//! | `settings` | who serves, who listens where, and what proves that one may |
//! | `http` | a channel without a broker: one that serves, others that listen to its server-sent events |
//! | `board` | what was announced last, of each deployment |
//! | `server` | `GET /v1/announcements` |
//! | `client` | listening, again and again |

mod board;
mod client;
mod http;
mod server;
mod settings;

pub use http::HttpChannel;
pub use settings::{ChannelSettings, Token};
