//! How a file is made of pieces, in order.
//!
//! A recipe is stored under the hash of its file, encoded as a frame of the codec room: the number of pieces, then hash
//! and length of each. Laws:
//! - every piece has 1 to [`MAX_PIECE`] bytes, and a recipe at most [`MAX_PIECES`] pieces, so that both what it costs
//!   to hold one and what it costs to encode one are bounded;
//! - the size of the file is the sum of the lengths, and whoever rebuilds compares it with the size that the tree says.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Frame};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

/// The longest piece, in bytes.
pub const MAX_PIECE: usize = 1 << 20;

/// The most pieces in a recipe: what the frame's limit can hold, with decoding claiming 44 bytes for each.
///
/// Pieces of the least length (4 KiB up to 8 GiB, 64 KiB above) reach it at 183 GiB, pieces of the average length at
/// 730 GiB.
pub const MAX_PIECES: usize = 3_000_000;

/// One piece of a file: which, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRef {
    /// BLAKE3 of its bytes.
    pub hash: Digest,
    /// Its length in bytes: 1 to [`MAX_PIECE`].
    pub length: u32,
}

/// The pieces of one file, in order. See the module for its laws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    pieces: Vec<PieceRef>,
    size: u64,
}

impl Recipe {
    /// Makes a recipe of `pieces`; [`ErrorKind::Damaged`] when they break a law.
    pub fn new(pieces: Vec<PieceRef>) -> Result<Self> {
        let damaged = |why: String| Error::new(ErrorKind::Damaged, format!("damaged recipe: {why}"));
        if pieces.len() > MAX_PIECES {
            return Err(damaged(format!("{} pieces are more than {MAX_PIECES}", pieces.len())));
        }
        let mut size = 0u64;
        for piece in &pieces {
            if piece.length == 0 || piece.length as usize > MAX_PIECE {
                return Err(damaged(format!("piece {} has {} bytes", piece.hash, piece.length)));
            }
            size = size
                .checked_add(u64::from(piece.length))
                .ok_or_else(|| damaged("its size is beyond counting".into()))?;
        }
        Ok(Self { pieces, size })
    }

    /// The recipe of a file that is one piece: the piece has the file's own name.
    pub fn single(hash: Digest, length: u32) -> Result<Self> {
        Self::new(vec![PieceRef { hash, length }])
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[PieceRef] {
        &self.pieces
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a file like this needs a recipe object in the hub: it has more than one piece.
    pub fn is_needed(&self) -> bool {
        self.pieces.len() > 1
    }

    /// Each piece with the offset in the file at which it begins.
    pub fn positions(&self) -> impl Iterator<Item = (u64, PieceRef)> {
        self.pieces.iter().scan(0, |next, piece| {
            let offset = *next;
            *next += u64::from(piece.length);
            Some((offset, *piece))
        })
    }

    /// The bytes that a hub stores.
    pub fn encode(&self) -> Result<Vec<u8>> {
        codec::encode(Frame::Recipe, &self.pieces)
    }

    /// Reads what [`Recipe::encode`] wrote; [`ErrorKind::Damaged`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::new(codec::decode(Frame::Recipe, bytes)?)
    }
}

#[cfg(test)]
mod tests {
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
}
