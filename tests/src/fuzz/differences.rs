//! Recipes as columns against other recipes, and pieces as patches of other pieces.

use std::sync::{Arc, LazyLock};

use depsync_engine::codec::Frame;
use depsync_engine::content::deflate::{Level, deflate, inflate};
use depsync_engine::content::pack::{Codec, PackIndex, Slot, check_pack, pack_columns, unpack_piece, unpack_recipe};
use depsync_engine::content::{Effort, ObjectKind, PieceRef, Recipe};
use depsync_engine::context::Context;
use depsync_engine::hash::Digest;
use depsync_engine::transport::{MemoryLedger, OpenMode, Transport};
use depsync_transports::HubTransport;
use depsync_transports::hub::layout;

use super::{archives, lawful};
use crate::jar::{self, Entry};
use crate::node::{Node, files};
use crate::storage_memory::MemoryStorage;
use crate::{forge, recipes};

/// An archive of this release that is cut as one, and is not longer than it has to be.
fn release(number: u32) -> Vec<u8> {
    let text = |seed: u64, length: usize| {
        let words: Vec<String> = crate::node::noise(seed, length / 4).iter().map(|byte| format!("L{byte};")).collect();
        words.concat().into_bytes()
    };
    let edited = |seed: u64, length: usize| [text(seed, length), format!("release {number}").into_bytes()].concat();
    let of = |name: &str, content: Vec<u8>, level: Option<u8>| Entry { name: name.to_owned(), content, level };
    let class = |seed: u64| of(&format!("C{seed}.class"), text(seed, 900), Some(6));
    let module = |seed: u64| {
        let padding = of("padding", crate::node::noise(seed, 600), None);
        let entries = [class(seed), class(seed + 1), padding, of("Main.class", edited(seed + 2, 900), Some(6))];
        let long = of("long.txt", text(seed + 3, 300).repeat(12), Some(if seed > 20 { 9 } else { 1 }));
        // Cut as an archive, so that its own patch is one of its entries: it has more than 4 KiB.
        let stored = of("stored.txt", edited(seed + 4, 300).repeat(9), None);
        jar::jar(&[&entries[..], &[long, stored]].concat(), number)
    };
    let entries = [
        of("A.class", edited(1, 700), Some(6)),
        of("b.txt", edited(2, 400), None),
        of("lib/one.jar", module(10), None),
        of("lib/two.jar", module(30), Some(6)),
    ];
    jar::jar(&entries, number)
}

/// What the first release is made of: its recipe, and of each piece the bytes, and how many they are when inflated.
struct Known {
    recipe: Recipe,
    pieces: Vec<(Vec<u8>, Option<usize>)>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let whole = release(1);
    let recipe = recipes::cut(&whole);
    let of = |(offset, piece): (u64, PieceRef)| {
        let start = usize::try_from(offset).expect("in memory");
        let bytes = whole[start..start + piece.length as usize].to_vec();
        let inflated = (0..32 << 10).find(|length| inflate(&bytes, *length).is_some());
        (bytes, inflated)
    };
    let pieces = recipe.positions().map(of).collect();
    Known { recipe, pieces }
});

/// What recipes are held against: nothing, an archive, the archives in one, and a file that is none.
static BASES: LazyLock<Vec<Recipe>> = LazyLock::new(|| {
    let piece = |seed: u8| PieceRef { hash: Digest::of(&[seed]), length: 4000 + u32::from(seed) };
    let list = Recipe::new((0..5).map(piece).collect()).expect("a recipe");
    let behind = archives::behind(&archives::archives()[3]);
    vec![Recipe::default(), recipes::cut(&behind), KNOWN.recipe.clone(), list]
});

