//! The depsync engine: everything that knows what a revision is.
//!
//! Rooms, ground floor first. Each may use those before it and none after it; a test holds them to it: `error`, `hash`,
//! `path`, `name`, `patterns`, `context`, `codec`, `packed`, `stamp`, `beneath`, `durable`, `tree`, `content`, `scan`, `watch`, `record`,
//! `transport`, `channel`, `revdb`, `plan`, `apply`, `push`, `engine`, `daemon`, `estate`.

pub mod apply;
pub mod beneath;
pub mod channel;
pub mod codec;
pub mod content;
pub mod context;
pub mod daemon;
pub mod durable;
pub mod engine;
pub mod error;
pub mod estate;
pub mod hash;
pub mod name;
pub mod packed;
pub mod path;
pub mod patterns;
pub mod plan;
pub mod push;
pub mod record;
pub mod revdb;
pub mod scan;
pub mod stamp;
pub mod transport;
pub mod tree;
pub mod watch;
