//! Directories that change as one: real trees, real renames, every command a process of its own over the same state.

mod everybody;
mod foreign;
mod kept;
mod kinds;
mod readers;
mod refused;
mod stays;
mod town;

#[test]
fn child() {
    depsync_tests::crash::child();
}
