//! The test kit, and the end-to-end tests that use it.

pub mod cli;
