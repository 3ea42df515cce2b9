//! The one room that knows the binary encoding.
//!
//! Pages, recipes, pack indexes and cache blocks are bincode (standard configuration: little endian, variable-length
//! integers) inside a frame: four bytes of magic, a version byte, the payload's length as `u32` little endian, the
//! payload. Laws:
//! - decoding claims at most the frame's limit of memory, whatever the bytes say;
//! - the payload is consumed whole: nothing may trail it;
//! - what is hashed is the frame's bytes as received; nothing is ever encoded again to be hashed;
//! - where the bytes are identity (pages), there is one spelling: [`decode_canonical`].
//!
//! bincode is pinned and unmaintained; `engine/doc/decisions/codec.md` says why that is acceptable and a test below
//! keeps the way out open.

use bincode::config::{self, Configuration, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// What a frame holds. Each kind has its own magic, version and limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A page of the Merkle index.
    Page,
    /// A recipe of an ordinary file.
    Recipe,
    /// A recipe of an archive. Its payload is columns, not bincode.
    Archive,
    /// The index of a pack.
    PackIndex,
    /// A multi-pack index, or the pointer to it.
    HubIndex,
    /// A block of a local cache. Never leaves the node.
    Cache,
}

/// Bytes before the payload.
pub const HEADER: usize = 9;

const MIB: usize = 1 << 20;
const SMALL: usize = 4 * MIB;
const MEDIUM: usize = 64 * MIB;
const LARGE: usize = 128 * MIB;

impl Frame {
    fn magic(self) -> [u8; 4] {
        *match self {
            Self::Page => b"DSpg",
            Self::Recipe => b"DSrc",
            Self::Archive => b"DSra",
            Self::PackIndex => b"DSpi",
            Self::HubIndex => b"DShi",
            Self::Cache => b"DSca",
        }
    }

    fn version(self) -> u8 {
        match self {
            // 2: a record says whether the content begins like an archive.
            Self::Cache => 2,
            _ => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Recipe => "recipe",
            Self::Archive => "recipe of an archive",
            Self::PackIndex => "pack index",
            Self::HubIndex => "hub index",
            Self::Cache => "cache block",
        }
    }

    /// The most bytes a frame of this kind may hold, and the most memory that decoding it may claim.
    pub fn limit(self) -> usize {
        match self {
            Self::Page => SMALL,
            Self::PackIndex => MEDIUM,
            Self::Recipe | Self::Archive | Self::HubIndex | Self::Cache => LARGE,
        }
    }
}

type Standard<L> = Configuration<LittleEndian, Varint, L>;

fn standard<const LIMIT: usize>() -> Standard<config::Limit<LIMIT>> {
    config::standard().with_limit::<LIMIT>()
}

/// Encodes `value` as a frame.
pub fn encode<T: Serialize>(frame: Frame, value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&frame.magic());
    bytes.push(frame.version());
    bytes.extend_from_slice(&[0; 4]);
    bincode::serde::encode_into_std_write(value, &mut bytes, config::standard()).map_err(|source| {
        Error::new(ErrorKind::Internal, format!("a {} cannot be encoded", frame.name())).because(source)
    })?;
    let length = bytes.len() - HEADER;
    let within = u32::try_from(length).ok().filter(|_| bytes.len() <= frame.limit());
    let length = within.ok_or_else(|| {
        let limit = frame.limit();
        Error::new(ErrorKind::Unsupported, format!("a {} of {length} bytes is over the limit of {limit}", frame.name()))
    })?;
    bytes[5..HEADER].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Appends `value` without a frame, for what never leaves this process (see [`crate::packed`]).
pub(crate) fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    bincode::serde::encode_into_std_write(value, bytes, config::standard())
        .map(drop)
        .map_err(|source| Error::new(ErrorKind::Internal, "a value cannot be encoded").because(source))
}

