//! Archives from release to release: what travels, what a chain of differences comes to, and what gc makes of it.

use std::time::Duration;

use depsync_engine::content::cutter::Cutter;
use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::transport::{OpenMode, Transport};
use depsync_transports::hub::{Collected, Retention, layout};

use super::draw::Draw;
use super::{another, first};
use crate::faults::Fault;
use crate::jar;
use crate::node::{Files, Node, files, noise};
use crate::place::{Hub, Place};

const AT_ONCE: Retention = Retention { keep_revisions: 1, keep_age: Duration::ZERO, grace: Duration::ZERO, raw: false };

/// A deployment with an archive of this release.
fn release(number: u32) -> Files {
    files([("shop.war", &jar::release(number)[..]), ("same.bin", &noise(3, 20_000))])
}

fn gc(place: &Place, retention: &Retention) -> Collected {
    place.transport("main").gc(&Context::new(), retention).expect("gc")
}

/// Lets gc run until it has nothing to do.
fn collect_all(place: &Place, retention: &Retention) -> Collected {
    let mut all = Collected::default();
    for run in 0.. {
        let Collected { condemned, deleted, renewed, .. } = gc(place, retention);
        if condemned + deleted + renewed == 0 {
            return all;
        }
        (all.condemned, all.deleted, all.renewed) =
            (all.condemned + condemned, all.deleted + deleted, all.renewed + renewed);
        assert!(run < 6, "gc must come to rest");
    }
    all
}

/// A release after the other costs a node little, whether it takes each, or some at a time; one that has nothing gets all.
/// Longer than a chain may be.
pub fn a_chain_of_releases_is_followed(place: &Place) {
    let cx = Context::new();
    let whole = jar::release(1).len() as u64;
    let mut node = first(place);
    node.must_publish(&release(1));
    let (mut each, mut late) = (another(place), another(place));
    each.update(&cx).expect("update");
    late.update(&cx).expect("update");
    let mut revisions = vec![node.applied.expect("published")];
    for number in 2..=12 {
        revisions.push(node.must_publish(&release(number)));
        let bytes = each.update(&cx).expect("update");
        assert_eq!(each.files, release(number));
        // But for those releases whose chain begins anew, which are some pieces and a recipe.
        assert!(bytes < whole / 4, "{bytes} of {whole} bytes at release {number}");
        if number % 5 == 0 {
            let bytes = late.update(&cx).expect("update");
            assert_eq!(late.files, release(number));
            assert!(bytes < whole / 3, "{bytes} of {whole} bytes for five releases");
        }
    }
    let mut fresh = another(place);
    fresh.update(&cx).expect("update");
    assert_eq!(fresh.files, release(12));
    // Back by three, over what is there.
    node.restore(&cx, &release(9), revisions[8]).expect("restored");
    let bytes = each.update(&cx).expect("update");
    assert_eq!(each.files, release(9));
    assert!(bytes < whole / 3, "{bytes} of {whole} bytes for a rollback");
}

/// What nothing but a difference needs is written whole, and goes.
pub fn gc_keeps_what_differences_are_made_of(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    for number in 1..=4 {
        node.must_publish(&release(number));
    }
    let mut behind = another(place);
    let second = node.transport.envelopes(&cx, 3, 3).expect("record").remove(0).revision();
    behind.update_to(&cx, second).expect("update");
    assert_eq!(behind.files, release(3));
    // The packs of two releases between the first, most of which is needed, and the last.
    let done = collect_all(place, &AT_ONCE);
    assert!(done.renewed > 0 && done.deleted == 2, "{done:?}");
    let mut fresh = another(place);
    fresh.update(&cx).expect("a valid hub");
    assert_eq!(fresh.files, release(4));
    behind.update(&cx).expect("a valid hub");
    assert_eq!(behind.files, release(4));
    node.must_publish(&release(5));
    fresh.update(&cx).expect("a valid hub");
    assert_eq!(fresh.files, release(5));
    let mut last = another(place);
    last.update(&cx).expect("a valid hub");
    assert_eq!(last.files, release(5));
}

/// A node that read the hub before goes on, although what its objects are stored against is gone.
pub fn a_reader_that_knew_the_hub_before_finds_what_was_renewed(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&release(1));
    let mut reader = another(place);
    reader.update(&cx).expect("update");
    for number in 2..=4 {
        node.must_publish(&release(number));
    }
    let mut other = another(place);
    let head = node.applied.expect("published");
    // It has read records and indexes, and nothing else yet.
    other.transport.record(&cx, head.number).expect("a record");
    collect_all(place, &AT_ONCE);
    for node in [&mut reader, &mut other] {
        node.update(&cx).expect("a valid hub");
        assert_eq!(node.files, release(4));
    }
}

