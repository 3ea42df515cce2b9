//! Trees that no directory has: names that climb, entries beneath files, pages that lie about each other.

use depsync_engine::codec::Frame;
use depsync_engine::content::ObjectKind;
use depsync_engine::hash::{Digest, Domain};
use depsync_tests::forge::{self, Body, Entry, Pack, Page};

use crate::scene::{Scene, publish};

type Named<'a> = (&'a [u8], Entry);

fn owned() -> Entry {
    Entry::file(b"owned")
}

#[test]
fn names_that_lead_elsewhere() {
    let scene = Scene::new();
    let long = "n".repeat(256);
    let deep = vec!["d".repeat(200); 21].join("/");
    let bad = [
        "../escape",
        "..",
        ".",
        "",
        "/escape",
        "//escape",
        "app/../../escape",
        "app/..",
        "app/./x",
        "app//x",
        "app/",
        "a\0b",
        "../canary/secret",
        &long,
        &deep,
    ];
    for name in bad {
        scene.forged_page(&format!("the name {name:?}"), &Page::leaf(&[(name.as_bytes(), owned())]), &[b"owned"]);
    }
    let absolute = scene.path("canary/secret");
    let absolute = Page::leaf(&[(absolute.as_os_str().as_encoded_bytes(), owned())]);
    scene.forged_page("an absolute name", &absolute, &[b"owned"]);
    for name in ["../escape", "escape"] {
        assert!(!scene.path(name).exists(), "{name}");
    }
    scene.goes_on();
}

