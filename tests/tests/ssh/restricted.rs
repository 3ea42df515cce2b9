//! A worker whose key runs rsync in the hub's directory and nothing else: the real `rrsync`.

use std::path::Path;
use std::process::Command;

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{Look, OpenMode, Transport};
use depsync_tests::cli::Bench;
use depsync_tests::node::{noise, report};
use depsync_tests::snapshot::{check_same, snapshot};
use depsync_tests::sshd::{Client, Key, Sshd};
use depsync_transports::{SshSettings, SshStorage, Storage};

use crate::{Remote, count, large, node, opened, place, small};

/// A key for `command`, and the hub through it.
fn restricted(sshd: &Sshd, command: &str, hub: &Path) -> (Key, SshStorage) {
    let key = sshd.new_key();
    sshd.authorize(&key, &format!("command=\"{command}\",restrict"));
    let settings = SshSettings { identity: Some(key.path().to_owned()), ..sshd.access().ssh };
    (key, sshd.storage_with(hub, settings))
}

/// A worker of the deployment `main` who knows nothing yet.
fn worker(storage: SshStorage) -> Remote {
    let (worker, _) = node(storage);
    let facts = worker.transport.open(&Context::new(), OpenMode::Existing).expect("the hub");
    let why = facts.capabilities.publish_refused.expect("no publishing");
    assert!(why.contains("rsync") && why.contains("shell"), "{why}");
    worker
}

#[test]
fn updates_go_through_a_key_that_may_only_read() {
    let cx = Context::new();
    let (sshd, hub) = (Sshd::start_logging(), place());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    let mut all = large(20);
    manager.must_publish(&all);
    manager.transport.report(&cx, &report("manager", manager.applied)).expect("reports");
    let (key, storage) = restricted(&sshd, &format!("rrsync -ro {}", hub.path().display()), hub.path());
    let mut worker = worker(storage);
    let before = sshd.commands().len();
    worker.update(&cx).expect("updates");
    assert!(worker.files == all);
    let commands = sshd.commands().split_off(before);
    assert!(commands.iter().all(|command| command.starts_with("rsync --server --sender")), "{commands:?}");
    assert!(commands.len() <= 5, "{commands:#?}");
    // Nothing new is one rsync.
    let before = sshd.commands().len();
    worker.update(&cx).expect("updates");
    assert_eq!(sshd.commands().len() - before, 1);
    all.extend(small(&noise(1, 1000)));
    manager.must_publish(&all);
    let before = sshd.commands().len();
    worker.update(&cx).expect("updates");
    assert!(worker.files == all);
    assert_eq!(sshd.commands().len() - before, 3, "the head, the record, the pack");
    // What others say is read; nothing is written.
    assert_eq!(worker.transport.reports(&cx).expect("reads").len(), 1);
    let error = worker.transport.report(&cx, &report("worker", worker.applied)).expect_err("may only read");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let files = count(hub.path());
    let error = worker.publish(&cx, &large(1)).expect_err("may only read");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.advice().is_some_and(|hint| hint.contains("shell")), "{error}");
    assert_eq!(count(hub.path()), files);
    // The server has put the worker's key to these uses and no others.
    let client = Client::of(&sshd).with_key(&key);
    let mark = hub.path().join("mark");
    for mut command in [client.ssh(&format!("touch {}", mark.display())), client.ssh("sh")] {
        assert!(!command.output().expect("ssh").status.success());
    }
    let mut upload = client.rsync();
    upload.arg("/proc/self/comm").arg(client.remote(Path::new("/mark")));
    assert!(!upload.output().expect("rsync").status.success());
    assert!(!mark.exists());
    assert_eq!(sshd.accepted(), 6, "the manager's, the worker's two, and ours");
}

