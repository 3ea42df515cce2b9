//! Scans of real directories, against a naive walk.
//!
//! [`Kit`] carries tree and cache from scan to scan the way an embedder does, and holds every scan to the laws that
//! need no particular case: changes ascend and say something new, the changed blocks are exactly the difference of the
//! caches, and a cache that was stored loads again.

mod behaviour;
mod hostile;
mod large;
mod property;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::context::Clock;
use crate::hash::Digest;
use crate::tree::{LinkTarget, Mode};

/// The system's clock, set forward; a hook runs whenever it is asked.
#[derive(Default)]
pub(super) struct TestClock {
    ahead: AtomicI64,
    hook: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        if let Some(hook) = &self.hook {
            hook();
        }
        Timestamp::now() + SignedDuration::from_secs(self.ahead.load(Ordering::SeqCst))
    }

    fn sleep(&self, _duration: Duration) {}
}

pub(super) type Tree = BTreeMap<RelPath, Entry>;

/// A directory with everything that is carried from scan to scan.
pub(super) struct Kit {
    directory: tempfile::TempDir,
    clock: Arc<TestClock>,
    pub(super) cx: Context,
    pub(super) ignore: Ignore,
    pub(super) tree: Tree,
    pub(super) store: BTreeMap<BlockKey, Vec<u8>>,
}

pub(super) fn path(text: impl AsRef<[u8]>) -> RelPath {
    RelPath::new(text.as_ref()).expect("a path")
}

