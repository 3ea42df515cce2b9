//! The far side and the network fail.

use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{Look, Transport};
use depsync_tests::node::noise;
use depsync_tests::sshd::{Programs, Relay, Sshd, Way};
use depsync_transports::hub::Retention;

use tempfile::TempDir;

use crate::{Remote, count, large, opened, place, small};

/// How many processes have `word` on their command line.
fn processes(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(word)).count()
}

/// A manager that has published once, through a relay.
fn relayed() -> (Sshd, TempDir, Relay, Remote) {
    let (sshd, hub) = (Sshd::start(), place());
    let relay = Relay::to(sshd.port());
    let (mut manager, _) = opened(sshd.storage_through(hub.path(), relay.port()));
    manager.must_publish(&small(b"1"));
    (sshd, hub, relay, manager)
}

#[test]
fn an_upload_that_is_cut_goes_on_where_it_was() {
    let (sshd, hub, relay, mut manager) = relayed();
    let all = large(24);
    for quarter in 1..4 {
        // What has arrived is not sent again, but for what was on its way through sshd.
        relay.cut_after(Way::Up, 6 << 20);
        let error = manager.publish(&Context::new(), &all).expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::Unreachable, "quarter {quarter}: {error}");
        relay.go_on();
    }
    let before = relay.passed(Way::Up);
    manager.must_publish(&all);
    let sent = relay.passed(Way::Up) - before;
    assert!(sent < 16 << 20, "{sent} bytes of 24 MiB after three quarters were sent");
    let (mut worker, _) = opened(sshd.storage(hub.path()));
    worker.update(&Context::new()).expect("updates");
    assert_eq!(worker.files, all);
}

#[test]
fn a_download_that_is_cut_leaves_nothing_wrong() {
    let (sshd, hub, relay, mut manager) = relayed();
    let all = large(24);
    manager.must_publish(&all);
    let (mut worker, _) = opened(sshd.storage_through(hub.path(), relay.port()));
    for rest in [1 << 10, 6 << 20, 20 << 20] {
        relay.cut_after(Way::Down, rest);
        let ended = worker.update(&Context::new());
        assert!(ended.is_err() || worker.files == all, "half of a revision");
        if let Err(error) = ended {
            assert_eq!(error.kind(), ErrorKind::Unreachable, "behind {rest} bytes: {error}");
        }
        relay.go_on();
    }
    worker.update(&Context::new()).expect("updates");
    assert_eq!(worker.files, all);
}

#[test]
fn what_rsync_brings_is_not_believed() {
    let (programs, hub) = (Programs::only(&[]), place());
    let sshd = Sshd::with_path(&programs.path_before_others());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    let all = large(20);
    manager.must_publish(&all);
    // It reads packs that are spoilt while it works, and right again when anybody else looks.
    let packs = hub.path().join("packs");
    let shelter = hub.path().join("tmp/shelter");
    programs.script(
        "rsync",
        &format!(
            "cp -a {packs} {shelter}\nfor f in {packs}/*/*; do printf spoilt | dd of=$f bs=1 seek=100000 conv=notrunc; done \
             2>/dev/null\n/usr/bin/rsync \"$@\"\nstatus=$?\nrm -r {packs}\nmv {shelter} {packs}\nexit $status",
            packs = packs.display(),
            shelter = shelter.display()
        ),
    );
    let (mut worker, _) = opened(sshd.storage(hub.path()));
    let error = worker.update(&Context::new()).expect_err("spoilt");
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(worker.files.is_empty());
    // Nor is it kept.
    programs.remove("rsync");
    worker.update(&Context::new()).expect("updates");
    assert_eq!(worker.files, all);
}

#[test]
fn packs_are_read_part_by_part_where_rsync_fails() {
    let (programs, hub) = (Programs::only(&[]), place());
    let sshd = Sshd::with_path(&programs.path_before_others());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    let all = large(20);
    manager.must_publish(&all);
    for text in [
        "echo 'sh: rsync: not found' >&2; exit 127",
        "exit 12",
        "/usr/bin/rsync \"$@\" | dd bs=4k count=1000 2>/dev/null",
    ] {
        programs.script("rsync", text);
        let (mut worker, _) = opened(sshd.storage(hub.path()));
        worker.update(&Context::new()).expect("updates all the same");
        assert!(worker.files == all, "{text}");
    }
}

