//! Pairs of archives in bulk, an archive and its next version: one Python process (`bulk.py`) makes them, and they are taken
//! from its output as they come, so that any number of them costs the memory of a few.
//!
//! `DEPSYNC_TESTS_SEED` draws others, `DEPSYNC_TEST_CASES` more of them. Pair 7 of a seed is the same whatever was made
//! before it, so `DEPSYNC_ARCHIVES_FIRST` with the number that a failure says begins there.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::panic::AssertUnwindSafe;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use depsync_tests::sshd::program;
use serde::Deserialize;
use tempfile::TempDir;

const SCRIPT: &str = include_str!("bulk.py");
const JAR: &str = include_str!("Jar.java");
/// What is tried unless somebody wants others.
const SEED: u64 = 20_261_123;
/// How many threads try what is made.
const THREADS: usize = 2;

/// An archive.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) told: Told,
    pub(crate) bytes: Vec<u8>,
}

/// What the script says of an archive.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    pub(crate) writer: String,
    /// How many entries it has, if the script knows.
    pub(crate) entries: Option<u64>,
    length: usize,
}

/// An archive, and its next version.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) number: u64,
    pub(crate) old: Made,
    pub(crate) new: Made,
}

/// How heavy the archives may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weight {
    /// Many megabytes.
    All,
    /// Some kilobytes.
    Light,
}

/// The number that a variable of the environment holds.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    number("DEPSYNC_TESTS_SEED").unwrap_or(SEED)
}

/// How many cases are asked for, where `usual` is usual.
pub(crate) fn cases(usual: u64) -> u64 {
    number("DEPSYNC_TEST_CASES").unwrap_or(usual)
}

/// What stands before the bytes of a pair.
#[derive(Deserialize)]
struct Head {
    number: u64,
    versions: [Told; 2],
}

/// The process that makes them.
struct Maker {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where those work that make archives of directories.
    _place: TempDir,
}

impl Maker {
    fn start(count: u64, weight: Weight) -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let first = number("DEPSYNC_ARCHIVES_FIRST").unwrap_or(1);
        let weight = match weight {
            Weight::All => "all",
            Weight::Light => "light",
        };
        fs::write(place.path().join("Jar.java"), JAR).expect("a file");
        // What the script starts.
        program("zip", "zip");
        program("java", "default-jre-headless");
        let mut command = Command::new(program("python3", "python3"));
        command.args(["-c", SCRIPT]).args([seed(), first, first + count - 1].map(|number| number.to_string()));
        command.arg(weight).arg(place.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 runs");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, output, _place: place }
    }

    /// The next pair, if there is one.
    fn next(&mut self) -> Option<Pair> {
        let mut line = String::new();
        if self.output.read_line(&mut line).expect("it writes") == 0 {
            let status = self.child.wait().expect("it ends");
            assert!(status.success(), "the maker of archives: {status}");
            return None;
        }
        let Head { number, versions } = serde_json::from_str(&line).expect("what the script writes");
        let [old, new] = versions.map(|told| {
            let mut bytes = vec![0; told.length];
            self.output.read_exact(&mut bytes).expect("as long as it was said to be");
            Made { told, bytes }
        });
        Some(Pair { number, old, new })
    }
}

/// Hands `count` pairs to `work`, so many at a time, on two threads. Gives how many there were.
#[allow(clippy::print_stderr, reason = "how to repeat a failure is for the person who reads the test's output")]
pub(crate) fn each(count: u64, at_once: usize, weight: Weight, work: impl Fn(&[Pair]) + Sync) -> u64 {
    eprintln!("DEPSYNC_TESTS_SEED={}", seed());
    let maker = Mutex::new((Maker::start(count, weight), 0));
    let take = || {
        let mut maker = maker.lock().expect("nobody panics with it");
        let pairs: Vec<Pair> = (0..at_once).map_while(|_| maker.0.next()).collect();
        maker.1 += pairs.len() as u64;
        pairs
    };
    let run = || {
        loop {
            let pairs = take();
            let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else { return };
            let done = std::panic::catch_unwind(AssertUnwindSafe(|| work(&pairs)));
            assert!(done.is_ok(), "pairs {} to {} of seed {}, see above", first.number, last.number, seed());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(run);
        }
    });
    let (_, count) = maker.into_inner().expect("nobody panicked with it");
    count
}