#[test]
fn a_key_that_may_write_writes_reports_and_nothing_else() {
    let cx = Context::new();
    let (sshd, hub) = (Sshd::start(), place());
    let (mut manager, _) = opened(sshd.storage(hub.path()));
    let all = large(3);
    let first = manager.must_publish(&all);
    let (_, storage) = restricted(&sshd, &format!("rrsync {}", hub.path().display()), hub.path());
    let (_, other) = restricted(&sshd, &format!("rrsync {}", hub.path().display()), hub.path());
    let mut worker = worker(storage);
    let (mut other, _) = node(other);
    // rrsync lets one in at a time, and the others try again.
    std::thread::scope(|scope| {
        scope.spawn(|| other.update(&cx).expect("updates"));
        worker.update(&cx).expect("updates");
    });
    assert!(worker.files == all && other.files == all);
    for applied in [None, Some(first)] {
        worker.transport.report(&cx, &report("worker", applied)).expect("reports");
        let reports = manager.transport.reports(&cx).expect("reads");
        assert_eq!(reports.iter().map(|report| report.applied).collect::<Vec<_>>(), [applied]);
    }
    let before = count(hub.path());
    assert_eq!(worker.publish(&cx, &small(b"1")).expect_err("no shell").kind(), ErrorKind::Unsupported);
    // A hint that lags is seen through, and stays.
    manager.must_publish(&small(b"2"));
    let head = hub.path().join("d/main/HEAD");
    std::fs::write(&head, format!("{} {}\n", first.number, first.record)).expect("a file");
    let healed = worker.transport.head(&cx, Look::Heal).expect("reads");
    assert_eq!(healed, manager.applied);
    assert!(std::fs::read_to_string(&head).expect("a hint").starts_with("1 "));
    assert_eq!(count(hub.path()), before + 2, "the record and the pack of the manager");
    assert!(!hub.path().join(".partial").exists() && count(&hub.path().join("tmp")) == 0);
}

#[test]
fn the_program_needs_nothing_else_on_a_worker() {
    let (sshd, hub) = (Sshd::start(), place());
    let bench = Bench::in_memory();
    bench.write("manager/a", "one");
    bench.write("manager/b", noise(1, 3 << 20));
    let mounted = hub.path().display().to_string();
    let published = |bench: &Bench| bench.json(&format!("publish manager {mounted}")).1;
    assert_eq!(published(&bench), Some(0));
    let (key, _) = restricted(&sshd, &format!("rrsync -ro {mounted}"), hub.path());
    bench.write("depsync.toml", sshd.config(key.path()));
    let far = sshd.url(hub.path(), sshd.port());
    let update = |to: u64| {
        let (said, status) = bench.json(&format!("update worker {far} --state state"));
        assert_eq!((said["to"].as_u64(), status), (Some(to), Some(0)), "{said}");
        check_same(&snapshot(&bench.path("worker")), &snapshot(&bench.path("manager")), "the worker");
    };
    let text = bench.run(&format!("update worker {far} --state state"));
    assert!(text.contains("report") && text.contains("may only read") && text.ends_with("--- exit 0\n"), "{text}");
    update(1);
    bench.write("manager/a", "two");
    assert_eq!(published(&bench), Some(0));
    update(2);
    let (said, status) = bench.json(&format!("status worker {far} --state state"));
    assert_eq!(status, Some(0), "{said}");
    let (said, status) = bench.json(&format!("log --dir worker --hub {far} --state state"));
    assert_eq!((said["revisions"].as_array().map(Vec::len), status), (Some(2), Some(0)), "{said}");
    bench.write("worker/c", "mine");
    let (said, status) = bench.json(&format!("publish worker {far} --state state"));
    assert_eq!((said["error"]["kind"].as_str(), status), (Some("unsupported"), Some(1)), "{said}");
}

