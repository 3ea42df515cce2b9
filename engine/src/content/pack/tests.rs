use proptest::prelude::*;

use super::*;
use crate::codec::Frame;
use crate::content::testing::{noise, prose};
use crate::content::{ObjectId, ObjectKind, PieceRef, Recipe};

/// An object for the writer: address and bytes.
type Object = (ObjectId, Vec<u8>);

fn piece(raw: Vec<u8>) -> Object {
    (ObjectId::piece(Digest::of(&raw)), raw)
}

fn page(raw: Vec<u8>) -> Object {
    (ObjectId::page(Domain::Page.digest(&raw)), raw)
}

fn recipe(seed: u64) -> Object {
    let refs =
        (0..seed % 5 + 2).map(|n| PieceRef { hash: Digest::of(&(seed ^ n).to_le_bytes()), length: 1 + n as u32 });
    let recipe = Recipe::new(refs.collect()).expect("recipe");
    (ObjectId::recipe(Digest::of(&seed.to_le_bytes())), recipe.encode().expect("encodes"))
}

fn pack(objects: &[Object]) -> Pack {
    let mut writer = PackWriter::new();
    for (id, raw) in objects {
        writer.add(*id, raw).expect("adds");
    }
    writer.finish().expect("finishes")
}

/// One of each kind, compressible and not, and a piece twice.
fn sample() -> Pack {
    pack(&[piece(prose(1, 5000)), piece(noise(2, 5000)), page(prose(3, 900)), recipe(7), piece(prose(1, 5000))])
}

/// Index frame and trailer over arbitrary slots, with a digest that agrees: what a forger can make.
fn forged(slots: &[Slot], length_of_objects: u64) -> (PackRef, Vec<u8>) {
    let mut tail = codec::encode(Frame::PackIndex, &slots).expect("encodes");
    let length = tail.len() as u32;
    let digest = Domain::Index.digest(&tail);
    tail.extend_from_slice(&length.to_le_bytes());
    tail.extend_from_slice(digest.as_bytes());
    tail.extend_from_slice(FOOTER);
    let length = HEADER.len() as u64 + length_of_objects + tail.len() as u64;
    (PackRef { name: Digest::of(b""), length, index_length: tail.len() as u32 }, tail)
}

fn slot(seed: u8, offset: u64, length: u32) -> Slot {
    let hash = Digest::from_bytes([seed; 32]);
    Slot { kind: 3, hash, offset, stored_length: length, raw_length: length, codec: 0, base: None }
}

fn refused(slots: &[Slot], objects: u64) -> ErrorKind {
    let (reference, tail) = forged(slots, objects);
    PackIndex::from_tail(&tail, &reference).expect_err("must be refused").kind()
}

/// What this version writes, byte for byte. Stored objects only: how well zstd compresses is not the format.
#[test]
fn golden_pack() {
    let pack = pack(&[piece(b"hello".to_vec()), page(b"a page".to_vec())]);
    let hex = "64657073796e632d7061636b0168656c6c6f61207061676544537069014f0000000201203840ac6d0ccc5edc2b89068187422258fd3b88\
               a33705ef34f066bd1cc70a5c5a12060600000320ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f0d0505\
               0000580000001eae227164814e722ab06a6414ff9330b02ca25f0a9c0ce595185ec4b757a53d64657073796e632d70696e6401";
    assert_eq!(data_encoding::HEXLOWER.encode(&pack.bytes), hex);
    let json = serde_json::to_string(&pack.reference).expect("json");
    assert_eq!(
        json,
        r#"{"name":"189fabc9b14651331e4ebe991689da33160eebfbf34754498452f32606388356","length":161,"index_length":137}"#
    );
    assert_eq!(serde_json::from_str::<PackRef>(&json).expect("json"), pack.reference);
}

