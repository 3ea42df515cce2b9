//! Behaviours of every transport, whatever its hub is made of.

use std::sync::Arc;

use depsync_engine::content::{ObjectId, Piece, Recipe};
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::transport::{Deliver, Look, MemoryLedger, OpenMode, Published, Transport, Want, WantedContent};

use super::{another, first, kind, sample};
use crate::ground::Ground;
use crate::node::{Files, Node, files, noise, report};

/// Those that the hub can hold the names of: what it cannot is refused by the engine.
fn held<G: Ground>(place: &G, mut files: Files) -> Files {
    let capabilities =
        place.client_of("main").open(&Context::new(), OpenMode::Existing).map(|facts| facts.capabilities);
    if let Ok(capabilities) = capabilities {
        files.retain(|path, _| capabilities.holds_name(path));
    }
    files
}

/// An empty place is never taken for an empty hub.
pub fn an_empty_place_is_not_a_hub<G: Ground>(place: &G) {
    let cx = Context::new();
    let transport = place.client_of("main");
    let error = transport.open(&cx, OpenMode::Existing).expect_err("empty");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.advice().is_some());
    assert_eq!(kind(transport.head(&cx, Look::Glance)), ErrorKind::NotFound);
    assert_eq!(kind(transport.head(&cx, Look::Heal)), ErrorKind::NotFound);
    if place.takes_reports() {
        assert_eq!(kind(transport.report(&cx, &report("a", None))), ErrorKind::NotFound);
        assert_eq!(kind(transport.reports(&cx)), ErrorKind::NotFound);
    }
    let mut node = Node::new(transport);
    assert_eq!(kind(node.publish(&cx, &held(place, sample(1)))), ErrorKind::NotFound);
    assert!(place.is_untouched(), "nothing may be left behind");
}

/// The identity is drawn once.
pub fn creating_makes_one_hub_and_opening_finds_it<G: Ground>(place: &G) {
    let cx = Context::new();
    let made = place.client_of("main").open(&cx, OpenMode::Create).expect("create");
    assert!(made.created && made.capabilities.publish_refused.is_none());
    assert_eq!(made.capabilities.reports, place.takes_reports());
    for mode in [OpenMode::Create, OpenMode::Existing] {
        let found = place.client_of("main").open(&cx, mode).expect("open");
        assert!(!found.created);
        assert_eq!((found.id, &found.capabilities), (made.id, &made.capabilities));
    }
}

/// Of two who find the place empty one makes the hub, and both use it.
pub fn two_who_create_at_once_make_one_hub<G: Ground>(place: &G) {
    let open = || place.client_of("main").open(&Context::new(), OpenMode::Create).expect("create");
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(open);
        (open(), other.join().expect("no panic"))
    });
    assert_eq!(one.id, two.id);
    assert!(one.created != two.created);
}

/// A hub may hold no revision of a deployment yet.
pub fn a_deployment_without_records_has_no_head<G: Ground>(place: &G) {
    let cx = Context::new();
    let node = first(place);
    assert_eq!(node.transport.head(&cx, Look::Glance).expect("head"), None);
    assert_eq!(node.transport.head(&cx, Look::Heal).expect("head"), None);
    assert_eq!(kind(node.transport.record(&cx, 1)), ErrorKind::NotFound);
    assert_eq!(kind(node.transport.history(&cx, 1, 1)), ErrorKind::NotFound);
    assert!(node.transport.reports(&cx).expect("reports").is_empty());
}

