//! How an object's bytes are stored: as they are, or under zstd.
//!
//! Compression is tried where it may pay and kept where it pays (at least one byte in thirty-two). Content that is
//! compressed already, most of what archives hold, is recognised by the flat histogram of a sample and not tried: that
//! costs a few microseconds instead of a pass of the compressor.
//!
//! Unpacking is done in one call into a buffer of the claimed length, which was compared with the bound of its kind
//! before: zstd then needs no window of its own and cannot write a byte more, so a bomb ends as
//! [`ErrorKind::Damaged`] and costs no memory.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::error::{Error, ErrorKind, Result};

use crate::hash::Digest;

use super::super::effort::Effort;
use super::super::object::{ObjectId, ObjectKind, verify};
use super::super::patch;
use super::super::recipe::Recipe;
use super::index::Slot;

/// How an object is stored. The numbers are part of the format; others belong to later versions.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As it is.
    Stored = 0,
    /// One zstd frame that says its content's size.
    Zstd = 1,
    /// A piece as its difference from another piece, its base.
    Patch = 2,
    /// A piece that is a deflated archive, as what has changed within that of another piece, its base.
    Nested = 3,
    /// A recipe as columns against another recipe, its base: one zstd frame.
    Columns = 4,
}

impl Codec {
    /// The codec with this number, if this version knows it.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Stored),
            1 => Some(Self::Zstd),
            2 => Some(Self::Patch),
            3 => Some(Self::Nested),
            4 => Some(Self::Columns),
            _ => None,
        }
    }

    /// The codec's number.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// The kind of the object and of its base, if it has one.
    pub fn based(self) -> Option<ObjectKind> {
        match self {
            Self::Stored | Self::Zstd => None,
            Self::Patch | Self::Nested => Some(ObjectKind::Piece),
            Self::Columns => Some(ObjectKind::Recipe),
        }
    }
}

/// An object's bytes as a pack stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    pub(super) codec: Codec,
    pub(super) raw_length: usize,
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) base: Option<Digest>,
}

/// The zstd level. Measured on pieces of 8 KiB of classes, pages and text, level 3 saves 1 to 3 bytes in a hundred more
/// and takes 1.3 to 5 times as long: half of the time of a first publish.
const LEVEL: i32 = 1;
/// What it takes to name a base, in bytes.
const BASE: usize = 33;
/// Below this many bytes a frame's own overhead eats what it could save.
const LEAST: usize = 64;

thread_local! {
    // A context costs up to a megabyte to set up: one a thread, not one an object.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

impl<'a> Encoded<'a> {
    /// Encodes `raw` in the form that is smaller. The same bytes always give the same form.
    pub fn of(raw: &'a [u8]) -> Result<Self> {
        let stored = Self { codec: Codec::Stored, raw_length: raw.len(), bytes: Cow::Borrowed(raw), base: None };
        if raw.len() < LEAST || looks_compressed(raw) {
            return Ok(stored);
        }
        let compressed =
            compress(raw).map_err(|source| Error::new(ErrorKind::Internal, "zstd cannot compress").because(source))?;
        if compressed.len() < raw.len() - raw.len() / 32 {
            Ok(Self { codec: Codec::Zstd, bytes: Cow::Owned(compressed), ..stored })
        } else {
            Ok(stored)
        }
    }

    /// As [`Encoded::of`], unless `difference` from the object named `base` is smaller, with what it takes to name that.
    pub fn of_difference(raw: &'a [u8], codec: Codec, difference: Vec<u8>, base: Digest) -> Result<Self> {
        let plain = Self::of(raw)?;
        if difference.len() + BASE < plain.bytes.len() {
            return Ok(Self { codec, raw_length: raw.len(), bytes: Cow::Owned(difference), base: Some(base) });
        }
        Ok(plain)
    }

    /// What it is stored against, unless it stands for itself.
    pub fn base(&self) -> Option<Digest> {
        self.base
    }

    /// How many bytes the pack will hold.
    pub fn stored_length(&self) -> usize {
        self.bytes.len()
    }
}

fn compress(raw: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|held| {
        let mut compressor = match held.take() {
            Some(compressor) => compressor,
            None => Compressor::new(LEVEL)?,
        };
        let mut into = Vec::with_capacity(zstd_safe::compress_bound(raw.len()));
        compressor.compress_to_buffer(raw, &mut into)?;
        *held = Some(compressor);
        Ok(into)
    })
}

/// Whether a sample of `raw` uses all byte values about equally, as compressed and encrypted bytes do.
///
/// The sum of the squared counts of 1024 uniform bytes is 5,116 (deviation 90); at 5,900 a perfect order-0 coder would
/// save about one byte in a hundred. Text and code are above 12,000.
fn looks_compressed(raw: &[u8]) -> bool {
    const WINDOWS: usize = 4;
    const WINDOW: usize = 256;
    if raw.len() < 4 * WINDOWS * WINDOW {
        return false;
    }
    let mut counts = [0u32; 256];
    let stride = (raw.len() - WINDOW) / (WINDOWS - 1);
    for window in 0..WINDOWS {
        let start = window * stride;
        for &byte in &raw[start..start + WINDOW] {
            counts[usize::from(byte)] += 1;
        }
    }
    counts.iter().map(|count| count * count).sum::<u32>() < 5_900
}

