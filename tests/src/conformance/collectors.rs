//! Two collectors at once, one of them stalled: nothing that is needed is lost, and one of the two finishes.

use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{Look, OpenMode, Published, Transport};
use depsync_transports::hub::{Collected, Retention, layout};

use super::draw::Draw;
use super::{another, first};
use crate::faults::Fault;
use crate::node::{Files, Node, files, noise};
use crate::place::{Hub, Place};

const AT_ONCE: Retention = Retention { keep_revisions: 1, keep_age: Duration::ZERO, grace: Duration::ZERO, raw: false };

/// What happens while a collector stalls.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Another collector runs.
    Gc,
    /// Somebody publishes what was published as the second revision, and is garbage by now.
    Again,
    /// Somebody publishes something new.
    New,
}

fn version(seed: u64) -> Files {
    files([("changing", noise(seed, 2000).as_slice()), ("same", noise(1000, 300).as_slice())])
}

/// A publisher that has just come up to date.
fn publisher(place: &Place) -> Node<Hub> {
    let mut node = another(place);
    node.transport.head(&Context::new(), Look::Heal).expect("a head");
    node.update(&Context::new()).expect("the head is whole");
    node
}

/// Nobody stalls for as long.
const PATIENT: Retention = Retention { grace: Duration::from_secs(3600), ..AT_ONCE };

fn gc(place: &Place, retention: &Retention) -> Collected {
    place.transport("main").gc(&Context::new(), retention).expect("gc")
}

fn perform(place: &Place, deeds: &[Deed]) {
    for deed in deeds {
        match deed {
            Deed::Gc => drop(gc(place, &PATIENT)),
            Deed::Again => drop(publisher(place).must_publish(&version(2))),
            Deed::New => drop(publisher(place).must_publish(&version(4))),
        }
    }
}

/// The second collector comes at any call of the first, in both of its phases, and others publish in between, also what
/// was garbage when the first one looked: the head is whole, and gc comes to rest.
pub fn a_stalled_collector_takes_nothing_that_is_needed(place: &Place) {
    use Deed::{Again, Gc, New};
    let plays: [&[Deed]; 3] = [&[Gc, Again], &[New, Gc, Gc, Again], &[Again, Gc]];
    let mut draw = Draw::of(place);
    for phase in 0..2 {
        let mut at = draw.stride();
        loop {
            let deeds = plays[(at + phase) % plays.len()];
            let place = place.another();
            let mut node = first(&place);
            for seed in 1..=3 {
                node.must_publish(&version(seed));
            }
            if phase == 1 {
                assert_eq!(gc(&place, &AT_ONCE).condemned, 1);
                place.age(&layout::condemned(), 2 * PATIENT.grace);
            }
            let (stalled, faulty) = place.probed("main");
            stalled.open(&Context::new(), OpenMode::Existing).expect("open");
            faulty.reset();
            let (there, deeds) = (place.same(), deeds.to_vec());
            faulty.set(
                at,
                Fault::Meanwhile(Box::new({
                    let deeds = deeds.clone();
                    move || perform(&there, &deeds)
                })),
            );
            let outcome = stalled.gc(&Context::new(), &PATIENT);
            if faulty.is_armed() {
                assert!(outcome.is_ok() && at > 10, "{at} calls cannot be all");
                break;
            }
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
            }
            let told = format!("phase {phase}, call {at}, meanwhile {deeds:?}");
            let head = publisher_or(&place, &told).files.clone();
            let mut runs = 0;
            while gc(&place, &AT_ONCE) != Collected::default() {
                runs += 1;
                assert!(runs <= 4, "{told}: gc must come to rest");
            }
            assert_eq!(publisher_or(&place, &told).files, head, "{told}");
            // Nobody relies on what is gone.
            for seed in [2, 3] {
                publisher_or(&place, &told).must_publish(&version(seed));
                assert_eq!(publisher_or(&place, &told).files, version(seed), "{told}");
            }
            at += draw.stride();
        }
    }
}

/// A deployment that begins after gc has run shares content with those before it: it is found by readers and by gc.
pub fn a_deployment_that_begins_after_gc_is_whole(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    for seed in 1..=3 {
        node.must_publish(&version(seed));
    }
    assert_eq!(gc(place, &AT_ONCE).condemned, 1);
    Node::new(place.transport("site")).must_publish(&version(9));
    let mut reader = Node::new(place.transport("site"));
    reader.update(&cx).expect("everything is found");
    assert_eq!(reader.files, version(9));
    while gc(place, &AT_ONCE) != Collected::default() {}
    let mut reader = Node::new(place.transport("site"));
    reader.update(&cx).expect("nothing was collected that is needed");
    assert_eq!(reader.files, version(9));
}

/// `INDEX` is replaced, and what it named removed, between any two calls of a publisher.
pub fn an_index_that_is_replaced_is_read_again(place: &Place) {
    let mut at = 1;
    loop {
        let place = place.another();
        let mut node = first(&place);
        for seed in 1..=3 {
            node.must_publish(&version(seed));
        }
        assert_eq!(gc(&place, &AT_ONCE).condemned, 1);
        let (transport, faulty) = place.probed("main");
        let mut publisher = Node::new(transport);
        publisher.transport.open(&Context::new(), OpenMode::Existing).expect("open");
        publisher.update(&Context::new()).expect("update");
        faulty.reset();
        let there = place.same();
        faulty.set(
            at,
            Fault::Meanwhile(Box::new(move || {
                // Something in the index is another one then.
                Node::new(there.transport("site")).must_publish(&version(9));
                gc(&there, &AT_ONCE);
            })),
        );
        let published =
            publisher.publish(&Context::new(), &version(5)).unwrap_or_else(|error| panic!("call {at}: {error}"));
        assert!(matches!(published, Published::Done { .. }), "call {at}: {published:?}");
        if faulty.is_armed() {
            assert!(at > 5, "{at} calls cannot be all");
            break;
        }
        assert_eq!(publisher_or(&place, &format!("call {at}")).files, version(5));
        at += 1;
    }
}

/// A node that has the head, or what is wrong with it.
fn publisher_or(place: &Place, told: &str) -> Node<Hub> {
    let mut node = another(place);
    node.transport.head(&Context::new(), Look::Heal).expect("a head");
    node.update(&Context::new()).unwrap_or_else(|error| panic!("{told}: {error}"));
    node
}
