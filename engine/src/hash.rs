//! Digests, and the domains that keep digests of different things apart.
//!
//! Files and pieces are named by plain BLAKE3 of their bytes, so that `b3sum` agrees. Everything the engine itself
//! lays out (pages, records, packs, indexes) is hashed with BLAKE3 `derive_key` under a context string of its own:
//! a page can therefore never be passed off as a record, nor a file's bytes as a page.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind};

/// A BLAKE3 digest: 32 bytes. Shown and read as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// What a digest is of. Each domain has its own `derive_key` context; see `engine/doc/format.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A page of the Merkle index.
    Page,
    /// The payload line of a revision record.
    Record,
    /// A whole pack.
    Pack,
    /// A pack index or a multi-pack index.
    Index,
    /// Where the Merkle index is cut: the level of a key.
    Boundary,
}

impl Domain {
    /// All domains, in the order of their declaration.
    const ALL: [Self; 5] = [Self::Page, Self::Record, Self::Pack, Self::Index, Self::Boundary];

    fn context(self) -> &'static str {
        match self {
            Self::Page => "depsync 2026-11 page v1",
            Self::Record => "depsync 2026-11 record v1",
            Self::Pack => "depsync 2026-11 pack v1",
            Self::Index => "depsync 2026-11 index v1",
            Self::Boundary => "depsync 2026-11 boundary v1",
        }
    }

    /// The hash of the context, which keys every hash of this domain. Made once: hashing a context costs as much as
    /// hashing a path, and every key of the Merkle index is hashed.
    fn context_key(self) -> &'static ContextKey {
        static KEYS: LazyLock<[ContextKey; Domain::ALL.len()]> =
            LazyLock::new(|| Domain::ALL.map(|domain| hash_derive_key_context(domain.context())));
        &KEYS[self as usize]
    }

    /// Starts an incremental hash in this domain.
    pub fn hasher(self) -> Hasher {
        Hasher(blake3::Hasher::new_from_context_key(self.context_key()))
    }

    /// Hashes `bytes` in this domain.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// An incremental BLAKE3 hash.
#[derive(Clone)]
pub struct Hasher(blake3::Hasher);

impl Default for Hasher {
    fn default() -> Self {
        Self::plain()
    }
}

impl Hasher {
    /// Starts a plain hash: files and pieces only.
    pub fn plain() -> Self {
        Self(blake3::Hasher::new())
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added so far.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl Digest {
    /// Plain BLAKE3 of `bytes`: the name of a file's content or of a piece.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// A digest from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A digest from a slice, if it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(12);
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| Self::from_slice(&bytes));
        bytes.ok_or_else(|| Error::new(ErrorKind::Usage, "not a digest: 64 lower-case hex digits wanted").at(text))
    }
}

// In binary formats a digest is a byte string (length 32 before it), which costs one byte and saves 32 calls;
// in text it is hex.
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest of 32 bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Digest, E> {
                Digest::from_slice(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digest_is_what_b3sum_prints() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(digest.to_string().parse::<Digest>().expect("hex"), digest);
    }

    #[test]
    fn domains_never_agree() {
        let mut seen: Vec<Digest> = Domain::ALL.iter().map(|domain| domain.digest(b"same")).collect();
        seen.push(Digest::of(b"same"));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), Domain::ALL.len() + 1);
    }

    #[test]
    fn a_domain_is_derive_key_with_its_context() {
        for domain in Domain::ALL {
            let bytes = [7; 3000];
            assert_eq!(*domain.digest(&bytes).as_bytes(), blake3::derive_key(domain.context(), &bytes), "{domain:?}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_digest() {
        for text in ["", "00", &"g".repeat(64), &"A".repeat(64), &"0".repeat(63)] {
            assert_eq!(text.parse::<Digest>().expect_err(text).kind(), ErrorKind::Usage);
        }
    }
}
