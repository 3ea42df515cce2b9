//! The recovery area: what was on this disk and nowhere else, before it was replaced.
//!
//! Each run has a folder named by its time; in it, paths are what they were. Bounded by age and size, oldest first.
//! What is kept may be a symbolic link that somebody planted, under a path beneath which something else is kept later:
//! the folder is therefore walked by handles and never through a link.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs;
use rustix::io::Errno;

use super::live::names;
use super::sweep::sweep;
use crate::beneath::{Root, stamp_at};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::path::{MAX_NAME, RelPath};

/// How many folders go in one run because of their age. Each run adds one at most, so they do not pile up.
const EXPIRE: usize = 2;

/// The recovery folder of one run.
#[derive(Clone, Debug)]
pub struct Recovery {
    base: PathBuf,
    folder: PathBuf,
}

impl Recovery {
    /// The folder of `run` in `base`; made when the first thing is kept.
    pub fn new(cx: &Context, base: PathBuf, run: &str) -> Self {
        let time = cx.now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let folder = base.join(format!("{time}-{}", run.get(..8).unwrap_or(run)));
        Self { base, folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves `name` of the directory `at` here, as `path`. Across file systems it is copied, then removed.
    pub fn keep(&self, cx: &Context, at: impl AsFd, name: &[u8], path: &RelPath) -> Result<PathBuf> {
        let at = at.as_fd();
        let free = self.free_name(path)?;
        cx.step("apply.keep-aside");
        match fs::renameat(at, name, &free.directory, &free.name) {
            Ok(()) => Ok(free.shown),
            Err(Errno::XDEV) => {
                copy(at, name, free.directory.as_fd(), &free.name)?;
                cx.step("apply.kept-copy");
                remove(at, name)?;
                Ok(free.shown)
            }
            Err(errno) => Err(Error::io("keep aside", path, errno)),
        }
    }

    /// Copies `name` of the directory `at` here, as `path`, and leaves it where it is.
    pub fn copy(&self, at: impl AsFd, name: &[u8], path: &RelPath) -> Result<PathBuf> {
        let free = self.free_name(path)?;
        copy(at.as_fd(), name, free.directory.as_fd(), &free.name)?;
        Ok(free.shown)
    }

    fn free_name(&self, path: &RelPath) -> Result<Free> {
        let failed = |source: std::io::Error| Error::io("make the recovery folder", self.folder.display(), source);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let top = Root::open(&self.folder)?.directory(None)?;
        let parent = path.parent();
        // Something of this run may have been kept under the name of a directory that is needed now.
        let (directory, name, folder) = match walk(&top, parent.as_ref()).map_err(|errno| failed(errno.into()))? {
            Some(directory) => (directory, path.name().to_vec(), parent),
            None => (top, path.as_bytes().iter().map(|&byte| if byte == b'/' { b'%' } else { byte }).collect(), None),
        };
        let folder = folder.map_or_else(|| self.folder.clone(), |parent| self.folder.join(parent.as_path()));
        for number in 1..10_000 {
            let suffix = if number == 1 { String::new() } else { format!("~{number}") };
            // Of a name that is too long, its end.
            let most = MAX_NAME - suffix.len();
            let name = [&name[name.len().saturating_sub(most)..], suffix.as_bytes()].concat();
            if stamp_at(&directory, &name).map_err(|errno| failed(errno.into()))?.is_none() {
                let shown = folder.join(OsStr::from_bytes(&name));
                return Ok(Free { directory, name, shown });
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no free name in the recovery area").at(folder.display()))
    }

    /// Removes folders older than `age`, at most two in one run, then the oldest until at most `bytes` are left.
    /// This run's folder stays.
    ///
    /// Ages are by the clock, and a clock that was set forward makes everything old at once: then a few go with each
    /// run, and there is time to notice.
    pub fn trim(&self, now: Timestamp, age: Duration, bytes: u64) -> Result<()> {
        let failed = |source| Error::io("trim the recovery area", self.base.display(), source);
        let listing = match std::fs::read_dir(&self.base) {
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            listing => listing.map_err(failed)?,
        };
        let mut folders = Vec::new();
        for entry in listing {
            let path = entry.map_err(failed)?.path();
            if path != self.folder {
                folders.push((path.file_name().unwrap_or_default().to_owned(), size(&path), path));
            }
        }
        folders.sort();
        let oldest = now.as_second().saturating_sub_unsigned(age.as_secs());
        let limit =
            Timestamp::from_second(oldest).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut total = size(&self.folder) + folders.iter().map(|(_, size, _)| size).sum::<u64>();
        let mut expired = 0;
        for (name, size, path) in folders {
            let old = expired < EXPIRE && name.to_string_lossy().as_ref() < limit.as_str();
            expired += usize::from(old);
            if old || total > bytes {
                sweep(&path).map_err(failed)?;
                total = total.saturating_sub(size);
            }
        }
        Ok(())
    }
}

/// A name that nothing has.
struct Free {
    directory: OwnedFd,
    name: Vec<u8>,
    shown: PathBuf,
}

/// Goes down to `path` (`None`: stays at `top`), making the directories that are missing; none where something else
/// than a directory is in the way.
fn walk(top: &OwnedFd, path: Option<&RelPath>) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = fs::OFlags::DIRECTORY | fs::OFlags::RDONLY | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
    let mut at = fs::openat(top, ".", flags, fs::Mode::empty())?;
    for component in path.iter().flat_map(|path| path.components()) {
        match fs::mkdirat(&at, component, fs::Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        at = match fs::openat(&at, component, flags, fs::Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(errno),
        };
    }
    Ok(Some(at))
}

/// Bytes of the files beneath `path`, as far as they can be read.
fn size(path: &Path) -> u64 {
    let Ok(found) = path.symlink_metadata() else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    let Ok(listing) = std::fs::read_dir(path) else { return 0 };
    listing.filter_map(Result::ok).map(|entry| size(&entry.path())).sum()
}

/// Copies a file, a link or a directory with everything in it, and flushes it.
fn copy(at: BorrowedFd<'_>, name: &[u8], to: BorrowedFd<'_>, as_name: &[u8]) -> Result<()> {
    let failed =
        |source: std::io::Error| Error::io("copy to the recovery area", String::from_utf8_lossy(as_name), source);
    let broken = |errno: Errno| failed(errno.into());
    let stat = fs::statat(at, name, fs::AtFlags::SYMLINK_NOFOLLOW).map_err(broken)?;
    let plain = fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
    match fs::FileType::from_raw_mode(stat.st_mode) {
        fs::FileType::Symlink => {
            let link = fs::readlinkat(at, name, Vec::new()).map_err(broken)?;
            fs::symlinkat(&link, to, as_name).map_err(broken)
        }
        fs::FileType::Directory => {
            fs::mkdirat(to, as_name, fs::Mode::from_raw_mode(0o777)).map_err(broken)?;
            let flags = fs::OFlags::DIRECTORY | fs::OFlags::RDONLY | plain;
            let inner = fs::openat(at, name, flags, fs::Mode::empty()).map_err(broken)?;
            let into = fs::openat(to, as_name, flags, fs::Mode::empty()).map_err(broken)?;
            for name in names(&inner).map_err(broken)? {
                copy(inner.as_fd(), &name, into.as_fd(), &name)?;
            }
            Ok(())
        }
        fs::FileType::RegularFile => {
            let flags = fs::OFlags::RDONLY | fs::OFlags::NONBLOCK | plain;
            let from = fs::openat(at, name, flags, fs::Mode::empty()).map_err(broken)?;
            let flags = fs::OFlags::CREATE | fs::OFlags::EXCL | fs::OFlags::WRONLY | plain;
            let into = fs::openat(to, as_name, flags, fs::Mode::from_raw_mode(0o600)).map_err(broken)?;
            let mut into = std::fs::File::from(into);
            std::io::copy(&mut std::fs::File::from(from), &mut into).map_err(failed)?;
            fs::fchmod(&into, fs::Mode::from_raw_mode(stat.st_mode & 0o777)).map_err(broken)?;
            into.sync_all().map_err(failed)
        }
        // Sockets, fifos and devices hold nothing to keep.
        _ => Ok(()),
    }
}

/// Removes a file, a link or a directory with everything in it, never following a link.
fn remove(at: impl AsFd, name: &[u8]) -> Result<()> {
    let failed = |errno: Errno| Error::io("remove", String::from_utf8_lossy(name), errno);
    let at = at.as_fd();
    match fs::unlinkat(at, name, fs::AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        removed => return removed.map_err(failed),
    }
    let flags = fs::OFlags::DIRECTORY | fs::OFlags::RDONLY | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
    let inner = fs::openat(at, name, flags, fs::Mode::empty()).map_err(failed)?;
    for name in names(&inner).map_err(failed)? {
        remove(&inner, &name)?;
    }
    fs::unlinkat(at, name, fs::AtFlags::REMOVEDIR).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect(text)
    }

    #[test]
    fn keeps_under_the_same_path_and_never_overwrites() {
        let top = tempfile::tempdir().expect("tempdir");
        let cx = Context::new();
        let recovery = Recovery::new(&cx, top.path().join("recovery"), "0123456789");
        let live = File::open(top.path()).expect("open");
        for content in ["one", "two"] {
            std::fs::write(top.path().join("x"), content).expect("write");
            recovery.keep(&cx, &live, b"x", &path("a/x")).expect("keep");
        }
        assert_eq!(std::fs::read(recovery.folder().join("a/x")).expect("read"), b"one");
        assert_eq!(std::fs::read(recovery.folder().join("a/x~2")).expect("read"), b"two");
    }

    #[test]
    fn what_is_kept_beneath_a_link_that_was_kept_does_not_follow_it() {
        let top = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| top.path().join(name);
        for name in ["outside", "live"] {
            std::fs::create_dir(at(name)).expect("mkdir");
        }
        std::os::unix::fs::symlink(at("outside"), at("live/a")).expect("symlink");
        std::fs::write(at("live/x"), "planted").expect("write");
        let cx = Context::new();
        let recovery = Recovery::new(&cx, at("recovery"), "0123456789");
        let live = File::open(at("live")).expect("open");
        let long = path(&format!("a/{}", vec!["d".repeat(200); 19].join("/")));
        recovery.keep(&cx, &live, b"a", &path("a")).expect("keep");
        recovery.copy(&live, b"x", &long).expect("copy");
        let kept = recovery.keep(&cx, &live, b"x", &path("a/x")).expect("keep");
        assert_eq!(kept, recovery.folder().join("a%x"));
        assert_eq!(std::fs::read(kept).expect("read"), b"planted");
        assert_eq!(std::fs::read_dir(at("outside")).expect("list").count(), 0, "it was moved out through the link");
    }

    #[test]
    fn across_file_systems_it_copies_and_removes() {
        let live = tempfile::tempdir_in("/var/tmp").expect("tempdir");
        let other = tempfile::tempdir_in("/dev/shm").expect("tempdir");
        std::fs::create_dir_all(live.path().join("d/e")).expect("mkdir");
        std::fs::write(live.path().join("d/e/f"), "content").expect("write");
        std::os::unix::fs::symlink("nowhere", live.path().join("d/link")).expect("symlink");
        let cx = Context::new();
        let recovery = Recovery::new(&cx, other.path().join("recovery"), "0123456789");
        recovery.keep(&cx, File::open(live.path()).expect("open"), b"d", &path("d")).expect("keep");
        assert!(!live.path().join("d").exists());
        assert_eq!(std::fs::read(recovery.folder().join("d/e/f")).expect("read"), b"content");
        assert!(recovery.folder().join("d/link").is_symlink());
    }

    #[test]
    fn trims_by_age_and_by_size_oldest_first() {
        let top = tempfile::tempdir().expect("tempdir");
        let base = top.path().join("recovery");
        for folder in ["20200101T000000Z-a", "20261101T000000Z-b", "20261102T000000Z-c"] {
            std::fs::create_dir_all(base.join(folder)).expect("mkdir");
            std::fs::write(base.join(folder).join("x"), [0; 100]).expect("write");
        }
        let now: Timestamp = "2026-11-03T00:00:00Z".parse().expect("time");
        let recovery = Recovery::new(&Context::new(), base.clone(), "0123456789");
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(&base).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
            names.sort();
            names
        };
        recovery.trim(now, Duration::from_secs(30 * 86_400), 1000).expect("trim");
        assert_eq!(names(), ["20261101T000000Z-b", "20261102T000000Z-c"]);
        recovery.trim(now, Duration::from_secs(30 * 86_400), 150).expect("trim");
        assert_eq!(names(), ["20261102T000000Z-c"]);
    }
}
