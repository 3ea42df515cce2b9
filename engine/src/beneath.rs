//! Opening things beneath a directory, and nowhere else.
//!
//! [`Root`] holds a directory handle. Everything inside is reached from that handle, component by component, and
//! never through a symbolic link: a planted `a -> /etc` makes `a/passwd` an error, not a way out, also when it is
//! planted while we work. The kernel checks it (`openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
//! RESOLVE_NO_MAGICLINKS`); where that call is missing, each component is opened with `O_NOFOLLOW` in turn.
//!
//! The last component is left to the caller, who names it relative to the handle of its parent
//! ([`Root::parent`]): `*at` calls that do not follow links are safe there.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::stamp::Stamp;

/// A directory, and the only way to what is in it.
#[derive(Debug)]
pub struct Root {
    handle: OwnedFd,
    shown: PathBuf,
    walk_by_hand: AtomicBool,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

impl Root {
    /// Opens `path`. The path itself may lead through symbolic links: it is the operator's.
    pub fn open(path: &Path) -> Result<Self> {
        let handle = fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Error::io("open the directory", path.display(), errno))?;
        Ok(Self { handle, shown: path.to_owned(), walk_by_hand: AtomicBool::new(false) })
    }

    /// The same directory, opened without `openat2`: what a kernel older than 5.6 gets.
    pub fn without_openat2(self) -> Self {
        self.walk_by_hand.store(true, Ordering::Relaxed);
        self
    }

    /// The same directory once more.
    pub fn again(&self) -> Result<Self> {
        let walk_by_hand = AtomicBool::new(self.walk_by_hand.load(Ordering::Relaxed));
        Ok(Self { handle: self.directory(None)?, shown: self.shown.clone(), walk_by_hand })
    }

    /// The handle of the directory itself.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Where the directory is, for messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The full path of `path`, for messages only.
    pub fn display(&self, path: &RelPath) -> String {
        format!("{}/{path}", self.shown.display())
    }

    /// Opens the directory `path` (`None`: the root itself).
    pub fn directory(&self, path: Option<&RelPath>) -> Result<OwnedFd> {
        match path {
            // Opened anew: a duplicate would share the offset of a listing.
            None => fs::openat(&self.handle, ".", DIRECTORY | OFlags::RDONLY, Mode::empty())
                .map_err(|errno| Error::io("open", self.shown.display(), errno)),
            Some(path) => self.resolve(path, DIRECTORY | OFlags::RDONLY),
        }
    }

    /// Whether there is anything in the directory itself.
    pub fn holds_something(&self) -> Result<bool> {
        let failed = |errno| Error::io("list", self.shown.display(), errno);
        for entry in fs::Dir::read_from(self.directory(None)?).map_err(failed)? {
            if !matches!(entry.map_err(failed)?.file_name().to_bytes(), b"." | b"..") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens the directory that holds `path`: the handle that its last component is named against.
    pub fn parent(&self, path: &RelPath) -> Result<OwnedFd> {
        self.directory(path.parent().as_ref())
    }

    /// Opens the regular file `path` for reading. A fifo does not block, a symbolic link is an error.
    pub fn read(&self, path: &RelPath) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.resolve(path, flags)?);
        let is_file = file.metadata().map_err(|source| Error::io("look at", self.display(path), source))?.is_file();
        if is_file {
            Ok(file)
        } else {
            Err(Error::new(ErrorKind::Refused, "it is no longer a regular file").at(self.display(path)))
        }
    }

    /// The stamp of whatever `path` names, not following it; `None` when nothing is there.
    pub fn stamp(&self, path: &RelPath) -> Result<Option<Stamp>> {
        let parent = match self.parent(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            parent => parent?,
        };
        stamp_at(&parent, path.name()).map_err(|errno| Error::io("look at", self.display(path), errno))
    }

    /// Where the symbolic link `path` points to.
    pub fn link_target(&self, path: &RelPath) -> Result<Vec<u8>> {
        let parent = self.parent(path)?;
        let target = fs::readlinkat(&parent, path.name(), Vec::new())
            .map_err(|errno| Error::io("read the link", self.display(path), errno))?;
        Ok(target.into_bytes())
    }

