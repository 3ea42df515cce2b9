//! The file calls themselves. Whoever is here may hang: only the watchdog's thread comes here.
//!
//! The root is opened anew by every call. A handle that was kept would go on looking into a directory that has been
//! unmounted since, or keep it from being unmounted; and what stands at the path now is what counts.
//!
//! An NFS client believes what it has seen of a directory for up to a minute: that a name is missing, and also which
//! file a name is. A name that another client has replaced by rename is opened as the file that it was, by its handle:
//! old bytes, or `ESTALE`. Opening the directory makes the client ask the server whether it has changed, and if so,
//! forget. So whoever looks at a name opens the directories above it first, top down ([`Place::look`]); only what never
//! changes once it is there is read without ([`Place::get_range`]), and looked at again if that fails.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use depsync_engine::beneath::{Root, stamp_at};
use depsync_engine::context::Context;
use depsync_engine::durable::{self, Created, Target};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use depsync_engine::stamp::Stamp;
use jiff::Timestamp;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode};
use rustix::io::Errno;

use super::network;
use crate::hub::layout;
use crate::storage::{Listed, Placed, Probe, Staged};

/// How often a read is tried when the file is replaced under it, again and again, on a network mount.
const STALE: usize = 64;

#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Whether only a live network mount will do.
    pub(super) network: bool,
    /// Drawn per process: tells its temporary files from everybody else's.
    pub(super) token: String,
    pub(super) next: AtomicU64,
}

/// What new files and directories take over from the hub's root, so that managers with different users can share it.
struct Heritage {
    file: Mode,
    directory: Mode,
    group: Gid,
}

impl Heritage {
    fn of(root: &Root) -> Result<Self> {
        let stat = fs::fstat(root.handle()).map_err(|errno| Error::io("look at", root.shown().display(), errno))?;
        // Never writable for everybody, whatever the root is; setgid travels with directories.
        let bits = (stat.st_mode & 0o775) | 0o700;
        Ok(Self {
            file: Mode::from_raw_mode(bits & 0o666),
            directory: Mode::from_raw_mode(bits | (stat.st_mode & 0o2000)),
            group: Gid::from_raw(stat.st_gid),
        })
    }

