//! How an archive has to be cut, as the documentation says it (`engine/doc/archives.md`), and what was seen in archives.

use std::collections::{BTreeMap, HashSet};

use depsync_engine::content::Recipe;
use depsync_engine::content::archive::{Entry, Layout, Tile};
use depsync_engine::content::deflate;

/// A file of no more bytes is not cut as an archive.
pub(crate) const LEAST: usize = 4 << 10;
/// So many bytes are one piece, whatever they are.
const WHOLE: u64 = 64 << 10;
/// So many bytes are one piece, if they are deflated; and so many may be in it.
const MOST: u64 = 32 << 20;
/// How deep an archive may be in another.
const DEEPEST: usize = 3;
/// What is deflated again, to see whether zlib has made it: more takes time and shows nothing new.
const AGAIN: u64 = 100 << 10;

/// What was seen, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(BTreeMap<String, u64>);

impl Seen {
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.count(what, 1);
    }

    pub(crate) fn count(&mut self, what: impl Into<String>, times: u64) {
        *self.0.entry(what.into()).or_default() += times;
    }

    pub(crate) fn add(&mut self, other: Self) {
        other.0.into_iter().for_each(|(what, times)| self.count(what, times));
    }

    pub(crate) fn times(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// A test that has not seen what it is about has shown nothing. Says all that was seen.
    #[allow(clippy::print_stderr, reason = "what a long test has seen is for the person who reads its output")]
    pub(crate) fn has(&self, wanted: &[(&str, u64)]) {
        eprintln!("{self:?}");
        for (what, least) in wanted {
            assert!(self.times(what) >= *least, "{what}: {} times, not {least}", self.times(what));
        }
    }
}

/// A part of a file that is content.
struct Part {
    offset: u64,
    length: u64,
    is_whole: bool,
}

/// How a file has to be cut.
#[derive(Default)]
struct Plan {
    parts: Vec<Part>,
    seen: Seen,
    /// Whether it is of interest who has deflated what is in it.
    deflates: bool,
}

/// Compares how an archive was cut with how it has to be.
pub(crate) fn check(recipe: &Recipe, bytes: &[u8]) -> Seen {
    compare(recipe, bytes, Plan::default())
}

/// The same, and deflates again what is in it. Gives what was seen.
pub(crate) fn check_closely(recipe: &Recipe, bytes: &[u8]) -> Seen {
    compare(recipe, bytes, Plan { deflates: true, ..Plan::default() })
}

fn compare(recipe: &Recipe, bytes: &[u8], mut plan: Plan) -> Seen {
    let is_cut = bytes.len() > LEAST && plan.look(bytes, 0, 0);
    assert_eq!(recipe.is_archive(), is_cut, "{} bytes", bytes.len());
    if !is_cut {
        plan.seen.note("plain");
        return plan.seen;
    }
    let mut pieces = recipe.positions().peekable();
    for Part { offset, length, is_whole } in plan.parts {
        let (mut at, mut count) = (offset, 0);
        while let Some((place, piece)) = pieces.next_if(|(place, _)| *place < offset + length) {
            assert_eq!(place, at, "not where the content begins, or goes on");
            (at, count) = (at + u64::from(piece.length), count + 1);
        }
        assert_eq!(at, offset + length, "pieces of other content");
        assert!(!is_whole || count == 1, "{count} pieces of {length} bytes");
    }
    assert!(pieces.peek().is_none(), "pieces of what is no content");
    plan.seen
}

impl Plan {
    /// What stands at `start`, if that is an archive.
    fn look(&mut self, bytes: &[u8], start: u64, depth: usize) -> bool {
        let Ok(layout) = Layout::of(bytes, bytes.len() as u64) else { return false };
        if layout.entries().is_empty() {
            return false;
        }
        self.describe(&layout, bytes, depth);
        let (mut at, mut before) = (0, None);
        for &tile in layout.tiles() {
            let length = layout.length(tile);
            let end = at + usize::try_from(length).expect("in memory");
            match tile {
                Tile::Inline(_) => {}
                Tile::Gap(_) => {
                    self.seen.note("gap");
                    self.part(start + at as u64, length, false);
                }
                Tile::Data(number) => {
                    if before.replace(number).is_some_and(|before| before > number) {
                        self.seen.note("another order");
                    }
                    self.data(&layout.entries()[number as usize], &bytes[at..end], start + at as u64, depth);
                }
            }
            at = end;
        }
        true
    }

    fn describe(&mut self, layout: &Layout, bytes: &[u8], depth: usize) {
        let (seen, inline) = (&mut self.seen, layout.inline());
        let has = |signature: &[u8]| inline.windows(4).any(|window| window == signature);
        seen.note(format!("{depth} deep"));
        seen.count("entry", layout.entries().len() as u64);
        for (what, is_there) in [
            ("prefix", !bytes.starts_with(b"PK\x03\x04")),
            ("end of ZIP64", has(b"PK\x06\x06")),
            ("descriptor", has(b"PK\x07\x08")),
            ("extra of Java", has(b"\xfe\xca\0\0")),
            ("comment", !inline.ends_with(&[0, 0])),
        ] {
            if is_there {
                seen.note(what);
            }
        }
        let mut names = HashSet::new();
        if !layout.entries().iter().all(|entry| names.insert(layout.name(entry))) {
            seen.note("name twice");
        }
    }

    fn data(&mut self, entry: &Entry, data: &[u8], offset: u64, depth: usize) {
        let (length, is_open) = (data.len(), entry.flags & 1 == 0);
        if entry.method == 0 && is_open && length > LEAST && data.starts_with(b"PK\x03\x04") {
            if depth == DEEPEST {
                self.seen.note("too deep");
            } else if self.look(data, offset, depth + 1) {
                return;
            }
        }
        let is_deflated = entry.method == 8 && is_open && entry.size <= MOST;
        if is_deflated {
            self.deflated(entry, data);
        }
        self.part(offset, length as u64, is_deflated && length as u64 <= MOST);
    }

    /// Whether zlib makes it again.
    fn deflated(&mut self, entry: &Entry, data: &[u8]) {
        self.seen.note("deflated");
        if entry.size > AGAIN || !self.deflates {
            return;
        }
        let raw = deflate::inflate(data, usize::try_from(entry.size).expect("in memory")).expect("it was deflated");
        if raw.starts_with(b"PK\x03\x04") {
            self.seen.note("deflated archive");
        }
        match deflate::probe(data, &raw) {
            Some(level) => self.seen.note(format!("level {}", level.number())),
            None => self.seen.note("not zlib's"),
        }
    }

    fn part(&mut self, offset: u64, length: u64, is_deflated: bool) {
        let is_whole = length <= WHOLE || is_deflated;
        if length > WHOLE {
            self.seen.note(if is_whole { "long piece" } else { "cut by content" });
        }
        self.parts.push(Part { offset, length, is_whole });
    }
}