/// What every later version must read: a stored piece and a page under zstd.
#[test]
fn golden_pack_with_zstd_is_read() {
    let hex = "64657073796e632d7061636b0168656c6c6f28b52ffd20c84d00001070700100430a600144537069014f0000000201208d3e77ff7f62\
               01bb36a4914956ecbf761ccc48fc9b92b5335b50f2c78bb972911212c801000320ea8f163db38682925e4491c5e58d4bb3506ef8c1\
               4eb78a86e908c5624a67200f0d0505000058000000a34fa74842d80704a042245ae0d4c06353d3575539897deac8e8ab5e79f753f5\
               64657073796e632d70696e6401";
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
    let reference = PackRef { name: Domain::Pack.digest(&bytes), length: bytes.len() as u64, index_length: 137 };
    let index = check_pack(&bytes, &reference).expect("whole");
    let slot = index.find(&ObjectId::page(Domain::Page.digest(&[b'p'; 200]))).expect("there");
    let stored = &bytes[slot.range().start as usize..slot.range().end as usize];
    assert_eq!((slot.codec, unpack(slot, stored).expect("unpacks").into_owned()), (1, vec![b'p'; 200]));
}

#[test]
fn the_same_objects_make_the_same_bytes_on_any_thread() {
    let expected = sample();
    let others: Vec<_> = (0..4).map(|_| std::thread::spawn(sample)).collect();
    for other in others {
        assert_eq!(other.join().expect("joins").bytes, expected.bytes);
    }
    // Also on a thread whose compressor has seen other things.
    pack(&[piece(prose(99, 70_000)), piece(noise(98, 500))]);
    assert_eq!(sample().bytes, expected.bytes);
}

#[test]
fn compresses_what_pays_and_stores_the_rest() {
    let pack = sample();
    let codec_of = |raw: &[u8]| pack.index.find(&ObjectId::piece(Digest::of(raw))).expect("there").codec;
    assert_eq!((codec_of(&prose(1, 5000)), codec_of(&noise(2, 5000))), (1, 0));
    assert_eq!(pack.index.len(), 4, "the repeated piece is there once");
    // Too short for the sample, yet incompressible; and longer than any sample window.
    for length in [63, 64, 1000, 4095, 4096, 100_000] {
        assert_eq!(Encoded::of(&noise(5, length)).expect("encodes").codec, Codec::Stored, "{length}");
    }
    for length in [64, 1000, 4096, 1 << 20] {
        assert_eq!(Encoded::of(&prose(5, length)).expect("encodes").codec, Codec::Zstd, "{length}");
    }
    // Random text in base64 looks busy, and still pays.
    let base64 = data_encoding::BASE64.encode(&noise(6, 50_000));
    assert_eq!(Encoded::of(base64.as_bytes()).expect("encodes").codec, Codec::Zstd);
}

#[test]
fn an_empty_pack_is_a_pack() {
    let pack = PackWriter::new().finish().expect("finishes");
    assert!(check_pack(&pack.bytes, &pack.reference).expect("whole").is_empty());
}

#[test]
fn a_reference_that_cannot_be_is_refused_before_anything_is_read() {
    let good = sample().reference;
    let least = (codec::HEADER + 1 + TRAILER) as u32;
    for (length, index_length) in [
        (0, good.index_length),
        (good.length, 0),
        (good.length, least - 1),
        (u64::from(good.index_length) + HEADER.len() as u64 - 1, good.index_length),
        (MAX_PACK + 1, good.index_length),
        (MAX_PACK, Frame::PackIndex.limit() as u32 + TRAILER as u32 + 1),
    ] {
        let reference = PackRef { length, index_length, ..good };
        assert_eq!(reference.tail().expect_err("impossible").kind(), ErrorKind::Damaged);
        let json = serde_json::to_string(&reference).expect("json");
        assert!(serde_json::from_str::<PackRef>(&json).is_err(), "{json}");
    }
}

