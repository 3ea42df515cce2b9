//! depsync.
