//! The hub's bytes, end to end.
//!
//! `tests/fixtures/hub-v1` is a hub as the first version wrote it: three revisions of `main`, one of `site`, a report,
//! and what gc leaves when it has condemned a pack. Two things are held:
//! - today's code reads it, follows it and publishes on top of it, for ever. It is never written anew;
//! - today's code, given the same trees, identities, times and nonces, writes the same bytes. When that ends for a
//!   lawful reason (another zstd), `DEPSYNC_BLESS=1` writes a *new* directory, [`NEWEST`] names it, and every older one
//!   stays in [`READABLE`].
//!
//! Neither has the feature `archives-1`: that is held in the same way by `archives`.

mod archives;
mod vectors;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use depsync_engine::content::{Effort, LocalContent, Recipe};
use depsync_engine::context::Context;
use depsync_engine::engine::UpdateOptions;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::record::{Acceptance, Draft};
use depsync_engine::transport::{
    MemoryLedger, NodeReport, OpenMode, Outcome, Proposal, Published, REPORT_SCHEMA, Transport,
};
use depsync_engine::tree::{self, Change, Entry, LinkTarget, MemoryPages, Mode, Tree};
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{Item, Snapshot, snapshot};
use depsync_transports::hub::Retention;
use depsync_transports::{HubTransport, MountStorage};

/// The fixture that today's code writes.
const NEWEST: &str = "hub-v1-fast";
/// The fixtures that today's code must read, with the record of their newest revision.
const READABLE: [(&str, &str); 2] = [
    ("hub-v1", "802858119db0457b6e726ec14d4bb641be30cbe0c6385cb68733bf485454823c"),
    // zstd level 1 instead of 3.
    ("hub-v1-fast", "53b7069f702b6bad7f40e70d5966cd134368441d16d0c729e02e399a21aa0506"),
];

const TIME: &str = "2020-02-29T12:34:56.789Z";
const FORMAT: &str = r#"{
  "depsync_hub": 1,
  "hub": "00112233445566778899aabbccddeeff",
  "requires": [],
  "requires_to_write": [],
  "optional": [],
  "chunking": {
    "algorithm": "fastcdc-2020",
    "ordinary": {
      "min": 4096,
      "avg": 16384,
      "max": 65536
    },
    "large": {
      "min": 65536,
      "avg": 262144,
      "max": 1048576
    },
    "large_above": 8589934592
  }
}
"#;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The trees of the three revisions of `main`: every kind of entry, an odd name, an empty file, one of several pieces.
fn main_tree(revision: u32) -> Snapshot {
    let lines = |word: &str| {
        (0..2400).map(|number| format!("{word} {:08x}\n", number * 0x9e37_79b1_u64 % 0xffff_fffb)).collect::<String>()
    };
    let word = if revision == 1 { "first" } else { "second" };
    let port = 8004 + revision;
    let mut tree = Snapshot::from([
        (b"bin".to_vec(), Item::Directory(0o755)),
        (b"bin/start.sh".to_vec(), Item::File(0o755, format!("#!/bin/sh\necho {word}\n").into())),
        (b"caf\xe9 \"menu\".txt".to_vec(), Item::File(0o640, format!("{word} in Latin-1: \u{e9}\n").into())),
        (b"conf".to_vec(), Item::Directory(0o755)),
        (b"conf/current.xml".to_vec(), Item::Link(b"server.xml".to_vec())),
        (b"conf/server.xml".to_vec(), Item::File(0o644, format!("<Server port=\"{port}\"/>\n").into())),
        (b"empty".to_vec(), Item::Directory(0o700)),
        (b"lines.txt".to_vec(), Item::File(0o644, lines(word).into())),
        (b"zero".to_vec(), Item::File(0o644, Vec::new())),
    ]);
    if revision == 3 {
        tree.remove(&b"caf\xe9 \"menu\".txt"[..]);
    }
    tree
}

fn site_tree() -> Snapshot {
    Snapshot::from([(b"index.html".to_vec(), Item::File(0o644, b"<html/>\n".to_vec()))])
}

fn entry(item: &Item) -> Entry {
    match item {
        Item::File(mode, content) => {
            Entry::File { mode: Mode::new(*mode), size: content.len() as u64, hash: Digest::of(content) }
        }
        Item::Directory(mode) => Entry::Directory { mode: Mode::new(*mode) },
        Item::Link(target) => Entry::Symlink { target: LinkTarget::new(target.as_slice()).expect("a target") },
    }
}

struct Disk<'a>(&'a Snapshot);

impl LocalContent for Disk<'_> {
    fn open(&self, path: &RelPath) -> Result<File> {
        let Some(Item::File(_, content)) = self.0.get(path.as_bytes()) else {
            return Err(Error::new(ErrorKind::NotFound, "no such file").at(path));
        };
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(content).and_then(|()| file.rewind()).expect("written");
        Ok(file)
    }
}