#[test]
fn slots_must_tile_the_pack() {
    let start = HEADER.len() as u64;
    let (reference, tail) = forged(&[slot(1, start, 10), slot(2, start + 10, 5)], 15);
    assert_eq!(PackIndex::from_tail(&tail, &reference).expect("good").len(), 2);
    for (why, slots, objects) in [
        ("over the header", vec![slot(1, 0, 10), slot(2, start, 15)], 15),
        ("overlapping", vec![slot(1, start, 10), slot(2, start + 9, 6)], 15),
        ("one within another", vec![slot(1, start, 15), slot(2, start + 3, 5)], 15),
        ("twice the same place", vec![slot(1, start, 15), slot(2, start, 15)], 15),
        ("a gap", vec![slot(1, start, 10), slot(2, start + 11, 4)], 15),
        ("a gap before the index", vec![slot(1, start, 10)], 15),
        ("into the index", vec![slot(1, start, 10), slot(2, start + 10, 6)], 15),
        ("beyond everything", vec![slot(1, u64::MAX - 3, 10)], 15),
        ("nothing for something", vec![], 15),
    ] {
        assert_eq!(refused(&slots, objects), ErrorKind::Damaged, "{why}");
    }
}

#[test]
fn slots_must_be_sorted_and_their_lengths_bounded() {
    let start = HEADER.len() as u64;
    assert_eq!(refused(&[slot(2, start, 10), slot(1, start + 10, 5)], 15), ErrorKind::Damaged, "order");
    assert_eq!(refused(&[slot(1, start, 10), slot(1, start + 10, 5)], 15), ErrorKind::Damaged, "duplicate");
    let change = |change: &dyn Fn(&mut Slot)| {
        let mut slot = slot(1, start, 15);
        change(&mut slot);
        refused(&[slot], 15)
    };
    let long = crate::content::MAX_PIECE as u32 + 1;
    assert_eq!(change(&|slot| (slot.codec, slot.raw_length) = (1, long)), ErrorKind::Damaged, "a long piece");
    assert_eq!(change(&|slot| (slot.kind, slot.codec, slot.raw_length) = (1, 1, (4 << 20) + 1)), ErrorKind::Damaged);
    assert_eq!(change(&|slot| (slot.kind, slot.codec, slot.raw_length) = (2, 1, (128 << 20) + 1)), ErrorKind::Damaged);
    assert_eq!(change(&|slot| slot.raw_length = 14), ErrorKind::Damaged, "stored with another length");
    assert_eq!(change(&|slot| slot.codec = 1), ErrorKind::Damaged, "compression that does not pay");
    assert_eq!(change(&|slot| slot.base = Some(Box::new(slot.hash))), ErrorKind::Damaged, "a base for nothing");
    let base = || Some(Box::new(Digest::of(b"base")));
    assert_eq!(change(&|slot| (slot.codec, slot.raw_length) = (2, 20)), ErrorKind::Damaged, "a patch of nothing");
    for (codec, kind) in [(2, 2), (3, 1), (4, 3)] {
        let wrong = |slot: &mut Slot| (slot.codec, slot.kind, slot.raw_length, slot.base) = (codec, kind, 20, base());
        assert_eq!(change(&wrong), ErrorKind::Damaged, "a codec for another kind");
    }
    let own = |slot: &mut Slot| (slot.codec, slot.raw_length, slot.base) = (2, 20, Some(Box::new(slot.hash)));
    assert_eq!(change(&own), ErrorKind::Damaged, "its own base");
    assert_eq!(change(&|slot| (slot.codec, slot.base) = (2, base())), ErrorKind::Damaged, "a patch that does not pay");
    assert_eq!(change(&|slot| (slot.codec, slot.raw_length) = (9, 0)), ErrorKind::Damaged, "a piece without bytes");
}

