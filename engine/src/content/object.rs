//! The things a hub stores, by kind and name.
//!
//! | kind | addressed by | verified by |
//! |---|---|---|
//! | page | the page digest of its bytes | that digest |
//! | recipe | the BLAKE3 of the *file* it describes | decoding within bounds; the file's own hash at the end |
//! | piece | the BLAKE3 of its bytes | that digest |

use std::borrow::Cow;
use std::fmt;

use crate::codec::Frame;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Digest, Domain};

use super::recipe::{MAX_PIECE, Recipe};

/// What an object is. The numbers are part of the format; other numbers belong to later versions.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A page of the Merkle index.
    Page = 1,
    /// How a file is made of pieces.
    Recipe = 2,
    /// A run of content bytes.
    Piece = 3,
}

impl ObjectKind {
    /// The kind with this number, if this version knows it.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Page),
            2 => Some(Self::Recipe),
            3 => Some(Self::Piece),
            _ => None,
        }
    }

    /// The kind's number.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// The most bytes that an object of this kind may have when unpacked.
    pub fn max_raw(self) -> usize {
        match self {
            Self::Page => Frame::Page.limit(),
            Self::Recipe => Frame::Recipe.limit(),
            Self::Piece => MAX_PIECE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Recipe => "recipe",
            Self::Piece => "piece",
        }
    }
}

/// The address of an object. Ordered by kind, then hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name among its kind.
    pub hash: Digest,
}

impl ObjectId {
    /// The page with this digest.
    pub fn page(hash: Digest) -> Self {
        Self { kind: ObjectKind::Page, hash }
    }

    /// The recipe of the file with this content hash.
    pub fn recipe(hash: Digest) -> Self {
        Self { kind: ObjectKind::Recipe, hash }
    }

    /// The piece with this hash.
    pub fn piece(hash: Digest) -> Self {
        Self { kind: ObjectKind::Piece, hash }
    }
}

/// Kind and hash of an object, cut to 20 bytes: for long lists of what is there. Nobody can compute two objects of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId([u8; 20]);

impl From<&ObjectId> for ShortId {
    fn from(id: &ObjectId) -> Self {
        let mut short = [id.kind.byte(); 20];
        short[1..].copy_from_slice(&id.hash.as_bytes()[..19]);
        Self(short)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.hash)
    }
}

/// Checks that `raw` is the object `id`; otherwise [`ErrorKind::Damaged`].
///
/// A recipe's address is its file's hash, which only the rebuilt file can prove: here it is decoded within its bounds.
pub fn verify(id: &ObjectId, raw: &[u8]) -> Result<()> {
    if raw.is_empty() || raw.len() > id.kind.max_raw() {
        return Err(Error::damaged(id, format!("{} bytes are no {}", raw.len(), id.kind.name())));
    }
    let measured = match id.kind {
        ObjectKind::Page => Domain::Page.digest(raw),
        ObjectKind::Piece => Digest::of(raw),
        ObjectKind::Recipe => return Recipe::decode(raw).map(drop).map_err(|error| error.at(id)),
    };
    if measured == id.hash {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Damaged, format!("its bytes hash to {measured}")).op("verify").at(id))
    }
}

/// A piece that was verified: its bytes have its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    hash: Digest,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Piece<'a> {
    /// Checks that `bytes` are the piece `hash`; otherwise [`ErrorKind::Damaged`].
    pub fn verify(hash: Digest, bytes: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        verify(&ObjectId::piece(hash), &bytes)?;
        Ok(Self { hash, bytes })
    }

    /// Its name.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::PieceRef;

    #[test]
    fn the_numbers_are_part_of_the_format() {
        for (byte, kind) in [(1, ObjectKind::Page), (2, ObjectKind::Recipe), (3, ObjectKind::Piece)] {
            assert_eq!(kind.byte(), byte);
            assert_eq!(ObjectKind::from_byte(byte), Some(kind));
        }
        assert!([0, 4, 255].into_iter().all(|byte| ObjectKind::from_byte(byte).is_none()));
        let hash = Digest::of(b"");
        assert!(ObjectId::page(hash) < ObjectId::recipe(hash) && ObjectId::recipe(hash) < ObjectId::piece(hash));
    }

    #[test]
    fn every_kind_is_verified_in_its_own_way() {
        let bytes = b"content";
        assert!(verify(&ObjectId::piece(Digest::of(bytes)), bytes).is_ok());
        assert!(verify(&ObjectId::page(Domain::Page.digest(bytes)), bytes).is_ok());
        // A page can never be passed off as a piece, nor the other way round.
        for id in [ObjectId::page(Digest::of(bytes)), ObjectId::piece(Domain::Page.digest(bytes))] {
            assert_eq!(verify(&id, bytes).expect_err("foreign").kind(), ErrorKind::Damaged);
        }
        let recipe = Recipe::new(vec![PieceRef { hash: Digest::of(bytes), length: 7 }]).expect("recipe");
        let encoded = recipe.encode().expect("encodes");
        let id = ObjectId::recipe(Digest::of(b"the file"));
        assert!(verify(&id, &encoded).is_ok());
        assert_eq!(verify(&id, &encoded[1..]).expect_err("torn").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn nothing_is_empty_and_no_piece_is_too_long() {
        assert!(verify(&ObjectId::piece(Digest::of(b"")), b"").is_err());
        let long = vec![0; MAX_PIECE + 1];
        assert!(verify(&ObjectId::piece(Digest::of(&long)), &long).is_err());
        assert!(verify(&ObjectId::piece(Digest::of(&long[1..])), &long[1..]).is_ok());
    }
}
