//! What a node reads of its own disk: the patterns of what is ignored, and blocks of the stat cache.

use depsync_engine::error::ErrorKind;
use depsync_engine::path::RelPath;
use depsync_engine::scan::{BlockKey, Cache, Ignore};
use depsync_engine::tree::Entry;

use super::{split, with_length};

/// A path with its length, then patterns.
pub(super) fn ignore(data: &[u8]) {
    let Some((path, patterns)) = split(data) else { return };
    let ignore = match Ignore::parse(patterns) {
        Ok(ignore) => ignore,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Usage, "{error}"),
    };
    let Ok(path) = RelPath::new(path) else { return };
    for is_directory in [false, true] {
        if ignore.matches(&path, is_directory) {
            if let Ok(beneath) = path.join(b"x")
                && is_directory
            {
                assert!(ignore.matches(&beneath, false), "what lies beneath an ignored directory is ignored");
            }
        } else {
            assert!(path.components().all(|name| !name.starts_with(b".depsync-")), "depsync's own is ignored");
            assert!(path.ancestors().all(|above| !ignore.matches(&above, true)));
        }
    }
}

pub(super) fn patterns() -> Vec<Vec<u8>> {
    let of = |path: &str, patterns: &str| [&with_length(path.as_bytes()), patterns.as_bytes()].concat();
    vec![
        of("a/b.log", "*.log\n"),
        of("work/x", "# work\n/work/\n!work/keep\n"),
        of("a/keep.tmp", "!*.tmp\n**/b/[a-z]?\\ \n"),
        of("a/b/c", "a/**/c\n{x,y}\n"),
        of("x", "\u{feff}[!a-c]x\n\\#a\r\n"),
    ]
}

/// The directory of the block with its length, the first name with its length, then the records.
pub(super) fn block(data: &[u8]) {
    let Some((directory, rest)) = split(data) else { return };
    let Some((first, body)) = split(rest) else { return };
    let key = BlockKey { directory: directory.into(), first: first.into() };
    let bytes = key.seal(body).expect("what is fuzzed is short");
    let cache = Cache::load([(key.clone(), bytes.clone())]);
    assert_eq!(cache.damaged() + cache.blocks().count(), 1);
    let loaded = cache.blocks().next();
    assert!(loaded.is_none_or(|(known, kept)| *known == key && **kept == bytes));
    // A checksum is no law of the format, but a block that fails it is never taken.
    let mut torn = bytes;
    if let Some(last) = torn.last_mut().filter(|_| !body.is_empty()) {
        *last ^= 1;
        assert_eq!(Cache::load([(key.clone(), torn)]).damaged(), 1);
    }
    if loaded.is_none() {
        return;
    }
    let path = if directory.is_empty() { RelPath::new(first) } else { RelPath::new([directory, b"/", first].concat()) };
    let path = path.expect("the names of a block that was taken are names");
    let (stamp, entry) = (cache.stamp_of(&path), cache.entry_of(&path));
    assert_eq!(stamp.is_some(), entry.is_some());
    let stamp = stamp.expect("the first name is in the block");
    let is = |kind| stamp.file_type() == kind;
    match entry {
        Some(Entry::File { .. }) => assert!(is(rustix::fs::FileType::RegularFile)),
        Some(Entry::Directory { .. }) => assert!(is(rustix::fs::FileType::Directory)),
        Some(Entry::Symlink { .. }) => assert!(is(rustix::fs::FileType::Symlink)),
        None => unreachable!("as there is a stamp"),
    }
}

pub(super) fn blocks() -> Vec<Vec<u8>> {
    // A file, a directory and a link, laid out as `engine/src/scan/block.rs` says.
    let mtime = [0; 8];
    let file = [&b"\x01\x01\0a\xa4\x81"[..], &mtime, b"\x03\x02\x4d\x19", &[7; 32]].concat();
    let read_more = [5, 0, 0, 0, 0, 0, 0, 0];
    let other = [&b"\x01\x03\0b\xa4\x81"[..], &mtime, b"\x03\x02\x4d\x19", &read_more, &[9; 32]].concat();
    let directory = [&b"\x01\0\0c\xed\x41"[..], &mtime, b"\x28\x02\x4d\x19"].concat();
    let link = [&b"\x01\x01\0d\xff\xa1"[..], &mtime, b"\x01\x02\x4d\x19", b"\x01\0a"].concat();
    let of = |directory: &str, first: &str, records: &[&[u8]]| {
        let head = [with_length(directory.as_bytes()), with_length(first.as_bytes())].concat();
        [&head[..], &records.concat()].concat()
    };
    vec![
        of("", "a", &[&file]),
        of("d/e", "a", &[&file, &other, &directory, &link]),
        of("d", "c", &[&directory]),
        of("", "d", &[&link]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_blocks_are_blocks() {
        for seed in blocks() {
            let (directory, rest) = split(&seed).expect("a directory");
            let (first, body) = split(rest).expect("a name");
            let key = BlockKey { directory: directory.into(), first: first.into() };
            let bytes = key.seal(body).expect("seals");
            assert_eq!(Cache::load([(key, bytes)]).damaged(), 0, "{seed:?}");
        }
    }
}
