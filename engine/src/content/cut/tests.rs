use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::content::chunker::{ChunkerParams, Chunking};
use crate::content::pack::{PACK_TARGET, check_pack, unpack_verified};
use crate::content::testing::{noise, prose};
use crate::content::{ObjectKind, Recipe};
use crate::error::ErrorKind;
use crate::hash::Domain;
use crate::tree::{Entry, MemoryPages, Mode, PageSink};

/// Files in memory that can change or vanish between the scan and the reading, and that count how often they are read.
#[derive(Default)]
struct Memory {
    files: BTreeMap<RelPath, Vec<u8>>,
    opened: Mutex<Vec<RelPath>>,
}

impl Memory {
    fn of(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files.iter().map(|(name, bytes)| (path(name), bytes.clone())).collect();
        Self { files, opened: Mutex::default() }
    }

    fn scan(&self) -> Packed<Change> {
        let added = self.files.iter().map(|(path, bytes)| {
            let file = Entry::File { mode: Mode::new(0o644), hash: Digest::of(bytes), size: bytes.len() as u64 };
            Change { path: path.clone(), before: None, after: Some(file) }
        });
        added.collect()
    }

    fn opened(&self) -> Vec<String> {
        let mut opened: Vec<_> = self.opened.lock().expect("lock").iter().map(ToString::to_string).collect();
        opened.sort();
        opened
    }
}

impl LocalContent for Memory {
    fn open(&self, path: &RelPath) -> Result<File> {
        self.opened.lock().expect("lock").push(path.clone());
        let bytes = self.files.get(path).ok_or_else(|| Error::new(ErrorKind::NotFound, "gone").at(path))?;
        let mut file = tempfile::tempfile().map_err(|source| Error::io("create", path, source))?;
        file.write_all(bytes).and_then(|()| file.rewind()).map_err(|source| Error::io("write", path, source))?;
        Ok(file)
    }
}

fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

fn fine() -> Chunking {
    let params = ChunkerParams::new(64, 256, 1024).expect("params");
    Chunking::new(params, params, u64::MAX)
}

fn hash_of(change: &Change) -> Digest {
    change.after.as_ref().and_then(Entry::content).expect("a file").0
}

/// Runs a job and gives its packs.
fn publish(
    changes: &Packed<Change>,
    new_pages: &[(Digest, Vec<u8>)],
    local: &Memory,
    holds: &dyn Fn(&ObjectId) -> bool,
    chunking: Chunking,
) -> (Cutting, Vec<Pack>) {
    let mut packs = Vec::new();
    let mut pages = MemoryPages::default();
    let mut ids = Vec::new();
    for (id, bytes) in new_pages {
        pages.put(*id, bytes.clone()).expect("puts");
        ids.push(*id);
    }
    let (bases, effort, tree) = (&NoBases, Effort::default(), Tree::empty(&pages));
    let cutter = Cutter::new(chunking, true);
    let job = Job { changes, new_pages: &ids, pages: &pages, local, holds, tree, bases, cutter, effort };
    let cutting = pack_new(&Context::new(), &job, &mut |pack| {
        packs.push(pack);
        Ok(())
    });
    let cutting = cutting.expect("publishes");
    assert_eq!(cutting.packs, packs.iter().map(|pack| pack.reference).collect::<Vec<_>>());
    assert_eq!(cutting.packed_bytes, packs.iter().map(|pack| pack.bytes.len() as u64).sum::<u64>());
    (cutting, packs)
}

/// All objects of the packs; each pack is whole, no object is there twice.
fn objects(packs: &[Pack]) -> BTreeMap<ObjectId, Vec<u8>> {
    let mut all = BTreeMap::new();
    for pack in packs {
        for slot in check_pack(&pack.bytes, &pack.reference).expect("whole").iter() {
            let stored = &pack.bytes[slot.range().start as usize..slot.range().end as usize];
            let (id, raw) = unpack_verified(slot, stored).expect("whole");
            assert!(all.insert(id, raw.into_owned()).is_none(), "{id} twice");
        }
    }
    all
}

/// What a receiver without anything would make of a content.
fn rebuild(objects: &BTreeMap<ObjectId, Vec<u8>>, hash: Digest) -> Option<Vec<u8>> {
    if hash == Digest::of(b"") {
        return Some(Vec::new());
    }
    if let Some(raw) = objects.get(&ObjectId::piece(hash)) {
        return Some(raw.clone());
    }
    let recipe = Recipe::decode(objects.get(&ObjectId::recipe(hash))?).expect("recipe");
    let pieces = recipe.pieces().iter().map(|piece| objects.get(&ObjectId::piece(piece.hash)).cloned());
    pieces.collect::<Option<Vec<_>>>().map(|pieces| pieces.concat())
}

