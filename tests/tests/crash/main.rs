//! Killed with SIGKILL at every durable step: wholly old, or wholly new after the next command; nothing lost.

mod hub;
mod scene;
mod update;

#[test]
fn child() {
    depsync_tests::crash::child();
}
