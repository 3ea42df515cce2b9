//! Deterministic content for the tests of this room.

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
