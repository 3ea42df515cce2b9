//! An archive of many entries, as a build makes one: each entry is a head of 30 bytes, its name, and bytes that do not
//! compress, as what is compressed already; at the end stands a list of all entries with their offsets. Entries have some
//! 2 to 18 KiB. In each build after the first a hundredth of them, spread over the archive, has a new content of another
//! length, so that everything behind it is shifted, and the list says other offsets.
//!
//! It is not named as an archive: depsync would hold one back whose end it cannot read.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;

/// The file.
const NAME: &str = "release.bin";
/// Which part of the entries is new in a build.
const PART: u64 = 100;

/// An archive of about this size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archive {
    pub(super) mebibytes: usize,
}

impl Archive {
    /// Writes the build `version` into `top`, in place of any before it.
    pub(super) fn build(&self, top: &Path, version: u64) -> Result<()> {
        let fresh = top.join(".release.tmp");
        fs::write(&fresh, self.bytes(version))?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + version);
        fs::File::options().write(true).open(&fresh)?.set_modified(time)?;
        Ok(fs::rename(fresh, top.join(NAME))?)
    }

    fn bytes(&self, version: u64) -> Vec<u8> {
        let wanted = self.mebibytes << 20;
        let (mut bytes, mut list) = (Vec::with_capacity(wanted + wanted / 100), Vec::new());
        let mut number = 0;
        while bytes.len() < wanted {
            // Others are new in the next build; those that were keep what they had got.
            let of = version.saturating_sub((version + PART - number % PART) % PART);
            let mut noise = Noise(number << 32 | of);
            let name = format!("com/example/part{:03}/Class{number:06}.class", number / 100);
            let length = (2048 + noise.next() % (16 << 10)) & !7;
            list.extend_from_slice(&[0; 38]);
            list.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            list.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&[0; 22]);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
            for _ in 0..length / 8 {
                bytes.extend_from_slice(&noise.next().to_le_bytes());
            }
            number += 1;
        }
        bytes.extend_from_slice(&list);
        bytes
    }
}

/// `SplitMix64`, by Steele, Lea and Flood.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_build_keeps_most_of_the_last_one_elsewhere() {
        let archive = Archive { mebibytes: 4 };
        let (one, two) = (archive.bytes(17), archive.bytes(18));
        assert_eq!(one, archive.bytes(17));
        assert!(one.len() >= 4 << 20 && one.len() != two.len());
        let pieces = |bytes: &[u8]| -> HashSet<Vec<u8>> {
            // From each name on, so that it does not matter where they stand.
            let text = bytes.windows(8).enumerate().filter(|(_, eight)| eight == b"com/exam").map(|(at, _)| at);
            text.filter_map(|at| Some(bytes.get(at..at + 1024)?.to_vec())).collect()
        };
        let (one, two) = (pieces(&one), pieces(&two));
        let fresh =
            two.difference(&one).filter(|piece| piece.windows(8).filter(|eight| eight == b"com/exam").count() == 1);
        let fresh = fresh.count();
        assert!((1..=one.len() / 50).contains(&fresh), "{fresh} of {}", one.len());
    }
}
