//! Who reads every revision while it stands: what gc takes away later was looked at before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use depsync_engine::engine::{DiffSide, Node};
use depsync_engine::error::ErrorKind;
use depsync_engine::hash::Digest;
use depsync_tests::cluster::Site;

/// Files by path.
pub(crate) type Files = BTreeMap<String, Digest>;

/// What a revision changed: the content of each file before and after.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) message: String,
    pub(crate) node: String,
    pub(crate) root: Digest,
    pub(crate) changes: BTreeMap<String, (Option<Digest>, Option<Digest>)>,
}

/// All revisions, the first at 0.
#[derive(Debug, Default)]
pub(crate) struct Archive(pub(crate) Vec<Revision>);

/// How far the archive has come and how far the hub is, so that nobody runs ahead of what gc keeps.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    pub(crate) newest: AtomicU64,
    archived: AtomicU64,
    pub(crate) over: AtomicBool,
}

impl Pace {
    /// Waits until the archive is at most `lag` revisions behind what is known to stand.
    pub(crate) fn wait(&self, lag: u64) {
        while self.newest.load(Ordering::SeqCst) > self.archived.load(Ordering::SeqCst) + lag {
            assert!(!self.over.load(Ordering::SeqCst), "the archive has stopped");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Archive {
    /// Follows the hub until it is over and everything is read.
    pub(crate) fn follow(site: &Site, pace: &Pace) -> Self {
        let _over = Over(pace);
        let node = site.node("archive");
        let mut archive = Self::default();
        loop {
            let over = pace.over.load(Ordering::SeqCst);
            if archive.read_next(site, &node) {
                pace.archived.store(archive.0.len() as u64, Ordering::SeqCst);
            } else if over {
                break;
            } else {
                std::thread::sleep(Duration::from_millis(15));
            }
        }
        let log = node.log(&site.context(), usize::MAX).expect("a log");
        assert_eq!(log.len(), archive.0.len(), "records and revisions");
        for (revision, entry) in archive.0.iter_mut().zip(log.into_iter().rev()) {
            let (node, root) = (entry.node.expect("a node of ours"), entry.root.expect("on record"));
            (revision.message, revision.node, revision.root) = (entry.message, node.to_string(), root);
        }
        archive
    }

    /// Reads the next revision; false if there is none yet.
    fn read_next(&mut self, site: &Site, node: &Node) -> bool {
        let number = self.0.len() as u64 + 1;
        // Nothing was ever applied here: the agreement is the empty tree.
        let before = if number == 1 { DiffSide::Agreement } else { DiffSide::Revision(number - 1) };
        let diff = match node.diff(&site.context(), before, DiffSide::Revision(number)) {
            Err(error) if matches!(error.kind(), ErrorKind::Usage | ErrorKind::Unreachable) => return false,
            diff => diff.unwrap_or_else(|error| panic!("revision {number} cannot be read: {error}")),
        };
        let content = |entry: &Option<_>| entry.as_ref().and_then(depsync_engine::tree::Entry::content);
        let mut changes = BTreeMap::new();
        for change in diff.changes {
            let (before, after) = (content(&change.before), content(&change.after));
            // Directories come with the first revision and stay.
            assert!(number == 1 || before.is_some() || after.is_some(), "revision {number} changes {}", change.path);
            if before.is_some() || after.is_some() {
                changes.insert(change.path.to_string(), (before.map(|(hash, _)| hash), after.map(|(hash, _)| hash)));
            }
        }
        let unknown = String::new();
        self.0.push(Revision { message: unknown.clone(), node: unknown, root: Digest::of(b""), changes });
        true
    }

    /// The files of each revision, from the first to the newest.
    pub(crate) fn trees(&self) -> impl Iterator<Item = Files> {
        self.0.iter().scan(Files::new(), |files, revision| {
            for (path, (before, after)) in &revision.changes {
                assert_eq!(files.get(path), before.as_ref(), "{path} before {}", revision.message);
                match after {
                    Some(hash) => drop(files.insert(path.clone(), *hash)),
                    None => drop(files.remove(path)),
                }
            }
            Some(files.clone())
        })
    }
}

/// Whoever ends, well or badly, ends the waiting.
pub(crate) struct Over<'a>(pub(crate) &'a Pace);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}
