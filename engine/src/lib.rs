//! The depsync engine: everything that knows what a revision is.
//!
//! Rooms, ground floor first. Each may use those before it and none after it; a test holds them to it.

pub mod error;
pub mod hash;
pub mod path;
pub mod context;
pub mod codec;
pub mod stamp;
pub mod beneath;
pub mod durable;
pub mod tree;
pub mod scan;