/// A publisher that leaves nothing to chance.
struct Publisher {
    transport: HubTransport<MountStorage>,
    pages: MemoryPages,
    root: Digest,
    head: Option<Revision>,
    /// The recipes of what was published, as a node remembers them.
    recipes: RefCell<HashMap<Digest, Recipe>>,
}

impl Publisher {
    fn new(hub: &Path, deployment: &str) -> Self {
        let storage = MountStorage::new(hub, false).expect("a storage");
        let name = deployment.parse().expect("a name");
        let transport = HubTransport::new(storage, name, Arc::new(MemoryLedger::default()));
        transport.open(&Context::new(), OpenMode::Existing).expect("the hub opens");
        Self {
            transport,
            pages: MemoryPages::default(),
            root: tree::empty_root(),
            head: None,
            recipes: RefCell::default(),
        }
    }

    /// Publishes; gives how many files were cut into several pieces.
    fn publish(&mut self, tree: &Snapshot, message: &str, accepts: Vec<Acceptance>) -> usize {
        let entries = tree.iter().map(|(path, item)| Ok((RelPath::new(path.as_slice())?, entry(item))));
        let mut entries: Vec<_> = entries.collect::<Result<_>>().expect("paths");
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        let root = tree::build(entries.into_iter().map(Ok), &mut self.pages).expect("a tree");
        let (old, new) = (Tree::new(&self.pages, self.root), Tree::new(&self.pages, root));
        let changes: Packed<Change> = old.diff(&new).collect::<Result<_>>().expect("changes");
        let new_pages = old.new_pages(&new).expect("pages");
        let number = self.head.map_or(1, |head| head.number + 1);
        let draft = Draft {
            root,
            author: "Zoë".into(),
            node: "manager-1".parse().expect("a node id"),
            nonce: format!("{number:032x}"),
            time: TIME.parse().expect("a time"),
            message: message.into(),
            accepts,
        };
        let proposal = Proposal {
            parent: self.head,
            draft,
            changes: &changes,
            new_pages: &new_pages,
            pages: &self.pages,
            content: &Disk(tree),
            recipes: &|content| Ok(self.recipes.borrow().get(content).cloned()),
            effort: Effort::default(),
            restores: None,
        };
        let cut = match self.transport.publish(&Context::new(), &proposal).expect("published") {
            Published::Done { revision, recipes, .. } => {
                self.head = Some(revision);
                let cut = recipes.len();
                self.recipes.borrow_mut().extend(recipes);
                cut
            }
            other => panic!("not published: {other:?}"),
        };
        self.root = root;
        cut
    }
}

/// Writes the hub of the fixture at `hub`, which does not exist.
fn write_hub(hub: &Path) {
    let cx = Context::new();
    fs::create_dir_all(hub).expect("a directory");
    fs::write(hub.join("FORMAT"), FORMAT).expect("a file");
    let mut publisher = Publisher::new(hub, "main");
    let cut = [
        publisher.publish(&main_tree(1), "release 1", vec![]),
        publisher.publish(&main_tree(2), "everything is new\n\"quoted\"", vec![Acceptance::MassDelete]),
        publisher.publish(&main_tree(3), "", vec![]),
    ];
    assert_eq!(cut, [1, 1, 0], "a recipe is part of what is held");
    Publisher::new(hub, "site").publish(&site_tree(), "a second deployment", vec![]);
    let report = NodeReport {
        schema: REPORT_SCHEMA,
        node: "web-1".parse().expect("a node id"),
        nonce: "ffeeddccbbaa99887766554433221100".into(),
        writes: false,
        applied: publisher.head,
        root: Some(publisher.root),
        measured: Some(publisher.root),
        time: TIME.parse().expect("a time"),
        full_scan: None,
        pinned: false,
        outcome: Outcome::Partial,
        problem: Some("conf: permission denied".into()),
        version: "0.1.0".into(),
        since: None,
        duration_ms: None,
        bytes: None,
        beat_s: None,
    };
    publisher.transport.report(&cx, &report).expect("reported");
    let retention = Retention { keep_revisions: 1, keep_age: std::time::Duration::ZERO, ..Retention::default() };
    let collected = publisher.transport.gc(&cx, &retention).expect("collected");
    assert_eq!((collected.condemned, collected.deleted), (1, 0), "the first revision's pack is needed by nobody");
}

