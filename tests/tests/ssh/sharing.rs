//! One hub, mounted by some and reached over ssh by others.

use std::sync::Arc;

use depsync_engine::context::Context;
use depsync_engine::transport::{MemoryLedger, OpenMode, Transport};
use depsync_tests::cli::Bench;
use depsync_tests::node::{Node, noise};
use depsync_tests::snapshot::{check_same, snapshot};
use depsync_tests::sshd::{HOST, Sshd};
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

#[test]
fn one_tree_has_one_root_by_either_way_and_a_worker_changes_over_in_the_middle() {
    let (sshd, bench) = (Sshd::start(), Bench::in_memory());
    std::fs::create_dir(bench.path("hubs")).expect("a directory");
    let known_hosts = sshd.known_hosts().display().to_string();
    bench.write(
        "depsync.toml",
        format!("[ssh]\nidentity = '{}'\nknown-hosts = '{known_hosts}'\n", sshd.identity().display()),
    );
    for number in 0..40u64 {
        bench.write(&format!("source/app-{}/{number}.jar.txt", number % 4), noise(number, 40_000));
    }
    let over_ssh =
        |hub: &str| format!("rsync+ssh://{}@{HOST}:{}{}", sshd.user(), sshd.port(), bench.path(hub).display());
    let run = |line: &str| {
        let (answer, exit) = bench.json(line);
        assert_eq!(exit, Some(0), "{line}: {answer:#}");
        answer
    };
    let mounted = run("publish source hubs/a --state state-a");
    let remote = run(&format!("publish source {} --state state-b", over_ssh("hubs/b")));
    assert_eq!(mounted["root"], remote["root"]);

    run(&format!("update worker {}", over_ssh("hubs/a")));
    bench.write("source/app-0/new.txt", "new");
    run("publish source hubs/a --state state-a");
    let changed_over = run("update worker hubs/a");
    assert_eq!((&changed_over["from"], &changed_over["to"]), (&1.into(), &2.into()), "{changed_over:#}");
    assert!(changed_over["bytes_fetched"].as_u64().is_some_and(|bytes| bytes < 20_000), "{changed_over:#}");
    let back = run(&format!("update worker {}", over_ssh("hubs/a")));
    assert_eq!((&back["changed"], &back["bytes_fetched"]), (&false.into(), &0.into()), "{back:#}");
    check_same(&snapshot(&bench.path("worker")), &snapshot(&bench.path("source")), "at the end");
}
