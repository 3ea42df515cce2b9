//! Garbage collection, alone and between the steps of others.

use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{Look, OpenMode, Published, Transport};
use depsync_transports::hub::{Collected, Retention, layout};
use depsync_transports::storage::Staged;

use super::draw::Draw;
use super::{another, first, kind};
use crate::faults::Fault;
use crate::node::{Files, Node, files, noise, report};
use crate::place::{Hub, Place};

const AT_ONCE: Retention = Retention { keep_revisions: 1, keep_age: Duration::ZERO, grace: Duration::ZERO, raw: false };

fn gc(place: &Place) -> Collected {
    collector(place).gc(&Context::new(), &AT_ONCE).expect("gc")
}

fn collector(place: &Place) -> Hub {
    place.transport("main")
}

fn version(seed: u64) -> Files {
    files([("changing", noise(seed, 60_000).as_slice()), ("same", noise(1000, 10_000).as_slice())])
}

fn packs(place: &Place) -> usize {
    let (cx, client) = (Context::new(), place.client());
    let shards = client.list(&cx, Some(&layout::packs()), 1000).expect("list");
    let shard = |name: &[u8]| layout::packs().join(name).expect("shard");
    shards.iter().map(|listed| client.list(&cx, Some(&shard(&listed.name)), 1000).expect("list").len()).sum()
}

fn reads(place: &Place, expected: &Files) {
    let mut reader = another(place);
    reader.transport.head(&Context::new(), Look::Heal).expect("head");
    reader.update(&Context::new()).expect("a valid hub");
    assert_eq!(&reader.files, expected);
}

/// What nothing reaches goes, in two runs; the rest stays and can be fetched, also what old packs hold.
pub fn garbage_is_collected_and_nothing_else(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    let mut site = Node::new(place.transport("site"));
    site.must_publish(&version(50));
    let mut behind = another(place);
    for seed in 1..=4 {
        node.must_publish(&version(seed));
        if seed == 1 {
            behind.update(&cx).expect("update");
        }
    }
    assert_eq!(packs(place), 5);
    let condemned = gc(place);
    assert_eq!((condemned.condemned, condemned.deleted, packs(place)), (2, 0, 5), "announced, not deleted");
    let swept = gc(place);
    assert_eq!((swept.deleted, swept.pardoned, packs(place)), (2, 0, 3));
    // The file that both deployments have was in a pack of each; the index names one of them, so the other may go.
    let mut runs = 0;
    while gc(place) != Collected::default() {
        reads(place, &version(4));
        runs += 1;
        assert!(runs <= 2, "gc must come to rest");
    }
    assert!((2..=3).contains(&packs(place)));
    reads(place, &version(4));
    let mut reader = Node::new(place.transport("site"));
    reader.update(&cx).expect("update");
    assert_eq!(reader.files, version(50));
    // A node that knew the hub before, and one that wants what is gone.
    behind.update(&cx).expect("update");
    assert_eq!(behind.files, version(4));
    let second = node.transport.envelopes(&cx, 2, 2).expect("record").remove(0).revision();
    assert_eq!(kind(another(place).update_to(&cx, second)), ErrorKind::Damaged);
    // Publishing goes on, also of what was collected.
    for seed in [2, 5] {
        node.must_publish(&version(seed));
        reads(place, &version(seed));
    }
}

/// A revision that a node has applied stays for as long as it says so.
pub fn what_nodes_have_applied_is_kept(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    let old = node.must_publish(&version(1));
    node.transport.report(&cx, &report("web-1", Some(old))).expect("report");
    for seed in 2..=3 {
        node.must_publish(&version(seed));
    }
    assert_eq!(gc(place).condemned, 1);
    assert_eq!(gc(place).deleted, 1);
    let mut reader = another(place);
    reader.update_to(&cx, old).expect("kept");
    assert_eq!(reader.files, version(1));
    node.transport.report(&cx, &report("web-1", node.applied)).expect("report");
    // The pack of revision 1 also holds the file that never changed.
    assert_eq!(gc(place).condemned, 0);
    reads(place, &version(3));
}

