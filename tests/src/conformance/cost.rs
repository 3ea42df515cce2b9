//! What calls cost, in storage operations.

use depsync_engine::context::Context;
use depsync_engine::transport::{Look, OpenMode, Transport};

use super::{another, first};
use crate::node::{Node, files, noise};
use crate::place::Place;

/// An idle look is one read, with any number of revisions.
pub fn looking_costs_one_read(place: &Place) {
    let cx = Context::new();
    let mut manager = first(place);
    for number in 1..=3u8 {
        manager.must_publish(&files([("file", &[number][..])]));
    }
    let (transport, _) = place.probed("main");
    transport.open(&cx, OpenMode::Existing).expect("open");
    for _ in 0..2 {
        transport.storage().take();
        transport.head(&cx, Look::Glance).expect("head");
        assert_eq!(transport.storage().take_lines(), ["get d/main/HEAD"]);
    }
    // Nor does a process that has not opened the hub read more: whose head it is, the record's hash tells.
    let (transport, _) = place.probed("main");
    transport.head(&cx, Look::Glance).expect("head");
    assert_eq!(transport.storage().take_lines(), ["get d/main/HEAD"]);
}

/// A node that is one small revision behind reads the head, one record and one pack.
pub fn an_update_after_a_small_publish_reads_three_names(place: &Place) {
    let cx = Context::new();
    let mut manager = first(place);
    let mut all = files([]);
    for number in 0..200u64 {
        all.extend(files([(format!("file-{number}").as_str(), noise(number, 2000).as_slice())]));
    }
    manager.must_publish(&all);
    let (transport, _) = place.probed("main");
    let mut worker = Node::new(transport);
    worker.transport.open(&cx, OpenMode::Existing).expect("open");
    worker.update(&cx).expect("update");
    all.extend(files([("file-7", noise(7777, 1024).as_slice())]));
    manager.must_publish(&all);
    worker.transport.storage().take();
    let bytes = worker.update(&cx).expect("update");
    let lines = worker.transport.storage().take_lines();
    assert_eq!(lines, ["get d/main/HEAD", "get d/main/revisions/000000000002", "get packs"]);
    assert!(bytes < 32 << 10, "{bytes} bytes");
    assert_eq!(worker.files, all);
}

/// A publish of one file: ten operations the first time in a process, nine after that.
pub fn a_small_publish_is_nine_operations(place: &Place) {
    let cx = Context::new();
    first(place).must_publish(&files([("file", &b"0"[..])]));
    let (transport, _) = place.probed("main");
    let mut manager = Node::new(transport);
    manager.transport.open(&cx, OpenMode::Existing).expect("open");
    manager.update(&cx).expect("update");
    for (round, find_first) in [(2, true), (3, false)] {
        manager.transport.storage().take();
        manager.must_publish(&files([("file", noise(round, 1024).as_slice())]));
        let next = round + 1;
        let mut expected = vec!["get d/main/HEAD".to_owned()];
        expected.extend(find_first.then(|| "find gc/condemned".to_owned()));
        expected.extend(["put_if_absent packs".to_owned(), "stage".to_owned(), "find gc/condemned".to_owned()]);
        expected.push(format!("commit d/main/revisions/{round:012}"));
        expected.push("replace d/main/HEAD".to_owned());
        expected.push(format!("find d/main/revisions/{next:012}"));
        expected.extend(["get HEADS".to_owned(), "replace HEADS".to_owned()]);
        assert_eq!(manager.transport.storage().take_lines(), expected);
    }
    let mut reader = another(place);
    reader.update(&cx).expect("update");
    assert_eq!(reader.files, manager.files);
}
