//! ZIP archives as what they are: entries, and the headers between them.
//!
//! A deployment's archives are rebuilt all the time, and what has changed in them is a few entries. So an archive is cut
//! at its entries. Whether a file is one is told by its content, never by its name: an end record is found, all records
//! parse, and the parts tile the file, without an overlap. Anything else is a plain file, which is no error.
//!
//! Laws:
//! - the tiles of a [`Layout`] are the file, byte for byte, in order; nothing is left out, whatever it may be for;
//! - the same bytes have the same layout, here and everywhere, for ever: it is a part of the format, since both ends cut
//!   what they have;
//! - no length that the file says is believed before it is compared with the file; memory is bounded by [`MAX_ENTRIES`]
//!   and [`MAX_INLINE`], whatever is in the file.
//!
//! | file | is |
//! |---|---|
//! | `source` | what is read, at any place |
//! | `end` | the end records: where the central directory is |
//! | `central` | the central directory: what entries there are |
//! | `local` | what stands around an entry's data: its header before, its descriptor behind |
//! | `layout` | all of it, tile by tile |
//! | `fields` | its headers, field by field, and back |
//! | `columns`, `headers` | those as differences from the headers of another archive |
//!
//! The format is PKWARE's APPNOTE 6.3.10.

mod central;
pub(in crate::content) mod columns;
mod end;
mod fields;
mod headers;
mod layout;
mod local;
mod source;
#[cfg(test)]
mod tests;

pub use central::Entry;
pub use headers::Headers;
pub(in crate::content) use headers::{ALL as HEADER_COLUMNS, is_deflated};
pub use layout::{Layout, Tile};
pub use source::Source;

/// The most entries of an archive. One with more is a plain file.
pub const MAX_ENTRIES: usize = 1 << 18;
/// The most bytes of an archive's headers and of what lies between its entries.
pub const MAX_INLINE: usize = 64 << 20;

use std::io;

/// Why a file is not cut as an archive.
#[derive(Debug)]
pub enum Plain {
    /// It is none, or one of a kind that is not cut: why.
    Because(&'static str),
    /// It could not be read.
    Unreadable(io::Error),
}

impl From<io::Error> for Plain {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The little-endian number at `at`; none where there are not enough bytes.
fn number<const LENGTH: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk::<LENGTH>()?;
    let mut wide = [0; 8];
    wide.get_mut(..LENGTH)?.copy_from_slice(field);
    Some(u64::from_le_bytes(wide))
}

/// A number of two bytes.
fn short(bytes: &[u8], at: usize) -> Option<u16> {
    number::<2>(bytes, at).and_then(|value| u16::try_from(value).ok())
}

/// A number of four bytes.
fn long(bytes: &[u8], at: usize) -> Option<u32> {
    number::<4>(bytes, at).and_then(|value| u32::try_from(value).ok())
}

/// A number of eight bytes.
fn huge(bytes: &[u8], at: usize) -> Option<u64> {
    number::<8>(bytes, at)
}