/// A deployment with an archive of which a class is another one in each release.
fn little(release: u32) -> Files {
    let main = [jar::class(5), format!("release {release}").into_bytes()].concat();
    let same = (1..12).map(|class| jar::deflated(format!("C{class}.class"), jar::class(class)));
    let entries: Vec<jar::Entry> = same.chain([jar::deflated("Main.class", main)]).collect();
    files([("shop.war", &jar::jar(&entries, release)[..])])
}

/// gc dies at any call while it writes whole what was stored against something that goes.
pub fn a_crash_of_gc_while_it_renews_leaves_a_valid_hub(place: &Place) {
    let cx = Context::new();
    let mut draw = Draw::of(place);
    let mut at = draw.stride();
    loop {
        let place = place.another();
        let mut node = first(&place);
        for number in 1..=3 {
            node.must_publish(&little(number));
        }
        let (transport, faulty) = place.probed("main");
        transport.open(&cx, OpenMode::Existing).expect("open");
        faulty.reset();
        faulty.set(at, Fault::Fail(ErrorKind::Io));
        let outcome = transport.gc(&cx, &AT_ONCE);
        if faulty.is_armed() {
            assert!(outcome.is_ok_and(|done| done.renewed > 0) && at > 10, "{at} calls cannot be all");
            return;
        }
        let reads = || {
            let mut fresh = another(&place);
            fresh.update(&cx).expect("a valid hub");
            assert_eq!(fresh.files, little(3), "call {at}");
        };
        reads();
        collect_all(&place, &AT_ONCE);
        reads();
        at += draw.stride();
    }
}

/// With `raw`, no piece is stored as a difference any more; what is published after it is again.
pub fn gc_stores_pieces_whole_if_it_is_told_to(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    for number in 1..=3 {
        node.must_publish(&release(number));
    }
    let keep_all = Retention { keep_revisions: 10, ..AT_ONCE };
    assert_eq!(collect_all(place, &keep_all), Collected::default(), "all of it is needed as it is");
    let raw = Retention { raw: true, ..keep_all };
    assert!(collect_all(place, &raw).renewed > 0);
    assert_eq!(gc(place, &raw), Collected::default(), "nothing is left to be renewed");
    for number in 1..=3 {
        let mut fresh = another(place);
        let revision = node.transport.envelopes(&cx, number, number).expect("record").remove(0).revision();
        fresh.update_to(&cx, revision).expect("a valid hub");
        assert_eq!(fresh.files, release(u32::try_from(number).expect("few")));
    }
    node.must_publish(&release(4));
    assert!(gc(place, &raw).renewed > 0);
}

/// A hub without the feature sends archives whole; with it, what has changed in them. Clients that are open learn of it.
pub fn an_old_hub_gets_what_a_new_one_has(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    let format = || String::from_utf8(place.peek(&layout::format()).expect("FORMAT")).expect("JSON");
    let new = format();
    place.tamper(&layout::format(), Some(new.replace("\"archives-1\"", "").into_bytes()));
    node.transport.open(&cx, OpenMode::Existing).expect("open");
    let mut reader = another(place);
    let brought = |node: &mut Node<Hub>, reader: &mut Node<Hub>, number: u32| {
        node.must_publish(&release(number));
        let bytes = reader.update(&cx).expect("update");
        assert_eq!(reader.files, release(number));
        bytes
    };
    let whole = jar::release(1).len() as u64;
    brought(&mut node, &mut reader, 1);
    let bytes = brought(&mut node, &mut reader, 2);
    // But for the picture in it.
    assert!(bytes > (whole - 90_000) / 2, "{bytes} of {whole} bytes, the old way");

    let operator = another(place);
    let old = format();
    assert_eq!(operator.transport.lacks(&cx).expect("lacks"), ["archives-1"]);
    assert_eq!(format(), old, "who asks changes nothing");
    assert_eq!(operator.transport.upgrade(&cx).expect("upgrades"), ["archives-1"]);
    let upgraded = format();
    let fields = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(fields(&upgraded), fields(&new));
    assert_eq!(operator.transport.lacks(&cx).expect("lacks"), [""; 0]);
    assert_eq!(operator.transport.upgrade(&cx).expect("upgrades"), [""; 0]);
    assert_eq!(format(), upgraded, "nothing to do");

    // What every publish of a node begins with.
    node.transport.open(&cx, OpenMode::Existing).expect("open");
    // Cut anew: whole, once. What the publisher remembers, and what the reader cuts of release 2, is not what the hub has.
    let cut = Cutter::default().cut_slice(&jar::release(2)).expect("cut");
    node.remembered.insert(cut.hash, cut.recipe);
    brought(&mut node, &mut reader, 3);
    let mut fresh = another(place);
    fresh.update(&cx).expect("update");
    assert_eq!(fresh.files, release(3));
    let bytes = brought(&mut node, &mut reader, 4);
    assert!(bytes < whole / 10, "{bytes} of {whole} bytes");
    let mut fresh = another(place);
    fresh.update(&cx).expect("update");
    assert_eq!(fresh.files, release(4));
}
