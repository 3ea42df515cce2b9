//! Differences that lie: of bases that are not there, that are each other's, or that make something else; and recipes of
//! archives that no file has.

use depsync_engine::codec::Frame;
use depsync_engine::content::ObjectKind;
use depsync_engine::content::cutter::Cutter;
use depsync_engine::hash::Digest;
use depsync_tests::forge::{self, Entry};
use depsync_tests::jar;

use crate::objects::{frame, promised, run};
use crate::scene::Scene;

const PATCH: u8 = 2;
const NESTED: u8 = 3;
const COLUMNS: u8 = 4;

/// What the revision promises: more than what a patch of it takes.
fn content() -> Vec<u8> {
    b"four and twenty blackbirds baked in a pie. ".repeat(40)
}

/// A form, of two bytes, that says a patch makes so much; then `patch`.
fn patch(first: u8, numbers: &[u64], patch: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    for &number in numbers {
        let mut left = number;
        while left >= 0x80 {
            bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
    }
    [&bytes, patch].concat()
}

/// A zstd frame of so many zeros.
fn zeros(length: u64) -> Vec<u8> {
    let mut blocks = Vec::new();
    let mut left = length;
    while left > 0 {
        let some = left.min(1 << 17);
        left -= some;
        let mut block = run(0, u32::try_from(some).expect("a block"));
        // Only the last one says so.
        block[0] ^= u8::from(left > 0);
        blocks.extend(block);
    }
    frame(length, &blocks)
}

#[test]
fn patches_that_make_nothing_or_something_else() {
    let scene = Scene::new();
    let (whole, base) = (content(), b"what was there before".repeat(90));
    let (named, named_base, length) = (Digest::of(&whole), Digest::of(&base), whole.len() as u64);
    let with = |what: &str, codec: u8, stored: Vec<u8>| {
        promised(&scene, what, Entry::file(&whole), |pack| {
            pack.piece(&base);
            pack.against(ObjectKind::Piece, named, (codec, named_base), length as u32, stored.clone());
        });
    };
    for codec in [PATCH, NESTED] {
        with("nothing", codec, Vec::new());
        with("no form", codec, vec![0xff; 20]);
        with("a level that zlib does not have", codec, patch(10, &[length], &zeros(length)));
        with("another length", codec, patch(0, &[length + 1], &zeros(length + 1)));
        with("the right length, of other bytes", codec, patch(0, &[length], &zeros(length)));
        with("a frame that says another length", codec, patch(0, &[length], &zeros(length - 1)));
        with("a frame that is cut off", codec, patch(0, &[length], &zeros(length)[..9]));
        with("2^62 bytes to be deflated", codec, patch(6, &[1 << 62], &zeros(9)));
        with("all that may be deflated", codec, patch(1, &[32 << 20], &zeros(32 << 20)));
        with("more than may be deflated", codec, patch(1, &[(32 << 20) + 1], &zeros((32 << 20) + 1)));
        with("a base that is not deflated", codec, patch(16, &[9, length], &zeros(length)));
        with("a base that inflates to 2^62 bytes", codec, patch(16, &[1 << 62, length], &zeros(length)));
        with("a nested archive of 2^62 bytes", codec, patch(6, &[length, 1 << 62], &zeros(40)));
        with("a nested archive of 64 MiB of nothing", codec, patch(6, &[length, 64 << 20], &zeros(64 << 20)));
    }
    scene.goes_on();
}

#[test]
fn bases_that_are_not_there_or_each_others() {
    let scene = Scene::new();
    let whole = content();
    let (named, length) = (Digest::of(&whole), whole.len() as u32);
    let stored = || patch(0, &[u64::from(length)], &zeros(length.into()));
    let other = |number: u32| Digest::of(&number.to_le_bytes());
    promised(&scene, "a base that nobody has", Entry::file(&whole), |pack| {
        pack.against(ObjectKind::Piece, named, (PATCH, other(1)), length, stored());
    });
    promised(&scene, "two, each the base of the other", Entry::file(&whole), |pack| {
        pack.against(ObjectKind::Piece, named, (PATCH, other(1)), length, stored());
        pack.against(ObjectKind::Piece, other(1), (PATCH, named), length, stored());
    });
    promised(&scene, "a thousand, each stored against the next", Entry::file(&whole), |pack| {
        pack.against(ObjectKind::Piece, named, (PATCH, other(0)), length, stored());
        for number in 0..1000 {
            pack.against(ObjectKind::Piece, other(number), (PATCH, other(number + 1)), length, stored());
        }
    });
    promised(&scene, "a base that is not what it is named", Entry::file(&whole), |pack| {
        pack.against(ObjectKind::Piece, named, (PATCH, other(1)), length, stored());
        pack.add(ObjectKind::Piece, other(1), b"something else");
    });
    promised(&scene, "recipes, each the base of the other", Entry::file(&whole), |pack| {
        for (one, another) in [(named, other(1)), (other(1), named)] {
            pack.against(ObjectKind::Recipe, one, (COLUMNS, another), 5000, zeros(900));
        }
    });
    scene.goes_on();
}

/// The recipe of an archive that is `whole`, and what is changed in it.
#[test]
fn recipes_of_archives_that_are_none() {
    let scene = Scene::new();
    let whole = jar::release(1);
    let cut = Cutter::default().cut_slice(&whole).expect("cut");
    assert!(cut.recipe.is_archive());
    let encoded = cut.recipe.encode().expect("encodes");
    let with = |what: &str, bytes: Vec<u8>| {
        promised(&scene, what, Entry::file(&whole), |pack| {
            for (offset, piece) in cut.recipe.positions() {
                let start = usize::try_from(offset).expect("in memory");
                pack.add(ObjectKind::Piece, piece.hash, &whole[start..start + piece.length as usize]);
            }
            pack.add(ObjectKind::Recipe, cut.hash, &bytes);
        });
    };
    let framed = |payload: &[u8]| forge::framed(Frame::Archive, payload).expect("seals");
    let columns = &encoded[9..];
    with("no columns", framed(&[]));
    with("columns of 2^62 bytes", framed(&[[0xff; 8].as_slice(), &[0x3f; 80]].concat()));
    with("columns that are cut off", framed(&columns[..columns.len() / 2]));
    with("columns, and more", framed(&[columns, b"more"].concat()));
    with("a frame that is cut off", encoded[..encoded.len() / 2].to_vec());
    for part in 1..40 {
        let mut changed = columns.to_vec();
        let at = part * changed.len() / 40;
        changed[at] ^= 0x55;
        with(&format!("columns with another byte at {at}"), framed(&changed));
    }
    scene.goes_on();
}
