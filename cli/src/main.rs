//! depsync.
fn main() {}
