//! Hubs that are damaged, forged, put back, or somebody else's.

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_engine::name::DeploymentName;
use depsync_engine::transport::{Look, OpenMode, Published, Transport};
use depsync_transports::hub::layout;

use super::{another, first, kind, sample};
use crate::node::{Node, files, report};
use crate::place::Place;

fn main() -> DeploymentName {
    DeploymentName::default()
}

/// The records are the truth: whatever the hint says, the newest revision is found, and the hint is put right.
pub fn a_lagging_missing_or_damaged_head_is_seen_through(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&files([("file", &b"1"[..])]));
    let name = layout::head(&main());
    let lagging = place.peek(&name);
    for number in 2..=3u8 {
        node.must_publish(&files([("file", &[number][..])]));
    }
    let head = node.applied;
    for hint in [lagging, None, Some(b"nonsense\n".to_vec()), Some(vec![b'9'; 10_000])] {
        place.tamper(&name, hint.clone());
        let mut reader = another(place);
        assert_eq!(reader.transport.head(&cx, Look::Heal).expect("head"), head, "{hint:?}");
        assert_eq!(reader.transport.head(&cx, Look::Glance).expect("head"), head, "healed");
        reader.update(&cx).expect("update");
        // A publisher needs no healed hint.
        place.tamper(&name, hint);
        let last = node.applied.expect("applied").number;
        node.must_publish(&files([("file", last.to_string().as_bytes())]));
        assert!(matches!(reader.publish(&cx, &files([])).expect("publish"), Published::Raced));
        let mut stale = another(place);
        stale.update(&cx).expect("update");
        assert_eq!(stale.applied, node.applied);
        let name = layout::record(&main(), last + 1);
        place.tamper(&name, None);
        place.tamper(&layout::head(&main()), None);
        node = another(place);
        assert_eq!(node.transport.head(&cx, Look::Heal).expect("head"), head);
        node.update(&cx).expect("update");
    }
}

/// A hub that lost its last records (a partial restore): the hint points beyond them.
pub fn a_head_that_names_no_record_is_healed(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    let kept = node.must_publish(&sample(1));
    let lost = node.must_publish(&sample(2));
    place.tamper(&layout::record(&main(), 2), None);
    let reader = another(place);
    assert_eq!(reader.transport.head(&cx, Look::Glance).expect("head"), Some(lost));
    assert_eq!(kind(reader.transport.envelopes(&cx, 2, 2)), ErrorKind::NotFound);
    assert_eq!(reader.transport.head(&cx, Look::Heal).expect("head"), Some(kept));
    assert_eq!(reader.transport.head(&cx, Look::Glance).expect("head"), Some(kept));
    // Whoever applied what is lost does not publish over it.
    assert_eq!(kind(node.publish(&cx, &sample(3))), ErrorKind::Refused);
}

/// No byte of a record can change unseen.
pub fn a_tampered_record_is_damaged(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&sample(1));
    node.must_publish(&sample(2));
    let name = layout::record(&main(), 1);
    let good = place.peek(&name).expect("record");
    let text = String::from_utf8(good.clone()).expect("utf-8");
    for (from, to) in
        [("\"author\":\"test\"", "\"author\":\"evil\""), ("\"number\":1", "\"number\":2"), ("main", "site")]
    {
        assert!(text.contains(from), "{from}");
        place.tamper(&name, Some(text.replace(from, to).into_bytes()));
        assert_eq!(kind(another(place).transport.envelopes(&cx, 1, 2)), ErrorKind::Damaged, "{to}");
    }
    place.tamper(&name, Some(good[..good.len() / 2].to_vec()));
    assert_eq!(kind(another(place).transport.envelopes(&cx, 1, 1)), ErrorKind::Damaged);
    // The head's own record against the hash that the head names.
    place.tamper(&name, Some(good));
    let name = layout::record(&main(), 2);
    let text = String::from_utf8(place.peek(&name).expect("record")).expect("utf-8");
    place.tamper(&name, Some(text.replace("\"author\":\"test\"", "\"author\":\"evil\"").into_bytes()));
    assert_eq!(kind(another(place).update(&cx)), ErrorKind::Damaged);
}

/// What a ledger remembers does not hide that the hub has other records now.
pub fn a_hub_put_back_is_noticed(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&sample(1));
    let lost = node.must_publish(&sample(2));
    place.tamper(&layout::record(&main(), 2), None);
    let head = another(place).transport.head(&cx, Look::Heal).expect("head");
    let mut other = another(place);
    other.update(&cx).expect("update");
    assert_eq!(head, other.applied);
    let new = other.must_publish(&sample(3));
    assert_eq!(node.transport.head(&cx, Look::Glance).expect("head"), Some(new));
    let record = node.transport.envelopes(&cx, 2, 2).expect("record").remove(0);
    assert!(record.revision() == new && new != lost);
}

