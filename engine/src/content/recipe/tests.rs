//! Recipes of ordinary files, and those of archives that no file has; those that files have are tried where files are cut.

use super::*;
use crate::content::cutter::Cutter;
use crate::content::testing::{archive, prose};
use proptest::prelude::*;

fn piece(seed: u32, length: u32) -> PieceRef {
    PieceRef { hash: Digest::of(&seed.to_le_bytes()), length }
}

#[test]
fn golden_bytes() {
    let recipe = Recipe::new(vec![piece(1, 4096), piece(2, 1)]).expect("recipe");
    assert_eq!(recipe.size(), 4097);
    let hex = data_encoding::HEXLOWER.encode(&recipe.encode().expect("encodes"));
    assert_eq!(
        hex,
        "4453726301470000000220c610e85212d0697cb161d4ba431ba603f273feee7dcb7927c9ff5d74ae6cbfa3fb001020f03bf86f79d121cbfd774dec4a65912e99f5f17c33852bbc45e819160e62b53b01"
    );
}

#[test]
fn refuses_pieces_without_bytes_or_with_too_many() {
    for length in [0, MAX_PIECE as u32 + 1, u32::MAX] {
        let bytes = codec::encode(Frame::Recipe, &vec![piece(1, 1), piece(2, length)]).expect("encodes");
        assert_eq!(Recipe::decode(&bytes).expect_err("length").kind(), ErrorKind::Damaged);
    }
    assert_eq!(Recipe::new(vec![piece(0, 1); MAX_PIECES + 1]).expect_err("many").kind(), ErrorKind::Damaged);
}

#[test]
fn the_longest_recipe_that_can_be_made_can_be_read() {
    let recipe = Recipe::new(vec![piece(0, MAX_PIECE as u32); MAX_PIECES]).expect("recipe");
    let bytes = recipe.encode().expect("encodes");
    assert_eq!(Recipe::decode(&bytes).expect("decodes").size(), recipe.size());
}

#[test]
fn knows_where_each_piece_begins() {
    let recipe = Recipe::new(vec![piece(1, 10), piece(2, 5), piece(1, 10)]).expect("recipe");
    assert_eq!(recipe.positions().map(|(offset, _)| offset).collect::<Vec<_>>(), [0, 10, 15]);
    assert!(recipe.is_needed() && !Recipe::default().is_needed());
    assert!(!Recipe::single(Digest::of(b"x"), 1).expect("single").is_needed());
}

#[test]
fn a_piece_is_taken_from_the_base_only_as_long_as_it_is_there() {
    let of = |pieces: Vec<PieceRef>| Recipe::new(pieces).expect("recipe");
    let (base, lying) = (of(vec![piece(1, 10), piece(2, 5)]), of(vec![piece(2, 5), piece(1, 11), piece(2, 4)]));
    let columns = lying.against(&base).expect("codes");
    assert_eq!(Recipe::of_columns(&columns, &base).expect("decodes"), lying);
}

/// The recipe of an archive with a comment of 65,000 bytes.
fn commented() -> Recipe {
    let mut file = archive(&[("a", &prose(1, 6000), None)], 1);
    let at = file.len() - 2;
    file[at..].copy_from_slice(&65_000u16.to_le_bytes());
    file.resize(file.len() + 65_000, 7);
    Cutter::default().cut_slice(&file).expect("cuts").recipe
}

/// A recipe that says of an archive of `count` entries that each of them is `inner`.
fn filled(count: usize, inner: &Recipe) -> Recipe {
    let names: Vec<String> = (0..count).map(|number| format!("{number}.jar")).collect();
    let entries: Vec<(&str, &[u8], Option<u8>)> = names.iter().map(|name| (&name[..], &b"x"[..], None)).collect();
    let mut recipe = Cutter::default().cut_slice(&archive(&entries, 1)).expect("cuts").recipe;
    let outer = Arc::make_mut(recipe.archive.as_mut().expect("an archive"));
    let inner_archive = inner.archive().cloned().unwrap_or_default();
    outer.contents.fill(Content::Archive(Box::new(inner_archive)));
    recipe.pieces = inner.pieces.repeat(count);
    recipe
}

#[test]
fn what_stands_between_pieces_is_counted_with_all_archives_within() {
    let (inner, base) = (commented(), filled(900, &commented()));
    // Each against one of the base's: a few bytes for 65,000, and no more of them than a file may have.
    let columns = base.against(&base).expect("codes");
    assert!(columns.len() < 200_000, "{} bytes", columns.len());
    // Read as far as that, and found out by the lengths.
    let error = Recipe::of_columns(&columns, &base).expect_err("its entries have a byte each");
    assert!(error.to_string().contains("another length"), "{error}");
    let error = filled(1100, &inner).against(&base).expect_err("more than a file may have");
    assert!(error.kind() == ErrorKind::Damaged && error.to_string().contains("longer than"), "{error}");
}

#[test]
fn an_archive_within_has_entries_and_is_one() {
    let none = Recipe::default();
    let error = filled(100, &none).against(&none).expect_err("archives of nothing");
    assert!(error.kind() == ErrorKind::Damaged && error.to_string().contains("no entries"), "{error}");
    // One that stands in a gap.
    let gap = [prose(2, 9000), archive(&[("a", &prose(1, 6000), None)], 1)].concat();
    let mut recipe = Cutter::default().cut_slice(&gap).expect("cuts").recipe;
    let outer = Arc::make_mut(recipe.archive.as_mut().expect("an archive"));
    let itself = outer.clone();
    outer.contents[0] = Content::Archive(Box::new(itself));
    let error = recipe.against(&none).expect_err("a gap is none");
    assert!(error.kind() == ErrorKind::Damaged && error.to_string().contains("in no entry"), "{error}");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(list in proptest::collection::vec((any::<u32>(), 1..=MAX_PIECE as u32), 0..50)) {
        let recipe = Recipe::new(list.into_iter().map(|(seed, length)| piece(seed, length)).collect()).expect("recipe");
        prop_assert_eq!(Recipe::decode(&recipe.encode().expect("encodes")).expect("decodes"), recipe);
    }

    #[test]
    fn damage_never_yields_a_recipe_that_breaks_a_law(at in 0usize..90, flip in 1u8..) {
        let mut bytes = Recipe::new(vec![piece(1, 300), piece(2, 70_000)]).expect("recipe").encode().expect("encodes");
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(recipe) = Recipe::decode(&bytes) {
            let sum: u64 = recipe.pieces().iter().map(|piece| u64::from(piece.length)).sum();
            prop_assert_eq!(recipe.size(), sum);
            prop_assert!(recipe.pieces().iter().all(|piece| (1..=MAX_PIECE as u32).contains(&piece.length)));
        }
    }
}
