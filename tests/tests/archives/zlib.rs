//! Python's zlib, which is that of the system, beside ours: the same bytes at all nine levels.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use depsync_engine::content::deflate::{Level, deflate, inflate, makes, probe};
use depsync_tests::sshd::program;
use serde::Deserialize;

use super::bulk;

const SCRIPT: &str = include_str!("zlib.py");
/// What is inflated and deflated again; of more it is enough that the encoders agree.
const AGAIN: usize = 10_000;

/// What stands before a content.
#[derive(Debug, Deserialize)]
struct Head {
    kind: String,
    version: String,
    length: usize,
    /// How many bytes each level makes.
    made: Vec<usize>,
}

#[test]
#[allow(clippy::print_stderr, reason = "what it was held against is for the person who reads its output")]
fn pythons_zlib_writes_the_same_at_all_levels() {
    let seed = bulk::seed();
    let mut command = Command::new(program("python3", "python3"));
    command.args(["-c", SCRIPT, &seed.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 runs");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let (mut kinds, mut lengths, mut streams, mut bytes) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
    let mut line = String::new();
    while output.read_line(&mut line).expect("it writes") > 0 {
        let head: Head = serde_json::from_str(&line).expect("what the script writes");
        if streams == 0 {
            eprintln!("DEPSYNC_TESTS_SEED={seed}, zlib {}", head.version);
        }
        let mut take = |length: usize| {
            let mut bytes = vec![0; length];
            output.read_exact(&mut bytes).expect("as long as it was said to be");
            bytes
        };
        let raw = take(head.length);
        assert_eq!(head.made.len(), 9);
        for (number, length) in (1..).zip(&head.made) {
            let (level, theirs) = (Level::new(number).expect("a level"), take(*length));
            assert!(deflate(&raw, level) == theirs, "{head:?} differs at level {number}, seed {seed}");
            if raw.len() <= AGAIN {
                assert!(inflate(&theirs, raw.len()).as_ref() == Some(&raw) && makes(&theirs, &raw, level), "{head:?}");
                let found = probe(&theirs, &raw).expect("some level makes it");
                assert!(deflate(&raw, found) == theirs, "{head:?} is found as {found:?}");
            }
            streams += 1;
        }
        bytes += raw.len();
        kinds.insert(head.kind);
        lengths.insert(head.length);
        line.clear();
    }
    assert!(child.wait().expect("it ends").success(), "the script has ended too early");
    assert!(kinds.len() == 9 && streams >= 9 * 9 * 25, "{streams} streams of {kinds:?}");
    assert!(lengths.contains(&0) && lengths.iter().any(|length| *length > 2 << 20) && bytes > 10 << 20, "{lengths:?}");
    eprintln!("{streams} streams of {bytes} bytes");
}
