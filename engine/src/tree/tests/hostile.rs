//! Pages from outside: whatever they hold, they are read right or refused, by name.

use proptest::prelude::*;
use serde::Serialize;

use super::super::Change;
use super::kept::Keeping;
use super::*;
use crate::codec::{self, Frame};
use crate::error::{Error, ErrorKind};
use crate::hash::Domain;

/// The layout of a page, stated a second time, so that a page can be forged.
#[derive(Clone, Serialize)]
struct Forged {
    level: u8,
    keys: Vec<(u16, u16)>,
    added: Vec<u8>,
    body: Body,
}

#[derive(Clone, Serialize)]
enum Body {
    Entries(Vec<Entry>),
    Children(Vec<(Digest, u64, u64)>),
}

impl Forged {
    /// Keys that share nothing on the surface: [`Forged::plain`] states shared lengths of 0 and is right only for keys
    /// that begin differently.
    fn plain(level: u8, keys: &[&[u8]], body: Body) -> Self {
        let lengths = keys.iter().map(|key| (0, key.len() as u16)).collect();
        Self { level, keys: lengths, added: keys.concat(), body }
    }

    fn leaf(keys: &[&[u8]]) -> Self {
        Self::plain(0, keys, Body::Entries(keys.iter().map(|_| entry(0)).collect()))
    }

    fn above(level: u8, children: &[(&[u8], Digest, u64)]) -> Self {
        let keys: Vec<&[u8]> = children.iter().map(|child| child.0).collect();
        Self::plain(level, &keys, Body::Children(children.iter().map(|child| (child.1, child.2, 0)).collect()))
    }

    fn store(&self, pages: &mut MemoryPages) -> Digest {
        store(pages, codec::encode(Frame::Page, self).expect("encodes"))
    }
}

/// Stores bytes under the id that they have.
fn store(pages: &mut MemoryPages, bytes: Vec<u8>) -> Digest {
    let id = Domain::Page.digest(&bytes);
    pages.put(id, bytes).expect("is memory");
    id
}

fn read_all(pages: &dyn Pages, root: Digest) -> Result<Model> {
    Tree::new(pages, root).iter().collect()
}

/// That every way to read a tree refuses it, for this reason and naming this page.
fn refused(pages: &dyn Pages, root: Digest, page: Digest, key: &RelPath, flaw: &str) {
    let tree = Tree::new(pages, root);
    let mut sink = MemoryPages::default();
    let ways: [(&str, Option<Error>); 6] = [
        ("iter", read_all(pages, root).err()),
        ("get", tree.get(key).err()),
        ("from", tree.from(key).collect::<Result<Vec<_>>>().err()),
        ("diff", Tree::empty(pages).diff(&tree).collect::<Result<Vec<Change>>>().err()),
        ("walk", tree.walk_pages(|_, _| Ok(true)).err()),
        ("edit", edit(tree, [Ok((key.clone(), Some(file(1))))], &mut sink).err()),
    ];
    for (way, error) in ways {
        let error = error.unwrap_or_else(|| panic!("{way} reads a page although {flaw}"));
        assert_eq!(error.kind(), ErrorKind::Damaged, "{way}: {error}");
        assert_eq!(error.to_string(), format!("page {page}: {flaw}"), "{way}");
    }
}

fn refused_root(forged: &Forged, flaw: &str) {
    let mut pages = MemoryPages::default();
    let root = forged.store(&mut pages);
    refused(&pages, root, root, &path("m"), flaw);
}

/// Keys that end no page, in ascending order.
const FLAT: [&[u8]; 3] = [b"a", b"b/c", b"e"];

fn end() -> &'static RelPath {
    POOL.ends.iter().find(|path| path.as_bytes().starts_with(b"c")).expect("one begins so")
}

#[test]
fn the_forger_states_the_format_right() {
    let mut pages = MemoryPages::default();
    assert!(FLAT.iter().all(|key| height_of(key) == 0));
    let root = Forged::leaf(&FLAT).store(&mut pages);
    assert_eq!(read_all(&pages, root).expect("reads").len(), 3);
    let left = Forged::leaf(&[b"a", end().as_bytes()]).store(&mut pages);
    let right = Forged::leaf(&[b"e"]).store(&mut pages);
    let top = Forged::above(1, &[(end().as_bytes(), left, 2), (b"e", right, 1)]).store(&mut pages);
    let model = read_all(&pages, top);
    // Sizes differ: the forger's children say that they have no bytes, and entry(0) has none.
    assert_eq!(build_of(&model.expect("reads")).0, top);
}

