//! Calls that fail, hang, or succeed without saying so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use depsync_engine::context::{Cancel, Context};
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{Look, OpenMode, Published, Transport};

use super::{another, first, kind};
use crate::faults::Fault;
use crate::node::{Files, Node, files, noise};
use crate::place::{Faults, Place};

fn second() -> Files {
    files([("a", &b"new"[..]), ("b", noise(5, 3000).as_slice())])
}

/// A node over a faulty storage that has applied revision 1, of one file.
fn victim(place: &Place) -> (Node<impl Transport + use<>>, Arc<Faults>) {
    let (transport, faulty) = place.probed("main");
    let mut node = Node::new(transport);
    node.transport.open(&Context::new(), OpenMode::Existing).expect("open");
    node.update(&Context::new()).expect("update");
    faulty.reset();
    (node, faulty)
}

fn with_one_revision(place: &Place) -> Node<crate::place::Hub> {
    let mut node = first(place);
    node.must_publish(&files([("a", &b"old"[..])]));
    node
}

/// How many storage calls one publish of [`second`] takes.
fn calls_of_a_publish(place: &Place) -> usize {
    let rehearsal = place.another();
    with_one_revision(&rehearsal);
    let (mut node, faulty) = victim(&rehearsal);
    node.must_publish(&second());
    faulty.reset()
}

/// The answer to the commit is lost: the revision stands, once, and the publisher knows.
pub fn a_lost_reply_is_decided_by_the_bytes(place: &Place) {
    let calls = calls_of_a_publish(place);
    for at in 1..=calls {
        let place = place.another();
        with_one_revision(&place);
        let (mut node, faulty) = victim(&place);
        faulty.set(at, Fault::LostReply);
        let published = node.publish(&Context::new(), &second());
        faulty.reset();
        let head = another(&place).transport.head(&Context::new(), Look::Heal).expect("head").expect("some");
        match published {
            Ok(Published::Done { revision, .. }) => assert_eq!(revision, head, "call {at}"),
            Ok(other) => panic!("call {at}: {other:?}"),
            // Before the commit the publish just failed.
            Err(error) => {
                assert_eq!((error.kind(), head.number), (ErrorKind::Unreachable, 1), "call {at}: {error}");
                node.must_publish(&second());
            }
        }
    }
}

/// Whichever call fails, and however: readers see the old revision or the new one, and the next publish works.
pub fn a_fault_at_any_call_of_a_publish_leaves_a_valid_hub(place: &Place) {
    let calls = calls_of_a_publish(place);
    let faults: [fn() -> Fault; 5] = [
        || Fault::Fail(ErrorKind::Io),
        || Fault::Fail(ErrorKind::NoSpace),
        || Fault::ShortWrite,
        || Fault::Cancel,
        || Fault::CancelAfter,
    ];
    for at in 1..=calls {
        for (which, fault) in faults.iter().enumerate() {
            let place = place.another();
            let old = with_one_revision(&place).files;
            let (mut node, faulty) = victim(&place);
            faulty.set(at, fault());
            let cx = Context::new().with_cancel(Cancel::default());
            let published = node.publish(&cx, &second());
            assert!(!faulty.is_armed(), "call {at} did not happen");
            let mut reader = another(&place);
            reader.transport.head(&Context::new(), Look::Heal).expect("head");
            reader.update(&Context::new()).expect("a valid hub");
            match &published {
                Ok(Published::Done { revision, .. }) => assert_eq!(reader.applied, Some(*revision), "call {at}"),
                Ok(other) => panic!("call {at}, fault {which}: {other:?}"),
                Err(_) => assert_eq!((reader.applied.map(|head| head.number), &reader.files), (Some(1), &old)),
            }
            if published.is_err() {
                node.must_publish(&second());
                reader.update(&Context::new()).expect("update");
            }
            assert_eq!(reader.files, second(), "call {at}, fault {which}");
        }
    }
}

/// A failing read is an error and no more: nothing wrong is delivered, and the next try works.
pub fn a_fault_at_any_call_of_an_update_is_an_error_and_no_more(place: &Place) {
    let mut manager = with_one_revision(place);
    manager.must_publish(&second());
    let fresh = || {
        let (transport, faulty) = place.probed("main");
        (Node::new(transport), faulty)
    };
    let (mut node, faulty) = fresh();
    node.update(&Context::new()).expect("update");
    for at in 1..=faulty.reset() {
        for fault in [Fault::Fail(ErrorKind::Io), Fault::Fail(ErrorKind::Unreachable), Fault::LostReply, Fault::Cancel]
        {
            let (mut node, faulty) = fresh();
            faulty.set(at, fault);
            let cx = Context::new().with_cancel(Cancel::default());
            node.update(&cx).expect_err("the call failed");
            assert!(node.files.is_empty() && node.applied.is_none());
            node.update(&Context::new()).expect("update");
            assert_eq!(node.files, second());
        }
    }
}

/// A call that hangs ends when the deadline passes or the caller cancels.
pub fn a_hanging_call_ends_with_the_deadline(place: &Place) {
    with_one_revision(place);
    let (mut node, faulty) = victim(place);
    faulty.set(1, Fault::Hang);
    let began = Instant::now();
    let cx = Context::new().with_deadline(began + Duration::from_millis(100));
    assert_eq!(kind(node.transport.head(&cx, Look::Glance)), ErrorKind::DeadlineExceeded);
    faulty.set(1, Fault::Hang);
    let cancel = Cancel::default();
    let cx = Context::new().with_cancel(cancel.clone());
    std::thread::scope(|scope| {
        let publish = scope.spawn(|| kind(node.publish(&cx, &second())));
        std::thread::sleep(Duration::from_millis(50));
        cancel.cancel();
        assert_eq!(publish.join().expect("no panic"), ErrorKind::Cancelled);
    });
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// A publish that lost the race does not upload the same again.
pub fn what_was_uploaded_before_a_race_is_used(place: &Place) {
    let cx = Context::new();
    let mut other = with_one_revision(place);
    let mut node = another(place);
    node.update(&cx).expect("update");
    let mut mine = files([("large", noise(9, 400_000).as_slice())]);
    mine.extend(node.files.clone());
    // Somebody publishes after our look at the head and before our commit.
    let (transport, faulty) = place.probed("main");
    let mut node = Node::new(transport);
    node.update(&cx).expect("update");
    faulty.reset();
    let calls = calls_of_a_publish(place);
    let (send, receive) = std::sync::mpsc::channel();
    faulty.set(calls - 4, Fault::Meanwhile(Box::new(move || send.send(other.must_publish(&second())).expect("sent"))));
    assert!(matches!(node.publish(&cx, &mine).expect("publish"), Published::Raced));
    let theirs = receive.try_recv().expect("they published");
    faulty.reset();
    node.update(&cx).expect("update");
    assert_eq!(node.applied, Some(theirs));
    mine.extend(second());
    let Published::Done { sent, revision, .. } = node.publish(&cx, &mine).expect("publish") else {
        panic!("not published")
    };
    assert!(sent < 20_000, "{sent} bytes were sent again");
    let record = node.transport.envelopes(&cx, revision.number, revision.number).expect("a record").remove(0);
    assert!(record.payload().packs.len() >= 2, "the packs of before are listed");
    let mut reader = another(place);
    reader.update(&cx).expect("update");
    assert_eq!(reader.files, mine);
}