#[test]
fn a_small_publish_is_one_pack_that_holds_everything_once() {
    let local = Memory::of(&[
        ("a/one", prose(1, 3000)),
        ("a/same-as-one", prose(1, 3000)),
        ("b/empty", vec![]),
        ("b/several-pieces", noise(2, 200_000)),
        ("c/streamed", noise(3, 1_500_000)),
    ]);
    let page = prose(4, 1000);
    let pages = [(Domain::Page.digest(&page), page)];
    let (cutting, packs) = publish(&local.scan(), &pages, &local, &|_| false, Chunking::V1);
    assert_eq!(packs.len(), 1);
    assert_eq!(local.opened(), ["a/one", "b/several-pieces", "c/streamed"]);
    let objects = objects(&packs);
    for file in local.scan() {
        assert_eq!(rebuild(&objects, hash_of(&file)).as_ref(), local.files.get(&file.path), "{}", file.path);
    }
    assert!(objects.contains_key(&ObjectId::page(pages[0].0)));
    // Pages stand after all content, in one run.
    let last = packs[0].index.iter().max_by_key(|slot| slot.offset).expect("slots");
    assert_eq!(last.kind, ObjectKind::Page.byte());
    let recipes: HashSet<_> = cutting.recipes.iter().map(|(hash, _)| *hash).collect();
    assert_eq!(recipes, HashSet::from([Digest::of(&noise(2, 200_000)), Digest::of(&noise(3, 1_500_000))]));
    assert_eq!(objects.keys().filter(|id| id.kind == ObjectKind::Recipe).count(), 2);
    assert_eq!(cutting.raw_bytes, objects.values().map(|raw| raw.len() as u64).sum::<u64>());
}

#[test]
fn what_the_hub_holds_is_neither_read_nor_sent() {
    let local = Memory::of(&[("a", noise(1, 3000)), ("b", noise(2, 100_000)), ("c", noise(3, 3000))]);
    let held = [ObjectId::piece(Digest::of(&noise(1, 3000))), ObjectId::recipe(Digest::of(&noise(2, 100_000)))];
    let (_, packs) = publish(&local.scan(), &[], &local, &|id| held.contains(id), Chunking::V1);
    assert_eq!(local.opened(), ["c"]);
    assert_eq!(objects(&packs).into_keys().collect::<Vec<_>>(), [ObjectId::piece(Digest::of(&noise(3, 3000)))]);
    let (cutting, packs) = publish(&local.scan(), &[], &local, &|_| true, Chunking::V1);
    assert!(packs.is_empty() && cutting.raw_bytes == 0, "nothing to send is no pack");
}

#[test]
fn an_edit_of_a_large_file_sends_the_pieces_around_it() {
    let old = noise(1, 3_000_000);
    let mut new = old.clone();
    new.splice(1_700_000..1_700_010, *b"an insertion of other length");
    let before = Memory::of(&[("f", old)]);
    let (_, packs) = publish(&before.scan(), &[], &before, &|_| false, Chunking::V1);
    let held = objects(&packs);
    let after = Memory::of(&[("f", new.clone())]);
    let (cutting, packs) = publish(&after.scan(), &[], &after, &|id| held.contains_key(id), Chunking::V1);
    let mut sent = objects(&packs);
    assert!(sent.len() <= 5, "{} objects", sent.len());
    assert!(cutting.raw_bytes < 300_000, "{} bytes", cutting.raw_bytes);
    sent.extend(held);
    assert_eq!(rebuild(&sent, Digest::of(&new)), Some(new));
}

#[test]
fn large_publishes_are_split_into_bounded_packs_and_the_same_on_any_number_of_threads() {
    let files: Vec<(String, Vec<u8>)> = (0..40)
        .map(|n| (format!("{n:02}"), if n % 3 == 0 { prose(n, 400_000) } else { noise(n, 700_000) }))
        .chain([("zz-large".to_owned(), noise(99, 5_000_000))])
        // Shares most pieces with a file that went into an earlier pack: none of them is sent again.
        .chain([("zzz-shares".to_owned(), [&noise(1, 700_000)[..600_000], b"another end"].concat())])
        .collect();
    let borrowed: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let local = Memory::of(&borrowed);
    let page = noise(5, 4000);
    let pages = [(Domain::Page.digest(&page), page)];
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        // The job is made inside: what it asks is asked from one thread only.
        pool.install(|| publish(&local.scan(), &pages, &local, &|_| false, Chunking::V1).1)
    };
    let packs = run(1);
    assert!(packs.len() >= 3);
    assert!(packs.iter().all(|pack| pack.reference.length <= PACK_TARGET + 4096));
    let objects = objects(&packs);
    let rebuilt = |file: Change| rebuild(&objects, hash_of(&file)).as_ref() == local.files.get(&file.path);
    assert!(local.scan().iter().all(rebuilt));
    let again = run(4);
    assert!(packs.iter().map(|pack| &pack.bytes).eq(again.iter().map(|pack| &pack.bytes)));
}

