//! inotify: watches made and removed, events read.
//!
//! A watch is made through a handle of the directory (`/proc/self/fd/N`), so that it is on the very directory that is
//! listed after it, whatever its name means by then.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use super::hint::{Hint, Why};
use super::marks::{Marks, Place};
use crate::beneath::{Root, stamp_at};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::path::RelPath;
use crate::scan::{IGNORE_FILE, Ignore, Reach};
use crate::stamp::Stamp;

/// What is told of a directory. `MODIFY` only so that a file that is still being written counts as not settled.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::ONLYDIR);

/// Bytes for one reading of events.
const BUFFER: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Inotify {
    queue: OwnedFd,
    root: Root,
    ignore: Ignore,
    marks: Marks,
}

/// What an event says, without the kernel's buffer.
struct Event {
    number: i32,
    what: ReadFlags,
    name: Option<Vec<u8>>,
}

impl Inotify {
    /// Watches everything beneath `root`.
    pub(super) fn open(cx: &Context, root: Root, ignore: Ignore, hint: &mut Hint) -> Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|errno| {
            Error::io("watch", root.shown().display(), errno).hint(
                "the limit of fs.inotify.max_user_instances may be reached; without watching, the period alone decides",
            )
        })?;
        let mut inotify = Self { queue, root, ignore, marks: Marks::default() };
        inotify.enter(cx, None, hint)?;
        Ok(inotify)
    }

    /// Device and inode of the root.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        let found = rustix::fs::fstat(self.root.handle()).ok()?;
        Some((found.st_dev, found.st_ino))
    }

    pub(super) fn directories(&self) -> usize {
        self.marks.len()
    }

    /// Reads what has been told.
    pub(super) fn read(&mut self, cx: &Context, hint: &mut Hint) -> Result<()> {
        for event in self.events(hint)? {
            cx.check()?;
            self.take(cx, event, hint)?;
        }
        Ok(())
    }

    fn events(&self, hint: &mut Hint) -> Result<Vec<Event>> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => hint.everything(Why::Lost),
                Ok(event) => events.push(Event {
                    number: event.wd(),
                    what: event.events(),
                    name: event.file_name().map(|name| name.to_bytes().to_vec()),
                }),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(events),
                Err(errno) => return Err(Error::io("read changes of", self.root.shown().display(), errno)),
            }
            // One buffer at a time, so that what waits to be taken in is bounded.
            if reader.is_buffer_empty() {
                return Ok(events);
            }
        }
    }

    fn take(&mut self, cx: &Context, event: Event, hint: &mut Hint) -> Result<()> {
        let Some(place) = self.marks.place(event.number).cloned() else { return Ok(()) };
        if event.what.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
            self.marks.forget(event.number);
        }
        let Some(name) = event.name else {
            if place.is_none() {
                let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
                if event.what.intersects(gone) {
                    hint.everything(Why::Gone);
                }
            } else if event.what.contains(ReadFlags::UNMOUNT) {
                hint.everything(Why::Unreadable);
            }
            return Ok(());
        };
        let Ok(path) = RelPath::child_of(place.as_ref(), &name) else {
            // A name that cannot be a path: the scan names it.
            hint.everything(Why::Much);
            return Ok(());
        };
        let is_directory = event.what.contains(ReadFlags::ISDIR);
        if is_directory && event.what.contains(ReadFlags::MOVED_FROM) {
            for number in self.marks.take_beneath(&path) {
                // An error says that the kernel has done so already.
                let _ = inotify::remove_watch(&self.queue, number);
            }
        }
        if self.ignore.matches(&path, is_directory) {
            return Ok(());
        }
        if path.as_bytes() == IGNORE_FILE.as_bytes() {
            hint.everything(Why::Rules);
        }
        let comes_or_goes = ReadFlags::CREATE | ReadFlags::DELETE | ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO;
        let whole = is_directory && event.what.intersects(comes_or_goes);
        hint.add(path.clone(), if whole { Reach::Whole } else { Reach::Itself });
        if is_directory && event.what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.enter(cx, Some(path), hint)?;
        }
        Ok(())
    }

    /// Watches a directory and those beneath it.
    fn enter(&mut self, cx: &Context, place: Place, hint: &mut Hint) -> Result<()> {
        let mut left = vec![place];
        while let Some(place) = left.pop() {
            cx.check()?;
            match self.enter_one(&place, &mut left) {
                Ok(true) => {}
                Ok(false) => {
                    hint.everything(Why::NoWatches);
                    return Ok(());
                }
                Err(error) => {
                    let Some(path) = place else { return Err(error) };
                    // If it is gone again, or something else by now, the directory above tells.
                    let there =
                        self.root.stamp(&path).is_ok_and(|stamp| stamp.is_some_and(|stamp| is_directory(&stamp)));
                    if there {
                        hint.everything(Why::Unreadable);
                    }
                }
            }
        }
        Ok(())
    }

    /// Says whether there was a watch left for it.
    fn enter_one(&mut self, place: &Place, left: &mut Vec<Place>) -> Result<bool> {
        let shown = self.root.shown().to_owned();
        let failed = |errno: Errno| Error::io("watch", shown.display(), errno);
        let directory = self.root.directory(place.as_ref())?;
        match inotify::add_watch(&self.queue, format!("/proc/self/fd/{}", directory.as_raw_fd()), EVENTS) {
            Ok(number) => self.marks.set(number, place.clone()),
            Err(Errno::NOSPC) => return Ok(false),
            Err(errno) => return Err(failed(errno)),
        }
        for entry in Dir::read_from(&directory).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let is_directory = match entry.file_type() {
                FileType::Directory => true,
                FileType::Unknown => {
                    stamp_at(&directory, name).map_err(&failed)?.is_some_and(|stamp| is_directory(&stamp))
                }
                _ => false,
            };
            // A name that cannot be a path is the scan's business.
            let path = RelPath::child_of(place.as_ref(), name).ok().filter(|_| is_directory);
            if let Some(path) = path.filter(|path| !self.ignore.matches(path, true)) {
                left.push(Some(path));
            }
        }
        Ok(true)
    }
}

fn is_directory(stamp: &Stamp) -> bool {
    stamp.file_type() == FileType::Directory
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
