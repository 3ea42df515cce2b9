//! Which files of a tree are of one kin, by their names: an archive, and the directory that it was unpacked into beside
//! it (application servers make `shop/` of `shop.war`); an archive, and another version of it that stays beside it
//! (`shop##001.war`, `shop##002.war`).
//!
//! A name is never identity: what is taken from there is compared, and a wrong guess costs nothing but a look. Publisher
//! and receiver look at different trees and need not come to the same: a receiver that does not find here what an object
//! is stored against gets it from the hub.

use std::collections::HashSet;

use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::{Entry, Tree};

use super::stem::stem;

/// The extensions of archives that servers unpack.
const EXTENSIONS: [&str; 6] = ["war", "ear", "car", "aar", "jar", "zip"];

/// How many names are looked at in search of another version.
const LOOK: usize = 64;
/// How many other versions are considered.
const VERSIONS: usize = 4;
/// How many files of a directory are considered.
const FILES: usize = 1 << 16;

/// A file of the tree: where it is, what is in it, and its length.
pub(crate) type Found = (RelPath, Digest, u64);

/// Whether `path` is called as an archive.
pub(crate) fn is_archive(path: &RelPath) -> bool {
    unpacked(path).is_some()
}

/// The directory beside the archive at `path`, if it is called as one.
pub(crate) fn unpacked(path: &RelPath) -> Option<RelPath> {
    let bytes = path.as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'.')?;
    let extension = bytes.get(at + 1..)?;
    let is_known = EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known.as_bytes()));
    is_known.then(|| RelPath::new(&bytes[..at]).ok()).flatten()
}

/// What the archives may be called that the directory `path` was unpacked from.
pub(crate) fn packed(path: &RelPath) -> impl Iterator<Item = RelPath> {
    EXTENSIONS.iter().filter_map(|extension| RelPath::new([path.as_bytes(), b".", extension.as_bytes()].concat()).ok())
}

/// The name of the entry that `path` is, in an archive that was unpacked into `directory`.
pub(crate) fn entry_of<'a>(path: &'a RelPath, directory: &RelPath) -> &'a [u8] {
    path.as_bytes().get(directory.as_bytes().len() + 1..).unwrap_or_default()
}

/// Other versions of the archive at `path` that are beside it: the last ones before it in order of their names, last first.
pub(crate) fn versions(tree: &Tree<'_>, path: &RelPath) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let Some(start) = path.name().iter().position(u8::is_ascii_digit).filter(|_| is_archive(path)) else {
        return Ok(found);
    };
    let directory = path.as_bytes().len() - path.name().len();
    let Ok(beginning) = RelPath::new(&path.as_bytes()[..directory + start]) else { return Ok(found) };
    let wanted = stem(path.as_bytes());
    let mut entries = tree.from(&beginning);
    for _ in 0..LOOK {
        let Some((key, entry)) = entries.next().transpose()? else { break };
        if !key.as_bytes().starts_with(beginning.as_bytes()) || key >= *path {
            break;
        }
        if entry.is_directory() {
            // What is behind all that is in it.
            let behind = RelPath::new([key.as_bytes(), b"\x01"].concat())?;
            entries = tree.from(&behind);
        } else if let Some((hash, size)) = entry.content().filter(|_| stem(key.as_bytes()) == wanted) {
            found.push((key, hash, size));
        }
    }
    found.reverse();
    found.truncate(VERSIONS);
    Ok(found)
}

/// The archives that the directories above `path` may have been unpacked from, as far as they are in the tree, nearest
/// first. Directories in `looked` are passed over, with all that are above them; the others are noted there.
pub(crate) fn archives_above(tree: &Tree<'_>, path: &RelPath, looked: &mut HashSet<RelPath>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for directory in path.ancestors() {
        if !looked.insert(directory.clone()) {
            break;
        }
        for archive in packed(&directory) {
            if let Some((hash, size)) = tree.get(&archive)?.as_ref().and_then(Entry::content) {
                found.push((archive, hash, size));
            }
        }
    }
    Ok(found)
}

/// The files of the directory that the archive at `path` was unpacked into, as far as it is in the tree: not all of very many.
pub(crate) fn files_unpacked(tree: &Tree<'_>, path: &RelPath) -> Result<Vec<Found>> {
    let Some(directory) = unpacked(path) else { return Ok(Vec::new()) };
    let files = tree.beneath(&directory).filter_map(|entry| match entry {
        Ok((path, entry)) => entry.content().map(|(hash, size)| Ok((path, hash, size))),
        Err(error) => Some(Err(error)),
    });
    files.take(FILES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{MemoryPages, Mode, build};

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect(text)
    }

    #[test]
    fn a_directory_stands_beside_its_archive() {
        assert_eq!(unpacked(&path("webapps/shop.war")), Some(path("webapps/shop")));
        assert_eq!(unpacked(&path("shop.JAR")), Some(path("shop")));
        for none in ["shop", "shop.txt", ".war", "a/.war", "a.war/b"] {
            assert_eq!(unpacked(&path(none)), None, "{none}");
        }
        assert!(packed(&path("webapps/shop")).any(|archive| archive == path("webapps/shop.war")));
        assert_eq!(entry_of(&path("webapps/shop/WEB-INF/a.class"), &path("webapps/shop")), b"WEB-INF/a.class");
    }

    /// The tree of these files and directories, which end with a slash.
    fn with_tree(names: &[&str], check: impl FnOnce(&Tree<'_>)) {
        let entry = |name: &&str| match name.strip_suffix('/') {
            Some(directory) => Ok((path(directory), Entry::Directory { mode: Mode::new(0o644) })),
            None => {
                Ok((path(name), Entry::File { hash: Digest::of(name.as_bytes()), size: 1, mode: Mode::new(0o644) }))
            }
        };
        let mut pages = MemoryPages::default();
        let root = build(names.iter().map(entry), &mut pages).expect("builds");
        check(&Tree::new(&pages, root));
    }

    fn names(found: Vec<Found>) -> Vec<String> {
        found.into_iter().map(|(path, ..)| path.to_string()).collect()
    }

    #[test]
    fn versions_that_stay_are_found() {
        let there = [
            "a/",
            "a/app##001/",
            "a/app##001/b.class",
            "a/app##001.war",
            "a/app##002.war",
            "a/app##003.txt",
            "a/app##004.war",
            "a/apple.war",
            "a/shop.war",
            "b/",
            "b/app##003.war",
        ];
        with_tree(&there, |tree| {
            let of = |name: &str| names(versions(tree, &path(name)).expect("reads"));
            assert_eq!(of("a/app##005.war"), ["a/app##004.war", "a/app##002.war", "a/app##001.war"]);
            assert_eq!(of("a/app##003.war"), ["a/app##002.war", "a/app##001.war"]);
            for none in ["a/app##001.war", "a/app##005.txt", "a/shop.war", "a/7.war", "c/app##003.war"] {
                assert!(of(none).is_empty(), "{none}");
            }
        });
    }

    #[test]
    fn archives_of_the_directories_above_are_found_once() {
        with_tree(&["a/", "a/shop/", "a/shop/b/", "a/shop/b/c", "a/shop.war", "a.zip"], |tree| {
            let mut looked = HashSet::new();
            let found = archives_above(tree, &path("a/shop/b/c"), &mut looked).expect("reads");
            assert_eq!(names(found), ["a/shop.war", "a.zip"]);
            assert!(archives_above(tree, &path("a/shop/d"), &mut looked).expect("reads").is_empty());
            assert_eq!(names(files_unpacked(tree, &path("a/shop.war")).expect("reads")), ["a/shop/b/c"]);
        });
    }
}