#[test]
fn a_page_with_a_flaw_of_its_own_is_refused() {
    let good = Forged::leaf(&FLAT);
    refused_root(&Forged::leaf(&[b"b/c", b"a"]), "its keys are out of order");
    for bad in [&b"."[..], b"a//b", b"/a", b"a\0", &[b'x'; 256], b"../x"] {
        refused_root(&Forged::leaf(&[bad]), "a key is not a path");
    }
    let many: Vec<[u8; 2]> =
        (0..129_u16).map(|number| [b'A' + (number / 100) as u8, b'0' + (number % 100) as u8]).collect();
    let many: Vec<&[u8]> = many.iter().map(|key| &key[..]).collect();
    refused_root(&Forged::leaf(&many), "it holds no item, or more than 128");
    refused_root(&Forged { level: 13, ..good.clone() }, "its level is too high");
    refused_root(&Forged { level: 1, ..good.clone() }, "its level and its items disagree");
    refused_root(
        &Forged { body: Body::Children(vec![(Digest::of(b""), 1, 1); 3]), ..good.clone() },
        "its level and its items disagree",
    );
    refused_root(
        &Forged { body: Body::Entries(vec![entry(0); 2]), ..good.clone() },
        "keys and values differ in number",
    );
    refused_root(&Forged { added: b"ab/cef".to_vec(), ..good.clone() }, "it holds more key bytes than its keys have");
    refused_root(&Forged { added: b"ab/c".to_vec(), ..good.clone() }, "a key is longer than its bytes");
    let shared =
        |keys: &[(u16, u16)], added: &[u8]| Forged { keys: keys.to_vec(), added: added.to_vec(), ..good.clone() };
    refused_root(&shared(&[(1, 1), (0, 1), (0, 1)], b"abe"), "a key is longer than its bytes");
    refused_root(&shared(&[(0, 1), (2, 1), (0, 1)], b"abe"), "a key is longer than its bytes");
    refused_root(&shared(&[(0, 2), (0, 2), (0, 1)], b"abace"), "a key shares more than it says");
    refused_root(&shared(&[(0, 1), (1, 0), (0, 1)], b"ae"), "its keys are out of order");
    refused_root(&shared(&[(0, 2), (1, 0), (0, 1)], b"abe"), "its keys are out of order");
    refused_root(&Forged::leaf(&[end().as_bytes(), b"e"]), "it goes on where it had to end");
    // Keys that end no page by themselves: five of them are over 16 KiB.
    let long = |letter: u8| [&[letter, b'/'], "y/".repeat(1_800).as_bytes(), b"z"].concat();
    let long: Vec<Vec<u8>> = (b'a'..=b'z').map(long).filter(|key| height_of(key) == 0).take(6).collect();
    let long: Vec<&[u8]> = long.iter().map(|key| &key[..]).collect();
    refused_root(&Forged::leaf(&long), "it goes on where it had to end");
    let whole = Entry::File { mode: Mode::new(0o644), size: u64::MAX, hash: Digest::of(b"") };
    refused_root(&Forged { body: Body::Entries(vec![whole; 3]), ..good }, "its totals overflow");
    let (child, all) = (Digest::of(b""), u64::MAX);
    refused_root(&Forged::above(1, &[(b"a", child, all), (b"e", child, all)]), "its totals overflow");
    refused_root(&Forged::above(1, &[(b"z", child, 1)]), "it is a root with a single child");
}

#[test]
fn a_child_that_is_not_what_its_parent_says_is_refused() {
    // The left leaf of two, the right one, what is said of them, and which of the two is wrong.
    let end = end().as_bytes();
    let check = |left: &Forged, right: &Forged, said: [(&[u8], u64); 2], wrong: usize, flaw: &str| {
        let mut pages = MemoryPages::default();
        let ids = [left.store(&mut pages), right.store(&mut pages)];
        let root =
            Forged::above(1, &[(said[0].0, ids[0], said[0].1), (said[1].0, ids[1], said[1].1)]).store(&mut pages);
        refused(&pages, root, ids[wrong], &path(["a", "e"][wrong]), flaw);
    };
    let (left, right) = (Forged::leaf(&[b"a", end]), Forged::leaf(&[b"e"]));
    check(&left, &right, [(end, 3), (b"e", 1)], 0, "its totals are not those that its parent says");
    check(&left, &right, [(end, 2), (b"e", 0)], 1, "its totals are not those that its parent says");
    check(&left, &right, [(b"b", 2), (b"e", 1)], 0, "its last key is not the one that its parent says");
    check(&left, &right, [(end, 2), (b"z", 1)], 1, "its last key is not the one that its parent says");
    check(&Forged::leaf(&[b"a", b"b"]), &right, [(b"b", 2), (b"e", 1)], 0, "it ends where it had to go on");
    check(&left, &Forged::leaf(&[b"b", b"e"]), [(end, 2), (b"e", 2)], 1, "it begins before its place");
    check(&left, &Forged::leaf(&[]), [(end, 2), (b"e", 0)], 1, "it holds no item, or more than 128");
    let grandchild = Forged::leaf(&[b"e"]).store(&mut MemoryPages::default());
    let deep = Forged::above(1, &[(b"e", grandchild, 1)]);
    check(&left, &deep, [(end, 2), (b"e", 1)], 1, "its level is not the one below its parent's");
}

