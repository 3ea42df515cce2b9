//! A hub behind a real sshd: what it costs, what it refuses, and what happens when the far side or the network fails.
//! (What every hub must do is in the conformance suite.)

mod answers;
mod cost;
mod faults;
mod full;
mod keys;
mod killed;
mod restricted;
mod sharing;

use std::path::Path;
use std::sync::Arc;

use depsync_engine::transport::{MemoryLedger, OpenMode, Transport};
use depsync_tests::node::{Files, Node, files, noise};
use depsync_transports::{HubTransport, SshStorage};

/// A node behind ssh, and its storage.
pub(crate) type Remote = Node<HubTransport<Arc<SshStorage>>>;

/// A node of the deployment `main` over `storage`. Touches nothing.
pub(crate) fn node(storage: SshStorage) -> (Remote, Arc<SshStorage>) {
    let storage = Arc::new(storage);
    let ledger = Arc::new(MemoryLedger::default());
    let transport = HubTransport::new(Arc::clone(&storage), "main".parse().expect("a name"), ledger);
    (Node::new(transport), storage)
}

/// The same, with a hub that is there or is made.
pub(crate) fn opened(storage: SshStorage) -> (Remote, Arc<SshStorage>) {
    let (node, storage) = node(storage);
    node.transport.open(&depsync_engine::context::Context::new(), OpenMode::Create).expect("a hub");
    (node, storage)
}

/// One file with a few bytes.
pub(crate) fn small(bytes: &[u8]) -> Files {
    files([("small", bytes)])
}

/// Files of a mebibyte that do not compress.
pub(crate) fn large(count: u64) -> Files {
    let mut all = files([]);
    for number in 0..count {
        all.extend(files([(format!("large-{number}").as_str(), noise(number, 1 << 20).as_slice())]));
    }
    all
}

/// A directory for a hub.
pub(crate) fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

/// How many files lie beneath `directory`.
pub(crate) fn count(directory: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries.map(|entry| entry.expect("an entry").path()).map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}