/// Checks that what `slot` says can be read at all, before anything is: of a kind or codec that this version does not
/// know the lengths are anything, up to the whole pack.
///
/// [`ErrorKind::Unsupported`] for those, [`ErrorKind::Damaged`] where the lengths contradict each other.
pub fn check_readable(slot: &Slot) -> Result<Codec> {
    let codec = slot.id().and(Codec::from_byte(slot.codec)).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("it is stored in a way (kind {}, codec {}) that this version does not know", slot.kind, slot.codec),
        )
        .at(slot.shown())
        .hint("upgrade depsync on this node")
    })?;
    slot.check()?;
    Ok(codec)
}

/// Unpacks what a pack stores in `slot`. The bytes are not yet those of the object: see [`unpack_verified`].
///
/// [`ErrorKind::Unsupported`] for a kind or codec of a later version, and for an object that has a base;
/// [`ErrorKind::Damaged`] when the bytes are not what the slot says.
pub fn unpack<'a>(slot: &Slot, stored: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    match checked(slot, stored)? {
        Codec::Stored => Ok(Cow::Borrowed(stored)),
        Codec::Zstd => decompress(stored, slot.raw_length as usize)
            .map(Cow::Owned)
            .map_err(|source| Error::damaged(slot.shown(), "it does not decompress").because(source)),
        Codec::Patch | Codec::Nested | Codec::Columns => {
            Err(Error::new(ErrorKind::Unsupported, "it is stored against another object").at(slot.shown()))
        }
    }
}

/// Makes the piece in `slot` of `base`, which has the name that the slot says. Not yet verified.
pub fn unpack_piece(slot: &Slot, stored: &[u8], base: &[u8]) -> Result<Vec<u8>> {
    match checked(slot, stored)? {
        codec @ (Codec::Patch | Codec::Nested) => {
            patch::apply(codec, stored, base, slot.raw_length as usize).map_err(|error| error.at(slot.shown()))
        }
        _ => unpack(slot, stored).map(Cow::into_owned),
    }
}

/// Makes the recipe in `slot` of the recipe of the content that the slot names as its base, if it does.
pub fn unpack_recipe(slot: &Slot, stored: &[u8], base: Option<&Recipe>) -> Result<Recipe> {
    let made = match (checked(slot, stored)?, base) {
        (Codec::Columns, Some(base)) => {
            // They are fewer than the whole would be, or it would have been stored.
            let length = zstd_safe::get_frame_content_size(stored).ok().flatten();
            let length = length.and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| *length <= ObjectKind::Recipe.max_raw());
            let columns = length.map(|length| decompress(stored, length)).transpose();
            match columns {
                Ok(Some(columns)) => Recipe::of_columns(&columns, base),
                Ok(None) => Err(Error::new(ErrorKind::Damaged, "its columns have no length, or too much of it")),
                Err(source) => Err(Error::new(ErrorKind::Damaged, "it does not decompress").because(source)),
            }
        }
        _ => unpack(slot, stored).and_then(|raw| Recipe::decode(&raw)),
    };
    made.map_err(|error| error.at(slot.shown()))
}

/// Checks that `stored` is as long as the slot says, and that it can be read.
fn checked(slot: &Slot, stored: &[u8]) -> Result<Codec> {
    let codec = check_readable(slot)?;
    if stored.len() != slot.stored_length as usize {
        return Err(Error::damaged(slot.shown(), format!("{} stored bytes, not {}", stored.len(), slot.stored_length)));
    }
    Ok(codec)
}

/// Compresses the columns of a recipe.
pub fn pack_columns(columns: &[u8], effort: Effort) -> Result<Vec<u8>> {
    zstd::bulk::compress(columns, effort.level())
        .map_err(|source| Error::new(ErrorKind::Internal, "zstd cannot compress").because(source))
}

/// Unpacks and verifies the object in `slot`.
pub fn unpack_verified<'a>(slot: &Slot, stored: &'a [u8]) -> Result<(ObjectId, Cow<'a, [u8]>)> {
    let raw = unpack(slot, stored)?;
    let id = slot.id().expect("because unpack refuses unknown kinds");
    verify(&id, &raw)?;
    Ok((id, raw))
}

fn decompress(stored: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "its length is not the one that the index says");
    match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(said)) if said == length as u64 => {}
        _ => return Err(wrong()),
    }
    DECOMPRESSOR.with_borrow_mut(|held| {
        let mut decompressor = match held.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new()?,
        };
        let mut into = Vec::with_capacity(length);
        let result = decompressor.decompress_to_buffer(stored, &mut into);
        *held = Some(decompressor);
        result?;
        if into.len() == length { Ok(into) } else { Err(wrong()) }
    })
}
