//! What a recipe must be of the file that it was cut from: the laws of generated, damaged and made up archives alike.

use std::fs::File;
use std::io::Write;

use depsync_engine::content::archive::MAX_INLINE;
use depsync_engine::content::cutter::Cutter;
use depsync_engine::content::{MAX_PIECE, Recipe, RecipePart};
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
    let mut at = 0;
    let walked = recipe.walk(&mut |offset, part| {
        assert_eq!(offset, at as u64, "a gap, or an overlap");
        at += match part {
            RecipePart::Inline(inline) => {
                assert!(bytes[at..].starts_with(inline), "other bytes at {offset}");
                inline.len()
            }
            RecipePart::Piece(_, piece) => {
                let data = &bytes[at..at + piece.length as usize];
                assert!(Digest::of(data) == piece.hash, "the piece at {offset} is another");
                data.len()
            }
        };
        Ok(())
    });
    walked.expect("it is a recipe");
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
    assert!(recipe.inline_length() <= MAX_INLINE as u64, "too much between pieces");
    assert!(recipe.pieces().iter().all(|piece| (1..=MAX_PIECE as u32).contains(&piece.length)), "a piece too long");
    let (mut at, mut inline, mut positions) = (0, 0, recipe.positions());
    let walked = recipe.walk(&mut |offset, part| {
        let length = match part {
            RecipePart::Inline(bytes) => {
                inline += bytes.len() as u64;
                bytes.len() as u64
            }
            RecipePart::Piece(_, piece) => {
                assert_eq!(positions.next(), Some((offset, piece)), "it says of a piece that it is elsewhere");
                piece.length.into()
            }
        };
        assert!(offset == at && length > 0, "a gap, an overlap, or nothing at {at}");
        at += length;
        Ok(())
    });
    walked.expect("it is a recipe");
    assert!(positions.next().is_none() && at == recipe.size() && inline == recipe.inline_length());
}

/// It is written and read, whole, in no more bytes than what it says.
///
/// # Panics
/// If a law is broken.
pub fn written(recipe: &Recipe) {
    let encoded = recipe.encode().expect("encodes");
    assert!(Recipe::decode(&encoded).expect("decodes") == *recipe, "another recipe");
    // A field of two bytes may take four; a piece has a hash, a few choices, and perhaps a gap.
    let inline = usize::try_from(recipe.inline_length()).expect("it is bounded");
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
