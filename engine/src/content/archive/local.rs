//! What stands around an entry's data: its header before, and its descriptor behind.

use super::source::{Source, read};
use super::{Entry, Plain, short};

const HEADER: &[u8; 4] = b"PK\x03\x04";
const HEADER_LENGTH: usize = 30;
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
/// The flag of an entry whose lengths stand behind it.
const STREAMED: u16 = 1 << 3;
/// What is read of a header at first: mostly it is all.
const AT_ONCE: u64 = 256;

/// The header of `entry`, with name and extra fields; it must end before `end`.
pub(super) fn header(source: &(impl Source + ?Sized), entry: &Entry, end: u64) -> Result<Vec<u8>, Plain> {
    let room = end.checked_sub(entry.header).filter(|room| *room >= HEADER_LENGTH as u64);
    let room = room.ok_or(Plain::Because("an entry has no room for its header"))?;
    let mut bytes = read(source, entry.header, usize::try_from(room.min(AT_ONCE)).unwrap_or(HEADER_LENGTH))?;
    let lengths = short(&bytes, 26).zip(short(&bytes, 28)).filter(|_| bytes.starts_with(HEADER));
    let (name, extra) = lengths.ok_or(Plain::Because("an entry has no header where it is said to be"))?;
    let length = HEADER_LENGTH + usize::from(name) + usize::from(extra);
    if length as u64 > room {
        return Err(Plain::Because("the header of an entry overlaps what is next"));
    }
    if length > bytes.len() {
        bytes = read(source, entry.header, length)?;
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The form of the descriptor behind an entry's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// There is none.
    None = 0,
    /// With its signature.
    Signed = 1,
    /// With its signature, and lengths of eight bytes.
    SignedWide = 2,
    /// Without one.
    Bare = 3,
    /// Without one, and lengths of eight bytes.
    BareWide = 4,
}

impl Form {
    /// In this order they are tried.
    const ALL: [Self; 4] = [Self::Signed, Self::SignedWide, Self::Bare, Self::BareWide];

    /// The form of this number.
    pub(super) fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            _ => Self::ALL.into_iter().find(|form| *form as u64 == number),
        }
    }

    /// How many bytes it has.
    pub(super) fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Signed => 16,
            Self::SignedWide => 24,
            Self::Bare => 12,
            Self::BareWide => 20,
        }
    }

    /// Its bytes. None where a length has no room in it.
    pub(super) fn made(self, crc: u32, compressed: u64, size: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.length());
        if matches!(self, Self::Signed | Self::SignedWide) {
            bytes.extend_from_slice(DESCRIPTOR);
        }
        if self != Self::None {
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        for length in [compressed, size] {
            match self {
                Self::None => {}
                Self::Signed | Self::Bare => bytes.extend_from_slice(&u32::try_from(length).ok()?.to_le_bytes()),
                Self::SignedWide | Self::BareWide => bytes.extend_from_slice(&length.to_le_bytes()),
            }
        }
        Some(bytes)
    }
}

/// The form of the descriptor that stands at the beginning of `behind`, what follows the data of `entry`.
pub(super) fn descriptor(entry: &Entry, behind: &[u8]) -> Form {
    if entry.flags & STREAMED == 0 {
        return Form::None;
    }
    let is_there =
        |form: &Form| form.made(entry.crc, entry.compressed, entry.size).is_some_and(|made| behind.starts_with(&made));
    Form::ALL.into_iter().find(is_there).unwrap_or(Form::None)
}

/// The most bytes of a descriptor.
pub(super) const LONGEST: u64 = 24;
