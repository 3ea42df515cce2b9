//! A deployment directory that itself lies on NFS, its state on a local disk: no RENAME_EXCHANGE, `.nfs*` files, ESTALE.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::engine::{Node, Options, PublishOptions, Role, StatePlace, UpdateOptions, UpdateOutcome};
use depsync_engine::error::{ErrorKind, Result};
use depsync_tests::cluster::Site;
use depsync_tests::nfs::Scene;
use depsync_tests::snapshot::{Item, Snapshot, check_same, snapshot, write_tree};
use depsync_tests::uml::say;

use crate::member::Member;

/// A manager with a local directory, and a worker with one on a client's mount.
pub(crate) struct Deployment {
    manager: Member,
    live: PathBuf,
    /// The same directory as the server has it.
    behind: PathBuf,
    fallback: PathBuf,
}

impl Deployment {
    pub(crate) fn new(scene: &Scene, top: &Path, name: &str) -> Self {
        let hub = scene.clients[1].path().join(format!("{name}-hub"));
        let here = scene.clients[0].path().join(name);
        for directory in [&hub, &here] {
            std::fs::create_dir(directory).expect("mkdir");
        }
        let manager = Member::new(top, &format!("{name}-m"), &hub);
        let behind = scene.server.exported().join(name).join("live");
        Self { manager, live: here.join("live"), behind, fallback: top.join("fallback") }
    }

    fn options(&self) -> Options {
        let state = StatePlace::BesideOr(self.fallback.clone());
        let mut options = Options::new(&self.live, &self.manager.hub, state);
        options.node = Some(format!("{}-w", self.manager.name).parse().expect("a node id"));
        options
    }

    fn open(&self) -> Result<Node> {
        Site::at(&self.live).try_open(&Context::new(), self.options(), |transport| transport)
    }

    fn update(&self) -> UpdateOutcome {
        let update = UpdateOptions { allow_mass_delete: true, ..UpdateOptions::default() };
        self.open().and_then(|node| node.update(&Context::new(), &update)).expect("updates")
    }

    fn publish(&self) {
        let publish = PublishOptions { allow_mass_delete: true, ..PublishOptions::default() };
        let node = self.manager.open().expect("opens");
        assert!(node.publish(&Context::new(), &publish).expect("publishes").changed);
    }

    fn publish_and_update(&self, what: &str) -> UpdateOutcome {
        self.publish();
        let updated = self.update();
        assert!(updated.problems.is_empty() && updated.conflicts.is_empty(), "{what}: {updated:?}");
        self.check(what);
        updated
    }

    /// The worker's directory is the manager's, but for what the client keeps for those who have files open.
    fn check(&self, what: &str) {
        let wanted = snapshot(&self.manager.dir);
        check_same(&without_silly(&self.live), &wanted, what);
        check_same(&without_silly(&self.behind), &wanted, &format!("{what}, on the server"));
    }

    fn remove(&self, path: &str) {
        let path = self.manager.dir.join(path);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.expect("remove");
    }
}

/// A directory without the names that an NFS client gives to what was removed while it was open.
fn without_silly(directory: &Path) -> Snapshot {
    let silly = |path: &[u8]| path.rsplit(|&byte| byte == b'/').next().is_some_and(|name| name.starts_with(b".nfs"));
    snapshot(directory).into_iter().filter(|(path, _)| !silly(path)).collect()
}

fn silly_files(directory: &Path) -> usize {
    snapshot(directory).len() - without_silly(directory).len()
}

