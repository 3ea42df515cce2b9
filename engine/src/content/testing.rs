//! Deterministic content for the tests of this room.

use super::deflate::{Level, deflate};

/// An entry of an archive to be made: its name, its content, and the level at which it is deflated, if it is.
pub(crate) type Packed<'a> = (&'a str, &'a [u8], Option<u8>);

/// An archive of these entries, all of which bear the time `stamp`.
pub(crate) fn archive(entries: &[Packed<'_>], stamp: u32) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content, level) in entries {
        let level = level.and_then(Level::new);
        let data = level.map_or_else(|| content.to_vec(), |level| deflate(content, level));
        let mut fields = if level.is_some() { vec![20, 0, 0, 8, 8, 0] } else { vec![20, 0, 0, 8, 0, 0] };
        fields.extend_from_slice(&stamp.to_le_bytes());
        // Nobody here looks whether it is the right one.
        fields.extend_from_slice(&crc(content).to_le_bytes());
        fields.extend_from_slice(&(data.len() as u32).to_le_bytes());
        fields.extend_from_slice(&(content.len() as u32).to_le_bytes());
        fields.extend_from_slice(&(name.len() as u16).to_le_bytes());
        fields.extend_from_slice(&[0, 0]);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&fields);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&(file.len() as u32).to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&fields);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(&data);
    }
    let (at, count) = (file.len() as u32, entries.len() as u16);
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\x00\x00\x00\x00");
    file.extend_from_slice(&[count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend_from_slice(&[(directory.len() as u32).to_le_bytes(), at.to_le_bytes()].concat());
    file.extend_from_slice(&[0, 0]);
    file
}

/// Something that differs where the content does.
fn crc(content: &[u8]) -> u32 {
    content.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// `length` incompressible bytes that depend on `seed` alone (SplitMix64).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `length` bytes that compress well and yet differ by `seed`.
pub(crate) fn prose(seed: u64, length: usize) -> Vec<u8> {
    let words = ["alpha ", "beta ", "gamma ", "delta ", "epsilon\n", "<property/>", "server=", "com.example."];
    let mut bytes = Vec::with_capacity(length + 16);
    for pick in noise(seed, length) {
        if bytes.len() >= length {
            break;
        }
        bytes.extend_from_slice(words[usize::from(pick) % words.len()].as_bytes());
    }
    bytes.truncate(length);
    bytes
}