#[test]
fn entries_where_none_can_be() {
    let scene = Scene::new();
    let canary = scene.path("canary");
    let canary = canary.to_str().expect("a path of a test");
    let cases: [(&str, Vec<Named<'_>>); 6] = [
        ("beneath a file", vec![(b"a", owned()), (b"a/b", owned())]),
        ("beneath a link", vec![(b"a", Entry::link(canary)), (b"a/owned", owned())]),
        ("beneath a link within", vec![(b"app", Entry::link("../canary")), (b"app/web.xml", owned())]),
        ("beneath nothing", vec![(b"x/y", owned())]),
        ("a directory beneath nothing", vec![(b"x/y/z", Entry::directory())]),
        ("beneath a directory's sibling", vec![(b"a", Entry::directory()), (b"a.b/c", owned())]),
    ];
    for (what, entries) in cases {
        scene.forged_page(what, &Page::leaf(&entries), &[b"owned"]);
    }
    scene.goes_on();
}

#[test]
fn keys_and_values_that_are_not_in_order() {
    let scene = Scene::new();
    let leaf = |keys: &[&[u8]]| Page::leaf(&keys.iter().map(|key| (*key, owned())).collect::<Vec<_>>());
    let good = leaf(&[b"a", b"b"]);
    let shared =
        |keys: &[(u16, u16)], added: &[u8]| Page { keys: keys.to_vec(), added: added.to_vec(), ..good.clone() };
    let with = |entry: Entry| Page::leaf(&[(b"a", entry)]);
    let many: Vec<String> = (0..129).map(|number| format!("n{number:03}")).collect();
    let many: Vec<&[u8]> = many.iter().map(String::as_bytes).collect();
    let cases = [
        ("descending keys", leaf(&[b"b", b"a"])),
        ("the same key twice", shared(&[(0, 1), (1, 0)], b"a")),
        ("a key that shares less than it could", shared(&[(0, 2), (0, 2)], b"aaab")),
        ("a key that shares more than there is", shared(&[(0, 1), (9, 1)], b"ab")),
        ("more key bytes than keys", shared(&[(0, 1), (0, 1)], b"abc")),
        ("more keys than entries", Page { body: Body::Entries(vec![owned()]), ..good.clone() }),
        ("too many items", leaf(&many)),
        ("a level that is too high", Page { level: 200, ..good.clone() }),
        ("entries above the leaves", Page { level: 1, ..good.clone() }),
        ("set-user-id", with(Entry::File { mode: 0o4755, size: 5, hash: Digest::of(b"owned") })),
        ("a link to nowhere", with(Entry::Symlink { target: vec![] })),
        ("a link with a NUL", with(Entry::Symlink { target: b"a\0b".to_vec() })),
        ("a link that is too long", with(Entry::Symlink { target: vec![b'x'; 4096] })),
        ("sizes beyond counting", {
            let whole = |hash: &[u8]| Entry::File { mode: 0o644, size: u64::MAX, hash: Digest::of(hash) };
            Page::leaf(&[(b"a", whole(b"x")), (b"b", whole(b"y"))])
        }),
        ("a file of all sizes", with(Entry::File { mode: 0o644, size: u64::MAX, hash: Digest::of(b"owned") })),
    ];
    for (what, page) in cases {
        scene.forged_page(what, &page, &[b"owned"]);
    }
    scene.goes_on();
}

/// Forges a revision whose root is the page of these bytes.
fn forged_bytes(scene: &Scene, what: &str, bytes: &[u8]) {
    scene.forged(what, |hub| {
        let mut pack = Pack::default();
        let root = Domain::Page.digest(bytes);
        pack.piece(b"owned").add(ObjectKind::Page, root, bytes);
        publish(hub, root, &pack);
    });
}

#[test]
fn pages_whose_bytes_lie() {
    let scene = Scene::new();
    let honest = Page::leaf(&[(b"a", owned())]).bytes();
    let framed = |payload: &[u8]| forge::framed(Frame::Page, payload).expect("seals");
    let mut torn = honest.clone();
    torn.pop();
    let mut longer = honest.clone();
    longer[5] += 1;
    // One key where the count takes three bytes: the same page in another spelling.
    let wide = [&honest[9..10], b"\xfb\x01\x00", &honest[11..]].concat();
    let cases: [(&str, Vec<u8>); 7] = [
        ("2^62 keys", framed(&[&[0, 253], &(1u64 << 62).to_le_bytes()[..]].concat())),
        ("a key string of 2^62 bytes", framed(&[&[0, 1, 0, 1, 253], &(1u64 << 62).to_le_bytes()[..]].concat())),
        ("a frame that is cut off", torn),
        ("a frame that says another length", longer),
        ("another kind of frame", [b"DSrc", &honest[4..]].concat()),
        ("an integer wider than need be", framed(&wide)),
        ("trailing bytes", framed(&[&honest[9..], &[0]].concat())),
    ];
    for (what, bytes) in cases {
        forged_bytes(&scene, what, &bytes);
    }
    scene.goes_on();
}

#[test]
fn parents_that_lie_about_their_children() {
    let scene = Scene::new();
    let mut pack = Pack::default();
    pack.piece(b"owned");
    let one = pack.page(&Page::leaf(&[(b"b", owned())]));
    let two = pack.page(&Page::leaf(&[(b"y", owned())]));
    let above = |level, children: &[(&[u8], Digest, u64)]| {
        Page::above(level, &children.iter().map(|child| (child.0, child.1, child.2, 5)).collect::<Vec<_>>())
    };
    let absent = Digest::of(b"nobody has it");
    let cases = [
        ("another count", above(1, &[(b"b", one, 7), (b"y", two, 1)])),
        ("another last key", above(1, &[(b"c", one, 1), (b"y", two, 1)])),
        ("another level", above(2, &[(b"b", one, 1), (b"y", two, 1)])),
        ("the same child twice", above(1, &[(b"b", one, 1), (b"y", one, 1)])),
        ("a child that ends too early", above(1, &[(b"b", one, 1), (b"y", two, 1)])),
        ("a single child", above(1, &[(b"b", one, 1)])),
        ("a child that is not there", above(1, &[(b"b", absent, 1), (b"y", two, 1)])),
        ("a child that is a piece", above(1, &[(b"b", Digest::of(b"owned"), 1), (b"y", two, 1)])),
        ("totals beyond counting", Page::above(1, &[(b"b", one, u64::MAX, 5), (b"y", two, 1, 5)])),
    ];
    for (what, top) in cases {
        scene.forged(what, |hub| {
            let mut pack = pack.clone();
            let root = pack.page(&top);
            publish(hub, root, &pack);
        });
    }
    // A chain of pages up to the highest level, each with two children of which one is the chain.
    scene.forged("a chain of pages", |hub| {
        let mut pack = pack.clone();
        let mut below = one;
        for level in 1..=12 {
            below = pack.page(&above(level, &[(b"b", below, u64::from(level)), (b"y", two, 1)]));
        }
        publish(hub, below, &pack);
    });
    scene.goes_on();
}

#[test]
fn roots_that_are_not_the_tree() {
    let scene = Scene::new();
    let good = Page::leaf(&[(b"a", owned())]);
    let mut pack = Pack::default();
    let root = pack.piece(b"owned").page(&good);
    for (what, other) in [
        ("a root that nobody has", Digest::of(b"nothing")),
        ("a root that is a piece", Digest::of(b"owned")),
        ("a root that is the plain hash of the page", Digest::of(&good.bytes())),
    ] {
        scene.forged(what, |hub| publish(hub, other, &pack));
    }
    scene.forged("a page under another page's name", |hub| {
        let mut pack = Pack::default();
        pack.piece(b"owned").add(ObjectKind::Page, Digest::of(b"name"), &good.bytes());
        publish(hub, Digest::of(b"name"), &pack);
    });
    scene.forged("a tree without its content", |hub| {
        let mut pack = Pack::default();
        let root = pack.page(&good);
        publish(hub, root, &pack);
    });
    assert_ne!(root, Digest::of(&good.bytes()));
    scene.goes_on();
}
