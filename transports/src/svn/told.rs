//! What a publish tells of the tree that it makes, so that nobody has to read contents to know of them.
//!
//! A repository has no hashes of ours. Whoever wants every content reads them all and measures; a node that fetches some on
//! demand only would read those, too, and throw them away. So each commit of ours says in a revision property, beside its
//! record, what has become of each path: `depsync:changes`, or `depsync:tree` with all of them, in the first one and in one of a
//! hundred. It is JSON under zstd in Base64 (`base64 -d | zstd -d` shows it), cut into `depsync:changes.1` and so on where it is
//! longer than an argument may be. `svn log` brings it along.
//!
//! Laws:
//! - what is told is believed only if the tree that it gives has the root of the commit's record, which every node asks of
//!   every tree, and if the commit followed the one that it was made on;
//! - what does not fit or does not read is as good as not told: the revision is measured by reading;
//! - contents are verified when they come, as always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use data_encoding::BASE64;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{self, Entry, LinkTarget, MemoryPages, Mode, Overlay, Pages, Tree};
use serde::{Deserialize, Serialize};

use super::known;
use super::log::LogEntry;
use super::measure::{Measured, Notable};
use super::properties::Properties;
use crate::child::room_for_arguments;

/// What was done to the tree of the revision before.
const CHANGES: &str = "depsync:changes";
/// The whole tree.
const TREE: &str = "depsync:tree";

const SCHEMA: u32 = 1;
/// After how many revisions the whole tree is told again: a node that is new reads so much of the log.
const AGAIN: u32 = 100;
/// The most bytes of one property: the kernel takes no argument of 128 KiB.
const PART: usize = 120_000;
/// The most of such properties.
const PARTS: usize = 8;
/// The most paths: each takes some fifty bytes at the least.
const MOST_PATHS: usize = 20_000;
/// The most bytes of JSON that are written and read.
const MOST: usize = 8 << 20;
/// The level of zstd. Most of it are hashes, which do not compress.
const LEVEL: i32 = 6;

/// What is told.
#[derive(Serialize, Deserialize)]
struct Told {
    schema: u32,
    paths: Vec<(RelPath, What)>,
    /// Properties that entries do not tell; none where there are none any more.
    notable: Vec<(RelPath, Option<Properties>)>,
    externals: bool,
}

/// What is at a path.
#[derive(Serialize, Deserialize)]
enum What {
    Gone,
    File(Mode, u64, Digest),
    Directory(Mode),
    Link(Vec<u8>),
}

impl What {
    fn of(entry: Option<&Entry>) -> Self {
        match entry {
            None => Self::Gone,
            Some(Entry::File { mode, size, hash }) => Self::File(*mode, *size, *hash),
            Some(Entry::Directory { mode }) => Self::Directory(*mode),
            Some(Entry::Symlink { target }) => Self::Link(target.as_bytes().to_vec()),
        }
    }

    fn entry(self) -> Result<Option<Entry>> {
        Ok(Some(match self {
            Self::Gone => return Ok(None),
            Self::File(mode, size, hash) => Entry::File { mode, size, hash },
            Self::Directory(mode) => Entry::Directory { mode },
            Self::Link(target) => Entry::Symlink { target: LinkTarget::new(target)? },
        }))
    }
}

/// What a commit says beside its record.
pub(super) struct Telling {
    /// Properties, each as `name=value`.
    pub(super) properties: Vec<String>,
    /// How many revisions ago the whole tree was told.
    pub(super) told: Option<u32>,
}

impl Telling {
    /// For a commit that makes `after` of `before`, whose pages are all in `pages`. All of the tree is told if nobody knows
    /// when it was told last.
    pub(super) fn of(before: &Measured, after: &Measured, pages: &dyn Pages) -> Result<Self> {
        Self::within(before, after, pages, room_for_arguments())
    }

    fn within(before: &Measured, after: &Measured, pages: &dyn Pages, room: usize) -> Result<Self> {
        let told = before.told.filter(|ago| ago.saturating_add(1) < AGAIN);
        if told.is_none()
            && let Some(properties) = properties(TREE, &Measured::empty(), after, pages, room)?
        {
            return Ok(Self { properties, told: Some(0) });
        }
        let changes = properties(CHANGES, before, after, pages, room)?;
        let told = before.told.map(|ago| ago.saturating_add(1));
        Ok(Self { properties: changes.unwrap_or_default(), told })
    }
}

/// What leads from one tree to another, as properties; none if it does not fit.
fn properties(
    name: &str,
    before: &Measured,
    after: &Measured,
    pages: &dyn Pages,
    room: usize,
) -> Result<Option<Vec<String>>> {
    let mut paths = Vec::new();
    for change in Tree::new(pages, before.root).diff(&Tree::new(pages, after.root)) {
        let change = change?;
        if paths.len() == MOST_PATHS {
            return Ok(None);
        }
        paths.push((change.path, What::of(change.after.as_ref())));
    }
    let named: BTreeSet<&RelPath> = before.notable.keys().chain(after.notable.keys()).collect();
    let other = |path: &&&RelPath| before.notable.get(**path) != after.notable.get(**path);
    let notable: Vec<_> =
        named.iter().filter(other).map(|path| ((*path).clone(), after.notable.get(*path).cloned())).collect();
    if notable.len() > MOST_PATHS {
        return Ok(None);
    }
    let told = Told { schema: SCHEMA, paths, notable, externals: after.externals };
    let text = known::json(&told)?;
    if text.len() > MOST {
        return Ok(None);
    }
    let packed = zstd::bulk::compress(&text, LEVEL)
        .map_err(|source| Error::new(ErrorKind::Internal, "zstd cannot compress").because(source))?;
    let text = BASE64.encode(&packed);
    if text.len() > room.min(PARTS * PART) {
        return Ok(None);
    }
    let parts = text.as_bytes().chunks(PART).enumerate();
    Ok(Some(
        parts.map(|(number, part)| format!("{}={}", part_of(name, number), String::from_utf8_lossy(part))).collect(),
    ))
}