/// What a dead publisher left goes after the grace period.
pub fn leftovers_are_swept_after_the_grace(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&version(1));
    let client = place.client();
    let staged = Staged::new().expect("a name");
    client.stage(&cx, &staged, b"left behind").expect("stage");
    let patient = Retention { grace: Duration::from_secs(3600), ..AT_ONCE };
    assert_eq!(collector(place).gc(&cx, &patient).expect("gc").leftovers, 0);
    assert_eq!(gc(place).leftovers, 1);
    let placed = client.commit(&cx, &staged, &layout::record(&"main".parse().expect("name"), 2)).expect("commit");
    assert_eq!(placed, depsync_transports::storage::Placed::Swept);
    reads(place, &version(1));
}

/// Nothing is deleted before the grace period is over.
pub fn the_grace_is_kept(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    for seed in 1..=3 {
        node.must_publish(&version(seed));
    }
    let patient = Retention { grace: Duration::from_secs(3600), ..AT_ONCE };
    for _ in 0..3 {
        let done = collector(place).gc(&cx, &patient).expect("gc");
        assert_eq!((done.deleted, done.waiting, packs(place)), (0, 1, 3));
    }
    let keep_all = Retention { keep_revisions: 10, ..AT_ONCE };
    let done = collector(place).gc(&cx, &keep_all).expect("gc");
    assert_eq!(done.deleted, 1, "a longer retention does not bring back what it cannot see");
}

/// Content of revision 2, which nothing needs any more once revision 3 is there.
fn with_garbage(place: &Place) -> Node<Hub> {
    let mut node = first(place);
    for seed in 1..=3 {
        node.must_publish(&version(seed));
    }
    node
}

/// Runs gc in the middle of somebody else's calls, once for each retention.
fn meanwhile(place: &Place, runs: &[Retention]) -> Fault {
    let (other, runs) = (collector(place), runs.to_vec());
    Fault::Meanwhile(Box::new(move || {
        for retention in &runs {
            other.gc(&Context::new(), retention).expect("gc");
        }
    }))
}

/// gc condemns before one call of a publish and sweeps before another, or the same: the publisher relies on what is
/// garbage, and nothing is lost.
pub fn gc_between_any_two_steps_of_a_publish_loses_nothing(place: &Place) {
    let patient = Retention { grace: Duration::from_secs(3600), ..AT_ONCE };
    let mut draw = Draw::of(place);
    // Content of revision 2, which the hub holds, for now; and in the second case something new besides.
    let mut besides = version(2);
    besides.extend(files([("new", noise(77, 2000).as_slice())]));
    for wanted in [version(2), besides] {
        let run = |steps: Option<(usize, usize, Retention)>| {
            let place = place.another();
            with_garbage(&place);
            let (transport, faulty) = place.probed("main");
            let mut node = Node::new(transport);
            node.transport.open(&Context::new(), OpenMode::Existing).expect("open");
            node.update(&Context::new()).expect("update");
            faulty.reset();
            match steps {
                None => {}
                Some((step, same, first)) if step == same => faulty.set(step, meanwhile(&place, &[first, AT_ONCE])),
                Some((condemn, sweep, first)) => {
                    faulty.set(condemn, meanwhile(&place, &[first]));
                    faulty.set(sweep, meanwhile(&place, &[AT_ONCE]));
                }
            }
            let published = node.publish(&Context::new(), &wanted).expect("publish");
            assert!(matches!(published, Published::Done { .. }), "{published:?}");
            let calls = faulty.reset();
            for _ in 0..2 {
                gc(&place);
            }
            reads(&place, &wanted);
            calls
        };
        let calls = run(None);
        for condemn in 1..=calls {
            // Further apart says nothing new: what matters is which of the publisher's looks lie between the two.
            let sweeps = [condemn, condemn + 1, condemn + 2, calls, calls + 1];
            let all = sweeps.into_iter().flat_map(|sweep| [(condemn, sweep, patient), (condemn, sweep, AT_ONCE)]);
            for steps in draw.of_all(all.collect()) {
                run(Some(steps));
            }
        }
    }
}

