//! A hub with the feature `archives-1`: `tests/fixtures/hub-v1-archives`.
//!
//! Three releases of an archive with archives in it, of a library whose name has the number of the version, and of the
//! directory that the archive was unpacked into. In each, one entry of every archive is new, and all times are. So the hub
//! holds recipes against recipes, patches of pieces, what has changed within a deflated archive, and pieces made of files.

use std::collections::BTreeSet;
use std::fs;

use depsync_engine::content::pack::{Codec, PackIndex, PackRef, Slot};
use depsync_engine::context::Context;
use depsync_engine::engine::UpdateOptions;
use depsync_engine::transport::MemoryLedger;
use depsync_tests::cluster::Site;
use depsync_tests::jar::{self, Entry};
use depsync_tests::node::noise;
use depsync_tests::snapshot::{Item, Snapshot, snapshot};
use depsync_transports::hub::Retention;
use depsync_transports::{HubTransport, MountStorage};

use super::*;

/// The fixture that today's code writes.
const NEWEST: &str = "hub-v1-archives-2";
/// The fixtures that today's code must read, with the record of their newest revision.
const READABLE: [(&str, &str); 2] = [
    // From before an unpacked archive was one piece.
    ("hub-v1-archives", "d55098133f88794f5b32b7f55e169a3d35478d3f69aba19304f3ac13d1113d73"),
    ("hub-v1-archives-2", "b4679f727125bf71d97ea84c438ede78be1668c0ec4f0ca4a6f638ba5a9b9c5f"),
];

/// A library of this release.
fn library(seed: u64, release: u32) -> Vec<u8> {
    let same =
        (1..8).map(|class| jar::deflated(format!("com/example/m{seed}/C{class}.class"), jar::class(seed + class)));
    let fresh = [jar::class(seed), format!("release {release}").into_bytes()].concat();
    let fresh = jar::deflated(format!("com/example/m{seed}/Main.class"), fresh);
    jar::jar(&same.chain([fresh]).collect::<Vec<_>>(), 0x5a21_0000 + release)
}

fn entries(release: u32) -> Vec<Entry> {
    let at = |level: u8, entry: Entry| Entry { level: Some(level), ..entry };
    let fresh = [jar::class(50), format!("release {release}").into_bytes(), jar::class(51)].concat();
    vec![
        jar::deflated("META-INF/MANIFEST.MF", format!("Implementation-Version: 1.0.{release}\r\n")),
        jar::deflated("WEB-INF/classes/A.class", jar::class(1)),
        at(9, jar::deflated("WEB-INF/classes/B.class", jar::class(2))),
        at(1, jar::deflated("WEB-INF/classes/Main.class", fresh)),
        jar::stored("WEB-INF/lib/stored.jar", library(1000, release)),
        jar::deflated("WEB-INF/lib/deflated.jar", library(2000, release)),
        jar::stored("static/picture.png", noise(7, 5000)),
    ]
}

/// The tree of a release.
fn tree(release: u32) -> Snapshot {
    let war = jar::jar(&entries(release), 0x5a21_0000 + release);
    let mut files =
        vec![("webapps/shop.war".to_owned(), war), (format!("lib/core-1.0.{release}.jar"), library(3000, release))];
    files.extend(entries(release).into_iter().map(|entry| (format!("webapps/shop/{}", entry.name), entry.content)));
    let mut tree = Snapshot::new();
    for (path, content) in files {
        for (at, _) in path.match_indices('/') {
            tree.insert(path.as_bytes()[..at].to_vec(), Item::Directory(0o755));
        }
        tree.insert(path.into_bytes(), Item::File(0o644, content));
    }
    tree
}

/// Writes the hub of the fixture at `hub`, which does not exist.
fn write_hub(hub: &Path) {
    fs::create_dir_all(hub).expect("a directory");
    let format = FORMAT.replace("\"requires\": []", "\"requires\": [\n    \"archives-1\"\n  ]");
    fs::write(hub.join("FORMAT"), format).expect("a file");
    let mut publisher = Publisher::new(hub, "main");
    for release in 1..=3 {
        publisher.publish(&tree(release), &format!("release {release}"), vec![]);
    }
}

#[test]
fn the_same_publishes_write_the_same_bytes() {
    let site = Site::new();
    write_hub(&site.hub());
    check(&hub_files(&site.hub()), NEWEST);
}

