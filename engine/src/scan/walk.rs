//! Walking the directory on a few threads.
//!
//! Tasks lie on one stack, newest first, so that the walk goes deep before it goes wide; a large directory becomes
//! several tasks. A child is opened relative to its parent's handle. Handles that are kept open for waiting children
//! are counted: beyond [`MAX_HANDLES`] a child finds its way from the root instead. Nothing here recurses, so a tree
//! as deep as a path can be needs no deep stack. Threads without work sleep; they do not spin.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Options;
use super::cache::Cache;
use super::ignore::Ignore;
use super::listing::Listing;
use super::merge::{Merge, Segment};
use super::part::{self, Reach};
use super::roll::Roll;
use crate::beneath::Root;
use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::stamp::{Stamp, WANTED};

/// The most directory handles that wait for children to be opened.
const MAX_HANDLES: usize = 128;
/// Names in one task; a directory of more than twice as many is split.
const SPLIT: usize = 1024;

/// What the threads share.
pub(super) struct Survey<'a> {
    pub(super) cx: Context,
    pub(super) root: &'a Root,
    pub(super) ignore: &'a Ignore,
    pub(super) options: &'a Options<'a>,
    pub(super) cache: &'a Cache,
    /// Whether changes are collected: not where all that is found is one.
    pub(super) differs: bool,
    /// All that is looked at, where that is not everything.
    only: Option<&'a [(RelPath, Reach)]>,
    ids: AtomicUsize,
    seen: AtomicU64,
    handles: Arc<AtomicUsize>,
    stack: Mutex<Stack>,
    ready: Condvar,
}

#[derive(Default)]
struct Stack {
    tasks: Vec<Task>,
    /// Threads at work, who may still add tasks.
    busy: usize,
    idle: usize,
    failed: Option<Error>,
}

/// What the walk brings home, by directory. The root is directory 0.
pub(super) struct Found {
    /// Each directory's segments in order.
    pub(super) segments: Vec<Vec<Segment>>,
    pub(super) failures: HashMap<usize, Failure>,
}

/// Why a directory was not walked.
pub(super) enum Failure {
    /// It is gone.
    Absent,
    /// Something else has taken its place.
    Unsettled,
    /// It cannot be read.
    Unreadable(Error),
}

/// Why a directory could not be finished.
pub(super) enum Stop {
    /// The directory as a whole cannot be read.
    Unreadable(Errno),
    /// The scan ends.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A piece of work.
pub(super) struct Task {
    id: usize,
    path: Option<RelPath>,
    observed: bool,
    work: Work,
}

enum Work {
    /// Open and list the directory, beneath its parent where that is still open.
    List(Option<Arc<Handle>>),
    /// Join a part of a large listing.
    Join { handle: Arc<Handle>, inventory: Arc<Inventory>, segment: usize, range: Range<usize> },
}

impl Task {
    pub(super) fn directory(id: usize, path: Option<RelPath>, observed: bool) -> Self {
        Self { id, path, observed, work: Work::List(None) }
    }
}

/// A directory handle that is counted.
struct Handle {
    handle: OwnedFd,
    count: Arc<AtomicUsize>,
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is in a directory: what is known to be unchanged is marked on the roll, all else is in the listing.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) listing: Listing,
    pub(super) roll: Roll,
}

/// What one thread keeps to itself.
#[derive(Default)]
struct Worker {
    dirents: Vec<u8>,
    content: Vec<u8>,
    inventory: Inventory,
    segments: Vec<(usize, usize, Segment)>,
    failures: Vec<(usize, Failure)>,
}

/// The stamp of the root itself.
pub(super) fn identity(root: &Root) -> Result<Stamp> {
    let found = fs::statx(root.handle(), c"", AtFlags::EMPTY_PATH, WANTED);
    found.map(|found| Stamp::from(&found)).map_err(|errno| unreadable_root(root, errno))
}

fn unreadable_root(root: &Root, errno: Errno) -> Error {
    Error::io("scan the directory", root.shown().display(), errno)
}