#[test]
fn a_stalled_network_ends_with_the_deadline_and_nobody_is_left() {
    let (_sshd, _hub, relay, mut manager) = relayed();
    let port = relay.port().to_string();
    assert!(processes(&port) > 0, "the connection is kept");
    for large_one in [false, true] {
        let all = if large_one { large(4) } else { small(&noise(1, 900)) };
        relay.stall(Way::Down);
        let cx = Context::new().with_deadline(Instant::now() + Duration::from_secs(2));
        let began = Instant::now();
        let error = manager.publish(&cx, &all).expect_err("nobody answers");
        assert!(error.kind().worth_retrying(), "{error}");
        // Whether the commit went through is asked once more, for a few seconds.
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        assert_eq!(processes(&port), 0, "the children are gone");
        relay.go_on();
    }
    let mut all = small(b"2");
    all.extend(large(1));
    manager.update(&Context::new()).expect("updates");
    manager.must_publish(&all);
}

#[test]
fn a_call_behind_a_stalled_one_keeps_its_own_deadline() {
    let (_sshd, _hub, relay, manager) = relayed();
    relay.stall(Way::Down);
    let head = |cx: &Context| manager.transport.head(cx, Look::Glance).expect_err("nobody answers").kind();
    let long = Context::new().with_deadline(Instant::now() + Duration::from_secs(30));
    let cancelled = Context::new();
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| head(&long));
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        let short = Context::new().with_deadline(began + Duration::from_secs(1));
        assert_eq!(head(&short), ErrorKind::DeadlineExceeded);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let waits = scope.spawn(|| head(&cancelled));
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        cancelled.cancel().cancel();
        assert_eq!(waits.join().expect("no panic"), ErrorKind::Cancelled);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        // The first one still has the connection, and goes on with it.
        assert!(!stalled.is_finished());
        long.cancel().cancel();
        assert_eq!(stalled.join().expect("no panic"), ErrorKind::Cancelled);
    });
    relay.go_on();
    manager.transport.head(&Context::new(), Look::Glance).expect("a head");
}

#[test]
fn a_far_side_without_rsync_says_so_and_small_publishes_need_none() {
    let programs = Programs::only(&[
        "sh", "head", "tail", "ln", "mv", "rm", "mkdir", "stat", "sync", "wc", "tr", "cmp", "grep", "sort", "chmod",
    ]);
    let (sshd, hub) = (Sshd::with_path(&programs.path()), place());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    manager.must_publish(&small(b"1"));
    let error = manager.publish(&Context::new(), &large(2)).expect_err("no rsync there");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(
        error.to_string().contains("rsync") && error.advice().is_some_and(|hint| hint.contains("install")),
        "{error}"
    );
    programs.script("rsync", "echo 'rsync: --files-from=-: unknown option' >&2; exit 1");
    let error = manager.publish(&Context::new(), &large(2)).expect_err("an old one");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(count(&hub.path().join("d/main/revisions")), 1);
    manager.must_publish(&small(b"2"));
}

#[test]
fn a_connection_that_was_cut_is_made_again() {
    let (sshd, hub) = (Sshd::start(), place());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    manager.must_publish(&small(b"1"));
    sshd.cut();
    let all = small(b"2");
    let error = manager.publish(&Context::new(), &all).expect_err("cut");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    manager.must_publish(&all);
    assert_eq!(sshd.accepted(), 2);
}

#[test]
fn what_a_cut_upload_has_left_is_swept_by_gc() {
    let (sshd, hub, relay, mut manager) = relayed();
    relay.cut_after(Way::Up, 5 << 20);
    manager.publish(&Context::new(), &large(8)).expect_err("cut");
    relay.go_on();
    let left = hub.path().join("tmp/.partial");
    // The far side's rsync notices a moment later.
    sshd.wait_for(|_| count(&left) > 0, "something is left");
    let retention = Retention { grace: Duration::ZERO, ..Retention::default() };
    for _ in 0..2 {
        manager.transport.gc(&Context::new(), &retention).expect("collects");
    }
    assert_eq!(count(&hub.path().join("tmp")), 0);
}
