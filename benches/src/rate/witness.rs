//! What has arrived where, and when: a thread that the kernel tells what comes to the directories of the workers.
//!
//! A change has arrived with a worker when each of its files has: when the file says that it is of that change or of a
//! later one, or is gone, if that was the change.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::load::{Change, MARK, mark_of};

/// Whatever brings a file to a name, or its bytes, or takes it away.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM);

/// How long a change took, worker by worker, as far as it has arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) saved: Instant,
    pub(super) after: Vec<Option<Duration>>,
    /// Files that are still to come, worker by worker.
    left: Vec<usize>,
}

impl Arrival {
    fn is_everywhere(&self) -> bool {
        self.after.iter().all(Option::is_some)
    }
}

#[derive(Default)]
struct State {
    arrivals: BTreeMap<u64, Arrival>,
    /// Of each file at each worker, the changes that are still to come, and whether they are removals.
    awaited: HashMap<(usize, PathBuf), VecDeque<(u64, bool)>>,
    /// Changes that are not everywhere.
    missing: usize,
    failed: Option<String>,
}

impl State {
    /// Takes note of a file at a worker: the change that it is of, or that it is gone.
    fn seen(&mut self, worker: usize, path: &Path, number: Option<u64>, at: Instant) {
        let Some(awaited) = self.awaited.get_mut(&(worker, path.to_owned())) else { return };
        let is_last = |(change, removes): &(u64, bool)| match number {
            Some(number) => !removes && *change <= number,
            None => *removes,
        };
        let Some(last) = awaited.iter().rposition(is_last) else { return };
        for (change, _) in awaited.drain(..=last) {
            let Some(arrival) = self.arrivals.get_mut(&change) else { continue };
            arrival.left[worker] -= 1;
            if arrival.left[worker] == 0 {
                arrival.after[worker] = Some(at.saturating_duration_since(arrival.saved));
                self.missing -= usize::from(arrival.is_everywhere());
            }
        }
    }
}

/// See the module.
pub(super) struct Witness {
    shared: Arc<(Mutex<State>, Condvar)>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    workers: usize,
}

impl Witness {
    /// Watches these directories beneath each of the workers'.
    pub(super) fn of(workers: &[PathBuf], directories: &[PathBuf]) -> Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).context("watching")?;
        let mut watched = HashMap::new();
        for (worker, top) in workers.iter().enumerate() {
            for directory in directories {
                let at = top.join(directory);
                let number =
                    inotify::add_watch(&queue, &at, EVENTS).with_context(|| format!("watching {}", at.display()))?;
                watched.insert(number, (worker, top.clone(), directory.clone()));
            }
        }
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (of_thread, ends) = (Arc::clone(&shared), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            if let Err(error) = look(&queue, &watched, &of_thread, &ends) {
                lock(&of_thread.0).failed = Some(format!("{error:#}"));
                of_thread.1.notify_all();
            }
        });
        Ok(Self { shared, ended, thread: Some(thread), workers: workers.len() })
    }

    /// A change is going to be saved now.
    pub(super) fn expect(&self, change: &Change) {
        let mut state = lock(&self.shared.0);
        for (path, bytes) in &change.files {
            for worker in 0..self.workers {
                let awaited = state.awaited.entry((worker, path.clone())).or_default();
                awaited.push_back((change.number, bytes.is_none()));
            }
        }
        let (after, left) = (vec![None; self.workers], vec![change.files.len(); self.workers]);
        state.arrivals.insert(change.number, Arrival { saved: Instant::now(), after, left });
        state.missing += 1;
    }

    /// Waits until all that was expected is everywhere. Whether it is.
    pub(super) fn wait(&self, patience: Duration) -> Result<bool> {
        let waits = |state: &mut State| state.missing > 0 && state.failed.is_none();
        let waited = self.shared.1.wait_timeout_while(lock(&self.shared.0), patience, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &state.failed {
            Some(why) => bail!("{why}"),
            None => Ok(state.missing == 0),
        }
    }

    /// For how long the oldest change has been under way that is not everywhere.
    pub(super) fn lag(&self) -> Duration {
        let state = lock(&self.shared.0);
        let oldest = state.arrivals.values().find(|arrival| !arrival.is_everywhere());
        oldest.map_or(Duration::ZERO, |arrival| arrival.saved.elapsed())
    }

    /// What was expected since the last time, however far it has come; none of that is expected any more.
    pub(super) fn take(&self) -> Vec<Arrival> {
        let mut state = lock(&self.shared.0);
        state.awaited.clear();
        state.missing = 0;
        std::mem::take(&mut state.arrivals).into_values().collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(
    queue: &OwnedFd,
    watched: &HashMap<i32, (usize, PathBuf, PathBuf)>,
    shared: &(Mutex<State>, Condvar),
    ended: &AtomicBool,
) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 64 << 10];
    let timeout = Timespec::try_from(Duration::from_millis(100))?;
    while !ended.load(Ordering::SeqCst) {
        poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&timeout))?;
        let mut reader = Reader::new(queue, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error).context("reading what the kernel tells"),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                // What was lost is looked for: what has arrived meanwhile counts from now on.
                look_everywhere(watched, shared);
                continue;
            }
            let (Some((worker, top, directory)), Some(name)) = (watched.get(&event.wd()), event.file_name()) else {
                continue;
            };
            let path = directory.join(name.to_string_lossy().as_ref());
            let number = end_of(&top.join(&path));
            // One that is being written has no mark yet, and is told of again.
            let is_gone = event.events().intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
            if number.is_some() || is_gone && !top.join(&path).exists() {
                lock(&shared.0).seen(*worker, &path, number, Instant::now());
                shared.1.notify_all();
            }
        }
    }
    Ok(())
}