/// Reads what [`append`] wrote at the beginning of `bytes`: the value, and how many bytes it took.
pub(crate) fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize)> {
    bincode::serde::decode_from_slice(bytes, standard::<SMALL>())
        .map_err(|source| Error::new(ErrorKind::Internal, "a value does not decode").because(source))
}

/// Whether `bytes` begin as a frame of this kind does.
pub(crate) fn is(frame: Frame, bytes: &[u8]) -> bool {
    bytes.starts_with(&frame.magic())
}

/// What stands before a payload of `length` bytes that was laid out by hand: cache blocks are read record by record,
/// without decoding them whole, and columns are no values.
pub fn header(frame: Frame, length: usize) -> Result<[u8; HEADER]> {
    let within = u32::try_from(length).ok().filter(|_| length + HEADER <= frame.limit());
    let framed = within.ok_or_else(|| {
        let limit = frame.limit();
        Error::new(ErrorKind::Unsupported, format!("a {} of {length} bytes is over the limit of {limit}", frame.name()))
    })?;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&frame.magic());
    header[4] = frame.version();
    header[5..].copy_from_slice(&framed.to_le_bytes());
    Ok(header)
}

/// Decodes a frame that fills `bytes` exactly.
pub fn decode<T: DeserializeOwned>(frame: Frame, bytes: &[u8]) -> Result<T> {
    let payload = payload(frame, bytes)?;
    let decoded = match frame {
        Frame::Page => bincode::serde::decode_from_slice::<T, _>(payload, standard::<SMALL>()),
        Frame::PackIndex => bincode::serde::decode_from_slice::<T, _>(payload, standard::<MEDIUM>()),
        _ => bincode::serde::decode_from_slice::<T, _>(payload, standard::<LARGE>()),
    };
    match decoded {
        Ok((value, consumed)) if consumed == payload.len() => Ok(value),
        Ok((_, consumed)) => Err(damaged(frame, &format!("{} bytes trail it", payload.len() - consumed))),
        Err(source) => Err(damaged(frame, "it does not decode").because(source)),
    }
}

/// Decodes a frame that fills `bytes` exactly and spells its value as [`encode`] does.
///
/// bincode reads integers that are wider than need be. Each of them makes the payload longer than it had to be, and
/// nothing else can be said in two ways, so it is enough to count what the value would take.
pub fn decode_canonical<T: DeserializeOwned + Serialize>(frame: Frame, bytes: &[u8]) -> Result<T> {
    let value: T = decode(frame, bytes)?;
    match bincode::serde::encode_into_std_write(&value, &mut std::io::sink(), config::standard()) {
        Ok(length) if length == bytes.len() - HEADER => Ok(value),
        Ok(_) => Err(damaged(frame, "it holds an integer that is wider than need be")),
        Err(source) => Err(damaged(frame, "it cannot be encoded again").because(source)),
    }
}

/// Checks the header of a frame that fills `bytes` exactly, and gives its payload.
pub fn payload(frame: Frame, bytes: &[u8]) -> Result<&[u8]> {
    if bytes.len() < HEADER || bytes[..4] != frame.magic() {
        return Err(damaged(frame, "its magic is missing"));
    }
    if bytes[4] != frame.version() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("a {} of version {} is newer than this program", frame.name(), bytes[4]),
        )
        .hint("upgrade depsync on this node"));
    }
    let length = u32::from_le_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) as usize;
    if bytes.len() > frame.limit() || bytes.len() - HEADER != length {
        return Err(damaged(frame, &format!("it says {length} bytes and has {}", bytes.len() - HEADER)));
    }
    Ok(&bytes[HEADER..])
}