/// Everything arrives as it was.
pub fn what_is_published_is_fetched<G: Ground>(place: &G) {
    let cx = Context::new();
    let mut manager = first(place);
    let mut worker = another(place);
    let mut published = Vec::new();
    for seed in 0..3 {
        let all = held(place, sample(seed));
        let revision = manager.must_publish(&all);
        published.push(revision);
        let fetched = worker.update(&cx).expect("update");
        assert!(fetched > 300_000, "{fetched} bytes are fewer than were new");
        assert_eq!((&worker.files, worker.applied), (&all, Some(revision)));
    }
    let mut late = another(place);
    late.update(&cx).expect("update");
    assert_eq!(late.files, held(place, sample(2)));
    assert!(published.is_sorted_by(|before, after| before.number < after.number));
    let mut back = another(place);
    back.update_to(&cx, published[0]).expect("update to the first");
    assert_eq!(back.files, held(place, sample(0)));
    let nobody = WantedContent { hash: Digest::of(b"nobody"), size: 6 };
    let at = late.applied.expect("applied");
    assert_eq!(kind(late.transport.fetch(&cx, at, Want::Contents(&[nobody]), &mut Untouched)), ErrorKind::Damaged);
    assert_eq!(kind(late.transport.fetch(&cx, at, Want::Pages(&[nobody.hash]), &mut Untouched)), ErrorKind::Damaged);
}

/// Going back to an old revision takes nothing from the disk: the hub has it.
pub fn what_is_restored_comes_from_the_hub<G: Ground>(place: &G) {
    let cx = Context::new();
    let (mut manager, mut worker) = (first(place), another(place));
    let old = held(place, sample(3));
    let one = manager.must_publish(&old);
    worker.update(&cx).expect("update");
    let mut new = held(place, sample(4));
    new.extend(files([("small", &b"->elsewhere"[..]), ("link", b"a file now"), ("empty", b"not any more")]));
    new.remove(&"page".try_into().expect("a path"));
    manager.must_publish(&new);
    // Somebody else was faster, and it is tried again.
    let mut rival = another(place);
    rival.update(&cx).expect("update");
    new.extend(files([("rival", &b"was first"[..])]));
    rival.must_publish(&new);
    assert!(matches!(manager.restore(&cx, &old, one).expect("an answer"), Published::Raced));
    manager.update(&cx).expect("update");
    let Published::Done { revision, .. } = manager.restore(&cx, &old, one).expect("an answer") else {
        panic!("not published");
    };
    for node in [&mut worker, &mut another(place)] {
        node.update(&cx).expect("update");
        assert_eq!((&node.files, node.applied), (&old, Some(revision)));
    }
    // And on from there.
    new.extend(files([("small", &b"again"[..])]));
    manager.must_publish(&new);
    worker.update(&cx).expect("update");
    assert_eq!(worker.files, new);
}

/// Refuses whatever is delivered.
struct Untouched;

fn unwanted<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Internal, "nothing was to be delivered"))
}

impl Deliver for Untouched {
    fn page(&mut self, _: Digest, _: Vec<u8>) -> Result<()> {
        unwanted()
    }

    fn recipe(&mut self, _: Digest, _: Recipe) -> Result<()> {
        unwanted()
    }

    fn needed(&mut self) -> Result<Vec<ObjectId>> {
        unwanted()
    }

