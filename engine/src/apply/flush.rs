//! Making renames survive a power cut.

use std::collections::BTreeSet;

use rustix::fs::{self, Mode, OFlags};

use crate::beneath::Root;
use crate::durable::sync_directory;
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;

/// Up to this many directories are flushed one by one; more are flushed with the whole file system.
const ONE_BY_ONE: usize = 32;

/// Flushes the directories that hold `paths`.
pub fn flush_directories(root: &Root, paths: impl Iterator<Item = RelPath>) -> Result<()> {
    let mut directories = BTreeSet::new();
    for path in paths {
        directories.insert(path.parent());
        if directories.len() > ONE_BY_ONE {
            return flush_file_system(root);
        }
    }
    for directory in directories {
        match root.directory(directory.as_ref()) {
            Ok(handle) => sync_directory(handle, root.shown().display())?,
            // It is gone, or something else by now: its parent is flushed as well.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn flush_file_system(root: &Root) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat(root.handle(), ".", flags, Mode::empty())
        .and_then(fs::syncfs)
        .map_err(|errno| Error::io("flush", root.shown().display(), errno))
}
