//! A little that becomes a lot: no run may take more memory than its bound, whatever the hub says it holds.

use std::fs::File;
use std::os::unix::fs::FileExt;

use depsync_engine::content::ObjectId;
use depsync_engine::content::ObjectKind;
use depsync_engine::content::pack::{PackRef, PackWriter};
use depsync_engine::hash::Digest;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{self, Entry as Honest, LinkTarget, MemoryPages};
use depsync_tests::forge::{Entry, Pack, Page};

use crate::scene::{DAMAGED, MEMORY, Scene, exact_beneath};

/// A file of 64 GiB that takes no room.
fn huge(scene: &Scene, name: &str) {
    let path = scene.path("hub").join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
    let file = File::options().write(true).create(true).truncate(false).open(path).expect("a file");
    file.set_len(64 << 30).expect("a sparse file");
}

#[test]
fn files_of_any_length_are_read_up_to_their_bound() {
    let scene = Scene::new();
    let record = "d/main/revisions/000000000002";
    let names = ["FORMAT", "HEADS", "INDEX", "gc/condemned", "d/main/HEAD", record, "d/main/nodes/x.json", "tmp/x"];
    for name in names {
        huge(&scene, name);
        let any = &[0, 1, 3, 5, 6];
        let gc = "gc --dir master --hub hub";
        for line in ["update live hub", "update fresh hub --node fresh", "publish master hub", "status live hub", gc] {
            scene.ask(name, &line.split(' ').collect::<Vec<_>>(), any, MEMORY);
        }
        for name in ["fresh", ".fresh.depsync"] {
            let _ = std::fs::remove_dir_all(scene.path(name));
        }
        scene.restore();
    }
    scene.forged("a record of 64 GiB", |hub| {
        hub.record(2, b"{}\n");
        huge(&scene, record);
    });
    scene.goes_on();
}

/// A record of two megabytes: taken apart, its brackets would be a hundred.
const RECORD: u64 = 80;

#[test]
fn a_record_full_of_brackets_or_words() {
    let scene = Scene::new();
    let many = |item: &str| vec![item; (2 << 20) / (item.len() + 1)].join(",");
    let fields = (0..200_000).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>().join(",");
    for (what, field, value) in [
        ("a field of short lists", "more", format!("{{\"a\":[{}]}}", many("[0]"))),
        ("many fields", "more", format!("{{{fields}}}")),
        ("many acceptances", "accepts", format!("[{}]", many("\"x\""))),
        ("a field from nowhere", "later", format!("[{}]", many("[{}]"))),
    ] {
        let mut hub = scene.hub();
        let mut payload = hub.payload(Digest::of(b"x"), vec![]);
        payload.as_object_mut().expect("an object").remove(field);
        let text = payload.to_string();
        let text = format!("{},\"{field}\":{value}}}\n", text.strip_suffix('}').expect("an object"));
        hub.record(2, text.as_bytes());
        scene.ask(what, &["update", "live", "hub", "--node", "worker"], DAMAGED, RECORD);
        scene.restore();
    }
    scene.goes_on();
}

#[test]
fn an_object_as_long_as_the_longest_pack() {
    let scene = Scene::new();
    let mut hub = scene.hub();
    let mut pack = Pack::default();
    let length: u32 = (1 << 30) - 4096;
    pack.stored(ObjectKind::Piece.byte(), Digest::of(b"owned"), 99, 5, Vec::new());
    let root = pack.page(&Page::leaf(&[(b"a", Entry::file(b"owned"))]));
    let (small, bytes) = pack.finish_with(|slots| {
        for slot in slots {
            match slot.codec {
                99 => slot.stored_length = length,
                _ => slot.offset += u64::from(length),
            }
        }
    });
    // A hole where the piece is said to be. Nobody can tell a pack's name without reading all of it.
    let reference = PackRef { length: small.length + u64::from(length), ..small };
    let name = hub.pack((reference, Vec::new())).name.to_string();
    let file =
        File::options().write(true).open(scene.path("hub/packs").join(&name[..2]).join(&name)).expect("the pack");
    let (head, rest) = bytes.split_at(13);
    file.write_all_at(head, 0).expect("writes");
    file.write_all_at(rest, 13 + u64::from(length)).expect("writes");
    hub.publish(root, vec![reference]);
    let said = scene.refused_with("a hole of a gigabyte", &[1], MEMORY);
    assert!(said.contains("upgrade depsync"), "{said}");
    scene.goes_on();
}

/// The bound of an update's new pages is 256 MiB; they are held once more while they are cached.
const PAGES: u64 = 640;

#[test]
fn pages_that_compress_a_thousandfold() {
    let scene = Scene::new();
    let mut hub = scene.hub();
    let target = LinkTarget::new(vec![b'x'; 4095]).expect("a target");
    let mut pages = MemoryPages::default();
    let entries = (0..70_000).map(|number| {
        let path = RelPath::new(format!("n{number:06}").into_bytes()).expect("a path");
        Ok((path, Honest::Symlink { target: target.clone() }))
    });
    let root = tree::build(entries, &mut pages).expect("builds");
    let mut writer = PackWriter::new();
    for (id, bytes) in pages.iter() {
        writer.add(ObjectId::page(*id), bytes).expect("adds");
    }
    let pack = writer.finish().expect("a pack");
    assert!(writer_is_small(&pack.bytes) && pages.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 256 << 20);
    let reference = hub.pack((pack.reference, pack.bytes));
    hub.publish(root, vec![reference]);
    let before = exact_beneath(&scene.path("live"));
    scene.ask("pages of links", &["update", "live", "hub", "--node", "worker"], DAMAGED, PAGES);
    assert!(exact_beneath(&scene.path("live")) == before);
    scene.goes_on();
}

fn writer_is_small(bytes: &[u8]) -> bool {
    bytes.len() < 2 << 20
}
