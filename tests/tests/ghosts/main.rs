//! What is fetched on demand: real trees over a real hub in a directory, every command as a person would give it.

mod evicted;
mod fetched;
mod killed;
mod manager;
mod rules;
mod stay;
mod stubs;
mod town;

#[test]
fn child() {
    depsync_tests::crash::child();
}
