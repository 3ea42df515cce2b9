//! Packs that lie about their objects, and objects that are not what they are named.

use depsync_engine::codec::{self, Frame};
use depsync_engine::content::ObjectKind;
use depsync_engine::content::pack::{PackRef, Slot};
use depsync_engine::hash::Digest;
use depsync_tests::forge::{self, Entry, Pack, Page};
use serde_json::json;

use crate::scene::{REFUSED, Scene, publish};

/// The content that the forged revisions promise.
const CONTENT: &[u8] = b"four and twenty blackbirds baked in a pie";

/// A revision with one file, `a`, that is promised to be `entry`; `fill` puts what is not so into the pack.
pub(crate) fn promised(scene: &Scene, what: &str, entry: Entry, fill: impl FnOnce(&mut Pack)) -> String {
    scene.forged(what, |hub| {
        let mut pack = Pack::default();
        fill(&mut pack);
        let root = pack.page(&Page::leaf(&[(b"a", entry)]));
        publish(hub, root, &pack);
    })
}

fn recipe(list: &[(&[u8], u32)]) -> Vec<u8> {
    let list: Vec<(Digest, u32)> = list.iter().map(|(piece, length)| (Digest::of(piece), *length)).collect();
    codec::encode(Frame::Recipe, &list).expect("encodes")
}

#[test]
fn content_that_is_not_what_it_is_named() {
    let scene = Scene::new();
    let named = Digest::of(CONTENT);
    let sized = |size| Entry::File { mode: 0o644, size, hash: named };
    let piece = |raw: &'static [u8]| {
        move |pack: &mut Pack| {
            pack.add(ObjectKind::Piece, named, raw);
        }
    };
    let length = CONTENT.len() as u64;
    promised(&scene, "other bytes", sized(length), piece(b"four and twenty blackbirds baked in a tie"));
    promised(&scene, "fewer bytes", sized(length), piece(b"four"));
    promised(&scene, "a size that is too large", sized(length + 1), piece(CONTENT));
    promised(&scene, "a size that is too small", sized(1), piece(CONTENT));
    promised(&scene, "a size that is nothing", sized(0), piece(CONTENT));
    promised(&scene, "a size beyond every disk", sized(1 << 62), piece(CONTENT));
    let empty = Entry::File { mode: 0o644, size: 7, hash: Digest::of(b"") };
    promised(&scene, "bytes in the empty file", empty, |_| {});
    scene.forged("one content with two sizes", |hub| {
        let mut pack = Pack::default();
        pack.piece(CONTENT);
        let root = pack.page(&Page::leaf(&[(b"a", sized(length)), (b"b", sized(length + 1))]));
        publish(hub, root, &pack);
    });
    scene.forged("a good file beside a bad one", |hub| {
        let mut pack = Pack::default();
        let bad = Digest::of(b"bad");
        pack.piece(CONTENT).add(ObjectKind::Piece, bad, b"???");
        let bad = Entry::File { mode: 0o644, size: 3, hash: bad };
        let root = pack.page(&Page::leaf(&[(b"a", Entry::file(CONTENT)), (b"b", bad)]));
        publish(hub, root, &pack);
    });
    scene.goes_on();
}

#[test]
fn recipes_that_do_not_make_the_file() {
    let scene = Scene::new();
    let (left, right) = CONTENT.split_at(10);
    let (short, long) = (left.len() as u32, right.len() as u32);
    let whole = CONTENT.len() as u64;
    let file = |size| Entry::File { mode: 0o644, size, hash: Digest::of(CONTENT) };
    let with = |what: &str, size: u64, bytes: Vec<u8>| {
        promised(&scene, what, file(size), |pack| {
            pack.piece(left).piece(right).add(ObjectKind::Recipe, Digest::of(CONTENT), &bytes);
        });
    };
    with("pieces in the wrong order", whole, recipe(&[(right, long), (left, short)]));
    with("a sum that is not the size", whole, recipe(&[(left, short)]));
    with("a piece of another length", whole, recipe(&[(left, short + 1), (right, long - 1)]));
    with("a piece of no bytes", whole, recipe(&[(left, 0), (right, long), (left, short)]));
    with("a piece that is too long", whole + (1 << 20), recipe(&[(left, (1 << 20) + 1), (right, long)]));
    with("a piece that nobody has", whole, recipe(&[(left, short), (b"nobody has it", long)]));
    with("no pieces", whole, recipe(&[]));
    with("lengths that sum up to a disk", 3 << 32, recipe(&vec![(left, 1 << 20); 3 << 12]));
    let framed = |payload: &[u8]| forge::framed(Frame::Recipe, payload).expect("seals");
    with("2^62 pieces", whole, framed(&[&[253], &(1u64 << 62).to_le_bytes()[..]].concat()));
    with("a recipe that is cut off", whole, framed(&recipe(&[(left, short)])[9..30]));
    with("no recipe at all", whole, CONTENT.to_vec());
    scene.goes_on();
}