#[test]
fn unknown_kinds_and_codecs_are_kept_but_cannot_be_fetched() {
    let start = HEADER.len() as u64;
    let patch = Slot { codec: 99, raw_length: 900, base: Some(Box::new(Digest::of(b"base"))), ..slot(1, start, 10) };
    let strange = Slot { kind: 77, raw_length: u32::MAX, codec: 1, stored_length: 5, ..slot(2, start + 10, 5) };
    let plain = Slot { hash: Digest::of(b"plain"), ..slot(0, start + 15, 5) };
    let mut slots = [patch.clone(), strange.clone(), plain.clone()];
    slots.sort_by_key(|slot| (slot.kind, slot.hash));
    let (mut reference, tail) = forged(&slots, 20);
    let mut bytes = HEADER.to_vec();
    bytes.extend_from_slice(b"0123456789abcdeplain");
    bytes.extend_from_slice(&tail);
    reference.name = Domain::Pack.digest(&bytes);
    let index = check_pack(&bytes, &reference).expect("what is known is whole");
    assert_eq!(index.len(), 3);
    assert_eq!(index.find(&ObjectId::piece(patch.hash)), Some(&patch));
    assert_eq!(strange.id(), None);
    for unknown in [&patch, &strange] {
        let stored = vec![0; unknown.stored_length as usize];
        let error = unpack(unknown, &stored).expect_err("unknown");
        assert_eq!((error.kind(), error.advice().is_some()), (ErrorKind::Unsupported, true));
    }
    assert_eq!(*unpack_verified(&plain, b"plain").expect("known").1, *b"plain");
}

#[test]
fn a_bomb_is_damage_and_claims_no_memory() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).expect("compresses");
    let stored_length = bomb.len() as u32;
    let lying = |kind: ObjectKind, raw_length: u32| Slot {
        kind: kind.byte(),
        raw_length,
        codec: 1,
        stored_length,
        ..slot(1, HEADER.len() as u64, 0)
    };
    // The frame says another size than the index.
    for raw_length in [stored_length + 1, 1 << 20] {
        let error = unpack(&lying(ObjectKind::Piece, raw_length), &bomb).expect_err("bomb");
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
    // Index and frame agree, and are beyond the bound of a piece.
    assert_eq!(unpack(&lying(ObjectKind::Piece, 64 << 20), &bomb).expect_err("bomb").kind(), ErrorKind::Damaged);
    // A frame that says the claimed size (its descriptor has four bytes for it) and holds 64 MiB.
    let mut liar = bomb;
    let at = liar.windows(4).position(|window| window == (64u32 << 20).to_le_bytes()).expect("the size");
    liar[at..at + 4].copy_from_slice(&(1u32 << 20).to_le_bytes());
    assert!(matches!(zstd::zstd_safe::get_frame_content_size(&liar), Ok(Some(size)) if size == 1 << 20));
    assert_eq!(unpack(&lying(ObjectKind::Piece, 1 << 20), &liar).expect_err("bomb").kind(), ErrorKind::Damaged);
    // One without a size at all, as a stream makes it.
    let stream = zstd::stream::encode_all(&prose(1, 5000)[..], 3).expect("compresses");
    let slot = Slot { stored_length: stream.len() as u32, ..lying(ObjectKind::Piece, 5000) };
    assert!(matches!(zstd::zstd_safe::get_frame_content_size(&stream), Ok(None)));
    assert_eq!(unpack(&slot, &stream).expect_err("no size").kind(), ErrorKind::Damaged);
}

#[test]
fn a_writer_refuses_what_a_reader_would_refuse() {
    let mut writer = PackWriter::new();
    let id = ObjectId::piece(Digest::of(b""));
    assert_eq!(writer.add(id, b"").expect_err("empty").kind(), ErrorKind::Internal);
    assert_eq!(writer.add(id, &noise(1, crate::content::MAX_PIECE + 1)).expect_err("long").kind(), ErrorKind::Internal);
    assert!(writer.is_empty());
    assert!(writer.add(id, b"x").expect("adds"));
    assert!(!writer.add(id, b"x").expect("held"), "an object is added once");
    assert!(!writer.takes(PACK_TARGET as usize));
    assert!(PackWriter::new().takes(100 << 20), "a large object gets a pack of its own");
}

