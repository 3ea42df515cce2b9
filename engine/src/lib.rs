//! The depsync engine: everything that knows what a revision is.
//!
//! Rooms, ground floor first. Each may use those before it and none after it; a test holds them to it.

pub mod beneath;
pub mod codec;
pub mod context;
pub mod durable;
pub mod error;
pub mod hash;
pub mod name;
pub mod path;
pub mod stamp;
pub mod tree;
pub mod content;
