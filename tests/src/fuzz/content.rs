//! Recipes, the index of a pack, and objects as they are stored.

use depsync_engine::codec::{self, Frame, HEADER};
use depsync_engine::content::pack::{PackIndex, PackRef, PackWriter, Slot, check_pack, unpack, unpack_verified};
use depsync_engine::content::{MAX_PIECE, ObjectId, ObjectKind, PieceRef, Recipe, verify};
use depsync_engine::hash::{Digest, Domain};

use super::{lawful, split, with_length};
use crate::forge;

/// The bytes are the payload of a recipe.
pub(super) fn recipe(data: &[u8]) {
    let bytes = forge::framed(Frame::Recipe, data).expect("what is fuzzed is short");
    match Recipe::decode(&bytes) {
        Ok(recipe) => {
            let pieces = recipe.pieces();
            // A digest with its length, and a length: 34 bytes at least.
            assert!(pieces.len() * 34 <= data.len(), "more pieces than bytes");
            assert!(pieces.iter().all(|piece| (1..=MAX_PIECE as u32).contains(&piece.length)));
            assert_eq!(recipe.size(), pieces.iter().map(|piece| u64::from(piece.length)).sum::<u64>());
            let again = recipe.encode().expect("what was read can be written");
            assert!(again.len() <= bytes.len());
            assert_eq!(Recipe::decode(&again).expect("and read"), recipe);
        }
        Err(error) => lawful(&error),
    }
}

pub(super) fn recipes() -> Vec<Vec<u8>> {
    let piece = |seed: u8, length| PieceRef { hash: Digest::of(&[seed]), length };
    let lists = [vec![], vec![piece(1, 1)], vec![piece(1, 4096), piece(2, 70_000), piece(1, MAX_PIECE as u32)]];
    let encode = |list| Recipe::new(list).and_then(|recipe| recipe.encode()).expect("a recipe")[HEADER..].to_vec();
    lists.into_iter().map(encode).collect()
}

/// A length of the objects (four bytes), then the payload of an index. With the highest bit of the length, the rest is
/// the whole tail of a pack.
pub(super) fn pack_tail(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return };
    let length = u32::from_le_bytes(*length);
    let (raw, objects) = (length >> 31 == 1, u64::from(length & 0x7fff_ffff));
    let tail = if raw {
        rest.to_vec()
    } else {
        forge::tail(&forge::framed(Frame::PackIndex, rest).expect("what is fuzzed is short"))
    };
    let name = Digest::of(b"any");
    let reference = PackRef { name, length: 13 + objects + tail.len() as u64, index_length: tail.len() as u32 };
    match PackIndex::from_tail(&tail, &reference) {
        Ok(index) => {
            let place = reference.tail().expect("a tail that was read has a place");
            // Seven fields, of which one is a digest with its length.
            assert!(index.len() * 39 <= tail.len(), "more slots than bytes");
            assert_eq!(index.iter().count(), index.len());
            assert!(index.iter().is_sorted_by(|a, b| (a.kind, a.hash) < (b.kind, b.hash)));
            let mut places: Vec<_> = index.iter().map(Slot::range).collect();
            places.sort_by_key(|range| (range.start, range.end));
            let end = places.iter().fold(13, |at, range| {
                assert_eq!(range.start, at, "a gap or an overlap");
                range.end
            });
            assert_eq!(end, place.start);
            assert!(index.iter().all(|slot| slot.id().is_none_or(|id| index.find(&id) == Some(slot))));
        }
        Err(error) => lawful(&error),
    }
}

fn slot(kind: u8, hash: Digest, offset: u64, length: u32) -> Slot {
    Slot { kind, hash, offset, stored_length: length, raw_length: length, codec: 0, base: None }
}

pub(super) fn tails() -> Vec<Vec<u8>> {
    let of = |slots: &[Slot]| {
        let objects: u32 = slots.iter().map(|slot| slot.stored_length).sum();
        let frame = codec::encode(Frame::PackIndex, &slots).expect("encodes");
        [&objects.to_le_bytes(), &frame[HEADER..]].concat()
    };
    let (a, b) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
    let packed = Slot { codec: 1, raw_length: 900, ..slot(2, a, 13, 300) };
    let later = Slot { codec: 7, base: Some(Box::new(b)), ..slot(3, a, 313, 40) };
    let frame = codec::encode(Frame::PackIndex, &Vec::<Slot>::new()).expect("encodes");
    let whole = [&(1u32 << 31).to_le_bytes(), &forge::tail(&frame)[..]].concat();
    vec![of(&[]), of(&[slot(1, a, 13, 64), slot(3, b, 77, 5)]), of(&[packed, later, slot(77, b, 353, 1)]), whole]
}