#[test]
fn files_that_changed_or_vanished_are_reported_and_never_published_torn() {
    let scanned = Memory::of(&[
        ("a-edited", noise(1, 5000)),
        ("b-grown", noise(2, 5000)),
        ("c-shrunk", noise(3, 5000)),
        ("d-gone", noise(4, 5000)),
        ("e-fine", noise(5, 5000)),
        ("f-large-edited", noise(6, 2_000_000)),
        ("g-large-grown", noise(7, 2_000_000)),
        ("h-large-gone", noise(8, 2_000_000)),
        ("i-emptied", noise(9, 10)),
    ]);
    let mut large_edited = noise(6, 2_000_000);
    large_edited[1_900_000] ^= 1;
    let now = Memory::of(&[
        ("a-edited", noise(11, 5000)),
        ("b-grown", noise(2, 5001)),
        ("c-shrunk", noise(3, 4999)),
        ("e-fine", noise(5, 5000)),
        ("f-large-edited", large_edited),
        ("g-large-grown", noise(7, 2_500_000)),
        ("i-emptied", vec![]),
    ]);
    let (cutting, packs) = publish(&scanned.scan(), &[], &now, &|_| false, Chunking::V1);
    let changed: Vec<String> = cutting.changed_meanwhile.iter().map(ToString::to_string).collect();
    assert_eq!(changed, ["a-edited", "b-grown", "c-shrunk", "f-large-edited", "g-large-grown", "i-emptied"]);
    let unreadable: Vec<String> = cutting.unreadable.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(unreadable, ["d-gone", "h-large-gone"]);
    assert!(cutting.unreadable.iter().all(|(_, error)| error.kind() == ErrorKind::NotFound));
    assert!(cutting.recipes.is_empty());
    let objects = objects(&packs);
    for file in scanned.scan() {
        let expected = (file.path.to_string() == "e-fine").then(|| noise(5, 5000));
        assert_eq!(rebuild(&objects, hash_of(&file)), expected, "{}", file.path);
    }
}

#[test]
fn another_file_with_the_same_content_steps_in_for_one_that_changed() {
    for length in [5000, 1_500_000] {
        let scanned = Memory::of(&[("a", noise(1, length)), ("b", noise(1, length)), ("c", noise(1, length))]);
        let now = Memory::of(&[("b", noise(2, length)), ("c", noise(1, length))]);
        let (cutting, packs) = publish(&scanned.scan(), &[], &now, &|_| false, Chunking::V1);
        assert_eq!((cutting.unreadable.len(), cutting.changed_meanwhile), (1, vec![path("b")]));
        assert_eq!(rebuild(&objects(&packs), Digest::of(&noise(1, length))), Some(noise(1, length)));
    }
}

#[test]
fn an_error_of_the_sink_and_a_cancelled_context_end_the_job() {
    let local = Memory::of(&[("a", noise(1, 3000)), ("b", noise(2, 30_000_000))]);
    let files = local.scan();
    let (changes, pages) = (&files, &MemoryPages::default());
    let (bases, cutter, effort, tree) = (&NoBases, Cutter::default(), Effort::default(), Tree::empty(pages));
    let job = Job { changes, new_pages: &[], pages, local: &local, holds: &|_| false, tree, bases, cutter, effort };
    let failed = pack_new(&Context::new(), &job, &mut |_| Err(Error::new(ErrorKind::Unreachable, "the hub is away")));
    assert_eq!(failed.expect_err("sink").kind(), ErrorKind::Unreachable);
    let cx = Context::new();
    let seen = RefCell::new(0);
    let cancelled = pack_new(&cx, &job, &mut |_| {
        *seen.borrow_mut() += 1;
        cx.cancel().cancel();
        Ok(())
    });
    assert_eq!(cancelled.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(seen.into_inner(), 1, "no pack after the cancellation");
    let opened = local.opened().len();
    assert!(pack_new(&cx, &job, &mut |_| Ok(())).is_err());
    assert_eq!(local.opened().len(), opened, "a cancelled call does nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_file_can_be_rebuilt_from_what_the_hub_has(
        contents in proptest::collection::vec((0u64..6, 0usize..4000), 1..20),
        held in 0usize..20,
    ) {
        let named: Vec<(String, Vec<u8>)> =
            contents.iter().enumerate().map(|(n, (seed, length))| (format!("{n:03}"), noise(*seed, *length))).collect();
        let borrowed: Vec<(&str, Vec<u8>)> = named.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        let local = Memory::of(&borrowed);
        let files = local.scan();
        let (_, first) = publish(&files.iter().take(held).collect(), &[], &local, &|_| false, fine());
        let mut hub = objects(&first);
        let (cutting, second) = publish(&files, &[], &local, &|id| hub.contains_key(id), fine());
        prop_assert!(cutting.changed_meanwhile.is_empty() && cutting.unreadable.is_empty());
        let sent = objects(&second);
        prop_assert!(sent.keys().all(|id| !hub.contains_key(id)), "nothing is sent twice");
        hub.extend(sent);
        for file in files {
            prop_assert_eq!(rebuild(&hub, hash_of(&file)), local.files.get(&file.path).cloned());
        }
    }
}
