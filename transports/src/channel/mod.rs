//! Channels: how nodes hear of a new revision at once, and managers of what each node has. The seam is [`depsync_engine::channel`].
//!
//! | file | is |
//! |---|---|
//! | `settings` | who serves, who listens where, and what proves that one may |
//! | `http` | a channel without a broker: one that serves, others that listen to its server-sent events |
//! | `board` | what was announced last, of each deployment, and what each node has said last |
//! | `server` | `GET /v1/announcements`, `POST /v1/reports` |
//! | `client` | listening, and reporting, again and again |

mod board;
mod client;
mod http;
mod server;
mod settings;

pub use http::HttpChannel;
pub use settings::{ChannelSettings, Token};
