//! A whole hub, one file of which is whatever the fuzzer says: nothing in it may do more than fail.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use depsync_engine::codec::{Frame, HEADER};
use depsync_engine::content::{ObjectId, Piece, Recipe};
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::name::{DeploymentName, Revision};
use depsync_engine::path::RelPath;
use depsync_engine::record::Envelope;
use depsync_engine::transport::{Deliver, Look, MemoryLedger, OpenMode, Transport, Want, WantedContent};
use depsync_engine::tree::{MemoryPages, PageSink, Tree};
use depsync_transports::HubTransport;
use depsync_transports::hub::{Retention, layout};

use crate::forge;
use crate::snapshot::{Item, snapshot};
use crate::storage_memory::MemoryStorage;

/// The files of a hub that the first version wrote.
static FILES: LazyLock<Vec<(RelPath, Vec<u8>)>> = LazyLock::new(|| {
    let hub = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hub-v1");
    let file = |(path, item)| match item {
        Item::File(_, bytes) => Some((RelPath::new(path).expect("a path"), bytes)),
        _ => None,
    };
    snapshot(&hub).into_iter().filter_map(file).collect()
});

fn file(name: &RelPath) -> Vec<u8> {
    let found = FILES.iter().find(|(known, _)| known == name);
    found.map(|(_, bytes)| bytes.clone()).expect("the fixture has it")
}

fn main() -> DeploymentName {
    DeploymentName::default()
}

/// The first byte says which file is replaced, the rest is what it holds.
pub(super) fn hub(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    let storage = MemoryStorage::new();
    for (name, bytes) in FILES.iter() {
        storage.tamper(name, Some(bytes.clone()));
    }
    let put = |name: RelPath, bytes: &[u8]| storage.tamper(&name, Some(bytes.to_vec()));
    match which % 10 {
        0 => put(layout::format(), rest),
        1 => put(layout::head(&main()), rest),
        2 => put(layout::heads(), rest),
        3 => put(layout::index_pointer(), rest),
        4 => {
            let frame = forge::framed(Frame::HubIndex, rest).expect("what is fuzzed is short");
            let hash = Domain::Index.digest(&frame);
            put(layout::index(&hash), &frame);
            put(layout::index_pointer(), format!(r#"{{"schema":1,"generation":9,"index":"{hash}"}}"#).as_bytes());
        }
        5 => put(layout::condemned(), rest),
        6 => {
            storage.tamper(&layout::head(&main()), None);
            put(layout::record(&main(), 3), rest);
        }
        7 => put(layout::report(&main(), &"web-1".parse().expect("an id")), rest),
        8 => with_pack(&storage, rest),
        _ => put(layout::head(&"site".parse().expect("a name")), rest),
    }
    look_around(&storage);
}

/// The newest revision lists a pack of these bytes: four for the length of its index, then the pack.
fn with_pack(storage: &MemoryStorage, data: &[u8]) {
    let Some((index_length, bytes)) = data.split_first_chunk::<4>() else { return };
    let reference = forge::reference(bytes, u32::from_le_bytes(*index_length) as usize);
    if reference.tail().is_err() {
        return;
    }
    let record = Envelope::parse(file(&layout::record(&main(), 3))).expect("the fixture reads");
    let mut payload = record.payload().clone();
    payload.packs = vec![reference];
    let sealed = Envelope::seal(&payload).expect("a record");
    storage.tamper(&layout::pack(&reference.name), Some(bytes.to_vec()));
    storage.tamper(&layout::record(&main(), 3), Some(sealed.bytes().to_vec()));
    storage.tamper(&layout::head(&main()), Some(format!("3 {}\n", sealed.revision().record).into_bytes()));
}

/// Everything that a node, a manager and a collector do with a hub.
fn look_around(storage: &MemoryStorage) {
    let cx = Context::new();
    let transport = HubTransport::new(storage.clone(), main(), Arc::new(MemoryLedger::default()));
    let _ = fair(transport.head(&cx, Look::Glance));
    let Some(facts) = fair(transport.open(&cx, OpenMode::Existing)) else { return };
    assert!(!facts.created);
    let _ = fair(transport.heads(&cx));
    let _ = fair(transport.reports(&cx));
    if let Some(Some(head)) = fair(transport.head(&cx, Look::Heal)) {
        let first = head.number.saturating_sub(8).max(1);
        let records = fair(transport.envelopes(&cx, first, head.number)).unwrap_or_default();
        assert!(records.is_sorted_by(|older, newer| newer.follows(Some(older.revision()))));
        if let Some(record) = records.last() {
            fetch(&cx, &transport, record);
        }
    }
    let none = Duration::ZERO;
    let retention = Retention { keep_revisions: 1, keep_age: none, grace: none, raw: false };
    for _ in 0..2 {
        let _ = fair(transport.gc(&cx, &retention));
    }
}

/// Any failure but those that would be our own.
fn fair<T>(answer: Result<T>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
            None
        }
    }
}

