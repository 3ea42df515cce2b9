//! A directory as a map, to compare with another one or with a model.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// One entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A file: permission bits and content.
    File(u32, Vec<u8>),
    /// A directory: permission bits.
    Directory(u32),
    /// A symbolic link: its target.
    Link(Vec<u8>),
}

/// Everything beneath a directory, by relative path.
pub type Snapshot = BTreeMap<Vec<u8>, Item>;

/// Takes a snapshot of `directory`; an absent one is empty.
pub fn snapshot(directory: &Path) -> Snapshot {
    try_snapshot(directory).expect("nobody changes it meanwhile")
}

/// Takes a snapshot of a directory that somebody may be changing: then what was listed may be gone.
pub fn try_snapshot(directory: &Path) -> io::Result<Snapshot> {
    let mut items = Snapshot::new();
    collect(directory, &[], &mut items)?;
    Ok(items)
}

fn collect(directory: &Path, prefix: &[u8], items: &mut Snapshot) -> io::Result<()> {
    let Ok(listing) = std::fs::read_dir(directory) else { return Ok(()) };
    for entry in listing {
        let entry = entry?;
        let mut path = prefix.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(entry.file_name().as_bytes());
        let found = entry.path().symlink_metadata()?;
        let mode = found.permissions().mode() & 0o777;
        let item = if found.is_symlink() {
            Item::Link(std::fs::read_link(entry.path())?.as_os_str().as_bytes().to_vec())
        } else if found.is_dir() {
            collect(&entry.path(), &path, items)?;
            Item::Directory(mode)
        } else {
            Item::File(mode, std::fs::read(entry.path())?)
        };
        items.insert(path, item);
    }
    Ok(())
}

/// Writes a tree from literals: a path that ends in `/` is a directory, content that begins with `->` a link.
pub fn write_tree(directory: &Path, tree: &[(&str, &str)]) {
    for (path, content) in tree {
        let target = directory.join(path.trim_end_matches('/'));
        let parent = target.parent().expect("a parent");
        std::fs::create_dir_all(parent).expect("parent directories");
        if path.ends_with('/') {
            std::fs::create_dir_all(&target).expect("a directory");
        } else if let Some(link) = content.strip_prefix("->") {
            std::os::unix::fs::symlink(link, &target).expect("a link");
        } else {
            std::fs::write(&target, content).expect("a file");
        }
    }
}

/// Checks that two directories are the same, and names the first difference.
///
/// # Panics
/// If they are not.
pub fn check_same(found: &Snapshot, wanted: &Snapshot, at: &str) {
    let paths: BTreeSet<&Vec<u8>> = found.keys().chain(wanted.keys()).collect();
    for path in paths {
        let (found, wanted) = (found.get(path), wanted.get(path));
        let shown = String::from_utf8_lossy(path);
        assert!(found == wanted, "{at}: {shown} is {:?}, not {:?}", found.map(brief), wanted.map(brief));
    }
}

/// An entry for messages.
pub fn brief(item: &Item) -> String {
    match item {
        Item::File(mode, content) => {
            format!(
                "file {mode:o} of {}: {:?}",
                content.len(),
                String::from_utf8_lossy(&content[..content.len().min(40)])
            )
        }
        Item::Directory(mode) => format!("directory {mode:o}"),
        Item::Link(target) => format!("link to {:?}", String::from_utf8_lossy(target)),
    }
}
