//! Whether the encoder is the one that the format means.

use std::sync::OnceLock;

use super::{Level, deflate};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

/// BLAKE3 of what each level makes of [`sample`].
const GOLDEN: [(u8, &str); 9] = [
    (1, "1894c260f38b1a021997cc87aab40212a41dc8d491c86390d6f862e83a1f38ce"),
    (2, "5e7244cd54f295014173e6a376309e45756b6992c729d6f0ab8a0170e35ee848"),
    (3, "b0560f8d083b5f9e75a5e553fc23254c188482d1ad061b376862c84537434820"),
    (4, "f43178aec6c0f02247ef57f36146b58ba3be04d53212816c329ea00055f36206"),
    (5, "d42a385997222860709b546b6173b12e8d4c563128e4d4013ab01855697c30d5"),
    (6, "113f88c8536a226ca301774f99a58e4322a684a76048494f29d1dadfc0c9b661"),
    (7, "449aa57cadd99b9600817837864e6c759a33ca552649ab2737992f6bb3b82317"),
    (8, "2505a37a68575aa4f688f49434715679b2dbb059ff5342fb3559f5cc91a250f4"),
    (9, "8b1a3cf1132ffb59e79ffa70d26360b6dc2acaaaa02a057896abc42a7084aa26"),
];

/// Lets the encoder prove itself, once a process. [`ErrorKind::Damaged`] if it is another one: nothing may be deflated
/// with it then.
pub fn check() -> Result<()> {
    #[cfg(test)]
    if another::is_here() {
        return Err(differs(6));
    }
    static SOUND: OnceLock<Option<u8>> = OnceLock::new();
    let different = SOUND.get_or_init(|| {
        let sample = sample();
        GOLDEN.into_iter().find_map(|(number, golden)| {
            let made = Digest::of(&deflate(&sample, Level::new(number)?));
            (made.to_string() != golden).then_some(number)
        })
    });
    different.map_or(Ok(()), |level| Err(differs(level)))
}

fn differs(level: u8) -> Error {
    let what = format!("this program's zlib does not write what the format demands (level {level})");
    Error::new(ErrorKind::Damaged, what)
        .hint("`depsync gc --raw` on a node whose depsync can, or another build of depsync here")
}

/// Words that repeat near and far, and bytes that do not: what a matcher finds its way through depends on all of it.
pub(super) fn sample() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160 << 10);
    let mut state = 7u64;
    let mut next = || {
        // SplitMix64, by Steele, Lea and Flood.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    while bytes.len() < 150 << 10 {
        let word = next();
        match word % 4 {
            0 => bytes.extend_from_slice(&word.to_le_bytes()),
            1 => bytes.extend_from_slice(format!("com/example/Part{}.class\n", word >> 56).as_bytes()),
            2 => bytes.extend_from_slice(&[(word >> 8) as u8; 33][..(word >> 16) as usize % 33]),
            _ => {
                let far = (word >> 8) as usize % (bytes.len() + 1);
                let length = ((word >> 40) as usize % 400).min(bytes.len() - far);
                bytes.extend_from_within(far..far + length);
            }
        }
    }
    bytes
}

/// Another encoder, for the tests of this room.
#[cfg(test)]
pub(in crate::content) mod another {
    use std::cell::Cell;

    thread_local! {
        static HERE: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn is_here() -> bool {
        HERE.get()
    }

    /// What `work` comes to on this thread with an encoder that is not the format's.
    pub(in crate::content) fn with<T>(work: impl FnOnce() -> T) -> T {
        HERE.set(true);
        let done = work();
        HERE.set(false);
        done
    }
}
