//! The change that an update dies in: every kind of entry turned into every other, and what only this node has.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use depsync_engine::context::{Context, Observer};
use depsync_engine::engine::UpdateOptions;
use depsync_tests::cluster::Site;
use depsync_tests::crash::{self, Child, Copier, End, Work};
use depsync_tests::jar;
use depsync_tests::node::noise;
use depsync_tests::snapshot::{Item, Snapshot, brief, check_same, snapshot, write_tree};

/// How large the change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Every kind of change there is.
    Whole,
    /// One of each kind that matters to recovery, for crashes within crashes.
    Small,
}

/// Where the deployment directory is, and what its file system can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setting {
    /// Below a `webapps`: staged inside, kept aside on the state's side.
    pub(crate) inside: bool,
    /// Neither EXCHANGE nor NOREPLACE.
    pub(crate) poor: bool,
    /// Everything is in a directory that changes as one; what nobody tracks moves along.
    pub(crate) unit: bool,
}

/// That directory, and others that come, go and become files.
const UNIT: &str = "shop";
const OTHERS: [&str; 4] = ["u-dir", "u-file", "u-gone", "u-new"];

/// A hub with two revisions, and a worker at the first of them that has things of its own.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) node: &'static str,
    pub(crate) setting: Setting,
    /// The worker's directory before the update, and after one that nobody killed.
    pub(crate) old: Snapshot,
    pub(crate) new: Snapshot,
    /// What the manager published.
    pub(crate) wanted: Snapshot,
    /// Contents that are on this node and nowhere else.
    pub(crate) precious: Vec<Vec<u8>>,
    /// The steps of an update that nobody killed.
    pub(crate) steps: Vec<String>,
}

/// What the worker's own content begins with.
const OWN: &str = "only here: ";

impl Scene {
    pub(crate) fn new(size: Size, setting: Setting) -> Self {
        let site = Site::new();
        let node = if setting.inside { "webapps/w" } else { "w" };
        if setting.inside {
            std::fs::create_dir(site.dir("webapps")).expect("webapps");
        }
        let (manager, worker) = (site.dir("m"), site.dir(node));
        let (there, here) = if setting.unit {
            site.name_unit(UNIT, &["*"]);
            site.name_unit("u-*", &["*"]);
            write_tree(&manager, &[("beside", "old"), ("beneath/x", "old"), ("shop/", "")]);
            write_tree(&manager, &[("u-dir", "a file"), ("u-file/a/b", "b"), ("u-gone/a/b", "b"), ("u-gone/c", "c")]);
            (manager.join(UNIT), worker.join(UNIT))
        } else {
            (manager.clone(), worker.clone())
        };
        match size {
            Size::Whole => whole_old(&there),
            Size::Small => small_old(&there),
        }
        site.publish("m").expect("publishes");
        site.update(node).expect("updates");
        assert_eq!(snapshot(&manager), snapshot(&worker));
        match size {
            Size::Whole => {
                whole_new(&there);
                whole_own(&here);
            }
            Size::Small => {
                small_new(&there);
                small_own(&here);
            }
        }
        if setting.unit {
            remove(&manager, &["beneath", "u-dir", "u-file", "u-gone"]);
            write_tree(&manager, &[("beside", "new"), ("before/x", "new")]);
            write_tree(
                &manager,
                &[("u-dir/a", "a"), ("u-dir/b", "b"), ("u-file", "a file"), ("u-new/a", "a"), ("u-new/b/c", "c")],
            );
            std::fs::write(worker.join("u-dir"), own("u-dir")).expect("drift");
        }
        site.publish("m").expect("publishes");
        let old = snapshot(&worker);
        let precious = own_contents(&old);
        let mut scene = Self {
            site,
            node,
            setting,
            old,
            new: Snapshot::new(),
            precious,
            steps: Vec::new(),
            wanted: snapshot(&manager),
        };
        let copy = scene.site.copy();
        let End::Finished(steps) = scene.run(&copy, None) else { panic!("the update nobody kills") };
        scene.steps = steps;
        scene.new = snapshot(&copy.dir(node));
        scene.check_new_against(&scene.wanted);
        scene.check_nothing_lost(&copy, &scene.precious, "undisturbed");
        scene
    }