/// Every kind of change arrives, and the state is not on the share.
pub(crate) fn every_change_arrives(scene: &Scene, top: &Path) {
    let site = Deployment::new(scene, top, "changes");
    let all =
        [("a", "old"), ("b/c", "old"), ("b/d/e", "old"), ("f/g", "old"), ("h", "old"), ("empty/", ""), ("l", "->a")];
    write_tree(&site.manager.dir, &all);
    site.publish_and_update("the first copy");
    let places = site.open().expect("opens").places().clone();
    assert!(places.state.starts_with(&site.fallback), "the state is local: {places:?}");
    assert!(!site.live.with_file_name(".live.depsync").join("state.db").exists());
    let time = |name: &str| std::fs::metadata(site.live.join(name)).expect("there").mtime();
    let (changed, unchanged) = (time("a"), time("b/c"));
    site.manager.write("a", "new");
    std::fs::set_permissions(site.manager.dir.join("h"), PermissionsExt::from_mode(0o600)).expect("chmod");
    site.remove("l");
    std::os::unix::fs::symlink("h", site.manager.dir.join("l")).expect("symlink");
    let updated = site.publish_and_update("a file, a mode, a link");
    assert_eq!((updated.added, updated.modified, updated.removed), (0, 3, 0));
    assert!(time("a") != changed && time("b/c") == unchanged, "an unchanged file is not touched");
    site.remove("b");
    site.remove("f");
    write_tree(&site.manager.dir, &[("b", "a file now"), ("f", "->b"), ("h2/i/j", "new")]);
    site.publish_and_update("directories give way");
    site.remove("b");
    site.remove("h2");
    site.remove("empty");
    write_tree(&site.manager.dir, &[("b/c/d", "a directory again")]);
    site.publish_and_update("a file gives way, directories go");
    let staging = snapshot(&site.live.with_file_name(".live.depsync").join("staging"));
    assert!(staging.is_empty(), "left in staging: {:?}", staging.keys());
    assert!(site.open().and_then(|node| node.verify(&Context::new(), false)).expect("verifies").matches);
    assert!(!site.update().changed);
}

/// An application has files open that are replaced and removed: it keeps what it has, and nobody else is troubled.
pub(crate) fn open_files_are_no_trouble(scene: &Scene, top: &Path) {
    let site = Deployment::new(scene, top, "open");
    let all =
        [("stays", "x"), ("replaced", "old"), ("removed", "old"), ("gone/deep/file", "old"), ("gone/other", "old")];
    write_tree(&site.manager.dir, &all);
    site.publish_and_update("the first copy");
    let open = ["replaced", "removed", "gone/deep/file"].map(|name| File::open(site.live.join(name)).expect(name));
    site.manager.write("replaced", "new");
    site.remove("removed");
    site.remove("gone");
    site.publish();
    let updated = site.update();
    assert!(updated.conflicts.is_empty(), "{updated:?}");
    let held = silly_files(site.live.parent().expect("above"));
    say(&format!("{held} files kept for those who have them open; said of it: {:?}", updated.warnings));
    assert!(held > 0, "nothing was kept: this shows nothing");
    for file in &open {
        assert_eq!(std::io::read_to_string(file).expect("what was open can be read"), "old");
    }
    for (name, content) in [("replaced", "new"), ("stays", "x")] {
        assert_eq!(std::fs::read_to_string(site.live.join(name)).expect(name), content);
    }
    assert!(!site.live.join("removed").exists() && !site.live.join("gone/other").exists());
    // Another update meanwhile, and a look at everything.
    site.manager.write("stays", "y");
    site.publish();
    assert!(site.update().problems.is_empty());
    let status = site.open().and_then(|node| node.status(&Context::new())).expect("a status");
    assert!(status.drift.is_empty() && status.problems.is_empty(), "{status:?}");
    drop(open);
    site.manager.write("stays", "z");
    site.publish();
    site.update();
    assert_eq!(silly_files(site.live.parent().expect("above")), 0);
    site.check("closed");
}

/// What an NFS client keeps for open files is never published.
pub(crate) fn kept_files_are_not_published(scene: &Scene, top: &Path) {
    let hub = scene.clients[1].path().join("kept-hub");
    let dir = scene.clients[0].path().join("kept");
    std::fs::create_dir(&hub).expect("mkdir");
    let manager = Member::new(top, "kept-m", &hub);
    let manager = Member { dir, ..manager };
    manager.write("a", "a");
    manager.write("b", "b");
    let open = File::open(manager.dir.join("b")).expect("open");
    std::fs::remove_file(manager.dir.join("b")).expect("remove");
    assert_eq!(silly_files(&manager.dir), 1, "nothing was kept: this shows nothing");
    assert_eq!(manager.publish("kept").expect("publishes").added, 1);
    drop(open);
    assert!(!manager.publish("nothing").expect("publishes").changed);
}

