//! One node: its real directory and what the model knows of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use depsync_engine::engine::Role;
use depsync_tests::snapshot::{Item, snapshot};

use crate::edit::place;
use crate::oracle::{Name, Rules, Tree, Wins};

/// A node as the model sees it.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) manager: bool,
    /// The configured role; none leaves it to the first command.
    pub(crate) role: Option<Role>,
    /// What this disk and the hub last agreed on.
    pub(crate) agreement: Tree,
    /// The revision applied last.
    pub(crate) applied: Option<usize>,
    pub(crate) pinned: Option<usize>,
    /// What the node's first commands made of it.
    pub(crate) writes: Option<bool>,
}

impl Member {
    pub(crate) fn new(name: &'static str, role: Option<Role>) -> Self {
        let manager = name.starts_with('m');
        Self { name, manager, role, agreement: Tree::new(), applied: None, pinned: None, writes: None }
    }

    pub(crate) fn writes(&self) -> bool {
        self.role.map_or(self.writes.unwrap_or(false), |role| role == Role::ReadWrite)
    }

    /// Who wins an update.
    pub(crate) fn wins(&self) -> Wins {
        if self.writes() && self.applied.is_some() { Wins::Nobody } else { Wins::Hub }
    }

    /// The state is lost; the directory is not.
    pub(crate) fn forget_everything(&mut self) {
        *self = Self::new(self.name, self.role);
    }

    /// Tracked paths that differ, ignored ones left out.
    pub(crate) fn drift(&self, disk: &Tree) -> BTreeSet<Name> {
        let rules = Rules::of(disk);
        let differs = |path: &Name, item: &Item| !rules.hide(path) && disk.get(path) != Some(item);
        self.agreement.iter().filter(|(path, item)| differs(path, item)).map(|(path, _)| path.clone()).collect()
    }
}

/// A disk at one moment, with what is not identity.
pub(crate) struct Moment {
    pub(crate) tree: Tree,
    stamps: std::collections::BTreeMap<Name, (u64, i64, i64)>,
}

impl Moment {
    pub(crate) fn of(dir: &Path) -> Self {
        let tree = snapshot(dir);
        let stamp = |path: &Name| {
            let found = place(dir, path).symlink_metadata().expect("metadata");
            (found.ino(), found.mtime(), found.mtime_nsec())
        };
        let files = tree.iter().filter(|(_, item)| matches!(item, Item::File(..)));
        let stamps = files.map(|(path, _)| (path.clone(), stamp(path))).collect();
        Self { tree, stamps }
    }

    /// What application servers look at: an unchanged file was not touched, a changed one has another second, which
    /// has come.
    pub(crate) fn check_times(&self, later: &Self) {
        let now = jiff::Timestamp::now().as_second();
        for (path, item) in &later.tree {
            let (Some(old), Some(stamp), Some(before)) =
                (self.tree.get(path), later.stamps.get(path), self.stamps.get(path))
            else {
                continue;
            };
            let content = |item: &Item| if let Item::File(_, bytes) = item { Some(bytes.clone()) } else { None };
            let shown = String::from_utf8_lossy(path);
            if old == item {
                assert_eq!(stamp, before, "{shown} did not change, but was touched");
            } else if content(old) != content(item) {
                assert_ne!(stamp.1, before.1, "{shown} changed, but has the same second");
                assert!(stamp.1 <= now, "{shown} is from the future");
            }
        }
    }

    /// The content of the file or link at `path`.
    pub(crate) fn content(&self, path: &[u8]) -> Option<&[u8]> {
        content(self.tree.get(path)?)
    }

    /// Files and links, by their content.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&Name, &[u8])> {
        self.tree.iter().filter_map(|(path, item)| Some((path, content(item)?)))
    }
}

/// What would be lost with an item.
pub(crate) fn content(item: &Item) -> Option<&[u8]> {
    match item {
        Item::File(_, bytes) => Some(bytes),
        Item::Link(target) => Some(target),
        Item::Directory(_) => None,
    }
}

/// The contents that lie in a recovery area.
pub(crate) fn recovered(area: &Path) -> BTreeSet<Vec<u8>> {
    snapshot(area).values().filter_map(content).map(<[u8]>::to_vec).collect()
}

/// Removes what nobody tracks and what is ignored.
pub(crate) fn tidy(dir: &Path, tracked: &Tree) {
    for path in snapshot(dir).keys().rev().filter(|path| !tracked.contains_key(*path)) {
        let _open = crate::edit::Opened::above(dir, path);
        let at = place(dir, path);
        // Its directory may have gone with the one before.
        match at.symlink_metadata() {
            Ok(found) if found.is_dir() => drop(fs::remove_dir(&at)),
            Ok(_) => fs::remove_file(&at).expect("remove"),
            Err(_) => {}
        }
    }
}