/// Kind, codec and raw length of an object, then its stored bytes; with the highest bit of the kind, a whole pack: its
/// index length, then its bytes.
pub(super) fn object(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<6>() else { return };
    let [kind, codec, length @ ..] = *head;
    if kind & 0x80 != 0 {
        return whole_pack(u32::from_le_bytes(length), rest);
    }
    let raw_length = u32::from_le_bytes(length);
    let mut slot = Slot { codec, raw_length, ..slot(kind, Digest::of(rest), 13, rest.len() as u32) };
    match unpack(&slot, rest) {
        Ok(raw) => {
            let id = slot.id().expect("what was unpacked is of a known kind");
            assert_eq!(raw.len(), raw_length as usize);
            assert!(!raw.is_empty() && raw.len() <= id.kind.max_raw());
            slot.hash = match id.kind {
                ObjectKind::Page => Domain::Page.digest(&raw),
                ObjectKind::Recipe | ObjectKind::Piece => Digest::of(&raw),
            };
            let id = slot.id().expect("the kind is the same");
            match unpack_verified(&slot, rest) {
                Ok((named, same)) => {
                    assert_eq!((named, &same), (id, &raw));
                    packs_again(id, &raw);
                }
                Err(error) => {
                    lawful(&error);
                    assert!(verify(&id, &raw).is_err() && id.kind == ObjectKind::Recipe);
                }
            }
        }
        Err(error) => lawful(&error),
    }
}

fn packs_again(id: ObjectId, raw: &[u8]) {
    let mut writer = PackWriter::new();
    assert!(writer.add(id, raw).expect("what was read can be packed"));
    let pack = writer.finish().expect("a pack");
    let index = check_pack(&pack.bytes, &pack.reference).expect("a pack that checks out");
    assert!(index.len() == 1 && index.find(&id).is_some());
}

fn whole_pack(index_length: u32, bytes: &[u8]) {
    let reference = forge::reference(bytes, index_length as usize);
    match check_pack(bytes, &reference) {
        Ok(index) => assert!(index.len() * 39 <= bytes.len()),
        Err(error) => lawful(&error),
    }
}

pub(super) fn objects() -> Vec<Vec<u8>> {
    let text = "depsync ".repeat(40).into_bytes();
    let recipe = Recipe::new(vec![PieceRef { hash: Digest::of(b"p"), length: 9 }; 3]).expect("a recipe");
    let recipe = recipe.encode().expect("encodes");
    let page = forge::Page::leaf(&[(b"a", forge::Entry::file(b"a"))]).bytes();
    let mut writer = PackWriter::new();
    for (id, raw) in [
        (ObjectId::piece(Digest::of(&text)), &text),
        (ObjectId::recipe(Digest::of(b"f")), &recipe),
        (ObjectId::page(Domain::Page.digest(&page)), &page),
    ] {
        writer.add(id, raw).expect("adds");
    }
    let pack = writer.finish().expect("a pack");
    let of = |kind: u8, codec: u8, length: usize, stored: &[u8]| {
        [&[kind, codec], &(length as u32).to_le_bytes()[..], stored].concat()
    };
    let stored = |id: ObjectId| {
        let slot = pack.index.find(&id).expect("it was added");
        let range = slot.range();
        of(slot.kind, slot.codec, slot.raw_length as usize, &pack.bytes[range.start as usize..range.end as usize])
    };
    vec![
        of(3, 0, 5, b"plain"),
        stored(ObjectId::piece(Digest::of(&text))),
        stored(ObjectId::recipe(Digest::of(b"f"))),
        stored(ObjectId::page(Domain::Page.digest(&page))),
        of(0x80, 0, pack.reference.index_length as usize, &pack.bytes),
    ]
}

/// Kept here for the tree's target, which splits its input the same way.
pub(super) fn parts(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((part, rest)) = split(data) {
        parts.push(part);
        data = rest;
        if parts.len() == 64 {
            break;
        }
    }
    parts
}

pub(super) fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.iter().flat_map(|part| with_length(part)).collect()
}