#[test]
fn every_truncation_and_every_flipped_byte_is_found() {
    let pack = sample();
    let tail_start = (pack.reference.length - u64::from(pack.reference.index_length)) as usize;
    for length in 0..pack.bytes.len() {
        assert!(check_pack(&pack.bytes[..length], &pack.reference).is_err(), "cut to {length}");
    }
    let mut bytes = pack.bytes.clone();
    for at in 0..bytes.len() {
        bytes[at] ^= 0x10;
        assert!(check_pack(&bytes, &pack.reference).is_err(), "flipped at {at}");
        if at >= tail_start {
            // The index alone, read by range: nobody has compared the name of the pack.
            assert!(PackIndex::from_tail(&bytes[tail_start..], &pack.reference).is_err(), "flipped at {at}");
        }
        bytes[at] ^= 0x10;
    }
    assert!(PackIndex::from_tail(&bytes[tail_start + 1..], &pack.reference).is_err());
    // One flipped byte in an object that was read by range is found by its name.
    for slot in pack.index.iter().filter(|slot| slot.kind != ObjectKind::Recipe.byte()) {
        let mut stored = bytes[slot.range().start as usize..slot.range().end as usize].to_vec();
        for at in 0..stored.len() {
            stored[at] ^= 0x01;
            // zstd may ignore a bit of a frame header: what it then gives is still what is wanted.
            if let Ok((id, raw)) = unpack_verified(slot, &stored) {
                assert!(crate::content::verify(&id, &raw).is_ok());
            }
            stored[at] ^= 0x01;
        }
    }
}

fn any_object() -> impl Strategy<Value = Object> {
    let bytes = (any::<u64>(), 1usize..6000, any::<bool>())
        .prop_map(|(seed, length, text)| if text { prose(seed, length) } else { noise(seed, length) });
    prop_oneof![bytes.clone().prop_map(piece), bytes.prop_map(page), any::<u64>().prop_map(recipe)]
}

fn any_slot() -> impl Strategy<Value = Slot> {
    let lengths = (0u64..60, 0u32..40, 0u32..60);
    (0u8..5, 0u8..4, lengths, 0u8..4, any::<bool>()).prop_map(|(kind, seed, (offset, stored, raw), codec, based)| {
        Slot {
            kind,
            hash: Digest::from_bytes([seed; 32]),
            offset,
            stored_length: stored,
            raw_length: raw,
            codec,
            base: based.then(|| Box::new(Digest::from_bytes([9; 32]))),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_packed_is_unpacked(objects in proptest::collection::vec(any_object(), 0..30)) {
        let pack = pack(&objects);
        let index = check_pack(&pack.bytes, &pack.reference).expect("whole");
        prop_assert_eq!(&index, &pack.index);
        for (id, raw) in &objects {
            let slot = index.find(id).expect("there");
            let stored = &pack.bytes[slot.range().start as usize..slot.range().end as usize];
            prop_assert_eq!(unpack_verified(slot, stored).expect("whole"), (*id, raw.into()));
        }
        prop_assert!(index.find(&ObjectId::piece(Digest::of(b"not there"))).is_none());
    }

    #[test]
    fn bytes_that_were_never_compressed_do_not_abort(stored in any::<Vec<u8>>(), raw_length in 0u32..5000) {
        let slot = Slot { stored_length: stored.len() as u32, raw_length, codec: 1, ..slot(1, 13, 0) };
        drop(unpack(&slot, &stored));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_index_that_is_accepted_keeps_the_laws(slots in proptest::collection::vec(any_slot(), 0..5), objects in 0u64..80) {
        let (reference, tail) = forged(&slots, objects);
        if let Ok(index) = PackIndex::from_tail(&tail, &reference) {
            let total: u64 = index.iter().map(|slot| u64::from(slot.stored_length)).sum();
            prop_assert_eq!(total, objects);
            for slot in index.iter() {
                prop_assert!(slot.range().start >= HEADER.len() as u64);
                prop_assert!(slot.range().end <= HEADER.len() as u64 + objects);
                prop_assert!(slot.codec > 1 || slot.base.is_none());
            }
        }
    }
}