/// A zstd frame: a magic, a descriptor, a content size of eight bytes, then `blocks`.
pub(crate) fn frame(says: u64, blocks: &[u8]) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &says.to_le_bytes(), blocks].concat()
}

/// The last block of a frame: `length` times one byte, in four bytes.
pub(crate) fn run(byte: u8, length: u32) -> Vec<u8> {
    let header = 1 | (1 << 1) | (length << 3);
    [&header.to_le_bytes()[..3], &[byte]].concat()
}

#[test]
fn compressed_bytes_that_become_something_else() {
    let scene = Scene::new();
    let zeros = vec![0; 100_000];
    let file = || Entry::file(&zeros);
    let length = zeros.len() as u32;
    let with = |what: &str, raw: u32, stored: Vec<u8>| {
        promised(&scene, what, file(), |pack| {
            pack.stored(ObjectKind::Piece.byte(), Digest::of(&zeros), 1, raw, stored);
        });
    };
    let good = frame(u64::from(length), &run(0, length));
    with("a frame that becomes more than it says", length, frame(u64::from(length), &run(0, 131_072)));
    with("a frame that becomes less", length, frame(u64::from(length), &run(0, 99_999)));
    with("a frame that says 2^62", length, frame(1 << 62, &run(0, length)));
    with("a frame that says another size than the index", length, frame(99_999, &run(0, 99_999)));
    with("a frame that does not say", length, [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58], &run(0, length)[..]].concat());
    with("two frames", length, [&good[..], &good].concat());
    with("half a frame", length, good[..15].to_vec());
    with("other bytes", length, frame(u64::from(length), &run(7, length)));
    with("no frame", length, b"this was never compressed".to_vec());
    with("an index that says 4 GiB", u32::MAX, good.clone());
    with("an index that says nothing", 0, good.clone());
    with("stored as it is, but compressed", good.len() as u32, good.clone());
    // The same bytes honestly named arrive: the forger's frames are frames.
    let mut hub = scene.hub();
    let mut pack = Pack::default();
    pack.stored(ObjectKind::Piece.byte(), Digest::of(&zeros), 1, length, good);
    let mut entries = vec![(&b"a"[..], file())];
    let kept: [&[u8]; 3] = [b"conf", b"app/web.xml", b"app/lib/a.txt"];
    entries.extend([(&b"app"[..], Entry::directory()), (b"app/lib", Entry::directory())]);
    let content = |path: &[u8]| std::fs::read(scene.path("live").join(std::str::from_utf8(path).expect("text")));
    entries.extend(kept.map(|path| (path, Entry::file(&content(path).expect("a file")))));
    entries.sort_by(|left, right| left.0.cmp(right.0));
    let root = pack.page(&Page::leaf(&entries));
    publish(&mut hub, root, &pack);
    scene.ask("an honest frame", &["update", "live", "hub", "--node", "worker"], &[0], crate::scene::MEMORY);
    assert_eq!(std::fs::read(scene.path("live/a")).expect("a file"), zeros);
}