    /// What came out of the undisturbed update: the manager's tree, and beside it only what the worker had itself.
    fn check_new_against(&self, wanted: &Snapshot) {
        for (path, item) in wanted {
            assert_eq!(self.new.get(path), Some(item), "{}", String::from_utf8_lossy(path));
        }
        for (path, item) in self.new.iter().filter(|(path, _)| !wanted.contains_key(*path)) {
            assert_eq!(self.old.get(path), Some(item), "{}", String::from_utf8_lossy(path));
        }
    }

    pub(crate) fn run(&self, site: &Site, at: Option<usize>) -> End {
        crash::run(site, Child { node: self.node, work: Work::Update, poor: self.setting.poor }, at)
    }

    /// Updates in this process, under the same restrictions.
    pub(crate) fn finish_here(&self, site: &Site) {
        self.update_under(site, &site.context());
    }

    /// Updates in this process; gives the site as it was before every step.
    pub(crate) fn copies_at_every_step(&self, site: &Site) -> Vec<(String, Site)> {
        let copier = Arc::new(Copier::of(site));
        self.update_under(site, &site.context().with_observer(Arc::clone(&copier) as Arc<dyn Observer>));
        copier.take()
    }

    fn update_under(&self, site: &Site, cx: &Context) {
        let update = || {
            let node = site.node_under(cx, self.node)?;
            node.update(cx, &UpdateOptions::default())
        };
        let updated = if self.setting.poor {
            let restricted = || {
                crash::make_poor();
                update()
            };
            std::thread::scope(|scope| scope.spawn(restricted).join().expect("no panic"))
        } else {
            update()
        };
        if let Err(error) = updated {
            panic!("the update after the crash: {error}");
        }
    }

    /// Whether a process killed before step `at` has not written the journal yet.
    pub(crate) fn before_journal(&self, at: usize) -> bool {
        let journal = self.steps.iter().position(|step| step == "update.journal").expect("a journal is written");
        at <= journal
    }

    /// The live directory without what is staged in it.
    pub(crate) fn live(&self, site: &Site) -> Snapshot {
        let mut live = snapshot(&site.dir(self.node));
        live.retain(|path, _| !path.starts_with(b".depsync-stage-"));
        live
    }

    /// After a crash, before anything else: every path shows the old entry or the new one, and a unit one of its sides.
    pub(crate) fn check_whole_entries(&self, live: &Snapshot, at: &str) {
        if self.setting.unit {
            for unit in OTHERS.iter().chain([&UNIT]) {
                let of = |all: &Snapshot| -> Snapshot {
                    let inside = all.iter().filter(|(path, _)| path.starts_with(unit.as_bytes()));
                    inside.map(|(path, item)| (path.clone(), item.clone())).collect()
                };
                let (old, new, now) = (of(&self.old), of(&self.new), of(live));
                assert_ne!(old, new, "{unit}");
                if now != old {
                    check_same(&now, &new, at);
                }
            }
        }
        let paths: BTreeSet<&Vec<u8>> = live.keys().chain(self.old.keys()).chain(self.new.keys()).collect();
        for path in paths {
            let (old, new, now) = (self.old.get(path), self.new.get(path), live.get(path));
            let fine = now == old
                || now == new
                || match (old, new, now) {
                    // Permissions of a directory follow at the end; until then its owner can work in it.
                    (_, Some(Item::Directory(mode)), Some(Item::Directory(now))) => {
                        *now == 0o700
                            || *now == mode | 0o700
                            || matches!(old, Some(Item::Directory(old)) if *now == old | 0o700)
                    }
                    (Some(Item::Directory(mode)), None, Some(Item::Directory(now))) => *now == mode | 0o700,
                    // Between a directory and something else in its place there is a moment of neither.
                    (Some(old), Some(new), None) => {
                        matches!(old, Item::Directory(_)) != matches!(new, Item::Directory(_))
                    }
                    _ => false,
                };
            assert!(fine, "{at}: {} is {:?}", String::from_utf8_lossy(path), now.map(brief));
        }
    }

    /// After recovery: as if nobody had killed anything, and nothing left behind.
    pub(crate) fn check_new(&self, site: &Site, at: &str) {
        check_same(&snapshot(&site.dir(self.node)), &self.new, at);
        self.check_tidy(site, at);
    }