#[test]
fn what_a_parent_says_of_a_kept_page_is_checked_too() {
    let end = end().as_bytes();
    let mut pages = MemoryPages::default();
    let leaves = [Forged::leaf(&[b"a", end]).store(&mut pages), Forged::leaf(&[b"e"]).store(&mut pages)];
    let mut above = |said| Forged::above(1, &[(end, leaves[0], said), (b"e", leaves[1], 1)]).store(&mut pages);
    let (honest, liar) = (above(2), above(7));
    let keeping = Keeping::new(&pages);
    assert_eq!(read_all(&keeping, honest).expect("reads").len(), 3);
    refused(&keeping, liar, leaves[0], &path("a"), "its totals are not those that its parent says");
}

#[test]
fn a_page_that_holds_itself_a_child_cannot_loop() {
    // An id cannot be forged, so the nearest thing is a store that answers with one page whatever it is asked for.
    struct Parrot(Arc<[u8]>);
    impl Pages for Parrot {
        fn page(&self, _: &Digest) -> Result<Arc<[u8]>> {
            Ok(Arc::clone(&self.0))
        }
    }
    let mut pages = MemoryPages::default();
    let root = Forged::above(12, &[(b"a", Digest::of(b"x"), 1), (b"e", Digest::of(b"y"), 1)]).store(&mut pages);
    let parrot = Parrot(pages.page(&root).expect("is there"));
    let error = read_all(&parrot, root).expect_err("another id");
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[test]
fn a_missing_page_is_named() {
    let model: Model = (0..600).map(|number| (POOL.pick(number).clone(), file(1))).collect();
    let (root, pages) = build_of(&model);
    for (id, _) in pages.iter() {
        let mut less = pages.clone();
        less.remove(id);
        let error = read_all(&less, root).expect_err("is missing");
        assert_eq!((error.kind(), error.place()), (ErrorKind::NotFound, Some(&*format!("page {id}"))));
    }
}

#[test]
fn an_iterator_ends_after_its_first_error() {
    let model: Model = (0..600).map(|number| (POOL.pick(number).clone(), file(1))).collect();
    let (root, pages) = build_of(&model);
    let nothing = MemoryPages::default();
    let mut entries = Tree::new(&nothing, root).iter();
    assert!(entries.next().is_some_and(|entry| entry.is_err()) && entries.next().is_none());
    let mut less = pages.clone();
    let tree = Tree::new(&pages, root);
    let leaf = pages_of(&tree).into_iter().find(|id| *id != root).expect("there are more");
    less.remove(&leaf);
    let mut changes = Tree::empty(&less).diff(&Tree::new(&less, root)).skip_while(Result::is_ok);
    assert!(changes.next().is_some_and(|change| change.is_err()) && changes.next().is_none());
}

#[test]
fn every_flipped_bit_is_seen() {
    let model: Model = (0..24).map(|number| (POOL.pick(number * 16).clone(), entry(number as u64))).collect();
    let (root, pages) = build_of(&model.into_iter().chain([(POOL.ends[0].clone(), entry(6))]).collect());
    assert!(pages.len() >= 3);
    for (id, bytes) in pages.iter() {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Under the old name it is refused.
            let mut damaged = pages.clone();
            damaged.put(*id, flipped.clone()).expect("is memory");
            let error = read_all(&damaged, root).expect_err("flipped");
            assert_eq!((error.kind(), error.place()), (ErrorKind::Damaged, Some(&*format!("page {id}"))));
            // Under its own name it is another page, refused or read, and nothing breaks.
            let other = store(&mut damaged, flipped);
            assert_ne!(other, *id);
            if let Err(error) = read_all(&damaged, other) {
                // Another version of the frame, or the id of a child that nobody has.
                let kinds = [ErrorKind::Damaged, ErrorKind::Unsupported, ErrorKind::NotFound];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
    ) {
        let mut pages = MemoryPages::default();
        let mut framed = b"DSpg\x01".to_vec();
        framed.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        framed.extend_from_slice(&payload);
        let root = store(&mut pages, framed);
        drop(read_all(&pages, root));

        let mut bytes = codec::encode(Frame::Page, &Forged::leaf(&FLAT)).expect("encodes");
        for (index, byte) in changes {
            let index = codec::HEADER + index % (bytes.len() - codec::HEADER);
            bytes[index] = byte;
        }
        let root = store(&mut pages, bytes);
        if let Ok(model) = read_all(&pages, root) {
            // What passes is the tree of its entries, and the only one.
            prop_assert_eq!(build_of(&model).0, root);
        }
    }
}