fn look_everywhere(watched: &HashMap<i32, (usize, PathBuf, PathBuf)>, shared: &(Mutex<State>, Condvar)) {
    let tops: HashMap<usize, &PathBuf> = watched.values().map(|(worker, top, _)| (*worker, top)).collect();
    let awaited = lock(&shared.0)
        .awaited
        .iter()
        .filter(|(_, waits)| !waits.is_empty())
        .map(|(key, _)| key.clone())
        .collect::<Vec<_>>();
    for (worker, path) in awaited {
        let Some(at) = tops.get(&worker).map(|top| top.join(&path)) else { continue };
        let number = end_of(&at);
        if number.is_some() || !at.exists() {
            lock(&shared.0).seen(worker, &path, number, Instant::now());
        }
    }
    shared.1.notify_all();
}

fn end_of(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut end = [0; MARK];
    file.read_exact_at(&mut end, length.checked_sub(MARK as u64)?).ok()?;
    mark_of(&end)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn change(number: u64, files: &[(&str, bool)]) -> Change {
        let file =
            |(path, stays): &(&str, bool)| (PathBuf::from(path), stays.then(|| format!("{number:016x}").into_bytes()));
        Change { number, files: files.iter().map(file).collect() }
    }

    #[test]
    fn a_change_has_arrived_with_the_last_of_its_files_or_with_later_ones() {
        let place = tempfile::tempdir().expect("a directory");
        let workers = ["one", "two"].map(|name| place.path().join(name));
        for worker in &workers {
            fs::create_dir_all(worker.join("conf")).expect("directories");
        }
        let witness = Witness::of(&workers, &[PathBuf::from("conf")]).expect("watches");
        let patience = Duration::from_secs(10);
        let first = change(1, &[("conf/a", true), ("conf/b", true)]);
        witness.expect(&first);
        first.save(&workers[0]).expect("saves");
        assert!(!witness.wait(Duration::from_millis(200)).expect("works"));
        assert!(witness.lag() >= Duration::from_millis(200));
        // The second worker gets only what came later.
        let second = change(2, &[("conf/a", true), ("conf/b", true)]);
        witness.expect(&second);
        for worker in &workers {
            second.save(worker).expect("saves");
        }
        assert!(witness.wait(patience).expect("works"));
        assert_eq!(witness.lag(), Duration::ZERO);
        let arrivals = witness.take();
        assert_eq!(arrivals.len(), 2);
        assert!(arrivals[0].after[0] < arrivals[0].after[1] && arrivals.iter().all(Arrival::is_everywhere));
        let removal = change(3, &[("conf/a", false)]);
        witness.expect(&removal);
        for worker in &workers {
            removal.save(worker).expect("saves");
        }
        assert!(witness.wait(patience).expect("works"));
        assert_eq!(witness.take().len(), 1);
        assert!(witness.wait(Duration::ZERO).expect("nothing is expected"));
    }
}
