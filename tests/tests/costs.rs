//! What the everyday costs in operations on the hub's storage, each named: the real engine, a real directory, every
//! command a process of its own (a new node over the same state) unless it says otherwise.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use depsync_engine::content::ObjectKind;
use depsync_engine::content::pack::{PackRef, check_pack};
use depsync_engine::context::Context;
use depsync_engine::engine::{Node, PublishOptions, PublishOutcome, UpdateOptions, UpdateOutcome};
use depsync_engine::record::Envelope;
use depsync_engine::transport::{Look, Transport};
use depsync_tests::cluster::Site;
use depsync_tests::jar;
use depsync_tests::node::noise;
use depsync_tests::recording::{Operation, Recording};
use depsync_tests::snapshot::{Item, snapshot};
use depsync_transports::MountStorage;
use depsync_transports::hub::Retention;

/// A cluster of a manager `m` and a worker `w`, both at revision 1 of `files` flat files.
fn settled(files: usize) -> Site {
    let site = Site::new();
    fs::create_dir(site.dir("m")).expect("a directory");
    for number in 0..files {
        fs::write(site.dir("m").join(format!("file-{number:05}.xml")), format!("<content number=\"{number}\"/>\n"))
            .expect("a file");
    }
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    site
}

fn publish(cx: &Context, node: &Node) -> PublishOutcome {
    node.publish(cx, &PublishOptions::default()).expect("publishes")
}

fn update(cx: &Context, node: &Node) -> UpdateOutcome {
    node.update(cx, &UpdateOptions::default()).expect("updates")
}

fn written(calls: &[Operation]) -> usize {
    calls.iter().filter(|call| matches!(call.call, "put_if_absent" | "stage" | "replace")).map(|call| call.bytes).sum()
}

fn read(calls: &[Operation]) -> usize {
    calls.iter().filter(|call| matches!(call.call, "get" | "find" | "get_range")).map(|call| call.bytes).sum()
}

#[test]
fn an_idle_update_is_one_read() {
    let site = settled(50);
    let cx = site.context();
    for _process in 0..2 {
        let (node, hub) = site.recorded("w");
        for _call in 0..2 {
            assert!(!update(&cx, &node).changed);
            assert_eq!(hub.take_lines(), ["get d/main/HEAD"]);
        }
    }
    // A manager's update is no different.
    let (node, hub) = site.recorded("m");
    assert!(!update(&cx, &node).changed);
    assert_eq!(hub.take_lines(), ["get d/main/HEAD"]);
}

#[test]
fn an_update_looks_beyond_the_head_once_a_minute() {
    let site = settled(5);
    site.pass(61);
    let (node, hub) = site.recorded("w");
    assert!(!update(&site.context(), &node).changed);
    let looked = ["find FORMAT", "get d/main/HEAD", "find d/main/revisions/000000000001"];
    assert_eq!(hub.take_lines(), [&looked[..], &["find d/main/revisions/000000000002"]].concat());
    update(&site.context(), &node);
    assert_eq!(hub.take_lines(), ["get d/main/HEAD"]);
}

#[test]
fn an_idle_publish_is_four_reads_and_no_write() {
    let site = settled(50);
    let cx = site.context();
    let (node, hub) = site.recorded("m");
    // A publisher always looks for a record beyond the head: another may have died before it moved the hint.
    let looked = ["get d/main/HEAD", "find d/main/revisions/000000000001", "find d/main/revisions/000000000002"];
    for expected in [&["find FORMAT"][..], &[]] {
        assert!(!publish(&cx, &node).changed);
        assert_eq!(hub.take_lines(), [expected, &looked].concat());
    }
}

