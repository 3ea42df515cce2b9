//! How many bytes a program wrote below a directory: the sizes of the files that are new or not what they were.
//!
//! Sees what lies there afterwards. What was written and removed again, or written twice, is counted less than it was.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

/// The files below a directory by inode: size and modification time (seconds, nanoseconds).
pub(crate) struct Snapshot(HashMap<u64, (u64, i64, i64)>);

impl Snapshot {
    /// Looks at every file below `dir`; nothing where there is no `dir`.
    pub(crate) fn of(dir: &Path) -> Result<Self> {
        let mut found = HashMap::new();
        let mut waiting = Vec::new();
        if dir.exists() {
            waiting.push(dir.to_owned());
        }
        while let Some(dir) = waiting.pop() {
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                let seen = entry.metadata()?;
                if seen.is_dir() {
                    waiting.push(entry.path());
                } else {
                    found.insert(seen.ino(), (seen.len(), seen.mtime(), seen.mtime_nsec()));
                }
            }
        }
        Ok(Self(found))
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        self.0.values().map(|(size, ..)| size).sum()
    }

    /// Bytes of the files that were not there, or not so, in `before`.
    pub(crate) fn written_since(&self, before: &Self) -> u64 {
        let new = self.0.iter().filter(|(inode, seen)| before.0.get(inode) != Some(seen));
        new.map(|(_, (size, ..))| size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_and_rewritten_files_count_and_moved_ones_do_not() {
        let place = tempfile::tempdir().expect("a directory");
        let top = place.path().join("top");
        let nothing = Snapshot::of(&top).expect("looks");
        fs::create_dir_all(top.join("a")).expect("directories");
        fs::write(top.join("a/one"), [1; 10]).expect("writes");
        fs::write(top.join("two"), [1; 100]).expect("writes");
        let first = Snapshot::of(&top).expect("looks");
        assert_eq!(first.written_since(&nothing), 110);
        fs::rename(top.join("two"), top.join("a/two")).expect("moves");
        fs::write(top.join("a/one"), [2; 11]).expect("writes");
        fs::write(top.join("three"), [1; 1000]).expect("writes");
        let second = Snapshot::of(&top).expect("looks");
        assert_eq!((first.size(), second.written_since(&first), second.size()), (110, 1011, 1111));
    }
}