/// Brings the revision of `record`, as far as it goes.
fn fetch(cx: &Context, transport: &HubTransport<MemoryStorage>, record: &Envelope) {
    let (at, root): (Revision, Digest) = (record.revision(), record.payload().root);
    let mut basket = Basket::default();
    let mut wanted = vec![root];
    while let Some(ids) = Some(std::mem::take(&mut wanted)).filter(|ids| !ids.is_empty()) {
        if fair(transport.fetch(cx, at, Want::Pages(&ids), &mut basket)).is_none() {
            return;
        }
        let found = Tree::new(&basket.pages, root).walk_pages(|id, step| match step {
            depsync_engine::tree::Step::Found if !basket.pages.contains(id) => {
                wanted.push(*id);
                Ok(false)
            }
            _ => Ok(true),
        });
        if fair(found).is_none() {
            return;
        }
    }
    let entries: Option<Vec<_>> = fair(Tree::new(&basket.pages, root).iter().collect());
    let contents = entries.into_iter().flatten().filter_map(|(_, entry)| entry.content());
    let contents: Vec<WantedContent> = contents.map(|(hash, size)| WantedContent { hash, size }).collect();
    let _ = fair(transport.fetch(cx, at, Want::Contents(&contents), &mut basket));
}

/// Takes what is delivered, and checks that it was verified.
#[derive(Default)]
struct Basket {
    pages: MemoryPages,
    pieces: Vec<ObjectId>,
}

impl Deliver for Basket {
    fn page(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        if Domain::Page.digest(&bytes) == id {
            return self.pages.put(id, bytes);
        }
        Err(Error::new(ErrorKind::Internal, "a page that was not verified"))
    }

    fn recipe(&mut self, _: Digest, recipe: Recipe) -> Result<()> {
        self.pieces.extend(recipe.pieces().iter().map(|piece| ObjectId::piece(piece.hash)));
        Ok(())
    }

    fn needed(&mut self) -> Result<Vec<ObjectId>> {
        Ok(std::mem::take(&mut self.pieces))
    }

    fn pieces(&mut self, pieces: &[Piece<'_>]) -> Result<()> {
        if pieces.iter().all(|piece| Digest::of(piece.bytes()) == piece.hash()) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Internal, "a piece that was not verified"))
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let of = |which: u8, bytes: Vec<u8>| [&[which], &bytes[..]].concat();
    let pointer: serde_json::Value = serde_json::from_slice(&file(&layout::index_pointer())).expect("JSON");
    let hash: Digest = pointer["index"].as_str().expect("a hash").parse().expect("a digest");
    let record = Envelope::parse(file(&layout::record(&main(), 3))).expect("the fixture reads");
    let pack = record.payload().packs[0];
    let tail = pack.index_length.to_le_bytes();
    vec![
        of(0, file(&layout::format())),
        of(1, file(&layout::head(&main()))),
        of(2, file(&layout::heads())),
        of(3, file(&layout::index_pointer())),
        of(4, file(&layout::index(&hash))[HEADER..].to_vec()),
        of(5, file(&layout::condemned())),
        of(6, file(&layout::record(&main(), 3))),
        of(7, file(&layout::report(&main(), &"web-1".parse().expect("an id")))),
        of(8, [&tail[..], &file(&layout::pack(&pack.name))].concat()),
        of(9, b"1 x\n".to_vec()),
    ]
}
