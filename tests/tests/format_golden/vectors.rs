//! Golden vectors of archives: `tests/fixtures/archives-1`. Another implementation can be held against them; what is what
//! there stands in `engine/doc/archives.md`.
//!
//! What is deflated, recipes and their columns are the format bit for bit, and made again here. What zstd has made is not:
//! another version, or another effort, writes other bytes. Those were written once, and are read for ever.
//! `DEPSYNC_BLESS=1` writes what is missing, and never anew what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use depsync_engine::content::cutter::Cutter;
use depsync_engine::content::deflate::{Level, deflate, inflate, probe};
use depsync_engine::content::pack::{Codec, Slot, pack_columns, unpack_piece, unpack_recipe};
use depsync_engine::content::{Effort, ObjectKind, PieceRef, Recipe, RecipePart};
use depsync_engine::hash::Digest;

use super::fixture;

fn top() -> PathBuf {
    fixture("archives-1")
}

/// The vectors in a directory of those, by name.
fn vectors(directory: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(top().join(directory)).expect("vectors");
    let mut found: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    assert!(!found.is_empty(), "{directory} holds vectors");
    found
}

fn read(vector: &Path, name: &str) -> Vec<u8> {
    fs::read(vector.join(name)).unwrap_or_else(|error| panic!("{}/{name}: {error}", vector.display()))
}

/// Writes what `made` gives if it is missing, and somebody wants it.
fn bless(vector: &Path, name: &str, made: impl FnOnce() -> Vec<u8>) {
    if std::env::var_os("DEPSYNC_BLESS").is_some() && !vector.join(name).exists() {
        fs::create_dir_all(vector).and_then(|()| fs::write(vector.join(name), made())).expect("a file");
    }
}

#[test]
fn what_is_deflated_is_so_bit_for_bit() {
    let vector = top().join("deflate");
    let content = read(&vector, "content");
    let mut all = BTreeSet::new();
    for number in 1..=9 {
        let (name, level) = (format!("level-{number}"), Level::new(number).expect("a level"));
        bless(&vector, &name, || deflate(&content, level));
        let golden = read(&vector, &name);
        assert!(deflate(&content, level) == golden, "{name}");
        assert!(inflate(&golden, content.len()).as_ref() == Some(&content), "{name}");
        assert_eq!(probe(&golden, &content), Some(level), "{name}");
        all.insert(golden);
    }
    assert_eq!(all.len(), 9, "each level is another one");
}

#[test]
fn archives_are_cut_and_their_recipes_written_bit_for_bit() {
    for vector in vectors("cut") {
        let (shown, file) = (vector.display().to_string(), read(&vector, "file"));
        let cut = Cutter::default().cut_slice(&file).expect("cut");
        assert!(cut.recipe.is_archive(), "{shown}");
        bless(&vector, "recipe", || cut.recipe.encode().expect("encodes"));
        let golden = read(&vector, "recipe");
        assert!(cut.recipe.encode().expect("encodes") == golden, "{shown}");
        let recipe = Recipe::decode(&golden).expect("decodes");
        assert!(recipe == cut.recipe, "{shown}");
        let mut made = Vec::new();
        let walked = recipe.walk(&mut |at, part| {
            match part {
                RecipePart::Inline(bytes) => made.extend_from_slice(bytes),
                RecipePart::Piece(_, piece) => {
                    let data = &file[usize::try_from(at).expect("in memory")..][..piece.length as usize];
                    assert_eq!(Digest::of(data), piece.hash, "{shown}");
                    made.extend_from_slice(data);
                }
            }
            Ok(())
        });
        walked.expect("it is a recipe");
        assert!(made == file, "{shown}");
    }
}

/// The recipe of a file of so many pieces that is no archive. `fresh` is one that others do not have.
fn pieces(count: u32, fresh: u32) -> Recipe {
    let piece = |number: u32| PieceRef { hash: Digest::of(&number.to_le_bytes()), length: 4096 + number };
    Recipe::new((1..=count).map(|number| piece(if number == 3 { fresh } else { number })).collect()).expect("a recipe")
}

/// What the vectors of columns were made of: of each its name, the base, and the recipe.
fn sources() -> Vec<(&'static str, Recipe, Recipe)> {
    let of = |name: &str| Recipe::decode(&read(&top().join("cut").join(name), "recipe")).expect("a recipe");
    vec![
        ("archive-of-archive", of("old"), of("new")),
        ("archive-of-itself", of("odd"), of("odd")),
        ("archive-of-another", of("streamed"), of("odd")),
        ("archive-of-pieces", pieces(9, 3), of("old")),
        ("pieces-of-pieces", pieces(9, 3), pieces(12, 99)),
        ("pieces-of-archive", of("old"), pieces(60, 3)),
    ]
}

#[test]
fn recipes_against_others_are_read_for_ever() {
    for (name, base, made) in sources() {
        let vector = top().join("columns").join(name);
        let columns = || made.against(&base).expect("columns");
        bless(&vector, "base", || base.encode().expect("encodes"));
        bless(&vector, "made", || made.encode().expect("encodes"));
        bless(&vector, "columns", columns);
        bless(&vector, "stored", || pack_columns(&columns(), Effort::Balanced).expect("compresses"));
    }
    assert_eq!(vectors("columns").len(), sources().len());
    for vector in vectors("columns") {
        let shown = vector.display();
        let [base, made] = ["base", "made"].map(|name| Recipe::decode(&read(&vector, name)).expect("a recipe"));
        let columns = read(&vector, "columns");
        assert!(made.against(&base).expect("columns") == columns, "{shown}: this one writes them so");
        assert!(Recipe::of_columns(&columns, &base).expect("reads") == made, "{shown}");
        let (stored, length) = (read(&vector, "stored"), read(&vector, "made").len());
        let slot = slot(ObjectKind::Recipe, Codec::Columns, &stored, length);
        assert!(unpack_recipe(&slot, &stored, Some(&base)).expect("reads") == made, "{shown}");
    }
}

/// The slot of what is stored against something.
fn slot(kind: ObjectKind, codec: Codec, stored: &[u8], length: usize) -> Slot {
    let short = |length: usize| u32::try_from(length).expect("a short vector");
    Slot {
        kind: kind.byte(),
        hash: Digest::of(b"what is made"),
        offset: 0,
        stored_length: short(stored.len()),
        raw_length: short(length),
        codec: codec.byte(),
        base: Some(Box::new(Digest::of(b"its base"))),
    }
}

#[test]
fn patches_are_applied_for_ever() {
    let mut forms = BTreeSet::new();
    for (directory, codec) in [("patch", Codec::Patch), ("nested", Codec::Nested)] {
        for vector in vectors(directory) {
            let [base, stored, made] = ["base", "stored", "made"].map(|name| read(&vector, name));
            let slot = slot(ObjectKind::Piece, codec, &stored, made.len());
            assert!(unpack_piece(&slot, &stored, &base).expect("applies") == made, "{}", vector.display());
            forms.insert((codec.byte(), stored[0]));
        }
    }
    // Deflated or not, of something that is or is not; and an archive, which always is.
    assert_eq!(forms, BTreeSet::from([(2, 0), (2, 6), (2, 16), (2, 16 + 9), (3, 16 + 6)]));
}