    /// Nothing is staged, no journal is open, and the next update has nothing to do.
    pub(crate) fn check_tidy(&self, site: &Site, at: &str) {
        let staging = snapshot(&self.work(site).join("staging"));
        // What a unit was before it was exchanged is kept for a while.
        let left: Vec<_> = staging.into_keys().filter(|path| !path.starts_with(b"until-")).collect();
        assert!(left.is_empty(), "{at}: left in staging: {left:?}");
        let inside = snapshot(&site.dir(self.node)).into_keys().filter(|path| path.starts_with(b".depsync-"));
        assert_eq!(inside.count(), 0, "{at}: staged files are left inside");
        let status = site.node(self.node).status(&site.context()).expect("status");
        assert!(status.warnings.iter().all(|warning| !warning.contains("interrupted")), "{at}: {:?}", status.warnings);
        assert_eq!(status.applied, Some(2), "{at}");
        let again = site.update(self.node).expect("updates");
        assert!(!again.changed && !again.recovered, "{at}: {again:?}");
    }

    /// Each of `contents` is in the directory or in the recovery area.
    pub(crate) fn check_nothing_lost(&self, site: &Site, contents: &[Vec<u8>], at: &str) {
        let mut found = contents_of(&snapshot(&site.dir(self.node)));
        found.extend(contents_of(&snapshot(&self.work(site).join("recovery"))));
        for content in contents {
            assert!(found.contains(content), "{at}: lost: {}", String::from_utf8_lossy(content));
        }
    }

    /// Where staging (unless inside) and recovery lie.
    fn work(&self, site: &Site) -> PathBuf {
        if !self.setting.inside {
            return site.path().join(".w.depsync");
        }
        site.path().join("state/w")
    }
}

/// Every file's content and every link's target.
pub(crate) fn contents_of(items: &Snapshot) -> BTreeSet<Vec<u8>> {
    let content = |item: &Item| match item {
        Item::File(_, content) => Some(content.clone()),
        Item::Link(target) => Some(target.clone()),
        Item::Directory(_) => None,
    };
    items.values().filter_map(content).collect()
}

fn own_contents(items: &Snapshot) -> Vec<Vec<u8>> {
    let own = contents_of(items).into_iter().filter(|content| content.starts_with(OWN.as_bytes()));
    let own: Vec<_> = own.collect();
    assert!(!own.is_empty());
    own
}

fn own(path: &str) -> String {
    format!("{OWN}{path}")
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

fn remove(top: &Path, paths: &[&str]) {
    for path in paths {
        let path = top.join(path);
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).expect("remove");
        } else {
            std::fs::remove_file(path).expect("remove");
        }
    }
}

fn link(top: &Path, path: &str, target: &str) {
    let path = top.join(path);
    let _ = std::fs::remove_file(&path);
    symlink(target, path).expect("link");
}

pub(crate) fn whole_old(top: &Path) {
    write_tree(
        top,
        &[
            ("same.txt", "same"),
            ("change.txt", "old content"),
            ("chmod.sh", "#!/bin/sh"),
            ("both.txt", "old content and mode"),
            ("gone.txt", "goes"),
            ("dir-to-file/a", "a"),
            ("dir-to-file/sub/b", "b"),
            ("file-to-dir", "a file"),
            ("link", "->same.txt"),
            ("link-to-file", "->same.txt"),
            ("file-to-link", "was a file"),
            ("link-to-dir", "->nowhere"),
            ("dir-to-link/x", "x"),
            ("link-gone", "->gone.txt"),
            ("nested-gone/a/b/c.txt", "deep"),
            ("empty-gone/", ""),
            ("dirmode/f", "f"),
            ("locked/f", "old in a locked directory"),
            ("moved-from/f", "moved as it is, and long enough to be worth it"),
            ("drift-changed.txt", "old"),
            ("drift-same.txt", "stays"),
            ("drift-gone.txt", "goes"),
            ("drift-to-dir", "a file"),
            ("drift-in-dir/f", "f"),
            ("drift-link", "->same.txt"),
            ("drift-mode.sh", "#!/bin/sh"),
            ("leftover/tracked", "tracked"),
            ("way/tracked", "tracked"),
        ],
    );
    std::fs::write(top.join("big.bin"), noise(1, 300_000)).expect("big");
    std::fs::write(top.join("big-gone.bin"), noise(2, 300_000)).expect("big");
    std::fs::write(top.join("shop.war"), jar::release(1)).expect("an archive");
    chmod(&top.join("locked"), 0o555);
}