fn part_of(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}.{number}") }
}

/// Whether a commit tells the whole tree.
pub(super) fn is_whole(entry: &LogEntry) -> bool {
    entry.properties.contains_key(TREE)
}

/// Leaves what a commit tells to it as long as there is room, and nothing of it otherwise.
pub(super) fn keep_within(entry: &mut LogEntry, room: &mut usize) {
    let is_told = |name: &str| {
        let name = name.split('.').next().unwrap_or_default();
        name == CHANGES || name == TREE
    };
    let told = entry.properties.iter().filter(|(name, _)| is_told(name));
    let bytes = told.map(|(name, value)| name.len() + value.len()).sum();
    match room.checked_sub(bytes) {
        Some(left) => *room = left,
        None => entry.properties.retain(|name, _| !is_told(name)),
    }
}

/// Whether a commit tells what it has done.
pub(super) fn says(entry: &LogEntry) -> bool {
    is_whole(entry) || entry.properties.contains_key(CHANGES)
}

/// How many revisions before the newest of `since`, which are the newest first, the whole tree was told; before those it
/// was so many before.
pub(super) fn ago(since: &[LogEntry], before: Option<u32>) -> Option<u32> {
    let count = |ago: usize| u32::try_from(ago).unwrap_or(u32::MAX);
    let own = since.iter().position(is_whole).map(count);
    own.or_else(|| before.map(|ago| ago.saturating_add(count(since.len()))))
}

fn read(entry: &LogEntry, name: &str) -> Option<Told> {
    let mut text = entry.properties.get(name)?.clone();
    for number in 1..PARTS {
        match entry.properties.get(&part_of(name, number)) {
            Some(part) => text.extend_from_slice(part),
            None => break,
        }
    }
    let packed = BASE64.decode(&text).ok()?;
    let text = zstd::bulk::decompress(&packed, MOST).ok()?;
    serde_json::from_slice(&text).ok().filter(|told: &Told| told.schema == SCHEMA && told.paths.len() <= MOST_PATHS)
}

/// The tree of one of some revisions.
pub(super) struct Reached<'p> {
    /// Which one it is.
    pub(super) index: usize,
    pub(super) measured: Measured,
    pub(super) pages: Overlay<'p>,
}

/// The newest of `entries`, the oldest of which comes first, whose tree is told. `base` is the tree before them and its
/// number, none of those where there was nothing; it is not known where no base is given.
pub(super) fn reach<'p>(
    entries: &[LogEntry],
    base: Option<(Option<u64>, Measured)>,
    pages: &'p dyn Pages,
) -> Result<Option<Reached<'p>>> {
    let mut overlay = Overlay::new(pages);
    let (mut preceding, mut now) = base.map_or((None, None), |(number, tree)| (Some(number), Some(tree)));
    let mut reached = None;
    for (index, entry) in entries.iter().enumerate() {
        now = match preceding {
            Some(preceding) => step(entry, preceding, now.as_ref(), &mut overlay)?,
            None => None,
        };
        reached = now.clone().map(|tree| (index, tree)).or(reached);
        preceding = Some(Some(entry.revision));
    }
    Ok(reached.map(|(index, measured)| Reached { index, measured, pages: overlay }))
}

/// The tree that a commit tells of, if there is nothing to be said against it.
fn step(
    entry: &LogEntry,
    preceding: Option<u64>,
    before: Option<&Measured>,
    pages: &mut Overlay<'_>,
) -> Result<Option<Measured>> {
    let Some(root) = known::recorded_root(entry, preceding) else { return Ok(None) };
    let nothing = Measured::empty();
    let whole = read(entry, TREE).map(|told| (told, &nothing, Some(0)));
    let changes = || {
        let before = before?;
        Some((read(entry, CHANGES)?, before, before.told.map(|ago| ago.saturating_add(1))))
    };
    let Some((told, before, ago)) = whole.or_else(changes) else { return Ok(None) };
    let mut changes = BTreeMap::new();
    for (path, what) in told.paths {
        let Ok(entry) = what.entry() else { return Ok(None) };
        changes.insert(path, entry);
    }
    let mut fresh = MemoryPages::default();
    let made = tree::edit(Tree::new(&*pages, before.root), changes.into_iter().map(Ok), &mut fresh)?;
    if made != root {
        tracing::warn!(revision = entry.revision, "what is told of it has another root than its record: it is read");
        return Ok(None);
    }
    pages.absorb(fresh)?;
    let mut notable = Notable::clone(&before.notable);
    for (path, properties) in told.notable {
        match properties {
            Some(properties) => notable.insert(path, properties),
            None => notable.remove(&path),
        };
    }
    Ok(Some(Measured { root, notable: Arc::new(notable), externals: told.externals, told: ago }))
}

#[cfg(test)]
mod tests;
