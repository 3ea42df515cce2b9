//! depsync benches.