    /// Gives `name` its mode and group, which the process's umask and group would have decided otherwise.
    ///
    /// Through a handle: whoever may write to the hub could put a link in the place of the name, and its target would
    /// be changed.
    fn pass_on(&self, at: BorrowedFd<'_>, name: &[u8], mode: Mode) -> rustix::io::Result<()> {
        let flags = fs::OFlags::RDONLY | fs::OFlags::NOFOLLOW | fs::OFlags::NONBLOCK | fs::OFlags::CLOEXEC;
        let handle = fs::openat(at, name, flags, Mode::empty())?;
        let stat = fs::fstat(&handle)?;
        if stat.st_gid != self.group.as_raw() {
            // Only a member of the group may do this. The others' files are as readable as their bits say.
            match fs::fchown(&handle, None, Some(self.group)) {
                Ok(()) | Err(Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
        }
        if stat.st_mode & 0o7777 != mode.as_raw_mode() {
            fs::fchmod(&handle, mode)?;
        }
        Ok(())
    }
}

impl Place {
    fn root(&self) -> Result<Root> {
        let root = match Root::open(&self.path) {
            // It may be a directory of a share that was looked for before it was made.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut above: Vec<&Path> = self.path.ancestors().skip(1).collect();
                above.reverse();
                // A directory that may be passed through but not read tells nothing; the last one decides.
                above.into_iter().for_each(|above| drop(Root::open(above)));
                Root::open(&self.path).map_err(|error| error.hint("is the hub mounted, and is the path right?"))?
            }
            opened => opened?,
        };
        if self.network {
            network::insist(&root)?;
        }
        Ok(root)
    }

    fn temporary(&self) -> String {
        format!("{}-{}", self.token, self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn make(&self, cx: &Context) -> Result<()> {
        cx.step("mount.make");
        match fs::mkdir(&self.path, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let above = self.path.parent().filter(|above| !above.as_os_str().is_empty());
                let above = Root::open(above.unwrap_or(Path::new(".")))?;
                durable::sync_directory(above.handle(), self.path.display())
            }
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Error::io("make the hub's directory", self.path.display(), errno)),
        }
    }

    /// The root, with every directory above `name` seen as it is on the server now. Those that are missing are left out.
    fn look(&self, name: Option<&RelPath>) -> Result<Root> {
        let root = self.root()?;
        // Top down, because a directory may be as new as the file.
        let mut above: Vec<RelPath> = name.into_iter().flat_map(RelPath::ancestors).collect();
        above.reverse();
        for directory in &above {
            if absent(root.directory(Some(directory)))?.is_none() {
                break;
            }
        }
        Ok(root)
    }

    pub(super) fn get(&self, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        unreplaced(|| read(&self.look(Some(name))?, name, limit))
    }

    pub(super) fn find(&self, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        // A root that is missing stays an error.
        unreplaced(|| {
            let root = self.look(Some(name))?;
            absent(read(&root, name, limit))
        })
    }

    pub(super) fn get_range(&self, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        match read_range(&self.root()?, name, offset, length) {
            Err(error) if error.kind() == ErrorKind::NotFound || stale(&error) => {
                unreplaced(|| read_range(&self.look(Some(name))?, name, offset, length))
            }
            read => read,
        }
    }

    pub(super) fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        let root = self.look(Some(name))?;
        // Another length under a name that says what is in it: something was cut off there, and is healed.
        if root.stamp(name)?.is_some_and(|there| there.size == bytes.len() as u64) {
            return Ok(Created::Existed);
        }
        self.write(cx, &root, name, bytes)?;
        Ok(Created::Yes)
    }

