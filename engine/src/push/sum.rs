//! SHA-256: the checksum that a bare machine can compute of its files.
//!
//! Everything of ours is named by BLAKE3. Which SHA-256 belongs to a content is learnt by reading it once under both.

use std::fmt;
use std::io::Read;

use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::error::Result;
use crate::hash::{Digest, Hasher};

/// How much is read at a time, in bytes.
const BLOCK: usize = 256 << 10;

/// The SHA-256 of a content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sum([u8; 32]);

/// What a content is called by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumAndHash {
    /// Its SHA-256.
    pub sum: Sum,
    /// Its BLAKE3.
    pub hash: Digest,
}

impl Sum {
    /// The sum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// These 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl SumAndHash {
    /// Reads `from`, which should have `size` bytes, to its end; the inner error is that of reading.
    pub fn of(cx: &Context, mut from: impl Read, size: u64) -> Result<std::io::Result<Self>> {
        let (mut sum, mut hasher) = (Sha256::new(), Hasher::plain());
        // One more, to see the end.
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(BLOCK).min(BLOCK) + 1];
        loop {
            cx.check()?;
            match from.read(&mut buffer) {
                Ok(0) => return Ok(Ok(Self { sum: Sum(sum.finalize().into()), hash: hasher.finish() })),
                Ok(count) => {
                    sum.update(&buffer[..count]);
                    hasher.update(&buffer[..count]);
                }
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Ok(Err(source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_abc_is_the_one_of_fips_180() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sum::parse(text), Some(Sum::of(b"abc")));
        assert_eq!(Sum::parse(&text.to_uppercase()), Some(Sum::of(b"abc")));
        assert_eq!(Sum::parse(&text[1..]), None);
        let both = SumAndHash::of(&Context::new(), &b"abc"[..], 2).expect("goes on").expect("reads");
        assert_eq!(both, SumAndHash { sum: Sum::of(b"abc"), hash: Digest::of(b"abc") });
    }
}