    fn pieces(&mut self, _: &[Piece<'_>]) -> Result<()> {
        unwanted()
    }
}

/// Removing, emptying, and going back to what was there before; what the hub holds is not sent again.
pub fn removals_and_reverts_are_fetched<G: Ground>(place: &G) {
    let cx = Context::new();
    let (mut manager, mut worker) = (first(place), another(place));
    let all = held(place, sample(7));
    manager.must_publish(&all);
    worker.update(&cx).expect("update");
    for next in [files([("only", &b"one"[..])]), files([]), all.clone()] {
        let Published::Done { sent, .. } = manager.publish(&cx, &next).expect("publish") else {
            panic!("not published")
        };
        assert!(sent < 3000 || !place.holds_content(), "{sent} bytes were sent, but the hub had everything");
        worker.update(&cx).expect("update");
        assert_eq!(worker.files, next);
    }
}

/// The second of two publishers on one parent is told so, and can go on after an update.
pub fn one_publish_of_two_wins<G: Ground>(place: &G) {
    let cx = Context::new();
    let mut one = first(place);
    one.must_publish(&files([("base", &b"base"[..])]));
    let mut two = another(place);
    two.update(&cx).expect("update");
    let theirs = files([("base", &b"base"[..]), ("one", b"1")]);
    one.must_publish(&theirs);
    let mine = files([("base", &b"base"[..]), ("two", b"2")]);
    assert!(matches!(two.publish(&cx, &mine).expect("publish"), Published::Raced));
    two.update(&cx).expect("update");
    assert_eq!(two.files, theirs);
    let mut merged = theirs;
    merged.extend(mine);
    two.must_publish(&merged);
    one.update(&cx).expect("update");
    assert_eq!(one.files, merged);
    // A first publish where there are revisions already.
    let mut new = another(place);
    assert!(matches!(new.publish(&cx, &files([])).expect("publish"), Published::Raced));
}

/// Whoever is first, every publish lands exactly once and the chain is whole.
pub fn a_race_of_threads_leaves_one_chain<G: Ground>(place: &G) {
    const THREADS: u64 = 3;
    const ROUNDS: u64 = 5;
    first(place);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let cx = Context::new();
                let mut node = another(place);
                for round in 0..ROUNDS {
                    loop {
                        node.update(&cx).expect("update");
                        let mut next = node.files.clone();
                        let name = format!("{thread}-{round}");
                        next.extend(files([(name.as_str(), noise(thread * 100 + round, 5000).as_slice())]));
                        match node.publish(&cx, &next).expect("publish") {
                            Published::Done { .. } => break,
                            Published::Raced => drop(node.transport.head(&cx, Look::Heal).expect("head")),
                            Published::Moved(paths) => panic!("{paths:?} did not move"),
                        }
                    }
                }
            });
        }
    });
    let mut reader = another(place);
    reader.update(&Context::new()).expect("update");
    assert_eq!(reader.files.len() as u64, THREADS * ROUNDS);
    let head = reader.applied.expect("a head");
    let records = reader.transport.history(&Context::new(), head.number, 1000).expect("records");
    assert_eq!(records.len() as u64, THREADS * ROUNDS);
    let mut parent = None;
    for record in records {
        assert!(record.follows(parent));
        parent = Some(record.revision);
    }
    assert_eq!(parent, Some(head));
}

/// Records come in order, each after the one before it; what is not there is not found.
pub fn records_follow_each_other<G: Ground>(place: &G) {
    let cx = Context::new();
    let mut node = first(place);
    let published: Vec<_> = (1..=4u8).map(|number| node.must_publish(&files([("file", &[number][..])]))).collect();
    let reader = another(place);
    let last = published[3].number;
    let records = reader.transport.history(&cx, last, 3).expect("records");
    assert_eq!(records.iter().map(|record| record.revision).collect::<Vec<_>>(), published[1..]);
    for (record, before) in records.iter().zip(&published) {
        assert!(record.follows(Some(*before)));
        assert_eq!(reader.transport.record(&cx, record.revision.number).expect("a record").revision, record.revision);
        assert_eq!((&*record.author, &*record.message), ("test", "test"));
        assert!(record.nonce.is_some() && record.node.is_some());
    }
    let all = reader.transport.history(&cx, last, 100).expect("records");
    assert_eq!(all.len(), 4);
    assert!(all[0].follows(None));
    assert_eq!(reader.transport.history(&cx, published[1].number, 1).expect("records"), records[..1]);
    assert!(reader.transport.history(&cx, last, 0).expect("records").is_empty());
    for nobody in [0, last + 1, u64::MAX] {
        let kind = kind(reader.transport.record(&cx, nobody));
        assert!(matches!(kind, ErrorKind::NotFound | ErrorKind::Usage), "{nobody}: {kind:?}");
        assert!(reader.transport.history(&cx, nobody, 2).is_err(), "{nobody}");
    }
}

