//! What stands at a path right now, compared with what was planned.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, FileType, Mode as FsMode, OFlags};

use crate::beneath::stamp_at;
use crate::error::{Error, Result};
use crate::hash::Hasher;
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::{Entry, LinkTarget, Mode};

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// What the plan saw.
    Old,
    /// What is wanted: the step was taken already.
    New,
    /// Nothing, although the plan saw something.
    Gone,
    /// Something else.
    Other,
}

/// Looks at `name` in the directory `at`.
pub fn look(
    at: impl AsFd,
    name: &[u8],
    have: Option<&Entry>,
    want: Option<&Entry>,
    expected: Option<&Stamp>,
) -> Result<Found> {
    let at = at.as_fd();
    let stamp = stamp_at(at, name).map_err(|errno| Error::io("look at", String::from_utf8_lossy(name), errno))?;
    let Some(stamp) = stamp else {
        return Ok(match (have, want) {
            (None, _) => Found::Old,
            (Some(_), None) => Found::New,
            (Some(_), Some(_)) => Found::Gone,
        });
    };
    if expected == Some(&stamp) && have.is_some() {
        return Ok(Found::Old);
    }
    let now = entry_at(at, name, &stamp)?;
    Ok(match now {
        now if now.is_some() && now.as_ref() == want => Found::New,
        now if now.is_some() && now.as_ref() == have => Found::Old,
        _ => Found::Other,
    })
}

/// The entry that `name` is, its content read; none for a socket, fifo or device.
pub fn entry_at(at: impl AsFd, name: &[u8], stamp: &Stamp) -> Result<Option<Entry>> {
    let failed = |errno: std::io::Error| Error::io("read", String::from_utf8_lossy(name), errno);
    let mode = Mode::new(u32::from(stamp.permissions()));
    Ok(match stamp.file_type() {
        FileType::Directory => Some(Entry::Directory { mode }),
        FileType::Symlink => {
            let target = fs::readlinkat(at, name, Vec::new()).map_err(|errno| failed(errno.into()))?;
            Some(Entry::Symlink { target: LinkTarget::new(target.into_bytes())? })
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = fs::openat(at, name, flags, FsMode::empty()).map_err(|errno| failed(errno.into()))?;
            let (hash, size) = hash_file(&mut File::from(file)).map_err(failed)?;
            Some(Entry::File { mode, size, hash })
        }
        _ => None,
    })
}

fn hash_file(file: &mut File) -> std::io::Result<(crate::hash::Digest, u64)> {
    let mut hasher = Hasher::plain();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher.finish(), size)),
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

/// Keeps the directory handle of the last path: steps come in path order, so most share their parent.
pub(super) struct Parents<'a> {
    root: &'a crate::beneath::Root,
    last: Option<(Option<RelPath>, OwnedFd)>,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: &'a crate::beneath::Root) -> Self {
        Self { root, last: None }
    }

    /// The handle of the directory that holds `path`.
    pub(super) fn of(&mut self, path: &RelPath) -> Result<&OwnedFd> {
        let parent = path.parent();
        if self.last.as_ref().is_none_or(|(last, _)| *last != parent) {
            let handle = self.root.directory(parent.as_ref())?;
            return Ok(&self.last.insert((parent, handle)).1);
        }
        match &self.last {
            Some((_, handle)) => Ok(handle),
            None => Err(Error::new(crate::error::ErrorKind::Internal, "no directory handle")),
        }
    }

    /// Forgets the handle: the directory may have been replaced.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}