    pub(super) fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        self.write(cx, &self.root()?, name, bytes)
    }

    fn write(&self, cx: &Context, root: &Root, name: &RelPath, bytes: &[u8]) -> Result<()> {
        unswept(|| self.try_write(cx, root, name, bytes))
    }

    fn try_write(&self, cx: &Context, root: &Root, name: &RelPath, bytes: &[u8]) -> Result<()> {
        let heritage = Heritage::of(root)?;
        let staging = directory(cx, root, &heritage, layout::temporary_directory())?;
        let last = text(name)?;
        let temporary = self.temporary();
        let target = directory(cx, root, &heritage, name.parent())?;
        let target = Target {
            staging: staging.as_fd(),
            temporary: &temporary,
            directory: target.as_fd(),
            name: last,
            mode: 0o600,
        };
        let placed = |error: Error| named(error, root, name);
        stage(cx, root, &heritage, target, bytes).map_err(placed)?;
        durable::rename_staged(cx, target).map_err(placed)
    }

    pub(super) fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        let root = self.root()?;
        unswept(|| self.try_stage(cx, &root, staged, bytes))
    }

    fn try_stage(&self, cx: &Context, root: &Root, staged: &Staged, bytes: &[u8]) -> Result<()> {
        let heritage = Heritage::of(root)?;
        let staging = directory(cx, root, &heritage, layout::temporary_directory())?;
        let temporary = text(&staged.name)?;
        let at = staging.as_fd();
        let target = Target { staging: at, temporary, directory: at, name: temporary, mode: 0o600 };
        stage(cx, root, &heritage, target, bytes).map_err(|error| named(error, root, &staged.name))?;
        cx.step("mount.sync-staging");
        durable::sync_directory(at, root.shown().display())
    }

    pub(super) fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        let root = self.root()?;
        let heritage = Heritage::of(&root)?;
        let staging = match absent(root.parent(&staged.name))? {
            Some(staging) => staging,
            None => return Ok(Placed::Swept),
        };
        let target = directory(cx, &root, &heritage, name.parent())?;
        let target = Target {
            staging: staging.as_fd(),
            temporary: text(&staged.name)?,
            directory: target.as_fd(),
            name: text(name)?,
            mode: 0,
        };
        match durable::link_staged(cx, target) {
            Ok(Created::Yes) => Ok(Placed::Created),
            Ok(Created::Existed) => Ok(Placed::Existed),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Placed::Swept),
            Err(error) => Err(named(error, &root, name)),
        }
    }

    pub(super) fn list(&self, path: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        let root = self.look(path)?;
        let Some(handle) = absent(root.directory(path))? else { return Ok(Vec::new()) };
        let shown = || path.map_or_else(|| root.shown().display().to_string(), |path| root.display(path));
        let failed = |errno: Errno| Error::io("list", shown(), errno);
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if names.len() == limit {
                return Err(Error::new(ErrorKind::Refused, format!("more than {limit} names")).op("list").at(shown()));
            }
            let directory = match entry.file_type() {
                FileType::Unknown => stamp_at(&handle, name)
                    .map_err(failed)?
                    .is_some_and(|stamp| stamp.file_type() == FileType::Directory),
                known => known == FileType::Directory,
            };
            names.push(Listed { name: name.to_vec(), directory });
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        let root = self.look(Some(name))?;
        let Some(directory) = absent(root.parent(name))? else { return Ok(()) };
        cx.step("mount.remove");
        match fs::unlinkat(&directory, name.name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::io("remove", root.display(name), errno)),
        }
    }

    pub(super) fn modified(&self, name: &RelPath) -> Result<Option<Timestamp>> {
        Ok(self.look(Some(name))?.stamp(name)?.map(|stamp| time(&stamp)))
    }

    pub(super) fn probe(&self, cx: &Context) -> Result<Probe> {
        let root = self.root()?;
        match unswept(|| self.try_out(cx, &root)) {
            Ok((exclusive, now)) => Ok(Probe { writable: true, exclusive, refused: None, now: Some(now) }),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Ok(Probe { writable: false, exclusive: false, refused: None, now: None })
            }
            // Full today, a hub tomorrow: whoever writes will be told.
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                Ok(Probe { writable: true, exclusive: true, refused: None, now: None })
            }
            Err(error) => Err(error.op("try out the hub")),
        }
    }

    fn try_out(&self, cx: &Context, root: &Root) -> Result<(bool, Timestamp)> {
        let heritage = Heritage::of(root)?;
        let staging = directory(cx, root, &heritage, layout::temporary_directory())?;
        let (name, second) = (self.temporary(), self.temporary());
        let failed = |errno: Errno| Error::io("try out the hub", root.shown().display(), errno);
        let flags = fs::OFlags::CREATE | fs::OFlags::EXCL | fs::OFlags::WRONLY | fs::OFlags::CLOEXEC;
        cx.step("mount.probe");
        let file = fs::openat(&staging, &name, flags, heritage.file).map_err(failed)?;
        // A write, so that the time is the server's and not the one this client made up.
        let written = rustix::io::write(&file, b"?").and_then(|_| fs::fsync(&file));
        let stamp = written.and_then(|()| stamp_at(&staging, name.as_bytes()));
        cx.step("mount.probe-link");
        let linked = fs::linkat(&staging, &name, &staging, &second, AtFlags::empty());
        cx.step("mount.probe-end");
        let _ = fs::unlinkat(&staging, &second, AtFlags::empty());
        fs::unlinkat(&staging, &name, AtFlags::empty()).map_err(failed)?;
        if linked == Err(Errno::NOENT) {
            return Err(failed(Errno::NOENT));
        }
        let stamp = stamp.map_err(failed)?.ok_or_else(|| failed(Errno::NOENT))?;
        Ok((linked.is_ok(), time(&stamp)))
    }
}