#[test]
fn a_publish_of_one_file_is_eighteen_operations_and_its_update_six() {
    let site = settled(50);
    let cx = site.context();
    fs::write(site.dir("m").join("file-00007.xml"), "<changed/>").expect("a file");
    let (node, hub) = site.recorded("m");
    assert!(publish(&cx, &node).changed);
    let expected = [
        // Is the head still ours, and does nothing come after it?
        "find FORMAT",
        "get d/main/HEAD",
        "find d/main/revisions/000000000001",
        "find d/main/revisions/000000000002",
        // There is something to publish: is it still this hub, and can it be written to?
        "find FORMAT",
        "probe",
        // The publish itself: `transports/src/hub/publish.rs` says why each.
        "get d/main/HEAD",
        "find gc/condemned",
        "put_if_absent packs",
        "stage",
        "find gc/condemned",
        "commit d/main/revisions/000000000002",
        "replace d/main/HEAD",
        "find d/main/revisions/000000000003",
        "get HEADS",
        "replace HEADS",
        // The report, not into a directory that an unmounted hub has left behind.
        "find FORMAT",
        "replace d/main/nodes/m.json",
    ];
    assert_eq!(hub.take_lines(), expected);

    let (node, hub) = site.recorded("w");
    assert!(update(&cx, &node).changed);
    let expected = [
        "get d/main/HEAD",
        "find FORMAT",
        "get d/main/revisions/000000000002",
        "get packs",
        "find FORMAT",
        "replace d/main/nodes/w.json",
    ];
    assert_eq!(hub.take_lines(), expected);
}

/// The pages in the packs of the newest record.
fn pages_published(site: &Site, hub: &Arc<Recording<MountStorage>>) -> (usize, Envelope) {
    let cx = site.context();
    let ledger = Arc::new(depsync_engine::transport::MemoryLedger::default());
    let transport = depsync_transports::HubTransport::new(Arc::clone(hub), "main".parse().expect("a name"), ledger);
    let head = transport.head(&cx, Look::Glance).expect("a head").expect("a revision");
    let record = transport.envelopes(&cx, head.number, head.number).expect("a record").remove(0);
    let pages = |reference: &PackRef| {
        let hex = reference.name.to_string();
        let bytes = fs::read(site.hub().join("packs").join(&hex[..2]).join(&hex)).expect("a pack");
        let index = check_pack(&bytes, reference).expect("a whole pack");
        index.iter().filter(|slot| slot.kind == ObjectKind::Page.byte()).count()
    };
    (record.payload().packs.iter().map(pages).sum(), record)
}

#[test]
fn one_file_among_ten_thousand_costs_its_path_through_the_tree() {
    let site = settled(10_000);
    let cx = site.context();
    let mut worst = (0, 0, 0);
    for (round, number) in [0, 4_999, 5_000, 7_777, 9_999].into_iter().enumerate() {
        // 1 KiB that does not compress, so that the file's bytes are all there.
        let content: Vec<u8> =
            (0..32u8).flat_map(|part| *blake3::hash(&[u8::try_from(round).expect("small"), part]).as_bytes()).collect();
        fs::write(site.dir("m").join(format!("file-{number:05}.xml")), &content).expect("a file");
        let (node, hub) = site.recorded("m");
        let sent = publish(&cx, &node).bytes_sent;
        let calls = hub.take();
        let (pages, _) = pages_published(&site, &hub);
        let all = written(&calls);
        assert!(sent as usize <= all, "{sent} said, {all} written");
        assert!(all < (32 << 10) + content.len(), "{all} bytes written");
        // One page a level, never a neighbour: a value does not move a cut. 10,000 names of 64 a page are 3 levels.
        assert!((2..=4).contains(&pages), "{pages} pages");

        let (node, hub) = site.recorded("w");
        let fetched = update(&cx, &node).bytes_fetched;
        let calls = hub.take();
        assert_eq!(calls.len(), 6, "{calls:?}");
        assert!(read(&calls) < (32 << 10) + content.len(), "{} bytes read", read(&calls));
        assert!(fetched < (32 << 10) + 1024, "{fetched} bytes fetched");
        worst = (worst.0.max(all), worst.1.max(pages), worst.2.max(read(&calls)));
    }
    // Ten files cost at most ten paths, which share what is above.
    for number in 0..10 {
        fs::write(site.dir("m").join(format!("file-{:05}.xml", number * 997)), "<ten/>").expect("a file");
    }
    let (node, hub) = site.recorded("m");
    publish(&cx, &node);
    assert_eq!(hub.take().len(), 18);
    let (pages, _) = pages_published(&site, &hub);
    assert!((11..=10 * 2 + 1).contains(&pages), "{pages} pages");
    let (node, hub) = site.recorded("w");
    update(&cx, &node);
    assert_eq!(hub.take().len(), 6);

    // 7,776, 3 and 8,027 when this was written.
    assert!(worst.0 < 9_000 && worst.1 <= 3 && worst.2 < 9_000, "bytes written, pages, bytes read: {worst:?}");
}