#[test]
fn indexes_that_lie_about_the_pack() {
    let scene = Scene::new();
    let mut pack = Pack::default();
    let root = pack.piece(CONTENT).piece(b"another").page(&Page::leaf(&[(b"a", Entry::file(CONTENT))]));
    let with = |what: &str, change: &dyn Fn(&mut Vec<Slot>)| {
        scene.forged(what, |hub| {
            let reference = hub.pack(pack.finish_with(|slots| change(slots)));
            hub.publish(root, vec![reference]);
        });
    };
    with("slots that overlap", &|slots| slots[1].offset -= 1);
    with("a slot beyond the objects", &|slots| slots[2].offset = 1 << 40);
    with("a slot at the end of counting", &|slots| slots[2].offset = u64::MAX - 3);
    with("a slot in the header", &|slots| slots[0].offset = 0);
    with("a gap", &|slots| drop(slots.remove(1)));
    with("slots out of order", &|slots| slots.reverse());
    with("a slot twice", &|slots| slots.push(slots[2].clone()));
    with("lengths that are too large", &|slots| (slots[2].stored_length, slots[2].raw_length) = (u32::MAX, u32::MAX));
    with("lengths that disagree", &|slots| slots[2].raw_length += 1);
    with("a base that nobody knows", &|slots| slots[2].base = Some(Box::new(Digest::of(b"base"))));
    with("no slots", &Vec::clear);
    scene.goes_on();
}

#[test]
fn packs_that_are_not_what_the_record_says() {
    let scene = Scene::new();
    let mut pack = Pack::default();
    let root = pack.piece(CONTENT).page(&Page::leaf(&[(b"a", Entry::file(CONTENT))]));
    let (honest, bytes) = pack.finish();
    let name = format!("packs/{}/{}", &honest.name.to_string()[..2], honest.name);
    let with = |what: &str, said: PackRef, bytes: Option<&[u8]>| {
        scene.forged(what, |hub| {
            bytes.iter().for_each(|bytes| hub.put(&name, bytes));
            hub.publish(root, vec![said]);
        });
    };
    with("a pack that is not there", honest, None);
    with("a pack that is longer than it should be", honest, Some(&[&bytes[..], b"x"].concat()));
    with("a pack that is cut off", honest, Some(&bytes[..bytes.len() - 1]));
    with("a pack of nothing", honest, Some(b""));
    with("a record that says it is longer", PackRef { length: honest.length + 1, ..honest }, Some(&bytes));
    with("a record that says it is huge", PackRef { length: 1 << 30, ..honest }, Some(&bytes));
    with(
        "a record that says a longer index",
        PackRef { index_length: honest.index_length + 1, ..honest },
        Some(&bytes),
    );
    with("a record that says a shorter index", PackRef { index_length: 60, ..honest }, Some(&bytes));
    let flip = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    with("another header", honest, Some(&flip(0)));
    with("a flipped bit in an object", honest, Some(&flip(20)));
    with("a flipped bit in the index", honest, Some(&flip(bytes.len() - 60)));
    with("a flipped bit in the footer", honest, Some(&flip(bytes.len() - 3)));
    // Lengths that no pack can have never get as far as a file: they are no record.
    for (field, value) in [("length", json!(u64::MAX)), ("length", json!(1u64 << 31)), ("index_length", json!(0))] {
        scene.forged(&format!("a record with {field} {value}"), |hub| {
            let reference = hub.pack(pack.finish());
            let mut payload = hub.payload(root, vec![reference]);
            payload["packs"][0][field] = value;
            hub.record(2, format!("{payload}\n").as_bytes());
        });
    }
    scene.goes_on();
}

#[test]
fn objects_of_a_kind_from_nowhere() {
    let scene = Scene::new();
    let mut pack = Pack::default();
    pack.stored(3, Digest::of(CONTENT), 99, 41, CONTENT.to_vec());
    let root = pack.page(&Page::leaf(&[(b"a", Entry::file(CONTENT))]));
    publish(&mut scene.hub(), root, &pack);
    // What a later version may have written is not called damaged.
    let allowed = [REFUSED, &[1]].concat();
    let said = scene.refused_with("an unknown codec", &allowed, crate::scene::MEMORY);
    assert!(said.contains("upgrade depsync"), "{said}");
    scene.restore();
    scene.forged("a page where a piece should be", |hub| {
        let mut pack = Pack::default();
        let page = Page::leaf(&[(b"x", Entry::file(CONTENT))]).bytes();
        pack.add(ObjectKind::Page, forge::page_id(&page), &page);
        let root = pack.page(&Page::leaf(&[(b"a", Entry::file(&page))]));
        publish(hub, root, &pack);
    });
    scene.goes_on();
}
