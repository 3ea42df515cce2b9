//! What is fuzzed: one function a format, which takes any bytes and holds the laws of what reads them.
//!
//! The coverage-guided fuzzer (`tests/fuzz`, `./dev fuzz`) calls them with what it makes up; the ordinary tests call
//! them with the corpus that it left (`tests/fuzz/corpus`). A law that is broken is a panic. The laws, beside "refused
//! or read, never anything else":
//! - what is read can be written, and reads back as the same;
//! - where bytes are identity, there is one way to write a thing: other bytes are refused;
//! - what is read is no longer than a constant factor of its bytes.
//!
//! Hashes are put right here, where the fuzzer could never guess them.

mod archives;
mod content;
mod differences;
mod frames;
mod hub;
mod local;
mod statements;
mod tree;

use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind};

/// A target: its name, and what it does with the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, in the order of their names.
pub const TARGETS: [Target; 14] = [
    ("archive", archives::archive),
    ("block", local::block),
    ("columns", differences::columns),
    ("deflated", archives::deflated),
    ("frames", frames::frames),
    ("hub", hub::hub),
    ("ignore", local::ignore),
    ("object", content::object),
    ("pack_tail", content::pack_tail),
    ("patch", differences::patch),
    ("recipe", content::recipe),
    ("record", statements::record),
    ("report", statements::report),
    ("tree", tree::tree),
];

/// Runs one input through the target `name`.
///
/// # Panics
/// If there is no such target, or a law is broken.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    target(data);
}

/// Inputs to begin with: what the engine itself writes.
///
/// # Panics
/// If there is no such target.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "archive" => archives::archives(),
        "block" => local::blocks(),
        "columns" => differences::recipes_of_archives(),
        "deflated" => archives::streams(),
        "frames" => frames::seeds(),
        "hub" => hub::seeds(),
        "ignore" => local::patterns(),
        "object" => content::objects(),
        "pack_tail" => content::tails(),
        "patch" => differences::patches(),
        "recipe" => content::recipes(),
        "record" => statements::records(),
        "report" => statements::reports(),
        "tree" => tree::seeds(),
        _ => panic!("no target is called {name}"),
    }
}

/// The directory of the inputs that are kept for `target`.
pub fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// What is refused must be refused for a reason that is the input's.
fn lawful(error: &Error) {
    let kinds = [ErrorKind::Damaged, ErrorKind::Unsupported, ErrorKind::NotFound];
    assert!(kinds.contains(&error.kind()), "refused as {:?}: {error}", error.kind());
}

/// Splits `data` after a length of two bytes that stands at its beginning; as much as there is.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    Some(rest.split_at(length))
}

/// The opposite of [`split`]: `part` with its length before it.
fn with_length(part: &[u8]) -> Vec<u8> {
    let length = u16::try_from(part.len()).expect("a seed is short");
    [&length.to_le_bytes(), part].concat()
}