#[test]
fn a_manager_that_skipped_a_hundred_revisions_does_not_read_them_all_to_publish() {
    let site = settled(50);
    let cx = site.context();
    site.update("m2").expect("updates");
    let manager = site.node("m");
    for round in 0..100 {
        fs::write(site.dir("m").join("file-00007.xml"), format!("<changed round=\"{round}\"/>")).expect("a file");
        publish(&cx, &manager);
    }
    let (node, hub) = site.recorded("m2");
    update(&cx, &node);
    let lines = hub.take_lines();
    let packs = |lines: &[String]| lines.iter().filter(|line| *line == "get packs").count();
    // The records are the proof that the head descends from what was applied here. Of the packs, only the last.
    assert_eq!((lines.len(), packs(&lines)), (2 + 100 + 1 + 2, 1));
    fs::write(site.dir("m2").join("file-00008.xml"), "<mine/>").expect("a file");
    let (node, hub) = site.recorded("m2");
    publish(&cx, &node);
    let lines = hub.take_lines();
    assert_eq!((lines.len(), packs(&lines)), (18 + 64, 64), "{lines:?}");
}

/// Runs gc so that it condemns: of the revisions only the newest stays.
fn condemn(site: &Site) -> u64 {
    let storage = MountStorage::new(site.hub(), false).expect("a storage");
    let ledger = Arc::new(depsync_engine::transport::MemoryLedger::default());
    let transport = depsync_transports::HubTransport::new(storage, "main".parse().expect("a name"), ledger);
    let retention = Retention { keep_revisions: 1, keep_age: std::time::Duration::ZERO, ..Retention::default() };
    transport.gc(&site.context(), &retention).expect("collects").condemned
}

#[test]
fn after_gc_a_small_publish_does_not_read_the_whole_index_again() {
    let site = settled(2_000);
    let cx = site.context();
    let change = |round: u32| {
        fs::write(site.dir("m").join("file-00007.xml"), format!("<changed round=\"{round}\"/>")).expect("a file");
    };
    // The pack of revision 2 is needed by nobody once its one file has changed again.
    for round in 0..2 {
        change(round);
        site.publish("m").expect("publishes");
    }
    site.update("w").expect("updates");
    assert_eq!(condemn(&site), 1);
    // The first publish after gc reads what gc wrote: as many bytes as there are objects.
    for round in 2..5 {
        change(round);
        let (node, hub) = site.recorded("m");
        publish(&cx, &node);
        let calls = hub.take();
        let bytes = read(&calls);
        assert!(round == 2 || bytes < 16 << 10, "{bytes} bytes read: {calls:?}");
    }
}

/// What the manager `m` and its worker `w` move between their places and the hub for what is in `m` now.
fn moved(site: &Site) -> (usize, usize) {
    let cx = site.context();
    let (manager, hub) = site.recorded("m");
    assert!(publish(&cx, &manager).changed);
    let sent = written(&hub.take());
    let (worker, hub) = site.recorded("w");
    assert!(update(&cx, &worker).changed);
    (sent, read(&hub.take()))
}

