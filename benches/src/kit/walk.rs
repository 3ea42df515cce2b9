//! The least that looking at every entry can cost: `getdents` and `statx` by directory handles, one thread.
//!
//! The unit of the budget for idle work. `find` is not: it skips the `stat` that it does not need.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, StatxFlags, openat, statx};

/// What a scan asks of an entry: type, permissions, size, times and inode.
const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO);

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Counts the entries below `dir`, itself not among them, after a `statx` of each.
pub(crate) fn count(dir: &Path) -> Result<u64> {
    let handle = openat(CWD, dir, DIRECTORY, Mode::empty()).with_context(|| format!("opening {}", dir.display()))?;
    let mut buffer = vec![MaybeUninit::uninit(); 64 * 1024];
    below(&handle, &mut buffer).with_context(|| format!("walking {}", dir.display()))
}

fn below(handle: &OwnedFd, buffer: &mut [MaybeUninit<u8>]) -> rustix::io::Result<u64> {
    let mut count = 0;
    let mut directories = Vec::new();
    let mut entries = RawDir::new(handle, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let seen = statx(handle.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
        count += 1;
        if FileType::from_raw_mode(seen.stx_mode.into()) == FileType::Directory {
            directories.push(name.to_owned());
        }
    }
    for name in directories {
        count += below(&openat(handle, &name, DIRECTORY, Mode::empty())?, buffer)?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_entry_is_counted_once_and_no_link_is_followed() {
        let place = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(place.path().join("a/b")).expect("directories");
        fs::write(place.path().join("a/b/file"), "x").expect("a file");
        std::os::unix::fs::symlink("..", place.path().join("a/up")).expect("a link");
        assert_eq!(count(place.path()).expect("walks"), 4);
        assert!(count(&place.path().join("none")).is_err());
    }
}
