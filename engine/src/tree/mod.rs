//! The Merkle index.
mod entry;
pub use entry::{Entry, LinkTarget, MAX_TARGET, Mode};