pub(crate) fn whole_new(top: &Path) {
    chmod(&top.join("locked"), 0o755);
    std::fs::write(top.join("shop.war"), jar::release(2)).expect("an archive");
    remove(
        top,
        &[
            "gone.txt",
            "dir-to-file",
            "file-to-dir",
            "link-to-file",
            "file-to-link",
            "link-to-dir",
            "dir-to-link",
            "link-gone",
            "nested-gone",
            "empty-gone",
            "moved-from",
            "drift-gone.txt",
            "drift-to-dir",
            "drift-in-dir",
            "leftover",
            "way",
            "big-gone.bin",
        ],
    );
    write_tree(
        top,
        &[
            ("add.txt", "new"),
            ("change.txt", "new content, longer"),
            ("both.txt", "new content and mode"),
            ("dir-to-file", "now a file"),
            ("file-to-dir/x/y", "now in a directory"),
            ("link-to-file", "now a file"),
            ("file-to-link", "->add.txt"),
            ("link-to-dir/z", "z"),
            ("dir-to-link", "->add.txt"),
            ("nested-new/a/b/c.txt", "new and deep"),
            ("nested-new/empty/", ""),
            ("locked/f", "new in a locked directory"),
            ("locked-new/f", "in a new locked directory"),
            ("moved-to/f", "moved as it is, and long enough to be worth it"),
            ("drift-changed.txt", "new"),
            ("drift-to-dir/f", "f"),
            ("drift-in-dir", "now a file"),
            ("way", "a file where the worker has things of its own"),
            ("met-file.txt", "new where the worker has a file"),
            ("met-dir", "new where the worker has a directory"),
            ("met-as-dir/f", "new beneath where the worker has a file"),
        ],
    );
    link(top, "link", "change.txt");
    link(top, "drift-link", "change.txt");
    let mut big = noise(1, 300_000);
    big[150_000..150_010].copy_from_slice(b"0123456789");
    std::fs::write(top.join("big.bin"), big).expect("big");
    std::fs::write(top.join("big-new.bin"), noise(3, 300_000)).expect("big");
    chmod(&top.join("chmod.sh"), 0o755);
    chmod(&top.join("both.txt"), 0o600);
    chmod(&top.join("dirmode"), 0o750);
    chmod(&top.join("locked"), 0o555);
    chmod(&top.join("locked-new"), 0o555);
}

fn whole_own(top: &Path) {
    for path in ["drift-changed.txt", "drift-same.txt", "drift-gone.txt", "drift-to-dir", "drift-in-dir/f"] {
        std::fs::write(top.join(path), own(path)).expect("drift");
    }
    link(top, "drift-link", &own("drift-link"));
    chmod(&top.join("drift-mode.sh"), 0o700);
    for path in [
        "untracked.txt",
        "leftover/untracked.log",
        "way/untracked.log",
        "way/deep/untracked.log",
        "met-file.txt",
        "met-dir/f",
        "met-as-dir",
    ] {
        write_tree(top, &[(path, &own(path))]);
    }
}

fn small_old(top: &Path) {
    write_tree(
        top,
        &[
            ("change", "old"),
            ("drift", "old"),
            ("drift-to-dir", "old"),
            ("gone", "goes"),
            ("way/tracked", "tracked"),
            ("same", "same"),
            ("same-too", "same"),
        ],
    );
}

fn small_new(top: &Path) {
    remove(top, &["drift-to-dir", "gone", "way"]);
    write_tree(
        top,
        &[("add", "new"), ("change", "new!"), ("drift", "new!"), ("drift-to-dir/f", "f"), ("way", "a file")],
    );
}

fn small_own(top: &Path) {
    for path in ["drift", "drift-to-dir", "way/untracked"] {
        write_tree(top, &[(path, &own(path))]);
    }
}