/// Another hub in the place of the one that was opened.
pub fn a_foreign_hub_is_refused(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&sample(1));
    let foreign = place.another();
    let mut stranger = first(&foreign);
    stranger.must_publish(&sample(1));
    for name in [layout::format(), layout::head(&main()), layout::record(&main(), 1)] {
        place.tamper(&name, foreign.peek(&name));
    }
    let head = node.transport.head(&cx, Look::Glance).expect("head").expect("some");
    assert_ne!(Some(head), node.applied);
    assert_eq!(kind(node.transport.envelopes(&cx, 1, 1)), ErrorKind::Damaged);
    assert_eq!(kind(node.publish(&cx, &sample(2))), ErrorKind::Refused);
    assert_eq!(kind(node.transport.report(&cx, &report("a", None))), ErrorKind::Refused);
    let id = stranger.transport.open(&cx, OpenMode::Existing).expect("open").id;
    assert_eq!(node.transport.open(&cx, OpenMode::Existing).expect("open").id, id, "the caller compares the ids");
}

fn pack_names(place: &Place) -> Vec<depsync_engine::path::RelPath> {
    let node = another(place);
    let record = node.transport.envelopes(&Context::new(), 1, 1).expect("record").remove(0);
    record.payload().packs.iter().map(|pack| layout::pack(&pack.name)).collect()
}

/// No byte of a pack can change unseen, nor can it be cut off.
pub fn a_damaged_pack_is_named(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&sample(1));
    let name = pack_names(place).remove(0);
    let good = place.peek(&name).expect("pack");
    let mut bad: Vec<Vec<u8>> =
        [0, 1, good.len() / 2, good.len() - 1].iter().map(|&cut| good[..cut].to_vec()).collect();
    for at in [0, 20, good.len() / 3, good.len() - 60, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        bad.push(flipped);
    }
    for bytes in bad {
        place.tamper(&name, Some(bytes));
        let error = another(place).update(&cx).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.place().is_some_and(|place| place.contains("pack")), "{error}");
    }
    place.tamper(&name, Some(good));
    another(place).update(&cx).expect("whole again");
}

/// A pack that a record lists and nobody removed by the rules.
pub fn a_missing_pack_is_damage(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&sample(1));
    place.tamper(&pack_names(place).remove(0), None);
    assert_eq!(kind(another(place).update(&cx)), ErrorKind::Damaged);
}

/// One node's broken report does not hide the others.
pub fn a_damaged_report_hides_no_other(place: &Place) {
    let cx = Context::new();
    let node = first(place);
    for name in ["a", "b", "c"] {
        node.transport.report(&cx, &report(name, None)).expect("report");
    }
    let of = |name: &str| layout::report(&main(), &name.parse().expect("id"));
    place.tamper(&of("a"), Some(b"{".to_vec()));
    place.tamper(&of("b"), Some(vec![b' '; 100_000]));
    assert_eq!(node.transport.reports(&cx).expect("reports"), [report("c", None)]);
    // Nor does one that speaks for somebody else.
    place.tamper(&of("a"), place.peek(&of("c")));
    assert_eq!(node.transport.reports(&cx).expect("reports"), [report("c", None)]);
}

/// What a hub requires and this version does not know keeps it out: from writing only, or altogether.
pub fn features_are_respected(place: &Place) {
    let cx = Context::new();
    let mut node = first(place);
    node.must_publish(&sample(1));
    let format = String::from_utf8(place.peek(&layout::format()).expect("FORMAT")).expect("utf-8");
    let with = |list: &str| {
        let mut said: serde_json::Value = serde_json::from_str(&format).expect("JSON");
        said[list].as_array_mut().expect("a list").push("later-1".into());
        said.to_string().into_bytes()
    };
    place.tamper(&layout::format(), Some(with("requires_to_write")));
    let mut writer = Node::new(place.transport("main"));
    let facts = writer.transport.open(&cx, OpenMode::Existing).expect("open");
    assert!(facts.capabilities.publish_refused.is_some_and(|why| why.contains("later-1")));
    writer.update(&cx).expect("reading is allowed");
    assert_eq!(kind(writer.publish(&cx, &sample(2))), ErrorKind::Unsupported);
    place.tamper(&layout::format(), Some(with("requires")));
    let error = place.transport("main").open(&cx, OpenMode::Existing).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.advice().is_some());
    place.tamper(&layout::format(), Some(with("optional")));
    another(place);
}

/// Somebody else's directory stays somebody else's.
pub fn a_place_with_something_else_in_it_is_not_made_a_hub(place: &Place) {
    place.tamper(&"notes.txt".try_into().expect("path"), Some(b"mine".to_vec()));
    let transport = place.transport("main");
    assert_eq!(kind(transport.open(&Context::new(), OpenMode::Create)), ErrorKind::Refused);
    assert_eq!(kind(transport.open(&Context::new(), OpenMode::Existing)), ErrorKind::NotFound);
}

/// One read tells the heads of all deployments.
pub fn the_heads_of_all_deployments_are_told(place: &Place) {
    let cx = Context::new();
    let mut main = first(place);
    let mut site = Node::new(place.transport("site"));
    main.must_publish(&files([("a", &b"main"[..])]));
    site.must_publish(&files([("a", &b"site"[..])]));
    main.must_publish(&files([("a", &b"main 2"[..])]));
    let heads = main.transport.heads(&cx).expect("heads");
    let shown: Vec<_> = heads.iter().map(|(name, head)| (name.as_str(), head.number)).collect();
    assert_eq!(shown, [("main", 2), ("site", 1)]);
    assert_eq!(main.transport.deployments(&cx).expect("deployments").len(), 2);
}