/// Which base, a byte, and columns against it; with its highest bit, the frame of a whole recipe.
pub(super) fn columns(data: &[u8]) {
    let Some((&which, columns)) = data.split_first() else { return };
    let none = Recipe::default();
    let (base, read) = if which & 0x80 == 0 {
        let base = &BASES[usize::from(which) % BASES.len()];
        let read = Recipe::of_columns(columns, base);
        if *base == none {
            let framed = forge::framed(Frame::Archive, columns).expect("what is fuzzed is short");
            assert_eq!(Recipe::decode(&framed).ok(), read.as_ref().ok().cloned());
        }
        (base, read)
    } else {
        (&none, Recipe::decode(columns))
    };
    match read {
        Ok(recipe) => {
            // A piece has a choice in a column, or a hash.
            assert!(recipe.pieces().len() <= columns.len(), "more pieces than bytes");
            recipes::bounded(&recipe);
            recipes::written(&recipe);
            recipes::against(&recipe, base);
        }
        Err(error) => lawful(&error),
    }
}

pub(super) fn recipes_of_archives() -> Vec<Vec<u8>> {
    let second = recipes::cut(&release(2));
    let behind =
        archives::archives().iter().map(|archive| recipes::cut(&archives::behind(archive))).collect::<Vec<_>>();
    let mut seeds = vec![[&[0x80], &second.encode().expect("encodes")[..]].concat()];
    for (number, base) in (0..).zip(BASES.iter()) {
        for recipe in behind.iter().chain([&second, &BASES[3]]) {
            seeds.push([&[number], &recipe.against(base).expect("codes")[..]].concat());
        }
    }
    seeds
}

/// How a patch is wrapped up: as it is; or, so that the fuzzer sees what is in it, put together here.
const PLAIN: u8 = 0;
const INSIDE: u8 = 1;
const COLUMNS: u8 = 2;

/// How, a byte; which piece is the base, a byte, with its highest bit for the codec of nested archives; the length of what is
/// made, two bytes; then the patch.
pub(super) fn patch(data: &[u8]) {
    let Some(([how, which, length @ ..], patch)) = data.split_first_chunk::<4>() else { return };
    let raw_length = u32::from(u16::from_le_bytes(*length));
    let (base, inflated) = &KNOWN.pieces[usize::from(which & 0x7f) % KNOWN.pieces.len()];
    let (kind, codec, stored) = match how % 3 {
        PLAIN if which & 0x80 == 0 => (ObjectKind::Piece, Codec::Patch, patch.to_vec()),
        PLAIN => (ObjectKind::Piece, Codec::Nested, patch.to_vec()),
        INSIDE => (ObjectKind::Piece, Codec::Nested, inside(raw_length, *inflated, patch)),
        COLUMNS => {
            let effort = Effort::Fast;
            (ObjectKind::Recipe, Codec::Columns, pack_columns(patch, effort).expect("compresses"))
        }
        _ => unreachable!("a rest of three"),
    };
    let slot = Slot {
        kind: kind.byte(),
        hash: Digest::of(b"any"),
        offset: 13,
        stored_length: stored.len() as u32,
        // What is put together here may be longer than it would be for an honest patch.
        raw_length: if how % 3 == PLAIN { raw_length } else { raw_length.max(stored.len() as u32 + 1) },
        codec: codec.byte(),
        base: Some(Box::new(Digest::of(base))),
    };
    if codec == Codec::Columns {
        match unpack_recipe(&slot, &stored, Some(&KNOWN.recipe)) {
            Ok(recipe) => {
                assert!(recipe.pieces().len() <= patch.len(), "more pieces than bytes");
                recipes::bounded(&recipe);
            }
            Err(error) => lawful(&error),
        }
        return;
    }
    match unpack_piece(&slot, &stored, base) {
        Ok(made) => {
            assert_eq!(made.len(), slot.raw_length as usize);
            assert!(unpack_piece(&slot, &stored, base).expect("as before") == made, "something else");
        }
        Err(error) => lawful(&error),
    }
}

