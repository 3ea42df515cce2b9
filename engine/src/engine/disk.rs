//! Looking at the disk: a scan, turned into a tree and remembered.

use std::fs::File;

use itertools::Itertools;

use super::{Node, Remark, Role, Scope};
use crate::beneath::Root;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::plan::{Place, Trees, check_place};
use crate::revdb::Position;
use crate::scan::{self, BlockKey, Cache, IGNORE_FILE, Ignore, Interest, Part, Reach, Scan};
use crate::tree::{self, Change, MemoryPages, Overlay, Pages, Tree, empty_root};
use crate::watch::Lookout;

/// What is on the disk.
pub(super) struct Disk {
    pub(super) root: Root,
    pub(super) ignore: Ignore,
    pub(super) scan: Scan,
    /// The root of the observed tree.
    pub(super) observed: Digest,
    /// Pages of the observed tree that are not in the database, if it was not to be written.
    fresh: MemoryPages,
}

/// How many paths are looked at again in one go: what bounds memory.
const LOOK_AGAIN: usize = 1 << 16;

/// What a look is to find.
pub(super) struct Gaze<'a> {
    /// Believe nothing that was read before.
    pub(super) full: bool,
    pub(super) interest: &'a dyn Interest,
    pub(super) remember: Remember,
    /// Nothing but this, as long as it is this directory that was looked at before.
    pub(super) part: Option<(Part, (u64, u64))>,
}

impl<'a> Gaze<'a> {
    /// At everything.
    pub(super) fn new(interest: &'a dyn Interest, remember: Remember) -> Self {
        Self { full: false, interest, remember, part: None }
    }
}

/// What is done with what a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remember {
    /// It becomes the stat cache.
    Yes,
    /// It is forgotten: this process does not hold the lock.
    No,
}

impl Disk {
    /// Where the observed tree's pages are.
    pub(super) fn pages<'a>(&self, db: &'a dyn Pages) -> Overlay<'a> {
        Overlay::with(self.fresh.clone(), db)
    }

    /// What could not be read, for people.
    pub(super) fn problems(&self) -> Vec<Remark> {
        self.scan
            .problems
            .iter()
            .map(|problem| Remark { path: problem.path.clone(), reason: problem.error.to_string() })
            .collect()
    }

    /// Sockets, fifos and devices, for people.
    pub(super) fn skipped(&self) -> Vec<String> {
        let skipped = self.scan.skipped.iter();
        skipped.map(|(path, kind)| format!("{path}: skipped, it is a {}", format!("{kind:?}").to_lowercase())).collect()
    }

    /// Tracked paths that are not as agreed. An ignored path is nobody's business: it counts as it was agreed.
    pub(super) fn differing<'a>(&'a self, trees: &'a Trees<'a>) -> impl Iterator<Item = Result<Change>> + 'a {
        trees.differing().filter(|change| match change {
            Ok(Change { path, before: Some(before), .. }) => !self.ignore.matches(path, before.is_directory()),
            Ok(_) => false,
            Err(_) => true,
        })
    }

    /// The root over the tracked paths as they are on the disk, and the ghosts as they are known.
    pub(super) fn measured(&self, trees: &Trees<'_>) -> Result<Digest> {
        let found = self.differing(trees).map(|change| change.map(|change| (change.path, change.after)));
        tree::edit(trees.known, found, &mut MemoryPages::default())
    }

    /// Whether something ignored stands at `path`, whatever is agreed on or wanted there.
    pub(super) fn is_occupied(&self, path: &RelPath) -> bool {
        match self.root.stamp(path) {
            Ok(Some(stamp)) => self.ignore.matches(path, stamp.file_type().is_dir()),
            Ok(None) => false,
            // Something above is no directory, so nothing is here. Of anything else nobody knows: it is left alone.
            Err(error) => error.kind() != ErrorKind::Refused,
        }
    }

    /// The paths of which the scan says nothing.
    pub(super) fn unknown(&self) -> Vec<RelPath> {
        let problems = self.scan.problems.iter().filter_map(|problem| problem.path.clone());
        problems.chain(self.scan.unsettled.iter().cloned()).collect()
    }
}

impl Node {
    /// Opens the directory. One that is missing although something was agreed on has vanished.
    pub(super) fn open_dir(&self, position: &Position) -> Result<Root> {
        Root::open(&self.places.dir).map_err(|error| {
            if position.agreement == empty_root() {
                return error.hint("check the path");
            }
            error.with_kind(ErrorKind::Refused).hint(
                "the deployment directory is gone or unreadable: mount what belongs there, or make the directory again \
                 and run `depsync verify --repair`",
            )
        })
    }

    /// The part of the directory that a command with this scope looks at, together with what it wants to change itself:
    /// none if everything is.
    pub(super) fn part_of(
        &self,
        scope: &Scope,
        position: &Position,
        wanted: Option<Digest>,
    ) -> Result<Option<(Part, (u64, u64))>> {
        let (Scope::Part(part), Some(place)) = (scope, position.place) else { return Ok(None) };
        if position.applied.is_none() {
            return Ok(None);
        }
        let mut part = part.clone();
        if let Some(wanted) = wanted {
            for change in Tree::new(&*self.db, position.known()).diff(&Tree::new(&*self.db, wanted)) {
                part.add(change?.path, Reach::Itself);
                if part.len() > LOOK_AGAIN {
                    return Ok(None);
                }
            }
        }
        Ok(Some((part, place)))
    }

