//! What stands at a path right now, compared with what was planned.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, FileType, Mode as FsMode, OFlags};

use crate::beneath::stamp_at;
use crate::error::{Error, Result};
use crate::hash::Hasher;
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::{Entry, LinkTarget, Mode};

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What the plan saw.
    Old,
    /// What is wanted: the step was taken already.
    New,
    /// Nothing, although the plan saw something.
    Gone,
    /// Something else.
    Other,
}

/// Looks at `name` in the directory `at`: what was found, and its stamp if there is anything.
pub(super) fn look(
    at: impl AsFd,
    name: &[u8],
    have: Option<&Entry>,
    want: Option<&Entry>,
    expected: Option<&Stamp>,
) -> Result<(Found, Option<Stamp>)> {
    let at = at.as_fd();
    let stamp = stamp_at(at, name).map_err(|errno| Error::io("look at", String::from_utf8_lossy(name), errno))?;
    let Some(stamp) = stamp else {
        let found = match (have, want) {
            (None, _) => Found::Old,
            (Some(_), None) => Found::New,
            (Some(_), Some(_)) => Found::Gone,
        };
        return Ok((found, None));
    };
    if expected == Some(&stamp) && have.is_some() {
        return Ok((Found::Old, Some(stamp)));
    }
    let found = match entry_at(at, name, &stamp)? {
        now if now.is_some() && now.as_ref() == want => Found::New,
        now if now.is_some() && now.as_ref() == have => Found::Old,
        _ => Found::Other,
    };
    Ok((found, Some(stamp)))
}

/// The entry that `name` is, its content read; none for a socket, fifo or device.
pub(super) fn entry_at(at: impl AsFd, name: &[u8], stamp: &Stamp) -> Result<Option<Entry>> {
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
            let (hash, size) = hash_file(&mut File::from(file), stamp.size).map_err(failed)?;
            Some(Entry::File { mode, size, hash })
        }
        _ => None,
    })
}

/// The names in a directory, as the system lists them.
pub(super) fn names(directory: impl AsFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Hashes what can be read; `expected` bytes, most likely.
fn hash_file(file: &mut File, expected: u64) -> std::io::Result<(crate::hash::Digest, u64)> {
    const MOST: usize = 1 << 18;
    let mut hasher = Hasher::plain();
    // One byte more shows that it grew.
    let mut buffer = vec![0; usize::try_from(expected).unwrap_or(MOST).saturating_add(1).min(MOST)];
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
    last: Option<(Option<RelPath>, Arc<OwnedFd>)>,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: &'a crate::beneath::Root) -> Self {
        Self { root, last: None }
    }

    /// The handle of the directory that holds `path`.
    pub(super) fn of(&mut self, path: &RelPath) -> Result<Arc<OwnedFd>> {
        let parent = path.parent();
        if let Some((last, handle)) = &self.last
            && *last == parent
        {
            return Ok(Arc::clone(handle));
        }
        let handle = Arc::new(self.root.directory(parent.as_ref())?);
        self.last = Some((parent, Arc::clone(&handle)));
        Ok(handle)
    }

    /// Forgets the handle: the directory may have been replaced.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}