/// Appends a number: seven bits a byte, the lowest first.
fn put(into: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// What has changed within an archive: a form that says the right lengths, and a frame of `content`. The result is not
/// deflated, since nobody could guess how long it would be then.
fn inside(length: u32, inflated: Option<usize>, content: &[u8]) -> Vec<u8> {
    let mut stored = vec![if inflated.is_some() { 16 } else { 0 }];
    inflated.into_iter().for_each(|length| put(&mut stored, length));
    put(&mut stored, length as usize);
    put(&mut stored, content.len());
    stored.extend(zstd::bulk::compress(content, 1).expect("compresses"));
    stored
}

/// What a publisher makes of the second release, where the hub has the first.
fn published() -> (PackIndex, Vec<u8>) {
    let cx = Context::new();
    let storage = MemoryStorage::new();
    let main = || "main".parse().expect("a name");
    let mut node = Node::new(HubTransport::new(storage.clone(), main(), Arc::new(MemoryLedger::default())));
    node.transport.open(&cx, OpenMode::Create).expect("a hub");
    for number in [1, 2] {
        node.must_publish(&files([("a.jar", &release(number)[..])]));
    }
    let record = node.transport.envelopes(&cx, 2, 2).expect("a record").remove(0);
    let reference = record.payload().packs[0];
    let bytes = storage.peek(&layout::pack(&reference.name)).expect("a pack");
    (check_pack(&bytes, &reference).expect("a pack"), bytes)
}

pub(super) fn patches() -> Vec<Vec<u8>> {
    let (index, pack) = published();
    let mut seeds = Vec::new();
    for slot in index.iter() {
        let range = slot.range();
        let stored = &pack[range.start as usize..range.end as usize];
        let length = |length: u32| u16::try_from(length).expect("a short piece").to_le_bytes();
        let base = slot.base.as_deref().copied();
        let base = KNOWN.pieces.iter().position(|(bytes, _)| Some(Digest::of(bytes)) == base);
        let which = base.and_then(|base| u8::try_from(base).ok()).unwrap_or(0);
        let seed = |how: u8, which: u8, raw: u32, patch: &[u8]| [&[how, which], &length(raw)[..], patch].concat();
        match Codec::from_byte(slot.codec) {
            Some(Codec::Patch) => seeds.push(seed(PLAIN, which, slot.raw_length, stored)),
            Some(Codec::Nested) => {
                seeds.push(seed(PLAIN, which | 0x80, slot.raw_length, stored));
                let at = stored.windows(4).position(|window| window == [0x28, 0xb5, 0x2f, 0xfd]).expect("a frame");
                let content = zstd::bulk::decompress(&stored[at..], 1 << 20).expect("decompresses");
                let made = unpack_piece(slot, stored, &KNOWN.pieces[usize::from(which)].0).expect("a nested archive");
                let level = Level::new(6).expect("a level");
                let whole = (0..64 << 10).find_map(|length| inflate(&made, length)).expect("it is deflated");
                assert!(deflate(&whole, level) == made, "as Java does");
                seeds.push(seed(INSIDE, which, u32::try_from(whole.len()).expect("short"), &content));
            }
            Some(Codec::Columns) => {
                let columns = zstd::bulk::decompress(stored, 1 << 20).expect("decompresses");
                seeds.push(seed(COLUMNS, 0, slot.raw_length, &columns));
            }
            _ => {}
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_has_a_difference_of_each_kind_and_all_of_them_make_something() {
        let (index, pack) = published();
        for codec in [Codec::Patch, Codec::Nested] {
            let mut slots = index.iter().filter(|slot| slot.codec == codec.byte());
            let slot = slots.next().unwrap_or_else(|| panic!("none with {codec:?}"));
            let base = KNOWN.pieces.iter().find(|(bytes, _)| Some(Digest::of(bytes)) == slot.base.as_deref().copied());
            let stored = &pack[slot.range().start as usize..slot.range().end as usize];
            let made = unpack_piece(slot, stored, &base.expect("a piece of the first").0).expect("makes it");
            assert_eq!(Digest::of(&made), slot.hash);
        }
        let seeds = patches();
        let inside = seeds.iter().find(|seed| seed[0] == INSIDE).expect("one that is put together here");
        let (_, inflated) = &KNOWN.pieces[usize::from(inside[1])];
        let length = u32::from(u16::from_le_bytes([inside[2], inside[3]]));
        let stored = super::inside(length, *inflated, &inside[4..]);
        assert!(stored.len() < length as usize);
        assert!(seeds.iter().any(|seed| seed[0] == COLUMNS));
    }
}