/// Two deployments of one hub share nothing but the hub.
pub fn deployments_do_not_see_each_other<G: Ground>(place: &G) {
    let cx = Context::new();
    let mut main = first(place);
    let mut site = Node::new(place.client_of("site"));
    site.transport.open(&cx, OpenMode::Create).expect("a place in the hub");
    let (one, two) = (files([("a", &b"main"[..])]), files([("a", &b"site"[..])]));
    main.must_publish(&one);
    assert_eq!(site.transport.head(&cx, Look::Glance).expect("head"), None);
    site.must_publish(&two);
    main.must_publish(&files([("a", &b"main 2"[..])]));
    if place.takes_reports() {
        main.transport.report(&cx, &report("web-1", main.applied)).expect("report");
    }
    assert!(site.transport.reports(&cx).expect("reports").is_empty());
    let mut reader = Node::new(place.client_of("site"));
    reader.update(&cx).expect("update");
    assert_eq!((reader.files, reader.applied), (two, site.applied));
}

/// Each node's last report is kept, or none is taken.
pub fn reports_are_kept_by_node<G: Ground>(place: &G) {
    let cx = Context::new();
    let mut node = first(place);
    if !place.takes_reports() {
        assert_eq!(kind(node.transport.report(&cx, &report("web-1", None))), ErrorKind::Unsupported);
        assert!(node.transport.reports(&cx).expect("none").is_empty());
        return;
    }
    let revision = node.must_publish(&held(place, sample(1)));
    let reports = [report("web-1", None), report("web-2", Some(revision)), report("web-1", Some(revision))];
    for report in &reports {
        node.transport.report(&cx, report).expect("report");
    }
    assert_eq!(another(place).transport.reports(&cx).expect("reports"), [reports[2].clone(), reports[1].clone()]);
}

/// An already-cancelled call does nothing.
pub fn a_cancelled_context_does_nothing<G: Ground>(place: &G) {
    let mut node = first(place);
    let revision = node.must_publish(&held(place, sample(1)));
    let cx = Context::new();
    cx.cancel().cancel();
    let before = node.transport.head(&Context::new(), Look::Heal).expect("head");
    let mut other = Node::new(place.over("main", Arc::new(MemoryLedger::default())));
    for mode in [OpenMode::Create, OpenMode::Existing] {
        assert_eq!(kind(place.elsewhere().client_of("main").open(&cx, mode)), ErrorKind::Cancelled);
    }
    assert_eq!(kind(node.transport.head(&cx, Look::Glance)), ErrorKind::Cancelled);
    assert_eq!(kind(node.transport.record(&cx, 1)), ErrorKind::Cancelled);
    assert_eq!(kind(node.transport.history(&cx, 1, 1)), ErrorKind::Cancelled);
    assert_eq!(kind(node.publish(&cx, &held(place, sample(2)))), ErrorKind::Cancelled);
    assert_eq!(kind(other.update_to(&cx, revision)), ErrorKind::Cancelled);
    assert_eq!(kind(node.transport.report(&cx, &report("a", None))), ErrorKind::Cancelled);
    assert_eq!(kind(node.transport.reports(&cx)), ErrorKind::Cancelled);
    let late = Context::new().with_deadline(std::time::Instant::now());
    assert_eq!(kind(node.publish(&late, &held(place, sample(2)))), ErrorKind::DeadlineExceeded);
    assert_eq!(node.transport.head(&Context::new(), Look::Heal).expect("head"), before);
    assert!(node.transport.reports(&Context::new()).expect("reports").is_empty());
}

/// A file that is not what the scan saw is named, and nothing is published.
pub fn a_file_that_moved_is_named<G: Ground>(place: &G) {
    let cx = Context::new();
    let mut node = first(place);
    let scanned = files([("a", &b"as scanned"[..]), ("b", b"stays"), ("c", b"will be gone")]);
    let disk = files([("a", &b"as written"[..]), ("b", b"stays")]);
    let Published::Moved(paths) = node.publish_from(&cx, &scanned, &disk).expect("publish") else {
        panic!("a torn file was published")
    };
    assert_eq!(paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(node.transport.head(&cx, Look::Heal).expect("head"), None);
    node.must_publish(&disk);
    let mut reader = another(place);
    reader.update(&cx).expect("update");
    assert_eq!(reader.files, disk);
}