/// Another client removes directories behind this one's back: it is told of a handle that leads nowhere.
pub(crate) fn a_directory_removed_elsewhere(scene: &Scene, top: &Path) {
    let site = Deployment::new(scene, top, "stale");
    for round in 0..4 {
        for name in ["x/y/z/file", "x/y/other", "x/kept", "w/file"] {
            site.manager.write(name, &format!("{name} {round}"));
        }
        site.publish_and_update("before");
        // The client looks at everything, and believes it for a while.
        let _ = snapshot(&site.live);
        let _open = File::open(site.live.join("x/y/z")).expect("open");
        std::fs::remove_dir_all(site.behind.join("x/y")).expect("remove");
        std::fs::remove_dir_all(site.behind.join("w")).expect("remove");
        site.manager.write("x/y/z/file", &format!("next {round}"));
        site.manager.write("w/file", &format!("next {round}"));
        site.publish();
        let node = site.open().expect("opens");
        match node.update(&Context::new(), &UpdateOptions::default()) {
            Ok(done) => say(&format!("round {round}: {} problems", done.problems.len())),
            Err(error) => {
                say(&format!("round {round}: {error}"));
                assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
            }
        }
        // The next command puts it right, whatever the first one saw.
        assert!(site.update().problems.is_empty());
        site.check("after");
    }
}

/// Killed in the middle, many times; the next command finishes.
pub(crate) fn killed_at_work(scene: &Scene, top: &Path) {
    let site = Deployment::new(scene, top, "killed");
    let worker = Member { dir: site.live.clone(), state: top.join("killed-w.state"), ..site.manager.clone() };
    let worker = Member { name: "killed-w".to_owned(), ..worker };
    let content = |name: &str, round: u64| format!("{name} {round} {}", "content ".repeat(2000));
    let edit = |round: u64| {
        for number in 0..40 {
            let name = format!("part{}/file{number}", number % 5);
            site.manager.write(&name, &content(&name, round));
        }
        site.publish();
    };
    edit(0);
    assert_eq!(worker.run("update", 60).status, Some(0));
    let mut cut_off = 0;
    for round in 1..=5 {
        edit(round);
        let mut child = worker.command("update").stdout(std::process::Stdio::null()).spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(50 * round));
        cut_off += u32::from(child.try_wait().expect("our child").is_none());
        let _ = child.kill();
        child.wait().expect("it ends");
        for (path, item) in without_silly(&site.live) {
            let name = String::from_utf8(path).expect("a name");
            if let Item::File(_, found) = item {
                let known = (round - 1..=round).any(|round| found == content(&name, round).into_bytes());
                assert!(known, "{name} is torn, {} bytes", found.len());
            }
        }
        let ended = worker.run("update", 60);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        site.check("after");
    }
    say(&format!("{cut_off} updates were killed"));
    assert!(cut_off > 0, "no update was killed");
}

/// State needs locks that work: on a share it is refused, with the reason.
pub(crate) fn state_on_a_share_is_refused(scene: &Scene, top: &Path) {
    let site = Deployment::new(scene, top, "state");
    site.manager.write("a", "a");
    site.publish();
    let mut options = site.options();
    options.state = StatePlace::At(site.live.with_file_name("state"));
    options.role = Some(Role::ReadOnly);
    let opened = Site::at(&site.live).try_open(&Context::new(), options, |transport| transport);
    let error = opened.err().expect("refused");
    assert!(error.to_string().contains("network file system"), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("--state")), "{error}");
    assert!(!site.live.exists(), "nothing was made");
}
