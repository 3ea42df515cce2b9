//! The durable writes of the engine, each pattern once.
//!
//! A file that others may read gets its name only when it is whole: written under a temporary name, flushed, and
//! then renamed ([`replace`]) or hard-linked ([`create_exclusive`]; atomic on NFS too, where `RENAME_NOREPLACE`
//! does not exist). The flush comes before the close and reports what the disk or the server could not write (a
//! network file system reports it there), so no error is left for `close` to swallow. The directory is flushed last.
//!
//! Order of writes: create temporary -> write -> fsync -> rename or link -> fsync directory (-> remove temporary).
//! A crash in between leaves a temporary file, which whoever owns the directory sweeps; never a partial name.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// Where a temporary file is made and what it is to be called: two directories of one file system.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The directory for the temporary file.
    pub staging: BorrowedFd<'a>,
    /// Its name there. A leftover of that name is replaced.
    pub temporary: &'a str,
    /// The directory of the final name.
    pub directory: BorrowedFd<'a>,
    /// The final name.
    pub name: &'a str,
    /// Permission bits of the new file, before the umask.
    pub mode: u32,
}

/// Whether an exclusive creation won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The name is ours now.
    Yes,
    /// The name was there already; nothing was changed.
    Existed,
}

/// Writes `bytes` under the final name, replacing whatever had it.
pub fn replace(cx: &Context, target: Target<'_>, bytes: &[u8]) -> Result<()> {
    stage(cx, target, bytes)?;
    rename_staged(cx, target)
}

/// The same for what can be made again: whole at any moment, and lost by a power cut.
pub fn replace_hastily(cx: &Context, target: Target<'_>, bytes: &[u8]) -> Result<()> {
    write(cx, target, bytes)?;
    cx.step("durable.rename");
    fs::renameat(target.staging, target.temporary, target.directory, target.name)
        .map_err(|errno| Error::io("rename into place", target.name, errno))
}

/// The second half of [`replace`]: gives a staged file its name.
pub fn rename_staged(cx: &Context, target: Target<'_>) -> Result<()> {
    cx.step("durable.rename");
    fs::renameat(target.staging, target.temporary, target.directory, target.name)
        .map_err(|errno| Error::io("rename into place", target.name, errno))?;
    cx.step("durable.sync-directory");
    sync_directory(target.directory, target.name)
}

/// Writes `bytes` under the final name unless it exists. Without hard links: [`ErrorKind::Unsupported`].
pub fn create_exclusive(cx: &Context, target: Target<'_>, bytes: &[u8]) -> Result<Created> {
    stage(cx, target, bytes)?;
    link_staged(cx, target)
}

/// The second half of [`create_exclusive`]: gives a staged file its name unless that exists, and removes the
/// temporary one. A temporary file that somebody else has removed: [`ErrorKind::NotFound`], and nothing is created.
pub fn link_staged(cx: &Context, target: Target<'_>) -> Result<Created> {
    cx.step("durable.link");
    let linked = link(target);
    let removed = fs::unlinkat(target.staging, target.temporary, AtFlags::empty());
    let created = linked?;
    match removed {
        // Whoever swept it after the link came too late to matter.
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(Error::io("remove the temporary file", target.temporary, errno)),
    }
    cx.step("durable.sync-directory");
    sync_directory(target.directory, target.name)?;
    Ok(created)
}

/// The one write pattern under both, and their first half: a whole, flushed temporary file.
pub fn stage(cx: &Context, target: Target<'_>, bytes: &[u8]) -> Result<()> {
    let file = write(cx, target, bytes)?;
    cx.step("durable.sync");
    file.sync_all().map_err(|source| not_written(target, source))
}

fn not_written(target: Target<'_>, source: std::io::Error) -> Error {
    let _ = fs::unlinkat(target.staging, target.temporary, AtFlags::empty());
    Error::io("write", target.name, source)
}

/// A whole temporary file.
fn write(cx: &Context, target: Target<'_>, bytes: &[u8]) -> Result<File> {
    cx.step("durable.create");
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = fs::openat(target.staging, target.temporary, flags, Mode::from_raw_mode(target.mode))
        .map_err(|errno| Error::io("create", target.temporary, errno))?;
    let mut file = File::from(file);
    cx.step("durable.write");
    file.write_all(bytes).map_err(|source| not_written(target, source))?;
    Ok(file)
}

fn link(target: Target<'_>) -> Result<Created> {
    match fs::linkat(target.staging, target.temporary, target.directory, target.name, AtFlags::empty()) {
        Ok(()) => Ok(Created::Yes),
        // The answer to a link that succeeded may have been lost and the call repeated by the NFS client: a link
        // count of two says that the name is ours.
        Err(Errno::EXIST) => match fs::statat(target.staging, target.temporary, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if stat.st_nlink == 2 => Ok(Created::Yes),
            _ => Ok(Created::Existed),
        },
        Err(errno @ (Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK)) => {
            Err(Error::new(ErrorKind::Unsupported, "this file system has no hard links")
                .at(target.name)
                .because(std::io::Error::from(errno)))
        }
        Err(errno) => Err(Error::io("link into place", target.name, errno)),
    }
}

/// Flushes a directory, so that the names in it survive a power cut.
pub fn sync_directory(directory: impl AsFd, shown: impl std::fmt::Display) -> Result<()> {
    match fs::fsync(directory) {
        // Some network and user-space file systems cannot flush a directory; there is nothing else to do there.
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        Err(errno) => Err(Error::io("flush the directory of", shown, errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_creates_exclusively() {
        let dir = tempfile::tempdir().expect("tempdir");
        let handle = File::open(dir.path()).expect("open");
        let at = handle.as_fd();
        let target = Target { staging: at, temporary: "tmp", directory: at, name: "name", mode: 0o644 };
        let cx = Context::new();
        assert_eq!(create_exclusive(&cx, target, b"one").expect("create"), Created::Yes);
        assert_eq!(create_exclusive(&cx, target, b"two").expect("create"), Created::Existed);
        assert_eq!(std::fs::read(dir.path().join("name")).expect("read"), b"one");
        replace(&cx, target, b"three").expect("replace");
        assert_eq!(std::fs::read(dir.path().join("name")).expect("read"), b"three");
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