/// What stands in the packs of each revision of a hub.
fn slots(hub: &Path) -> Vec<Vec<Slot>> {
    let storage = MountStorage::new(hub, false).expect("a storage");
    let transport = HubTransport::new(storage, "main".parse().expect("a name"), Arc::new(MemoryLedger::default()));
    let records = transport.envelopes(&Context::new(), 1, 3).expect("records");
    let slots = |pack: &PackRef| {
        let name = pack.name.to_string();
        let bytes = fs::read(hub.join("packs").join(&name[..2]).join(&name)).expect("a pack");
        let start = usize::try_from(pack.tail().expect("an index").start).expect("in memory");
        let index = PackIndex::from_tail(&bytes[start..], pack).expect("an index");
        index.iter().cloned().collect::<Vec<_>>()
    };
    records.iter().map(|record| record.payload().packs.iter().flat_map(slots).collect()).collect()
}

#[test]
fn the_fixtures_hold_objects_of_every_codec() {
    for (name, _) in READABLE {
        let revisions = slots(&fixture(name));
        for (revision, missing) in revisions.iter().zip([&[Codec::Nested, Codec::Columns][..], &[], &[]]) {
            let found: BTreeSet<u8> = revision.iter().map(|slot| slot.codec).collect();
            let mut all = vec![Codec::Stored, Codec::Zstd, Codec::Patch, Codec::Nested, Codec::Columns];
            all.retain(|codec| !missing.contains(codec));
            assert_eq!(found, all.into_iter().map(Codec::byte).collect(), "{name}");
        }
        let length: u64 = hub_files(&fixture(name)).values().map(|bytes| bytes.len() as u64).sum();
        assert!(length < 100 << 10, "{name} has {length} bytes");
    }
}

#[test]
fn every_release_is_brought_for_ever() {
    for (name, newest) in READABLE {
        let site = copied(name);
        let cx = site.context();
        let to = |node: &str, release: u32| {
            let options = UpdateOptions { to: Some(release.into()), ..UpdateOptions::default() };
            let update = site.node(node).update(&cx, &options).expect("updates");
            assert_eq!((update.to, update.problems.len()), (Some(release.into()), 0), "{name}: {node} to {release}");
            assert!(snapshot(&site.dir(node)) == tree(release), "{name}: {node} to {release}");
        };
        // From nothing; from one to the next; over one; back.
        (1..=3).for_each(|release| to(&format!("fresh-{release}"), release));
        [1, 2, 3, 1, 3, 2].into_iter().for_each(|release| to("steps", release));
        let log = site.node("steps").log(&cx, 10).expect("a log");
        assert_eq!((log.len(), log[0].revision.record.to_string().as_str()), (3, newest), "{name}");
    }
}

#[test]
fn old_hubs_are_published_to_and_collected_for_ever() {
    for (name, _) in READABLE {
        let site = copied(name);
        site.update("m").expect("updates");
        site.update("w").expect("updates");
        let war = jar::jar(&entries(4), 0x5a21_0004);
        fs::write(site.dir("m").join("webapps/shop.war"), &war).expect("a file");
        let published = site.publish("m").expect("publishes");
        assert_eq!((published.revision, published.modified), (Some(4), 1), "{name}");
        assert!(published.bytes_sent < war.len() as u64 / 5, "{name}: {} of {}", published.bytes_sent, war.len());
        site.update("w").expect("updates");
        assert!(snapshot(&site.dir("w")) == snapshot(&site.dir("m")), "{name}");

        // All pieces whole; what they were stored against, and they themselves as they were, is left to nobody.
        let storage = MountStorage::new(site.hub(), false).expect("a storage");
        let transport = HubTransport::new(storage, "main".parse().expect("a name"), Arc::new(MemoryLedger::default()));
        let retention = Retention { grace: std::time::Duration::ZERO, raw: true, ..Retention::default() };
        let collected = transport.gc(&site.context(), &retention).expect("collected");
        assert!(collected.renewed > 0, "{name}: {collected:?}");
        transport.gc(&site.context(), &retention).expect("collected");
        site.update("late").expect("updates");
        assert!(snapshot(&site.dir("late")) == snapshot(&site.dir("m")), "{name}");
    }
}
