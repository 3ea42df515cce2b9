//! When a file was where: what the kernel tells of the directories that it comes to.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Whatever brings a file, or its bytes, to a name.
const EVENTS: WatchFlags = WatchFlags::CREATE.union(WatchFlags::MOVED_TO).union(WatchFlags::CLOSE_WRITE);

/// See the module.
pub(super) struct Witness {
    queue: OwnedFd,
    /// The file in each directory, and the number of the watch on its parent.
    files: Vec<(PathBuf, i32)>,
}

impl Witness {
    /// Watches the file `path` in each of these directories.
    pub(super) fn of(directories: &[PathBuf], path: &Path) -> Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).context("watching")?;
        let watched = |top: &PathBuf| {
            let file = top.join(path);
            let parent = file.parent().context("a file lies in a directory")?;
            let number =
                inotify::add_watch(&queue, parent, EVENTS).with_context(|| format!("watching {}", parent.display()))?;
            Ok((file, number))
        };
        let files = directories.iter().map(watched).collect::<Result<_>>()?;
        Ok(Self { queue, files })
    }

    /// Waits until it has these bytes everywhere: how long after `begun` that was, directory by directory.
    pub(super) fn wait_for(&mut self, begun: Instant, bytes: &[u8], patience: Duration) -> Result<Vec<Duration>> {
        let mut arrived: Vec<Option<Duration>> = vec![None; self.files.len()];
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        while arrived.iter().any(Option::is_none) {
            let left = patience.checked_sub(begun.elapsed());
            let Some(left) = left else {
                let missing = arrived.iter().filter(|time| time.is_none()).count();
                bail!("{missing} of {} never had it", self.files.len());
            };
            let timeout = Timespec::try_from(left)?;
            poll(&mut [PollFd::new(&self.queue, PollFlags::IN)], Some(&timeout))?;
            let mut reader = Reader::new(&self.queue, &mut buffer);
            loop {
                let number = match reader.next() {
                    Ok(event) => event.wd(),
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error).context("reading what the kernel tells"),
                };
                for (place, (file, watch)) in self.files.iter().enumerate() {
                    if *watch == number && arrived[place].is_none() && fs::read(file).is_ok_and(|read| read == bytes) {
                        arrived[place] = Some(begun.elapsed());
                    }
                }
            }
        }
        Ok(arrived.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_seen_where_it_comes_by_whatever_way() {
        let place = tempfile::tempdir().expect("a directory");
        let tops = ["a", "b"].map(|name| place.path().join(name));
        for top in &tops {
            fs::create_dir_all(top.join("x")).expect("directories");
        }
        let mut witness = Witness::of(&tops, Path::new("x/file")).expect("watches");
        let begun = Instant::now();
        fs::write(tops[0].join("x/file"), "old").expect("writes");
        fs::write(tops[0].join("x/other"), "new").expect("writes");
        let error = witness.wait_for(begun, b"new", Duration::from_millis(1)).expect_err("nobody has it");
        assert_eq!(error.to_string(), "2 of 2 never had it");
        fs::write(tops[0].join("x/file"), "new").expect("writes");
        fs::rename(tops[0].join("x/other"), tops[1].join("x/file")).expect("moves");
        let arrived = witness.wait_for(begun, b"new", Duration::from_secs(10)).expect("both have it");
        assert_eq!(arrived.len(), 2);
    }
}
