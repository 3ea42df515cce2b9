//! The recovery area: what was on this disk and nowhere else, before it was replaced.
//!
//! Each run has a folder named by its time; in it, paths are what they were. Bounded by age and size, oldest first.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs;
use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;

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
        let target = self.free_name(path)?;
        cx.step("apply.keep-aside");
        match fs::renameat(at, name, fs::CWD, &target) {
            Ok(()) => Ok(target),
            Err(Errno::XDEV) => {
                copy(at, name, &target)?;
                cx.step("apply.kept-copy");
                remove(at, name)?;
                Ok(target)
            }
            Err(errno) => Err(Error::io("keep aside", path, errno)),
        }
    }

    /// Copies `name` of the directory `at` here, as `path`, and leaves it where it is.
    pub fn copy(&self, at: impl AsFd, name: &[u8], path: &RelPath) -> Result<PathBuf> {
        let target = self.free_name(path)?;
        copy(at.as_fd(), name, &target)?;
        Ok(target)
    }

    fn free_name(&self, path: &RelPath) -> Result<PathBuf> {
        let wished = self.folder.join(path.as_path());
        let parent = wished.parent().unwrap_or(&self.folder);
        // Something of this run may have been kept under the name of a directory that is needed now.
        let mut target = match std::fs::create_dir_all(parent) {
            Ok(()) => wished,
            Err(source)
                if source.kind() == std::io::ErrorKind::NotADirectory
                    || source.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                std::fs::create_dir_all(&self.folder)
                    .map_err(|source| Error::io("make the recovery folder", self.folder.display(), source))?;
                self.folder.join(path.to_string().replace('/', "%"))
            }
            Err(source) => return Err(Error::io("make the recovery folder", parent.display(), source)),
        };
        for number in 2..10_000 {
            if !target.try_exists().unwrap_or(true) && target.symlink_metadata().is_err() {
                return Ok(target);
            }
            let mut name = path.as_path().file_name().unwrap_or_default().to_owned();
            name.push(format!("~{number}"));
            target.set_file_name(name);
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no free name in the recovery area").at(target.display()))
    }

    /// Removes folders older than `age`, then the oldest until at most `bytes` are left. This run's folder stays.
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
        for (name, size, path) in folders {
            if name.to_string_lossy().as_ref() < limit.as_str() || total > bytes {
                std::fs::remove_dir_all(&path).map_err(failed)?;
                total = total.saturating_sub(size);
            }
        }
        Ok(())
    }
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
fn copy(at: impl AsFd, name: &[u8], target: &Path) -> Result<()> {
    let failed = |source: std::io::Error| Error::io("copy to the recovery area", target.display(), source);
    let at = at.as_fd();
    let stat = fs::statat(at, name, fs::AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| failed(errno.into()))?;
    match fs::FileType::from_raw_mode(stat.st_mode) {
        fs::FileType::Symlink => {
            let link = fs::readlinkat(at, name, Vec::new()).map_err(|errno| failed(errno.into()))?;
            fs::symlink(&link, target).map_err(|errno| failed(errno.into()))
        }
        fs::FileType::Directory => {
            std::fs::create_dir(target).map_err(failed)?;
            let flags = fs::OFlags::DIRECTORY | fs::OFlags::RDONLY | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
            let inner = fs::openat(at, name, flags, fs::Mode::empty()).map_err(|errno| failed(errno.into()))?;
            for name in names(&inner).map_err(|errno| failed(errno.into()))? {
                copy(&inner, &name, &target.join(std::ffi::OsStr::from_bytes(&name)))?;
            }
            Ok(())
        }
        fs::FileType::RegularFile => {
            let flags = fs::OFlags::RDONLY | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC | fs::OFlags::NONBLOCK;
            let from = fs::openat(at, name, flags, fs::Mode::empty()).map_err(|errno| failed(errno.into()))?;
            let mut to = std::fs::OpenOptions::new().create_new(true).write(true).open(target).map_err(failed)?;
            std::io::copy(&mut std::fs::File::from(from), &mut to).map_err(failed)?;
            fs::fchmod(&to, fs::Mode::from_raw_mode(stat.st_mode & 0o777)).map_err(|errno| failed(errno.into()))?;
            to.sync_all().map_err(failed)
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

fn names(directory: impl AsFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
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
