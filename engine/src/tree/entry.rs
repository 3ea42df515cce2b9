//! What a path can name: a file, a directory or a symbolic link.
//!
//! Identity is content: kind, permission bits, size and BLAKE3 of a file, target of a link. Not times, owner or inode.

use serde::{Deserialize, Deserializer, Serialize};

use super::page::Bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

/// The longest target of a symbolic link, in bytes.
pub const MAX_TARGET: usize = 4095;

/// Permission bits: 0o777 and nothing else. Setuid, setgid and sticky are never recorded and never applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Mode(u16);

impl Mode {
    /// The permission bits of `bits`; the others are dropped.
    pub const fn new(bits: u32) -> Self {
        Self((bits & 0o777) as u16)
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = u16::deserialize(deserializer)?;
        if bits & !0o777 == 0 { Ok(Self(bits)) } else { Err(serde::de::Error::custom("mode bits beyond 0o777")) }
    }
}

/// The target of a symbolic link: 1 to 4095 bytes without NUL. It is data: nothing ever follows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct LinkTarget(#[serde(serialize_with = "as_bytes")] Box<[u8]>);

fn as_bytes<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl LinkTarget {
    /// Checks `bytes` and makes a target of them.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > MAX_TARGET || bytes.contains(&0) {
            return Err(Error::new(ErrorKind::Usage, "not the target of a symbolic link"));
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LinkTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bytes(bytes) = Bytes::deserialize(deserializer)?;
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// A regular file.
    File {
        /// Permission bits.
        mode: Mode,
        /// Length in bytes.
        size: u64,
        /// Plain BLAKE3 of the whole content.
        hash: Digest,
    },
    /// A directory. Every directory of a tree has an entry, empty or not.
    Directory {
        /// Permission bits.
        mode: Mode,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: LinkTarget,
    },
}

impl Entry {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// The content's bytes: a file's size, otherwise 0.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            _ => 0,
        }
    }

    /// The permission bits; a symbolic link has none.
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Self::File { mode, .. } | Self::Directory { mode } => Some(*mode),
            Self::Symlink { .. } => None,
        }
    }

    /// The content's name; only files have content.
    pub fn content(&self) -> Option<(Digest, u64)> {
        match self {
            Self::File { hash, size, .. } => Some((*hash, *size)),
            _ => None,
        }
    }

    /// Whether the two differ in permission bits alone.
    pub fn differs_in_mode_only(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { size, hash, mode }, Self::File { size: size2, hash: hash2, mode: mode2 }) => {
                size == size2 && hash == hash2 && mode != mode2
            }
            (Self::Directory { mode }, Self::Directory { mode: mode2 }) => mode != mode2,
            _ => false,
        }
    }
}