    fn resolve(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd> {
        let opened = if self.walk_by_hand.load(Ordering::Relaxed) {
            self.resolve_by_hand(path, flags)
        } else {
            match self.resolve_by_kernel(path, flags) {
                Err(Errno::NOSYS | Errno::PERM) => {
                    // PERM: a seccomp filter that does not know the call.
                    let opened = self.resolve_by_hand(path, flags);
                    if opened.is_ok() {
                        self.walk_by_hand.store(true, Ordering::Relaxed);
                    }
                    opened
                }
                opened => opened,
            }
        };
        opened.map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Error::new(
                ErrorKind::Refused,
                "a symbolic link or something else stands where a directory or a file is expected",
            )
            .op("open")
            .at(self.display(path))
            .because(std::io::Error::from(errno)),
            errno => Error::io("open", self.display(path), errno),
        })
    }

    fn resolve_by_kernel(&self, path: &RelPath, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..64 {
            // AGAIN: a rename elsewhere raced with the walk.
            match fs::openat2(&self.handle, path.as_bytes(), flags, Mode::empty(), how) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return opened,
            }
        }
        self.resolve_by_hand(path, flags)
    }

    fn resolve_by_hand(&self, path: &RelPath, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut directory: Option<OwnedFd> = None;
        let last = path.depth() - 1;
        for (index, component) in path.components().enumerate() {
            let at = directory.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            let flags = if index == last { flags | OFlags::NOFOLLOW } else { DIRECTORY | OFlags::PATH };
            directory = Some(fs::openat(at, component, flags, Mode::empty())?);
        }
        directory.ok_or(Errno::NOENT)
    }
}

/// The stamp of `name` in the directory `at`, not following links; `None` when nothing is there.
pub fn stamp_at(at: impl AsFd, name: &[u8]) -> rustix::io::Result<Option<Stamp>> {
    match fs::statx(at, name, AtFlags::SYMLINK_NOFOLLOW, crate::stamp::WANTED) {
        Ok(found) => Ok(Some(Stamp::from(&found))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect(text)
    }

    #[test]
    fn never_leaves_the_root_by_a_symlink() {
        let outside = tempfile::tempdir().expect("tempdir");
        std::fs::write(outside.path().join("secret"), "s").expect("write");
        let inside = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir_all(inside.path().join("a/b")).expect("mkdir");
        std::fs::write(inside.path().join("a/b/file"), "content").expect("write");
        symlink(outside.path(), inside.path().join("out")).expect("symlink");
        symlink("b", inside.path().join("a/link")).expect("symlink");
        symlink("/", inside.path().join("a/b/root")).expect("symlink");
        for root in
            [Root::open(inside.path()).expect("open"), Root::open(inside.path()).expect("open").without_openat2()]
        {
            assert!(root.read(&path("a/b/file")).is_ok());
            assert_eq!(root.stamp(&path("a/b/file")).expect("stamp").expect("there").size, 7);
            assert!(root.stamp(&path("a/none")).expect("stamp").is_none());
            assert!(root.stamp(&path("none/none")).expect("stamp").is_none());
            for escape in ["out/secret", "a/link/file", "a/b/root/etc", "out", "a/link"] {
                assert_eq!(root.read(&path(escape)).expect_err(escape).kind(), ErrorKind::Refused, "{escape}");
            }
            assert!(root.stamp(&path("out/secret")).is_err());
            assert_eq!(root.link_target(&path("a/link")).expect("link"), b"b");
            assert!(root.directory(Some(&path("out"))).is_err());
        }
    }

    #[test]
    fn a_fifo_does_not_block() {
        let inside = tempfile::tempdir().expect("tempdir");
        let root = Root::open(inside.path()).expect("open");
        fs::mknodat(root.handle(), "fifo", fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("mkfifo");
        assert_eq!(root.read(&path("fifo")).expect_err("fifo").kind(), ErrorKind::Refused);
    }
}
