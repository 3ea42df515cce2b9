//! Who works with a state at the moment: processes that have its database open, as far as this user may see them.

use std::path::Path;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub(super) pid: u32,
    /// Its words, for people.
    pub(super) words: String,
    /// Whether it is a daemon.
    pub(super) is_daemon: bool,
    /// Whether it is in the middle of a command: it has the lock open.
    pub(super) is_busy: bool,
}

/// All but this process.
pub(super) fn working_with(state: &Path) -> Vec<Process> {
    let Ok(state) = state.canonicalize() else { return Vec::new() };
    let listing = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = listing.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Process> =
        numbers.filter(|pid| *pid != std::process::id()).filter_map(|pid| look(pid, &state)).collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn look(pid: u32, state: &Path) -> Option<Process> {
    let (database, lock) = (state.join("state.db"), state.join("lock"));
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let open: Vec<_> = files.filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
    if !open.contains(&database) {
        return None;
    }
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> =
        words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let is_daemon = words.iter().skip(1).any(|word| word == "run");
    Some(Process { pid, words: words.join(" ").trim_end().to_owned(), is_daemon, is_busy: open.contains(&lock) })
}

/// How many directories this user watches by inotify, in all processes.
pub(super) fn watched_directories() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    let listing = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = listing.filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == user));
    let files = ours.flat_map(|process| std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten());
    let watching = files
        .filter(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == "anon_inode:inotify"));
    let counts = watching.filter_map(|file| {
        let info = file.path().parent()?.with_file_name("fdinfo").join(file.file_name());
        let text = std::fs::read_to_string(info).ok()?;
        Some(text.lines().filter(|line| line.starts_with("inotify ")).count() as u64)
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

    #[test]
    fn watches_of_this_process_are_counted() {
        let top = tempfile::tempdir().expect("a directory");
        let queue = inotify::init(CreateFlags::CLOEXEC).expect("inotify");
        for name in ["a", "b", "c"] {
            let path = top.path().join(name);
            std::fs::create_dir(&path).expect("a directory");
            inotify::add_watch(&queue, &path, WatchFlags::CREATE).expect("watched");
        }
        assert!(watched_directories() >= 3);
    }

    #[test]
    fn nobody_works_with_what_is_not_there() {
        assert_eq!(working_with(Path::new("/nowhere")), []);
    }
}