    /// Scans the directory and turns what is found into a tree.
    pub(super) fn look(&self, cx: &Context, root: Root, gaze: Gaze<'_>) -> Result<Disk> {
        let ignore = self.ignore(&root)?;
        let (base, blocks) = self.db.stat_cache()?;
        let blocks = blocks
            .into_iter()
            .map(|(directory, first, bytes)| (BlockKey { directory: directory.into(), first: first.into() }, bytes));
        let mut cache = Cache::load(blocks);
        let options = scan::Options { full: gaze.full, interest: gaze.interest, threads: None };
        let is_sound = !cache.is_empty() && cache.damaged() == 0;
        let mut scan = None;
        if let Some((part, place)) = gaze.part.filter(|_| is_sound && !gaze.full) {
            let part: Vec<_> = part.into_iter().collect();
            let found = scan::scan_part(cx, &root, &ignore, &options, cache.clone(), &part)?;
            scan = Some(found).filter(|found| (found.device, found.inode) == place);
        }
        let scan = match scan {
            Some(scan) => scan,
            None => scan::scan(cx, &root, &ignore, &options, std::mem::take(&mut cache))?,
        };
        drop(cache);
        let base = if scan.rebuilt { empty_root() } else { base };
        let (observed, fresh) = match gaze.remember {
            Remember::Yes => {
                cx.step("state.stat-cache");
                (self.observe(base, &scan)?, MemoryPages::default())
            }
            Remember::No => {
                let mut fresh = MemoryPages::default();
                let tree = Tree::new(&*self.db, base);
                (tree::edit(tree, scan.changes().map(Ok), &mut fresh)?, fresh)
            }
        };
        Ok(Disk { root, ignore, scan, observed, fresh })
    }

    /// Looks again at what was touched and remembers it: the next scan need not read it once more. Gives the root of the
    /// observed tree.
    pub(super) fn look_again(
        &self,
        cx: &Context,
        disk: &Disk,
        touched: impl Iterator<Item = RelPath>,
    ) -> Result<Digest> {
        let (mut observed, mut cache) = (disk.observed, None);
        for paths in &touched.chunks(LOOK_AGAIN) {
            let part: Vec<_> = paths.map(|path| (path, Reach::Itself)).collect();
            let cache_before = cache.take().unwrap_or_else(|| disk.scan.cache().clone());
            let options = scan::Options::default();
            let scan = scan::scan_part(cx, &disk.root, &disk.ignore, &options, cache_before, &part)?;
            cx.step("state.stat-cache");
            observed = self.observe(observed, &scan)?;
            cache = Some(scan.into_cache());
        }
        Ok(observed)
    }

    fn observe(&self, base: Digest, scan: &Scan) -> Result<Digest> {
        // Every change is in a block that changed, but for the tree that starts anew.
        if scan.blocks.is_empty() && scan.changes().next().is_none() {
            return Ok(base);
        }
        let mut sink = self.db.cache_sink();
        let observed = tree::edit(Tree::new(&*self.db, base), scan.changes().map(Ok), &mut sink)?;
        sink.finish()?;
        let blocks = scan.blocks.iter().map(|(key, bytes)| {
            (key.directory.to_vec(), key.first.to_vec(), bytes.as_ref().map(|bytes| bytes.to_vec()))
        });
        self.db.set_stat_cache(observed, blocks)?;
        Ok(observed)
    }

    /// Lets `lookout` watch the directory, without what is ignored.
    pub fn watch(&self, cx: &Context, lookout: &mut Lookout) -> Result<()> {
        let root = Root::open(&self.places.dir)?;
        let ignore = self.ignore(&root)?;
        lookout.open(cx, root, ignore)
    }

    /// The default list, the configuration's patterns and the directory's own file.
    fn ignore(&self, root: &Root) -> Result<Ignore> {
        let ignore = self.patterns(root)?;
        // What a worker's server makes of an archive is not tracked there.
        if self.rules.exploded().is_empty() || self.options.role == Some(Role::ReadOnly) {
            return Ok(ignore);
        }
        ignore.and_exploded(self.rules.exploded(), &self.options.archives, root)
    }

    fn patterns(&self, root: &Root) -> Result<Ignore> {
        if self.options.ignore.is_empty() {
            return Ignore::load(root);
        }
        let own = RelPath::try_from(IGNORE_FILE)?;
        let mut bytes = self.options.ignore.join("\n").into_bytes();
        bytes.push(b'\n');
        match root.read(&own) {
            Ok(file) => {
                read_bounded(file, &mut bytes).map_err(|source| Error::io("read", root.display(&own), source))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ignore::parse(&bytes)
    }

    /// Refuses a directory on another device that does not hold what was agreed on.
    pub(super) fn check_place(&self, position: &Position, disk: &Disk, holds_agreement: bool) -> Result<Place> {
        let now = Place { device: disk.scan.device, inode: disk.scan.inode };
        let before = position.place.map(|(device, inode)| Place { device, inode });
        check_place(before, now, holds_agreement, disk.scan.empty)
            .map_err(|error| error.at(self.places.dir.display()))?;
        Ok(now)
    }
}

const MAX_IGNORE: u64 = 1 << 20;

fn read_bounded(file: File, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Read;
    file.take(MAX_IGNORE + 1).read_to_end(bytes).map(|_| ())
}
