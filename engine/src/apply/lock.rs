//! One process at a time per deployment and kind of work: a lock on a file of the local state directory.
//!
//! It is the operating system's advisory lock, so a killed process leaves none behind. Never on a hub.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// How often somebody who waits looks again.
const PAUSE: Duration = Duration::from_millis(50);

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of whoever changes the directory, in `state`, waiting at most `wait`. Held elsewhere:
    /// [`ErrorKind::Locked`].
    pub fn take(cx: &Context, state: &Path, wait: Duration) -> Result<Self> {
        Self::take_named(cx, state, "lock", wait)
    }

    /// Takes the lock of whoever pushes, which keeps nobody else from working.
    pub fn take_for_push(cx: &Context, state: &Path, wait: Duration) -> Result<Self> {
        Self::take_named(cx, state, "lock-push", wait)
    }

    fn take_named(cx: &Context, state: &Path, name: &str, wait: Duration) -> Result<Self> {
        let path = state.join(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| Error::io("open the lock", path.display(), source))?;
        let until = Instant::now() + wait;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(errno) => return Err(Error::io("lock", path.display(), errno)),
            }
            // A deadline that passes meanwhile says less than who is in the way.
            if Instant::now() >= until || cx.time_left().is_some_and(|left| left.is_zero()) {
                return Err(Error::new(ErrorKind::Locked, "another depsync works on this deployment")
                    .at(state.display())
                    .hint("wait for it to end, or see which process holds it with `fuser`"));
            }
            match cx.sleep(PAUSE) {
                Err(error) if error.kind() == ErrorKind::DeadlineExceeded => {}
                slept => slept?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_and_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let cx = Context::new();
        let first = Lock::take(&cx, dir.path(), Duration::ZERO).expect("free");
        let second = Lock::take(&cx, dir.path(), Duration::from_millis(120)).expect_err("held");
        assert_eq!(second.kind(), ErrorKind::Locked);
        drop(first);
        assert!(Lock::take(&cx, dir.path(), Duration::ZERO).is_ok());
    }
}
