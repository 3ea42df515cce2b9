//! Recipes of ordinary files; those of archives are tried where archives are cut.

use super::*;
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