/// The files of a hub by name; the one thing that is drawn at random, gc's nonce, blanked out.
fn hub_files(hub: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = snapshot(hub).into_iter().filter_map(|(path, item)| match item {
        Item::File(_, content) => Some((String::from_utf8(path).expect("names of the layout are ASCII"), content)),
        _ => None,
    });
    let mut files: BTreeMap<_, _> = files.collect();
    if let Some(list) = files.get_mut("gc/condemned") {
        let text = String::from_utf8(list.clone()).expect("JSON");
        let (before, rest) = text.split_once("\"nonce\":\"").expect("a nonce");
        let (nonce, after) = rest.split_once('"').expect("a nonce");
        assert_eq!(nonce.len(), 32);
        *list = format!("{before}\"nonce\":\"{}\"{after}", "0".repeat(32)).into_bytes();
    }
    files
}

#[test]
fn the_same_publishes_write_the_same_bytes() {
    let site = Site::new();
    write_hub(&site.hub());
    let mut written = hub_files(&site.hub());
    // Of the time after the fixture was written; a hub without it is as good.
    assert_eq!(written.remove("gc/turns/000000000001").as_deref(), Some(&b"taken\n"[..]));
    check(&written, NEWEST);
}

/// Compares what was written with the fixture `golden`; makes that if it is missing, and somebody wants it.
fn check(written: &BTreeMap<String, Vec<u8>>, golden: &str) {
    let golden = fixture(golden);
    if std::env::var_os("DEPSYNC_BLESS").is_some() && !golden.exists() {
        for (name, bytes) in written {
            let path = golden.join(name);
            fs::create_dir_all(path.parent().expect("a directory above")).expect("directories");
            fs::write(path, bytes).expect("a file");
        }
    }
    let golden = hub_files(&golden);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(written), names(&golden));
    for (name, bytes) in written {
        assert!(bytes == &golden[name], "{name} is written with other bytes: {}", String::from_utf8_lossy(bytes));
    }
}

/// A copy of a fixture as a site's hub.
fn copied(name: &str) -> Site {
    let site = Site::new();
    for (name, bytes) in hub_files(&fixture(name)) {
        let path = site.hub().join(name);
        fs::create_dir_all(path.parent().expect("a directory above")).expect("directories");
        fs::write(path, bytes).expect("a file");
    }
    site
}

#[test]
fn old_hubs_are_read_and_followed_for_ever() {
    for (name, newest) in READABLE {
        let site = copied(name);
        let cx = site.context();
        let update = site.update("w").expect("updates");
        assert_eq!((update.to, update.problems.len()), (Some(3), 0), "{name}");
        assert!(snapshot(&site.dir("w")) == main_tree(3), "{name}");

        let mut options = site.options("other");
        options.deployment = "site".parse().expect("a name");
        site.open(options).update(&cx, &UpdateOptions::default()).expect("updates");
        assert_eq!(snapshot(&site.dir("other")), site_tree(), "{name}");

        // A revision that only old packs hold.
        let pinned = UpdateOptions { to: Some(2), ..UpdateOptions::default() };
        site.node("back").update(&cx, &pinned).expect("updates");
        assert!(snapshot(&site.dir("back")) == main_tree(2), "{name}");

        let node = site.node("m");
        let log = { node.update(&cx, &UpdateOptions::default()).and_then(|_| node.log(&cx, 10)) }.expect("a log");
        assert_eq!(log[0].revision.record.to_string(), newest, "{name}");
        assert_eq!(
            (log.len(), log[1].message.as_str(), log[2].author.as_str()),
            (3, "everything is new\n\"quoted\"", "Zoë")
        );
        let status = node.status(&cx).expect("a status");
        let old = status
            .nodes
            .iter()
            .map(|node| &node.report)
            .find(|report| report.node.as_str() == "web-1")
            .expect("the old report");
        assert_eq!((old.applied, &old.outcome), (Some(log[0].revision), &Outcome::Partial), "{name}");
    }
}

#[test]
fn old_hubs_are_published_to_and_collected_for_ever() {
    for (name, _) in READABLE {
        let site = copied(name);
        site.update("m").expect("updates");
        site.update("w").expect("updates");
        fs::write(site.dir("m").join("new.txt"), "new").expect("a file");
        let published = site.publish("m").expect("publishes");
        assert_eq!((published.revision, published.added), (Some(4), 1), "{name}");
        site.update("w").expect("updates");
        assert!(snapshot(&site.dir("w")) == snapshot(&site.dir("m")), "{name}");

        let storage = MountStorage::new(site.hub(), false).expect("a storage");
        let main = "main".parse().expect("a name");
        let transport = HubTransport::new(storage, main, Arc::new(MemoryLedger::default()));
        let retention = Retention { grace: std::time::Duration::ZERO, ..Retention::default() };
        let collected = transport.gc(&site.context(), &retention).expect("collected");
        assert_eq!(collected.deleted, 1, "{name}: what it had condemned");
        site.update("late").expect("updates");
        assert!(snapshot(&site.dir("late")) == snapshot(&site.dir("m")), "{name}");
    }
}
