//! One hub, mounted by some and reached over ssh by others.

use std::sync::Arc;

use depsync_engine::context::Context;
use depsync_engine::transport::{MemoryLedger, OpenMode, Transport};
use depsync_tests::node::Node;
use depsync_tests::sshd::Sshd;
use depsync_transports::{HubTransport, MountStorage};

use crate::{large, opened, place, small};

#[test]
fn a_hub_is_the_same_mounted_and_over_ssh() {
    let cx = Context::new();
    let (sshd, hub) = (Sshd::start(), place());
    let (mut far, _) = opened(sshd.storage(hub.path()));
    let mut all = large(3);
    let first = far.must_publish(&all);
    let mounted = MountStorage::new(hub.path(), false).expect("a storage");
    let ledger = Arc::new(MemoryLedger::default());
    let mut near = Node::new(HubTransport::new(mounted, "main".parse().expect("a name"), ledger));
    near.transport.open(&cx, OpenMode::Existing).expect("the hub");
    near.update(&cx).expect("updates");
    assert_eq!((near.applied, &near.files), (Some(first), &all));
    all.extend(small(b"near"));
    let second = near.must_publish(&all);
    let bytes = far.update(&cx).expect("updates");
    assert_eq!((far.applied, &far.files), (Some(second), &all));
    assert!(bytes < 64 << 10, "{bytes} bytes: what was there is not fetched again");
}
