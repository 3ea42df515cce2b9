//! The shadow of a unit: the whole directory as it is to be, staged beside the one that is live.
//!
//! What changes in it is new. What stays is a *second name* of the very file that is live (a hard link): it keeps inode,
//! owner and time, a server that has it open goes on writing to what the unit has after the exchange, and a second copy
//! of everything is neither written nor read. Nothing live is changed by that but link counts. A file whose permissions
//! alone change is copied with its time, for the link would change the live one, too. Directories cannot have two names:
//! they are made, with mode, owner and, where nothing in them changes, the time of those that are live.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::Stage;
use super::design::{Changing, Design, is_directory, there, walk};
use super::live::{Parents, entry_at};
use crate::beneath::{Root, stamp_at};
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::{self, Entry};

/// The staged directory. See the module.
pub(super) struct Shadow<'a> {
    area: &'a Root,
    live: &'a Root,
    unit: &'a RelPath,
    name: RelPath,
    parents: Parents<'a>,
}

impl<'a> Shadow<'a> {
    pub(super) fn of(design: &Design<'a>, area: &'a Root, name: String) -> Result<Self> {
        let name = RelPath::new(name.into_bytes())?;
        Ok(Self { area, live: design.root, unit: design.unit, name, parents: Parents::new(area) })
    }

    /// Where `path` is in the staging area.
    fn inside(&self, path: &RelPath) -> Result<RelPath> {
        let rest = &path.as_bytes()[self.unit.as_bytes().len()..];
        RelPath::new([self.name.as_bytes(), rest].concat())
    }

    pub(super) fn stamp(&self, path: &RelPath) -> Result<Option<Stamp>> {
        self.area.stamp(&self.inside(path)?)
    }

    /// What is staged, if anything is.
    pub(super) fn kind(&self) -> Result<Option<FileType>> {
        Ok(self.area.stamp(&self.name)?.map(|stamp| stamp.file_type()))
    }

