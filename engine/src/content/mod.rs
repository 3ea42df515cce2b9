//! What files are made of, and how it travels.
//!
//! A file is a sequence of *pieces*, each named by the BLAKE3 of its bytes; a *recipe* lists them; a *pack* is an
//! immutable bundle of pieces, recipes and pages of the Merkle index. The room has two sides:
//! - the publisher cuts what is new and bundles what the hub does not have ([`cut`]);
//! - the receiver rebuilds whole files, from pieces of its own files and those it fetches ([`assemble`]).
//!
//! Laws:
//! - how a file is cut is not identity: the same bytes have the same name, whatever the recipe;
//! - a file that is one piece has no recipe, since the piece's name is the file's; the empty file has no object at all;
//! - nothing from a hub is believed: lengths are bounded before memory is claimed, a piece is verified by its name, a
//!   file by its own BLAKE3;
//! - memory follows the number of pieces, never the bytes: files pass through bounded buffers.
//!
//! What comes later comes through kinds and codecs: a pack index keeps items whose kind or codec this version does not
//! know, with the base that they name, and only fetching such an object fails, as [`ErrorKind::Unsupported`].
//!
//! [`ErrorKind::Unsupported`]: crate::error::ErrorKind::Unsupported

pub mod archive;
pub mod assemble;
pub mod chunker;
pub mod cut;
pub mod cutter;
pub mod deflate;
mod effort;
mod freight;
pub(crate) mod kin;
mod local;
mod object;
pub mod pack;
mod patch;
mod recipe;
mod stem;
#[cfg(test)]
pub(crate) mod testing;

pub use effort::Effort;
pub use freight::{Freight, How, Load, Part};
pub use local::LocalContent;
pub use object::{ObjectId, ObjectKind, Piece, ShortId, verify};
pub use recipe::{MAX_CHUNK, MAX_PIECE, MAX_PIECES, PieceRef, Recipe, RecipePart};