/// Walks everything beneath `root`, or `only` some paths. `observed`: the cache stands for the tree that changes are reported against.
pub(super) fn walk(
    cx: &Context,
    root: &Root,
    ignore: &Ignore,
    options: &Options<'_>,
    cache: &Cache,
    observed: bool,
    only: Option<&[(RelPath, Reach)]>,
) -> Result<Found> {
    let survey = Survey {
        cx: cx.clone(),
        root,
        ignore,
        options,
        cache,
        differs: observed,
        only,
        ids: AtomicUsize::new(1),
        seen: AtomicU64::new(0),
        handles: Arc::default(),
        stack: Mutex::new(Stack { tasks: vec![Task::directory(0, None, observed)], ..Stack::default() }),
        ready: Condvar::new(),
    };
    let offered = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.map_or(offered, |wanted| offered.min(wanted.get()));
    let workers = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| survey.work())).collect();
        let mut workers = vec![survey.work()];
        for other in others {
            workers.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        workers
    });
    if let Some(error) = survey.lock().failed.take() {
        return Err(error);
    }
    let mut found = Found { segments: (0..survey.next_id()).map(|_| Vec::new()).collect(), failures: HashMap::new() };
    let mut segments = Vec::new();
    for worker in workers {
        segments.extend(worker.segments);
        found.failures.extend(worker.failures);
    }
    segments.sort_unstable_by_key(|&(id, segment, _)| (id, segment));
    for (id, _, segment) in segments {
        found.segments[id].push(segment);
    }
    match found.failures.remove(&0) {
        None => Ok(found),
        Some(Failure::Unreadable(error)) => Err(error),
        Some(Failure::Absent | Failure::Unsettled) => Err(unreadable_root(root, Errno::NOENT)),
    }
}