fn damaged(frame: Frame, why: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("damaged {}: {why}", frame.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_wincode::{SerdeCompat, wincode};

    fn config() -> impl wincode::config::Config + Copy {
        wincode::config::Configuration::default().with_varint_encoding()
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        small: u8,
        wide: u64,
        signed: i64,
        bytes: Vec<u8>,
        list: Vec<(u32, Option<bool>)>,
        digest: crate::hash::Digest,
    }

    fn any_sample() -> impl Strategy<Value = Sample> {
        let list = proptest::collection::vec((any::<u32>(), any::<Option<bool>>()), 0..20);
        (any::<u8>(), any::<u64>(), any::<i64>(), any::<Vec<u8>>(), list, any::<[u8; 32]>()).prop_map(
            |(small, wide, signed, bytes, list, digest)| Sample {
                small,
                wide,
                signed,
                bytes,
                list,
                digest: crate::hash::Digest::from_bytes(digest),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(sample in any_sample()) {
            let bytes = encode(Frame::Recipe, &sample).expect("encodes");
            prop_assert_eq!(decode::<Sample>(Frame::Recipe, &bytes).expect("decodes"), sample);
        }

        #[test]
        fn another_library_reads_and_writes_the_same_bytes(sample in any_sample()) {
            let bytes = encode(Frame::Recipe, &sample).expect("encodes");
            let other = <SerdeCompat<Sample> as wincode::config::Serialize<_>>::serialize(&sample, config()).expect("writes");
            prop_assert_eq!(&bytes[HEADER..], &other[..]);
            let back = <SerdeCompat<Sample> as wincode::config::Deserialize<_>>::deserialize(&other, config());
            let back: Sample = back.expect("reads");
            prop_assert_eq!(back, sample);
        }

        #[test]
        fn any_bytes_are_refused_or_decoded_but_never_abort(bytes in any::<Vec<u8>>()) {
            let mut framed = vec![b'D', b'S', b'r', b'c', 1];
            framed.extend_from_slice(&u32::try_from(bytes.len()).expect("short").to_le_bytes());
            framed.extend_from_slice(&bytes);
            drop(decode::<Sample>(Frame::Recipe, &framed));
            drop(decode::<Sample>(Frame::Recipe, &bytes));
        }
    }

    #[test]
    fn a_length_that_lies_claims_no_memory() {
        // Nine bytes that say "a byte string of 2^62": without a decode limit this aborts the process.
        let mut bytes = encode(Frame::Page, &Vec::<u8>::new()).expect("encodes");
        bytes.truncate(HEADER);
        bytes.push(253);
        bytes.extend_from_slice(&(1u64 << 62).to_le_bytes());
        bytes[5..HEADER].copy_from_slice(&9u32.to_le_bytes());
        assert_eq!(decode::<Vec<u8>>(Frame::Page, &bytes).expect_err("lies").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn an_integer_wider_than_need_be_is_a_second_spelling() {
        for value in [0u64, 250, 251, 65_535, 65_536, u64::from(u32::MAX), u64::MAX] {
            let bytes = encode(Frame::Page, &value).expect("encodes");
            assert_eq!(decode_canonical::<u64>(Frame::Page, &bytes).expect("the one spelling"), value);
            let mut wide = [&bytes[..HEADER], &[253], &value.to_le_bytes()].concat();
            wide[5] = 9;
            assert_eq!(decode::<u64>(Frame::Page, &wide).expect("reads"), value);
            assert_eq!(decode_canonical::<u64>(Frame::Page, &wide).is_ok(), value > u64::from(u32::MAX));
        }
    }

    #[test]
    fn trailing_bytes_other_magic_and_newer_versions_are_refused() {
        let good = encode(Frame::Page, &7u32).expect("encodes");
        let mut trailing = good.clone();
        trailing.push(0);
        assert_eq!(decode::<u32>(Frame::Page, &trailing).expect_err("trailing").kind(), ErrorKind::Damaged);
        trailing[5] += 1;
        assert_eq!(decode::<u32>(Frame::Page, &trailing).expect_err("trailing").kind(), ErrorKind::Damaged);
        assert_eq!(decode::<u32>(Frame::Recipe, &good).expect_err("magic").kind(), ErrorKind::Damaged);
        let mut newer = good;
        newer[4] = 2;
        assert_eq!(decode::<u32>(Frame::Page, &newer).expect_err("newer").kind(), ErrorKind::Unsupported);
    }
}
