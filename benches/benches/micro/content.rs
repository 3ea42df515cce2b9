//! Cutting and packing.

use depsync_engine::content::ObjectId;
use depsync_engine::content::chunker::Chunking;
use depsync_engine::content::cutter::Cutter;
use depsync_engine::content::pack::{PackWriter, check_pack, unpack_verified};
use depsync_engine::hash::Digest;
use depsync_tests::jar::{deflated, jar};
use depsync_tests::node::noise;

use crate::subject::{Amount, Subject};

const MIB: usize = 1 << 20;
const PIECES: usize = 500;
const PIECE: usize = 8 << 10;

pub(crate) fn subjects() -> Vec<Subject> {
    vec![
        Subject { name: "chunk: a file of 16 MiB", amount: Amount::Bytes(16 * MIB), prepare: chunking },
        Subject { name: "chunk: an archive of 2,000 entries", amount: Amount::Items(2000), prepare: cutting },
        Subject { name: "pack: write 500 pieces of 8 KiB", amount: Amount::Bytes(PIECES * PIECE), prepare: packing },
        Subject { name: "pack: read 500 pieces of 8 KiB", amount: Amount::Bytes(PIECES * PIECE), prepare: unpacking },
    ]
}

fn chunking() -> Box<dyn FnMut()> {
    let (cutter, bytes) = (Cutter::new(Chunking::V1, false), noise(1, 16 * MIB));
    Box::new(move || drop(cutter.cut_slice(&bytes).expect("cuts")))
}

fn cutting() -> Box<dyn FnMut()> {
    let entries: Vec<_> =
        (0..2000).map(|number| deflated(format!("com/example/Class{number:05}.class"), text(number, 2000))).collect();
    let (cutter, bytes) = (Cutter::new(Chunking::V1, true), jar(&entries, 7));
    Box::new(move || drop(cutter.cut_slice(&bytes).expect("cuts")))
}

/// Half of it is noise.
fn text(seed: u64, length: usize) -> Vec<u8> {
    noise(seed, length / 2).iter().flat_map(|byte| [b'a' + byte % 16, b'a' + byte / 16]).collect()
}

fn pieces() -> Vec<(ObjectId, Vec<u8>)> {
    let piece = |number: usize| text(number as u64, PIECE);
    (0..PIECES).map(piece).map(|bytes| (ObjectId::piece(Digest::of(&bytes)), bytes)).collect()
}

fn pack(pieces: &[(ObjectId, Vec<u8>)]) -> depsync_engine::content::pack::Pack {
    let mut writer = PackWriter::new();
    for (id, bytes) in pieces {
        assert!(writer.add(*id, bytes).expect("adds"));
    }
    writer.finish().expect("a pack")
}

fn packing() -> Box<dyn FnMut()> {
    let pieces = pieces();
    Box::new(move || drop(pack(&pieces)))
}

fn unpacking() -> Box<dyn FnMut()> {
    let pack = pack(&pieces());
    Box::new(move || {
        let index = check_pack(&pack.bytes, &pack.reference).expect("a pack");
        for slot in index.iter() {
            let from = usize::try_from(slot.offset).expect("a short pack");
            let stored = &pack.bytes[from..from + slot.stored_length as usize];
            drop(unpack_verified(slot, stored).expect("unpacks"));
        }
    })
}