impl Survey<'_> {
    /// A number for another directory.
    pub(super) fn next_id(&self) -> usize {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes tasks until there are none and nobody can add any.
    fn work(&self) -> Worker {
        let mut worker = Worker::default();
        let mut stack = self.lock();
        loop {
            if stack.failed.is_some() || (stack.tasks.is_empty() && stack.busy == 0) {
                self.ready.notify_all();
                return worker;
            }
            let Some(task) = stack.tasks.pop() else {
                stack.idle += 1;
                stack = self.ready.wait(stack).unwrap_or_else(PoisonError::into_inner);
                stack.idle -= 1;
                continue;
            };
            stack.busy += 1;
            drop(stack);
            let turn = Turn(self);
            let added = self.perform(task, &mut worker);
            stack = self.lock();
            match added {
                Ok(tasks) => stack.tasks.extend(tasks),
                Err(error) => {
                    stack.failed.get_or_insert(error);
                }
            }
            stack = turn.end(stack);
            if stack.idle > 0 && !stack.tasks.is_empty() {
                self.ready.notify_one();
            }
        }
    }

    fn perform(&self, task: Task, worker: &mut Worker) -> Result<Vec<Task>> {
        self.cx.check()?;
        let Task { id, path, observed, work } = task;
        match work {
            Work::List(parent) => self.list(id, path.as_ref(), observed, parent.as_deref(), worker),
            Work::Join { handle, inventory, segment, range } => {
                self.join(id, path.as_ref(), observed, &handle, &inventory, (segment, range), worker)
            }
        }
    }

    /// Opens and lists a directory; joins it at once unless it is large.
    fn list(
        &self,
        id: usize,
        path: Option<&RelPath>,
        observed: bool,
        parent: Option<&Handle>,
        worker: &mut Worker,
    ) -> Result<Vec<Task>> {
        let handle = match self.open(path, parent) {
            Ok(handle) => handle,
            Err(failure) => {
                worker.failures.push((id, failure));
                return Ok(Vec::new());
            }
        };
        match self.take_stock(path, observed, &handle, worker) {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Unreadable(errno)) => {
                worker.failures.push((id, self.failure(path, errno)));
                return Ok(Vec::new());
            }
        }
        let names = worker.inventory.listing.len();
        if names <= 2 * SPLIT {
            let inventory = std::mem::take(&mut worker.inventory);
            let added = self.join(id, path, observed, &handle, &inventory, (0, 0..names), worker);
            worker.inventory = inventory;
            return added;
        }
        let inventory = Arc::new(std::mem::take(&mut worker.inventory));
        let tasks = (0..names).step_by(SPLIT).enumerate().rev().map(|(segment, start)| {
            let range = start..names.min(start + SPLIT);
            let work = Work::Join { handle: Arc::clone(&handle), inventory: Arc::clone(&inventory), segment, range };
            Task { id, path: path.cloned(), observed, work }
        });
        Ok(tasks.collect())
    }

    /// Lists a directory.
    fn take_stock(
        &self,
        path: Option<&RelPath>,
        observed: bool,
        handle: &Handle,
        worker: &mut Worker,
    ) -> std::result::Result<(), Stop> {
        let Inventory { listing, roll } = &mut worker.inventory;
        roll.begin(self.cache, self.cache.directory(path.map_or(&[], RelPath::as_bytes)));
        if let Some(only) = self.only
            && !path.is_some_and(|path| part::is_whole(only, path))
        {
            return self.look_at_some(only, path, observed, handle, &mut worker.inventory);
        }
        let (by_name, believe) = (self.ignore.is_by_name_alone(), observed && !self.options.full);
        listing.fill(&self.cx, handle.as_fd(), self.ignore, &mut worker.dirents, |name, stamp| {
            // What is marked is no directory.
            believe && roll.mark(self.cache, name, stamp, || !by_name && self.ignore.hides_in(path, name, false))
        })
    }

    /// Lists the names that lead to the paths in `only`. The others count as unchanged.
    fn look_at_some(
        &self,
        only: &[(RelPath, Reach)],
        directory: Option<&RelPath>,
        observed: bool,
        handle: &Handle,
        inventory: &mut Inventory,
    ) -> std::result::Result<(), Stop> {
        let Inventory { listing, roll } = inventory;
        listing.clear();
        if observed {
            roll.mark_all();
        }
        let beneath = match directory {
            None => only,
            Some(directory) => {
                let start = only.partition_point(|(path, _)| path <= directory);
                let length = only[start..].partition_point(|(path, _)| path.is_beneath(directory));
                &only[start..start + length]
            }
        };
        let skip = directory.map_or(0, |directory| directory.as_bytes().len() + 1);
        let mut last: &[u8] = &[];
        for (path, _) in beneath {
            let name = path.as_bytes()[skip..].split(|&byte| byte == b'/').next().unwrap_or_default();
            if name == last {
                continue;
            }
            last = name;
            roll.unmark(self.cache, name);
            if !self.ignore.hides_name(name) {
                self.cx.check()?;
                listing.add(handle.as_fd(), name)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a task taken apart")]
    fn join(
        &self,
        id: usize,
        path: Option<&RelPath>,
        observed: bool,
        handle: &Arc<Handle>,
        inventory: &Inventory,
        (segment, range): (usize, Range<usize>),
        worker: &mut Worker,
    ) -> Result<Vec<Task>> {
        let mut merge = Merge {
            survey: self,
            path,
            handle: handle.as_fd(),
            observed,
            buffer: &mut worker.content,
            tasks: Vec::new(),
            segment: Segment::default(),
        };
        let outcome = merge.run(inventory, range);
        let Merge { mut tasks, segment: result, .. } = merge;
        let seen = self.seen.fetch_add(result.counts.entries, Ordering::Relaxed) + result.counts.entries;
        self.cx.progress(Phase::Scan, seen, None);
        match outcome {
            Ok(()) => worker.segments.push((id, segment, result)),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Unreadable(errno)) => {
                worker.failures.push((id, self.failure(path, errno)));
                return Ok(Vec::new());
            }
        }
        if self.handles.load(Ordering::Relaxed) <= MAX_HANDLES {
            for task in &mut tasks {
                task.work = Work::List(Some(Arc::clone(handle)));
            }
        }
        // The stack gives back the newest first: so the walk keeps the order of names.
        tasks.reverse();
        Ok(tasks)
    }

    fn open(&self, path: Option<&RelPath>, parent: Option<&Handle>) -> std::result::Result<Arc<Handle>, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match (path, parent) {
            // Not a duplicate of the root's own handle: that would share its place in the listing.
            (None, _) => fs::openat(self.root.handle(), c".", flags, Mode::empty()),
            (Some(path), Some(parent)) => fs::openat(parent, path.name(), flags, Mode::empty()),
            (Some(path), None) => match self.root.directory(Some(path)) {
                Ok(handle) => Ok(handle),
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(Failure::Absent),
                Err(error) if error.kind() == ErrorKind::Refused => return Err(Failure::Unsettled),
                Err(error) => return Err(Failure::Unreadable(error)),
            },
        };
        match opened {
            Ok(handle) => {
                self.handles.fetch_add(1, Ordering::Relaxed);
                Ok(Arc::new(Handle { handle, count: Arc::clone(&self.handles) }))
            }
            Err(errno) => Err(self.failure(path, errno)),
        }
    }

    fn failure(&self, path: Option<&RelPath>, errno: Errno) -> Failure {
        match (path, errno) {
            (None, errno) => Failure::Unreadable(unreadable_root(self.root, errno)),
            (Some(_), Errno::NOENT) => Failure::Absent,
            (Some(_), Errno::NOTDIR | Errno::LOOP) => Failure::Unsettled,
            (Some(path), errno) => Failure::Unreadable(Error::io("read the directory", self.root.display(path), errno)),
        }
    }
}

/// A thread's turn at a task. Ends also when the task panics, so that the other threads do not wait for ever.
struct Turn<'a, 'b>(&'a Survey<'b>);

impl Turn<'_, '_> {
    fn end<'c>(self, mut stack: MutexGuard<'c, Stack>) -> MutexGuard<'c, Stack> {
        stack.busy -= 1;
        std::mem::forget(self);
        stack
    }
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        let mut stack = self.0.lock();
        stack.busy -= 1;
        stack.failed.get_or_insert_with(|| Error::new(ErrorKind::Internal, "a thread of the scan failed"));
        self.0.ready.notify_all();
    }
}