#[test]
fn a_directory_beside_the_archive_it_was_unpacked_from_costs_little() {
    let site = settled(0);
    let war = jar::release(1);
    fs::write(site.dir("m").join("shop.war"), &war).expect("a file");
    let (sent, fetched) = moved(&site);
    assert!(sent > war.len() / 2 && fetched > war.len() / 2);
    let whole = unpack(&site, "shop", &jar::entries(1));
    let (sent, fetched) = moved(&site);
    assert!(sent < whole / 16 && fetched < whole / 16, "{sent} sent and {fetched} fetched of {whole}");
    // The next release of both at once, again and again.
    for number in 2..12 {
        fs::write(site.dir("m").join("shop.war"), jar::release(number)).expect("a file");
        unpack(&site, "shop", &jar::entries(number));
        let (sent, fetched) = moved(&site);
        // A chain that is full begins anew.
        assert!(sent < whole / 8 && fetched < whole / 8, "{sent} sent and {fetched} fetched of {whole}");
    }
    let fresh = site.node("fresh");
    assert!(update(&site.context(), &fresh).changed);
    assert!(snapshot(&site.dir("m")) == snapshot(&site.dir("fresh")));
    // And the other way: what is unpacked comes first.
    let mut entries = jar::entries(12);
    // An archive that is reversed is none, and not published.
    let others = entries.iter_mut().filter(|entry| !entry.name.ends_with(".jar"));
    others.for_each(|entry| entry.content.reverse());
    let whole = unpack(&site, "cart", &entries);
    moved(&site);
    fs::write(site.dir("m").join("cart.war"), jar::jar(&entries, 7)).expect("a file");
    let (sent, fetched) = moved(&site);
    assert!(sent < whole / 4 && fetched < whole / 4, "{sent} sent and {fetched} fetched of {whole}");
    assert!(snapshot(&site.dir("m")) == snapshot(&site.dir("w")));
}

/// Writes what an archive of these entries is unpacked to. How many bytes that is.
fn unpack(site: &Site, name: &str, entries: &[jar::Entry]) -> usize {
    for entry in entries {
        let path = site.dir("m").join(name).join(&entry.name);
        fs::create_dir_all(path.parent().expect("beneath a directory")).expect("a directory");
        fs::write(path, &entry.content).expect("a file");
    }
    entries.iter().map(|entry| entry.content.len()).sum()
}

#[test]
fn a_new_version_beside_the_one_before_costs_little() {
    let site = settled(0);
    for number in 1..=3 {
        let war = jar::release(number);
        fs::write(site.dir("m").join(format!("shop##00{number}.war")), &war).expect("a file");
        let (sent, fetched) = moved(&site);
        let limit = if number == 1 { war.len() * 2 } else { war.len() / 4 };
        assert!(sent < limit && fetched < limit, "{sent} sent and {fetched} fetched of {}", war.len());
    }
    assert!(snapshot(&site.dir("m")) == snapshot(&site.dir("w")));
}

#[test]
fn a_node_without_anything_reads_nothing_twice() {
    let site = settled(0);
    for number in 1..=8 {
        // Of many classes, of which one in ten is another one in each release: in a pack that is not read whole.
        let classes = (0..300).map(|class| {
            let build = if class % 10 == 0 { number } else { 0 };
            let content = [jar::class(class), noise(class, 2500), format!("build {build}").into_bytes()].concat();
            jar::deflated(format!("com/example/C{class}.class"), content)
        });
        let war = jar::jar(&classes.collect::<Vec<_>>(), u32::try_from(number).expect("few"));
        fs::write(site.dir("m").join("shop.war"), war).expect("a file");
        site.publish("m").expect("publishes");
    }
    let (fresh, hub) = site.recorded("fresh");
    assert!(update(&site.context(), &fresh).changed);
    let (fetched, there) = (read(&hub.take()), bytes_beneath(&site.hub()));
    assert!(fetched <= there, "{fetched} bytes of {there}");
    assert!(snapshot(&site.dir("m")) == snapshot(&site.dir("fresh")));
}

fn bytes_beneath(directory: &Path) -> usize {
    let sizes = snapshot(directory).into_values().map(|item| match item {
        Item::File(_, bytes) => bytes.len(),
        _ => 0,
    });
    sizes.sum()
}
