//! Advice for people: what is said, and what is put into configuration management.

pub(crate) mod say;
pub(crate) mod snippets;
