//! Reading one file until it holds still, and deciding how far its hash may be believed.
//!
//! Between two equal stamps nothing has changed, except within one tick of the file system's clock. Hence the
//! *racy-clock rule*: a hash is trusted at the next scan only if the newest time in the stamp lay safely before the
//! moment at which reading began. Safely: 20 ms where times have fractions of a second (kernels advance them every 1
//! to 10 ms), 2 s where they have not, and never when they lie in the future. An entry that is not trusted is simply
//! read again.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::block::Marks;
use super::hold::LOCAL_HEADER;
use crate::context::Context;
use crate::error::Result;
use crate::hash::{Digest, Hasher};
use crate::stamp::{Stamp, WANTED};

/// How much is read at once, in bytes.
pub(super) const BUFFER: usize = 1 << 20;
/// Pauses before the second and third attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(40)];

/// How reading a file ended.
pub(super) enum Reading {
    /// The file held still.
    Settled { stamp: Stamp, marks: Marks, hash: Digest, size: u64 },
    /// It kept changing, or something else took its place.
    Unsettled,
    /// It is gone.
    Absent,
    /// It cannot be read.
    Failed(Errno),
}

/// Whether an entry with this stamp, read after `now`, may be believed by its stamp from then on.
pub(super) fn is_quiet(stamp: &Stamp, now: Timestamp) -> bool {
    const SECOND: i64 = 1_000_000_000;
    const FINE: i128 = 20_000_000;
    const COARSE: i128 = 2_000_000_000;
    // The change time alone tells what the file system can do: the modification time is often set by programs.
    let margin = if stamp.ctime % SECOND == 0 { COARSE } else { FINE };
    now.as_nanosecond() - i128::from(stamp.mtime.max(stamp.ctime)) > margin
}

/// The stamp of `name` in `directory`, not following links.
pub(super) fn stamp_at(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Stamp> {
    loop {
        match fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, WANTED) {
            Ok(found) => return Ok(Stamp::from(&found)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Hashes the file `name`, whose stamp was `before` a moment ago.
///
/// # Errors
/// Only when the context ends.
pub(super) fn read(
    cx: &Context,
    directory: BorrowedFd<'_>,
    name: &CStr,
    mut before: Stamp,
    buffer: &mut Vec<u8>,
) -> Result<Reading> {
    buffer.resize(BUFFER, 0);
    for attempt in 0..=PAUSES.len() {
        if attempt > 0 {
            cx.sleep(PAUSES[attempt - 1])?;
            match stamp_at(directory, name) {
                Ok(stamp) if stamp.file_type() == FileType::RegularFile => before = stamp,
                Ok(_) => return Ok(Reading::Unsettled),
                Err(Errno::NOENT) => return Ok(Reading::Absent),
                Err(errno) => return Ok(Reading::Failed(errno)),
            }
        }
        let began = cx.now();
        let content = match hash(cx, directory, name, before.size, buffer)? {
            Ok(content) => content,
            Err(Errno::NOENT) => return Ok(Reading::Absent),
            // Not a regular file any more.
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR | Errno::AGAIN) => continue,
            Err(errno) => return Ok(Reading::Failed(errno)),
        };
        match stamp_at(directory, name) {
            Ok(after) if after == before => {
                if let Some(Content { hash, size, archive }) = content {
                    let marks = Marks { trusted: is_quiet(&before, began), archive };
                    return Ok(Reading::Settled { stamp: before, marks, hash, size });
                }
            }
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(Reading::Absent),
            Err(errno) => return Ok(Reading::Failed(errno)),
        }
    }
    Ok(Reading::Unsettled)
}

/// What was read.
struct Content {
    hash: Digest,
    size: u64,
    /// Whether it begins like an archive.
    archive: bool,
}

/// Reads `name` to its end; nothing where that is far more than the `expected` bytes.
fn hash(
    cx: &Context,
    directory: BorrowedFd<'_>,
    name: &CStr,
    expected: u64,
    buffer: &mut [u8],
) -> Result<rustix::io::Result<Option<Content>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match retrying(|| fs::openat(directory, name, flags, Mode::empty())) {
        Ok(file) => file,
        Err(errno) => return Ok(Err(errno)),
    };
    let mut hasher: Option<Hasher> = None;
    let mut size = 0;
    let mut archive = false;
    loop {
        let count = match retrying(|| rustix::io::read(file.as_fd(), &mut *buffer)) {
            Ok(count) => count,
            Err(errno) => return Ok(Err(errno)),
        };
        if size == 0 {
            archive = buffer[..count].starts_with(LOCAL_HEADER);
        }
        size += count as u64;
        let whole = size == expected && expected > 0;
        if hasher.is_none() && (count == 0 || whole) {
            return Ok(Ok(Some(Content { hash: Digest::of(&buffer[..count]), size, archive })));
        }
        let hasher = hasher.get_or_insert_default();
        hasher.update(&buffer[..count]);
        // The last expected byte needs no read after it: had the file grown, the stamp would say so.
        if count == 0 || whole {
            return Ok(Ok(Some(Content { hash: hasher.finish(), size, archive })));
        }
        // A file that grows as fast as it is read would never end.
        if size > expected.saturating_add(BUFFER as u64) {
            return Ok(Ok(None));
        }
        cx.check()?;
    }
}

fn retrying<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_left_alone_is_believed() {
        let stamp = |mtime, ctime| Stamp { mode: 0o100_644, size: 0, mtime, ctime, inode: 1, device: 1 };
        let now = Timestamp::from_nanosecond(100_000_000_000).expect("time");
        for (mtime, ctime, quiet) in [
            (99_000_000_001, 99_979_999_999, true),
            (99_000_000_001, 99_980_000_000, false),
            (99_979_999_999, 99_000_000_001, true),
            (99_980_000_000, 99_000_000_001, false),
            (99_000_000_000, 99_000_000_000, false),
            (98_000_000_000, 98_000_000_000, false),
            (97_000_000_000, 97_000_000_000, true),
            (97_000_000_000, 99_900_000_001, true),
            (99_900_000_001, 97_000_000_000, false),
            (100_000_000_001, 1_000_000_001, false),
            (i64::MAX, 1, false),
            (i64::MIN, i64::MIN, true),
        ] {
            assert_eq!(is_quiet(&stamp(mtime, ctime), now), quiet, "{mtime} {ctime}");
        }
    }
}