    /// The staged directory that `path` is to be in, and its name there.
    fn place_of(&mut self, path: &RelPath) -> Result<(Arc<OwnedFd>, RelPath)> {
        let inside = self.inside(path)?;
        match self.parents.of(&inside) {
            Ok(parent) => Ok((parent, inside)),
            Err(error) if error.kind() == ErrorKind::NotFound && path != self.unit => {
                if let Some(parent) = path.parent() {
                    self.make(&parent)?;
                }
                Ok((self.parents.of(&inside)?, inside))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a directory, and those above it; one that is there is left.
    pub(super) fn make(&mut self, path: &RelPath) -> Result<()> {
        let (parent, inside) = self.place_of(path)?;
        match with_access(&parent, || fs::mkdirat(&parent, inside.name(), Mode::RWXU)) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) if is_directory(self.area.stamp(&inside)?) => Ok(()),
            Err(errno) => Err(Error::io("stage", path, errno)),
        }
    }

    /// Gives what was staged for `path` its place.
    pub(super) fn place(&mut self, stage: &Stage, path: &RelPath, change: &Changing, want: &Entry) -> Result<()> {
        let (parent, inside) = self.place_of(path)?;
        match fs::renameat(stage.directory(), stage.name(change.number), &parent, inside.name()) {
            Err(Errno::NOENT) if change.have.as_ref().is_some_and(|have| have.differs_in_mode_only(want)) => {
                self.copy(path, &parent, inside.name(), want)
            }
            renamed => renamed.map_err(|errno| Error::io("stage", path, errno)),
        }
    }

    /// Copies the live file, with its time, where permissions alone change.
    fn copy(&self, path: &RelPath, parent: &OwnedFd, name: &[u8], want: &Entry) -> Result<()> {
        let failed = |source: std::io::Error| Error::io("copy", path, source);
        let broken = |errno: Errno| failed(errno.into());
        let mut from = self.live.read(path)?;
        let found = fs::fstat(&from).map_err(broken)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut to = File::from(fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(broken)?);
        std::io::copy(&mut from, &mut to).map_err(failed)?;
        take_owner(&to, path, Owner::of(&found))?;
        let mode = want.mode().map_or(found.st_mode, tree::Mode::bits);
        fs::fchmod(&to, Mode::from_raw_mode(mode)).and_then(|()| fs::futimens(&to, &times(&found))).map_err(broken)?;
        let copied = stamp_at(parent, name).map_err(broken)?;
        let copied = copied.map(|stamp| entry_at(parent, name, &stamp)).transpose()?.flatten();
        if copied.as_ref() == Some(want) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Refused, "it was changed here while it was copied").at(path))
    }

    /// Gives a file that stays its second name; says whether it had none yet.
    pub(super) fn link(&mut self, at: BorrowedFd<'_>, stamp: &Stamp, path: &RelPath) -> Result<bool> {
        let (parent, inside) = self.place_of(path)?;
        let link = || fs::linkat(at, path.name(), &parent, inside.name(), AtFlags::empty());
        let mut linked = with_access(&parent, link);
        if linked == Err(Errno::EXIST) {
            let there = stamp_at(&parent, inside.name()).map_err(|errno| Error::io("look at", path, errno))?;
            if there.is_some_and(|there| there.inode == stamp.inode) {
                return Ok(false);
            }
            // It was replaced here since.
            linked =
                with_access(&parent, || fs::unlinkat(&parent, inside.name(), AtFlags::empty())).and_then(|()| link());
        }
        match linked {
            Ok(()) => Ok(true),
            // It went in this moment.
            Err(Errno::NOENT) => Ok(false),
            // The same file system, mounted once more.
            Err(Errno::XDEV) => Err(Error::new(ErrorKind::Refused, "something is mounted there").at(path)),
            Err(Errno::PERM) => Err(Error::new(
                ErrorKind::Refused,
                "it belongs to another user (and fs.protected_hardlinks is set), or this file system has no hard links",
            )
            .op("give a second name to")
            .at(path)),
            Err(errno) => Err(Error::io("give a second name to", path, errno)),
        }
    }

    /// Removes what is live no more and does not change either; says whether there was any.
    pub(super) fn drop_gone(&mut self, design: &Design<'_>) -> Result<bool> {
        let mut gone: Vec<(RelPath, bool)> = Vec::new();
        if self.kind()? == Some(FileType::Directory) {
            walk(self.area, &self.name, &mut |staged, _, stamp| {
                let path = self.outside(staged)?;
                if !design.changes.contains_key(&path) && there(self.live, &path)?.is_none() {
                    gone.push((path, stamp.file_type() == FileType::Directory));
                }
                Ok(true)
            })?;
        }
        gone.sort_unstable();
        for (path, is_directory) in gone.iter().rev() {
            let (parent, inside) = self.place_of(path)?;
            let flags = if *is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match with_access(&parent, || fs::unlinkat(&parent, inside.name(), flags)) {
                // Something is in it that changes.
                Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(errno) => return Err(Error::io("stage", path, errno)),
            }
        }
        Ok(!gone.is_empty())
    }

    /// The path that is staged as `staged`.
    fn outside(&self, staged: &RelPath) -> Result<RelPath> {
        RelPath::new([self.unit.as_bytes(), &staged.as_bytes()[self.name.as_bytes().len()..]].concat())
    }

    /// Gives the directories owner, mode and time, deepest first.
    pub(super) fn finish(&mut self, design: &Design<'_>) -> Result<()> {
        if self.kind()? != Some(FileType::Directory) {
            return Ok(());
        }
        let mut directories = vec![self.name.clone()];
        walk(self.area, &self.name, &mut |staged, _, stamp| {
            if stamp.file_type() == FileType::Directory {
                directories.push(staged.clone());
            }
            Ok(true)
        })?;
        directories.sort_unstable();
        let comes_or_goes = |(_, change): &(&RelPath, &Changing)| match (&change.have, &change.want) {
            (Some(have), Some(want)) => {
                !(have.is_directory() && want.is_directory() || have.differs_in_mode_only(want))
            }
            _ => true,
        };
        let stirred = design.changes.iter().filter(comes_or_goes);
        let stirred: BTreeSet<RelPath> = stirred.filter_map(|(path, _)| path.parent()).collect();
        for staged in directories.iter().rev() {
            let path = self.outside(staged)?;
            let failed = |errno| Error::io("prepare", &path, errno);
            let handle = self.area.directory(Some(staged))?;
            let live = match is_directory(there(self.live, &path)?) {
                true => Some(fs::fstat(self.live.directory(Some(&path))?).map_err(failed)?),
                false => None,
            };
            if let Some(live) = &live {
                take_owner(&handle, &path, Owner::of(live))?;
            }
            let wanted = design.changes.get(&path).and_then(|change| change.want.as_ref()).and_then(Entry::mode);
            let mode = wanted.map(tree::Mode::bits).or(live.as_ref().map(|live| live.st_mode & 0o7777));
            // Who renames a directory must be able to write in it; the last of its bits follow the exchange.
            let mode = mode.map(|mode| if path == *self.unit { mode | 0o700 } else { mode });
            if let Some(mode) = mode {
                fs::fchmod(&handle, Mode::from_raw_mode(mode)).map_err(failed)?;
            }
            if let Some(live) = live.filter(|_| !stirred.contains(&path)) {
                fs::futimens(&handle, &times(&live)).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// User and group.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner(u32, u32);

impl Owner {
    fn of(stat: &fs::Stat) -> Self {
        Self(stat.st_uid, stat.st_gid)
    }
}

/// Lets what is staged belong to whom the live one belongs to.
fn take_owner(staged: impl AsFd, path: &RelPath, owner: Owner) -> Result<()> {
    let staged = staged.as_fd();
    let now = fs::fstat(staged).map_err(|errno| Error::io("look at", path, errno))?;
    if Owner::of(&now) == owner {
        return Ok(());
    }
    let given = fs::fchown(staged, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    given.map_err(|errno| {
        Error::new(ErrorKind::Refused, "it belongs to another user, and a new one in its place would not")
            .at(path)
            .because(std::io::Error::from(errno))
    })
}

fn times(stat: &fs::Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds.cast_signed() };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Does `deed` in a directory of the shadow, and once more with its permissions if they forbid it already.
fn with_access(directory: &OwnedFd, deed: impl Fn() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    match deed() {
        Err(Errno::ACCESS) => fs::fchmod(directory, Mode::RWXU).and_then(|()| deed()),
        done => done,
    }
}