#[test]
fn the_address_may_be_what_it_is_for_others_or_what_rrsync_makes_of_it() {
    let cx = Context::new();
    let (sshd, top) = (Sshd::start(), place());
    let hub = top.path().join("the hubs/one hub");
    std::fs::create_dir_all(&hub).expect("directories");
    let (mut manager, _) = opened(sshd.storage(&hub));
    let head = manager.must_publish(&small(b"1"));
    let (exactly, above) = (hub.display().to_string(), top.path().join("the hubs").display().to_string());
    let mut cases = vec![
        (format!("rrsync -ro '{exactly}'"), exactly.as_str()),
        (format!("rrsync -ro '{exactly}'"), "/"),
        (format!("rrsync -ro '{exactly}'"), "one hub"),
        (format!("rrsync -ro '{above}'"), exactly.as_str()),
        (format!("rrsync -ro '{above}'"), "/one hub"),
    ];
    // Not known to the one of rsync 3.2.7.
    let help = Command::new("rrsync").arg("-help").output().expect("rrsync, of the package rsync");
    if String::from_utf8_lossy(&help.stdout).contains("-absolute") {
        cases.push((format!("rrsync -ro -absolute '{exactly}'"), exactly.as_str()));
    }
    for (command, addressed) in cases {
        let (_, storage) = restricted(&sshd, &command, Path::new(addressed));
        let (mut worker, _) = node(storage);
        worker.update(&cx).unwrap_or_else(|error| panic!("{command} {addressed}: {error}"));
        assert_eq!((worker.applied, &worker.files), (Some(head), &manager.files), "{command} {addressed}");
    }
    let (_, storage) = restricted(&sshd, &format!("rrsync -ro '{above}'"), Path::new("/other"));
    let error = node(storage).0.transport.open(&cx, OpenMode::Existing).expect_err("no hub there");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let (_, storage) = restricted(&sshd, "exit 3", &hub);
    let error = node(storage).0.transport.open(&cx, OpenMode::Existing).expect_err("neither shell nor rsync");
    assert!(error.to_string().contains("shell") && error.to_string().contains("rsync"), "{error}");
}

#[test]
fn its_reads_obey_the_laws_of_a_storage() {
    let cx = Context::new();
    let (sshd, hub) = (Sshd::start(), place());
    let (mut manager, full) = opened(sshd.storage(hub.path()));
    manager.must_publish(&large(2));
    let (_, storage) = restricted(&sshd, &format!("rrsync -ro {}", hub.path().display()), hub.path());
    let name = |text: &str| depsync_engine::path::RelPath::try_from(text).expect(text);
    let (head, record) = (name("d/main/HEAD"), name("d/main/revisions/000000000001"));
    for directory in [None, Some(name("d/main")), Some(name("packs")), Some(name("no/where"))] {
        let listed = storage.list(&cx, directory.as_ref(), 100).expect("lists");
        assert_eq!(listed, full.list(&cx, directory.as_ref(), 100).expect("lists"), "{directory:?}");
    }
    assert_eq!(storage.list(&cx, None, 2).expect_err("too many").kind(), ErrorKind::Refused);
    let bytes = storage.get(&cx, &record, 1 << 20).expect("reads");
    assert_eq!(bytes, full.get(&cx, &record, 1 << 20).expect("reads"));
    assert_eq!(storage.get(&cx, &record, bytes.len()).expect("exactly"), bytes);
    assert_eq!(storage.get(&cx, &record, bytes.len() - 1).expect_err("too long").kind(), ErrorKind::Damaged);
    assert_eq!(storage.get_range(&cx, &record, 3, 5).expect("a part"), bytes[3..8]);
    assert_eq!(storage.get_range(&cx, &record, 3, bytes.len()).expect_err("it ends").kind(), ErrorKind::Damaged);
    assert_eq!(storage.find(&cx, &name("d/main/revisions/000000000002"), 9).expect("looks"), None);
    assert_eq!(storage.get(&cx, &name("no/where"), 9).expect_err("missing").kind(), ErrorKind::NotFound);
    let there = storage.modified(&cx, &head).expect("looks").expect("a time").as_second();
    assert_eq!(there, full.modified(&cx, &head).expect("looks").expect("a time").as_second());
    assert_eq!(storage.modified(&cx, &name("none")).expect("looks"), None);
    // Names are read as they are now, and a connection that was cut is made again.
    std::fs::write(hub.path().join("d/main/HEAD"), "now").expect("a file");
    assert_eq!(storage.get(&cx, &head, 100).expect("reads"), b"now");
    sshd.cut();
    let again = storage.get(&cx, &head, 100).or_else(|_| storage.get(&cx, &head, 100));
    assert_eq!(again.expect("reads"), b"now");
    cx.cancel().cancel();
    assert_eq!(storage.get(&cx, &head, 100).expect_err("cancelled").kind(), ErrorKind::Cancelled);
}