impl Kit {
    pub(super) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let clock = Arc::new(TestClock::default());
        Self {
            directory: directory.expect("tempdir"),
            cx: Context::new().with_clock(Arc::clone(&clock) as Arc<dyn Clock>),
            clock,
            ignore: Ignore::new(),
            tree: Tree::new(),
            store: BTreeMap::new(),
        }
    }

    /// Runs `hook` whenever the scan asks for the time: between looking at a file and reading it.
    pub(super) fn with_hook(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(TestClock { ahead: AtomicI64::new(0), hook: Some(Box::new(hook)) });
        self.cx = Context::new().with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        self
    }

    pub(super) fn at(&self, name: impl AsRef<[u8]>) -> PathBuf {
        self.directory.path().join(path(name).as_path())
    }

    pub(super) fn write(&self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        std::fs::write(path, content).expect("write");
    }

    pub(super) fn mkdir(&self, name: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.at(name)).expect("mkdir");
    }

    pub(super) fn remove(&self, name: impl AsRef<[u8]>) {
        let path = self.at(name);
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).expect("remove");
        } else {
            std::fs::remove_file(path).expect("remove");
        }
    }

    pub(super) fn chmod(&self, name: impl AsRef<[u8]>, mode: u32) {
        std::fs::set_permissions(self.at(name), std::fs::Permissions::from_mode(mode)).expect("chmod");
    }

    /// Sets the clock an hour ahead: everything on disk was left alone for long.
    pub(super) fn later(&self) {
        self.clock.ahead.fetch_add(3600, Ordering::SeqCst);
    }

    /// Sets the clock an hour back: everything on disk is too young to be believed.
    pub(super) fn earlier(&self) {
        self.clock.ahead.fetch_sub(3600, Ordering::SeqCst);
    }

    pub(super) fn root(&self) -> Root {
        Root::open(self.directory.path()).expect("open")
    }

    pub(super) fn cache(&self) -> Cache {
        Cache::load(self.store.iter().map(|(key, bytes)| (key.clone(), bytes.clone())))
    }

    pub(super) fn scan(&mut self) -> Scan {
        self.scan_with(&Options::default())
    }

    /// Scans, and holds the result to the laws of every scan.
    pub(super) fn scan_with(&mut self, options: &Options<'_>) -> Scan {
        let scan = scan(&self.cx, &self.root(), &self.ignore, options, self.cache()).expect("scans");
        self.hold_to_the_laws(scan)
    }

    /// Scans what is named and nothing else.
    pub(super) fn scan_again(&mut self, paths: &[RelPath]) -> Scan {
        let part: Vec<_> = paths.iter().map(|path| (path.clone(), Reach::Itself)).collect();
        self.scan_part(&part)
    }

    /// The same, with how much of each.
    pub(super) fn scan_part(&mut self, part: &[(RelPath, Reach)]) -> Scan {
        let options = Options::default();
        let scan = scan_part(&self.cx, &self.root(), &self.ignore, &options, self.cache(), part).expect("scans");
        self.hold_to_the_laws(scan)
    }

    fn hold_to_the_laws(&mut self, scan: Scan) -> Scan {
        let found = changes(&scan);
        assert!(found.is_sorted_by(|(left, _), (right, _)| left < right), "{found:?}");
        if scan.rebuilt {
            self.tree.clear();
        }
        for (path, entry) in &found {
            match entry {
                None => assert!(self.tree.remove(path).is_some(), "{path:?} was removed and not there"),
                Some(entry) => {
                    let before = self.tree.insert(path.clone(), entry.clone());
                    assert_ne!(before.as_ref(), Some(entry), "{path:?} did not change");
                }
            }
        }
        for path in self.tree.keys() {
            let parent = path.parent().and_then(|parent| self.tree.get(&parent).map(Entry::is_directory));
            assert!(path.parent().is_none() || parent == Some(true), "{path:?} has no directory");
        }
        assert!(scan.blocks.is_sorted_by(|(left, _), (right, _)| left < right));
        for (key, bytes) in &scan.blocks {
            match bytes {
                None => drop(self.store.remove(key)),
                Some(bytes) => {
                    let before = self.store.insert(key.clone(), bytes.to_vec());
                    assert_ne!(before.as_deref(), Some(&bytes[..]), "{key:?} did not change");
                }
            }
        }
        let carried: Vec<_> = scan.cache().blocks().map(|(key, bytes)| (key.clone(), bytes.to_vec())).collect();
        let stored: Vec<_> = self.store.clone().into_iter().collect();
        assert_eq!(carried, stored);
        assert_eq!(self.cache().damaged(), 0);
        // All of a small tree, a sample of a large one: each look reads a block.
        for (path, entry) in self.tree.iter().step_by(1 + self.tree.len() / 512) {
            assert_eq!(scan.cache().entry_of(path).as_ref(), Some(entry), "{path:?}");
        }
        scan
    }

    /// Scans, and compares with a naive walk.
    pub(super) fn scan_and_compare(&mut self) -> Scan {
        let scan = self.scan();
        assert_eq!(self.tree, self.naive());
        assert!(scan.problems.is_empty() && scan.unsettled.is_empty(), "{:?} {:?}", scan.problems, scan.unsettled);
        scan
    }

    pub(super) fn naive(&self) -> Tree {
        let mut tree = Tree::new();
        self.naive_beneath(None, &mut tree);
        tree
    }

    fn naive_beneath(&self, directory: Option<&RelPath>, tree: &mut Tree) {
        let at = directory.map_or(self.directory.path().to_owned(), |path| self.at(path.as_bytes()));
        for entry in std::fs::read_dir(at).expect("list") {
            let entry = entry.expect("list");
            let path = RelPath::child_of(directory, entry.file_name().as_bytes()).expect("a path");
            let metadata = std::fs::symlink_metadata(entry.path()).expect("look");
            if self.ignore.matches(&path, metadata.is_dir()) {
                continue;
            }
            let mode = Mode::new(metadata.permissions().mode());
            if metadata.is_dir() {
                tree.insert(path.clone(), Entry::Directory { mode });
                self.naive_beneath(Some(&path), tree);
            } else if metadata.is_symlink() {
                let target = std::fs::read_link(entry.path()).expect("link");
                let target = LinkTarget::new(target.as_os_str().as_bytes()).expect("target");
                tree.insert(path, Entry::Symlink { target });
            } else if metadata.is_file() {
                let content = std::fs::read(entry.path()).expect("read");
                tree.insert(path, Entry::File { mode, size: content.len() as u64, hash: Digest::of(&content) });
            }
        }
    }
}

pub(super) fn changes(scan: &Scan) -> Vec<Change> {
    scan.changes().collect()
}

pub(super) fn shown<T>(paths: &[(RelPath, T)]) -> Vec<String> {
    paths.iter().map(|(path, _)| path.to_string()).collect()
}