/// Does something with a temporary file, again where the file is gone: a collector with no patience may sweep it between
/// two calls, and then nothing was done.
fn unswept<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..8 {
        match work() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
    }
    work()
}

/// Reads something again where the file was replaced between two calls on it.
fn unreplaced<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..STALE {
        match work() {
            Err(error) if stale(&error) => {}
            done => return done,
        }
    }
    work()
}

/// Whether the file that the client knew under a name is gone from the server.
fn stale(error: &Error) -> bool {
    error.os_error() == Some(Errno::STALE.raw_os_error())
}

fn time(stamp: &Stamp) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(stamp.mtime)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Nothing there is an answer; everything else stays an error.
fn absent<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

fn read(root: &Root, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
    let file = root.read(name)?;
    let size = file.metadata().map_err(|source| Error::io("look at", root.display(name), source))?.len();
    let too_long = || Error::damaged(root.display(name), format!("it is longer than {limit} bytes"));
    let mut bytes = Vec::with_capacity(usize::try_from(size).ok().filter(|&size| size <= limit).ok_or_else(too_long)?);
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::io("read", root.display(name), source))?;
    if bytes.len() > limit { Err(too_long()) } else { Ok(bytes) }
}

fn read_range(root: &Root, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
    let file = root.read(name)?;
    let size = file.metadata().map_err(|source| Error::io("look at", root.display(name), source))?.len();
    if offset.checked_add(length as u64).is_none_or(|end| end > size) {
        return Err(Error::damaged(root.display(name), format!("it ends after {size} bytes")));
    }
    let mut bytes = vec![0; length];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, offset)
        .map_err(|source| Error::io("read", root.display(name), source))?;
    Ok(bytes)
}

/// Names all of the path of a failed write, and what helps against a full disk.
fn named(error: Error, root: &Root, name: &RelPath) -> Error {
    let full = error.kind() == ErrorKind::NoSpace;
    let error = error.found_at(root.display(name));
    if full { error.hint("make room in the hub: `depsync gc` removes what no kept revision needs") } else { error }
}

/// Every name of the layout is ASCII.
fn text(name: &RelPath) -> Result<&str> {
    std::str::from_utf8(name.name())
        .map_err(|source| Error::new(ErrorKind::Internal, "not a hub name").at(name).because(source))
}

/// Opens a directory, making whatever is missing of it.
fn directory(cx: &Context, root: &Root, heritage: &Heritage, path: impl Into<Option<RelPath>>) -> Result<OwnedFd> {
    let path = path.into();
    if let Some(there) = absent(root.directory(path.as_ref()))? {
        return Ok(there);
    }
    let mut above: Vec<RelPath> =
        path.iter().flat_map(|path| std::iter::once(path.clone()).chain(path.ancestors())).collect();
    above.reverse();
    for path in &above {
        if absent(root.directory(Some(path)))?.is_some() {
            continue;
        }
        let holder = root.parent(path)?;
        let failed = |errno: Errno| Error::io("make the directory", root.display(path), errno);
        cx.step("mount.make-directory");
        match fs::mkdirat(&holder, path.name(), heritage.directory) {
            Ok(()) => heritage.pass_on(holder.as_fd(), path.name(), heritage.directory).map_err(failed)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(named(failed(errno), root, path)),
        }
        cx.step("mount.sync-directory");
        durable::sync_directory(&holder, root.display(path))?;
    }
    root.directory(path.as_ref())
}

/// A whole, flushed temporary file with the mode and group that it is to have.
fn stage(cx: &Context, root: &Root, heritage: &Heritage, target: Target<'_>, bytes: &[u8]) -> Result<()> {
    durable::stage(cx, target, bytes)?;
    cx.step("mount.pass-on");
    heritage
        .pass_on(target.staging, target.temporary.as_bytes(), heritage.file)
        .map_err(|errno| Error::io("pass on the hub's mode and group", root.shown().display(), errno))
}