/// A publisher cuts the very bytes of a pack that is condemned, and gc sweeps while it commits: the pack must not be
/// taken for one that stays.
pub fn a_pack_cut_to_the_bytes_of_a_condemned_one_is_another(place: &Place) {
    let soon = Retention { grace: Duration::from_millis(60), ..AT_ONCE };
    let rehearsal = place.another();
    let calls = {
        with_garbage(&rehearsal);
        let (transport, _) = rehearsal.probed("main");
        let mut node = Node::new(transport);
        node.update(&Context::new()).expect("update");
        assert_eq!(gc(&rehearsal).condemned, 1);
        node.must_publish(&version(2));
        let lines = node.transport.storage().take_lines();
        let publish = lines.iter().rposition(|line| line == "get d/main/HEAD").expect("it looks at the head");
        lines[publish..].iter().position(|line| line.starts_with("commit")).expect("it commits") + 1
    };
    with_garbage(place);
    let (transport, faulty) = place.probed("main");
    let mut node = Node::new(transport);
    node.update(&Context::new()).expect("update");
    std::thread::sleep(soon.grace);
    assert_eq!(collector(place).gc(&Context::new(), &soon).expect("gc").condemned, 1);
    std::thread::sleep(soon.grace);
    // Old enough is the list; the staged record is not, so only the pack's name protects it.
    node.transport.storage().take();
    faulty.reset();
    faulty.set(calls, meanwhile(place, &[soon]));
    let published = node.publish(&Context::new(), &version(2)).expect("publish");
    assert!(matches!(published, Published::Done { .. }), "{published:?}");
    assert!(!faulty.is_armed(), "gc must have run before the commit");
    reads(place, &version(2));
}

/// A reader that stalls while gc runs gets its data or a clean error, and its data with the next try.
pub fn gc_between_any_two_steps_of_an_update_loses_nothing(place: &Place) {
    let mut node = with_garbage(place);
    let behind = node.transport.envelopes(&Context::new(), 2, 2).expect("record").remove(0).revision();
    let steps = {
        let (transport, faulty) = place.probed("main");
        Node::new(transport).update(&Context::new()).expect("update");
        faulty.reset()
    };
    for step in 1..=steps {
        let place = place.another();
        node = with_garbage(&place);
        let (transport, faulty) = place.probed("main");
        let mut reader = Node::new(transport);
        faulty.set(step, meanwhile(&place, &[AT_ONCE, AT_ONCE]));
        reader.update(&Context::new()).expect("the head is never collected");
        assert_eq!(reader.files, version(3));
        // A revision that is collected while it is fetched.
        let old = node.transport.envelopes(&Context::new(), 2, 2).expect("record").remove(0).revision();
        assert_eq!(old.number, behind.number);
        let mut late = another(&place);
        if let Err(error) = late.update_to(&Context::new(), old) {
            assert_eq!(error.kind(), ErrorKind::Damaged);
            late.update(&Context::new()).expect("the head");
            assert_eq!(late.files, version(3));
        }
    }
}

/// gc dies at any call: the hub is valid, and the next runs finish the work.
pub fn a_crash_of_gc_at_any_call_leaves_a_valid_hub(place: &Place) {
    let mut draw = Draw::of(place);
    for phase in 0..2 {
        let mut at = draw.stride();
        loop {
            let place = place.another();
            with_garbage(&place);
            for _ in 0..phase {
                gc(&place);
            }
            let (transport, faulty) = place.probed("main");
            transport.open(&Context::new(), OpenMode::Existing).expect("open");
            faulty.reset();
            faulty.set(at, Fault::Fail(ErrorKind::Io));
            let outcome = transport.gc(&Context::new(), &AT_ONCE);
            if faulty.is_armed() {
                assert!(outcome.is_ok() && at > 10, "{at} calls cannot be all");
                break;
            }
            reads(&place, &version(3));
            let mut node = another(&place);
            node.update(&Context::new()).expect("update");
            for _ in 0..3 {
                gc(&place);
            }
            assert_eq!(packs(&place), 2, "phase {phase}, call {at}");
            node.must_publish(&version(2));
            reads(&place, &version(2));
            at += draw.stride();
        }
    }
}

/// Where something that must be there is not, nothing is collected.
pub fn damage_stops_gc(place: &Place) {
    let node = with_garbage(place);
    let record = node.transport.envelopes(&Context::new(), 1, 1).expect("record").remove(0);
    let name = layout::pack(&record.payload().packs[0].name);
    let good = place.peek(&name);
    place.tamper(&name, None);
    assert_eq!(kind(collector(place).gc(&Context::new(), &AT_ONCE)), ErrorKind::Damaged);
    assert_eq!(packs(place), 2, "the damaged one is gone, the others stay");
    place.tamper(&name, good);
    assert_eq!(gc(place).condemned, 1);
    assert_eq!(gc(place).deleted, 1);
    reads(place, &version(3));
}
