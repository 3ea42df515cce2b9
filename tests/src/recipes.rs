//! What a recipe must be of the file that it was cut from: the laws of generated, damaged and made up archives alike.

use std::fs::File;
use std::io::Write;

use depsync_engine::content::archive::MAX_INLINE;
use depsync_engine::content::cutter::Cutter;
use depsync_engine::content::{MAX_PIECE, Recipe};
use depsync_engine::context::Context;
use depsync_engine::hash::Digest;
use rustix::fs::{MemfdFlags, memfd_create};

/// The recipe of a file that is in memory: it is the file, and is written and read.
///
/// # Panics
/// If a law is broken.
pub fn cut(bytes: &[u8]) -> Recipe {
    let cut = Cutter::default().cut_slice(bytes).expect("cuts");
    assert!(cut.hash == Digest::of(bytes), "another hash");
    tiled(&cut.recipe, bytes);
    written(&cut.recipe);
    cut.recipe
}

/// The recipe of a file that is read from a disk, which must be that of the same bytes in memory.
///
/// # Panics
/// If a law is broken.
pub fn cut_twice(bytes: &[u8]) -> Recipe {
    let measured = Cutter::default().measure(&Context::new(), &in_memory(bytes), bytes.len() as u64).expect("cuts");
    let recipe = cut(bytes);
    assert!(measured.hash == Digest::of(bytes) && measured.recipe == recipe, "cut in two ways");
    recipe
}

/// A file with these bytes, on no disk.
///
/// # Panics
/// If there is no memory for it.
pub fn in_memory(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("a file", MemfdFlags::CLOEXEC).expect("a file in memory"));
    file.write_all(bytes).expect("writes");
    file
}

/// Its pieces and what stands between them are the file, one after the other.
fn tiled(recipe: &Recipe, bytes: &[u8]) {
    assert_eq!(recipe.size(), bytes.len() as u64);
    bounded(recipe);
    let mut parts: Vec<(u64, &[u8])> = recipe.inline().collect();
    for (offset, piece) in recipe.positions() {
        let start = usize::try_from(offset).expect("it is in memory");
        let data = &bytes[start..start + piece.length as usize];
        assert!(Digest::of(data) == piece.hash, "the piece at {offset} is another");
        parts.push((offset, data));
    }
    parts.sort_unstable_by_key(|(offset, _)| *offset);
    let mut at = 0;
    for (offset, part) in parts {
        assert_eq!(offset, at as u64, "a gap, or an overlap");
        assert!(bytes[at..].starts_with(part), "other bytes at {offset}");
        at += part.len();
    }
    assert_eq!(at, bytes.len());
    // An entry with data has two headers, of 76 bytes and a name; what belongs to none has more than 256.
    let most = bytes.len() / 76 + 1;
    assert!(recipe.pieces().len() <= most, "{} pieces of {at} bytes", recipe.pieces().len());
}

/// No length is out of its bound, and they tile the file.
///
/// # Panics
/// If a law is broken.
pub fn bounded(recipe: &Recipe) {
    let mut parts: Vec<(u64, u64)> = recipe.inline().map(|(offset, bytes)| (offset, bytes.len() as u64)).collect();
    assert!(recipe.inline().map(|(_, bytes)| bytes.len()).sum::<usize>() <= MAX_INLINE, "too much between pieces");
    assert!(recipe.pieces().iter().all(|piece| (1..=MAX_PIECE as u32).contains(&piece.length)), "a piece too long");
    parts.extend(recipe.positions().map(|(offset, piece)| (offset, u64::from(piece.length))));
    parts.sort_unstable();
    let end = parts.into_iter().fold(0, |at, (offset, length)| {
        assert!(offset == at && length > 0, "a gap, an overlap, or nothing at {at}");
        at + length
    });
    assert_eq!(end, recipe.size());
}

/// It is written and read, whole, in no more bytes than what it says.
///
/// # Panics
/// If a law is broken.
pub fn written(recipe: &Recipe) {
    let encoded = recipe.encode().expect("encodes");
    assert!(Recipe::decode(&encoded).expect("decodes") == *recipe, "another recipe");
    // A field of two bytes may take four; a piece has a hash, a few choices, and perhaps a gap.
    let inline: usize = recipe.inline().map(|(_, bytes)| bytes.len()).sum();
    let most = 3 * inline + 64 * recipe.pieces().len() + 512;
    assert!(encoded.len() <= most, "{} bytes say {inline}, and {} pieces", encoded.len(), recipe.pieces().len());
}

/// The columns of `new` against `old`, which are read again.
///
/// # Panics
/// If they are not.
pub fn against(new: &Recipe, old: &Recipe) -> Vec<u8> {
    let columns = new.against(old).expect("codes");
    assert!(Recipe::of_columns(&columns, old).expect("decodes") == *new, "another recipe");
    columns
}
