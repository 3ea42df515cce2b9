//! Links that are planted while a command works: at the very step where it would hurt, and a hundred thousand times.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use depsync_engine::context::Observer;
use depsync_engine::engine::{PublishOptions, UpdateOptions};
use depsync_engine::hash::Digest;
use depsync_tests::cluster::Site;
use depsync_tests::crash::{make_old, make_poor};
use depsync_tests::snapshot::write_tree;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::scene::exact_beneath;

/// Does something the first time that a step is about to be taken.
struct At(&'static str, Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl At {
    fn observer(step: &'static str, act: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self(step, Mutex::new(Some(Box::new(act)))))
    }

    fn has_acted(&self) -> bool {
        self.1.lock().expect("no panic").is_none()
    }
}

impl Observer for At {
    fn step(&self, name: &'static str) {
        if name == self.0
            && let Some(act) = self.1.lock().expect("no panic").take()
        {
            act();
        }
    }
}

/// A canary outside, that nobody else may read.
fn outside(site: &Site) -> PathBuf {
    let outside = site.path().join("outside");
    write_tree(&outside, &[("x", "canary"), ("e/y", "canary too"), ("secret", "untouched")]);
    fs::set_permissions(outside.join("secret"), fs::Permissions::from_mode(0o600)).expect("bits");
    outside
}

#[test]
fn what_is_kept_beneath_a_link_that_was_kept_stays_inside() {
    let site = Site::new();
    let outside = outside(&site);
    write_tree(&site.dir("m"), &[("d/x", "one"), ("d/y", "one"), ("z", "z")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    // Somebody makes a link of the directory, and as soon as the update has made a directory of it again, puts a file
    // there. Both are kept aside: the link as `d`, the file as `d/new`.
    let live = site.dir("w");
    fs::rename(live.join("d"), site.path().join("moved")).expect("moves");
    symlink(&outside, live.join("d")).expect("a link");
    fs::write(site.dir("m").join("d/new"), "two").expect("a file");
    site.publish("m").expect("publishes");
    let canary = exact_beneath(&outside);
    let planted = live.join("d/new");
    let at = At::observer("apply.place-new", move || {
        let directory = planted.parent().expect("d");
        for name in ["new", "x", "y"] {
            fs::write(directory.join(name), "planted").expect("a file");
        }
    });
    let cx = site.context().with_observer(Arc::clone(&at) as Arc<dyn Observer>);
    let node = site.node_under(&cx, "w").expect("opens");
    let update = node.update(&cx, &UpdateOptions::default()).expect("updates");
    assert!(at.has_acted());
    assert!(update.kept_aside.len() >= 2, "{:?}", update.kept_aside);
    assert_eq!(exact_beneath(&outside), canary, "something was moved out through the link");
    assert_eq!(fs::read(live.join("d/new")).expect("a file"), b"two");
}

/// Puts links to `target` in the place of what is in `directory` and begins with `prefix`.
fn replace_by_links(directory: &Path, prefix: &str, target: &Path) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) {
            fs::remove_file(&path).expect("it goes");
            symlink(target, &path).expect("a link");
        }
    }
}

#[test]
fn a_staged_file_that_became_a_link_is_not_followed() {
    // Beneath `webapps` files are staged in the deployment directory itself.
    let site = Site::new();
    let outside = outside(&site);
    write_tree(&site.dir("m"), &[("a", "one"), ("b", "two")]);
    site.publish("m").expect("publishes");
    fs::create_dir_all(site.dir("webapps/w")).expect("a directory");
    let canary = exact_beneath(&outside);
    let (live, target) = (site.dir("webapps/w"), outside.join("secret"));
    let at = At::observer("stage.finish", move || replace_by_links(&live, ".depsync-stage-", &target));
    let cx = site.context().with_observer(Arc::clone(&at) as Arc<dyn Observer>);
    let node = site.node_under(&cx, "webapps/w").expect("opens");
    let update = node.update(&cx, &UpdateOptions::default()).expect("updates what it can");
    assert!(at.has_acted());
    assert_eq!(exact_beneath(&outside), canary, "bits or times were set through the link");
    assert!(update.problems.iter().any(|problem| problem.reason.contains("staged content is gone")), "{update:?}");
    let gone = |name: &str| {
        update.problems.iter().any(|problem| problem.path.as_ref().is_some_and(|path| path.to_string() == name))
    };
    for name in ["a", "b"] {
        let placed = fs::symlink_metadata(site.dir("webapps/w").join(name));
        assert!(placed.is_ok_and(|placed| placed.is_file()) != gone(name), "{name}: {update:?}");
    }
    // What was planted does not stand in the way of the next one.
    fs::create_dir(site.dir("webapps/w/.depsync-stage-planted")).expect("a directory");
    site.update("webapps/w").expect("updates");
    assert_eq!(fs::read(site.dir("webapps/w/b")).expect("a file"), b"two");
}

#[test]
fn an_upload_that_became_a_link_is_not_followed() {
    let site = Site::new();
    let outside = outside(&site);
    write_tree(&site.dir("m"), &[("a", "one")]);
    site.publish("m").expect("publishes");
    write_tree(&site.dir("m"), &[("a", "two")]);
    let canary = exact_beneath(&outside);
    let (tmp, target) = (site.hub().join("tmp"), outside.join("secret"));
    let at = At::observer("mount.pass-on", move || replace_by_links(&tmp, "", &target));
    let cx = site.context().with_observer(Arc::clone(&at) as Arc<dyn Observer>);
    let node = site.node_under(&cx, "m").expect("opens");
    let published = node.publish(&cx, &PublishOptions::default());
    assert!(at.has_acted() && published.is_err());
    assert_eq!(exact_beneath(&outside), canary, "bits were set through the link");
}

/// The directories that are swapped. What is above them is not: the attacker goes by names, and would be led out itself.
const TARGETS: [&str; 3] = ["d", "g/e", "f"];

/// Swaps directories for links to the canary and back, as fast as it can.
struct Attacker {
    live: PathBuf,
    attic: PathBuf,
    outside: PathBuf,
    swaps: AtomicU64,
    stop: AtomicBool,
    /// Commands that found something other than they expected, and those that did not.
    met: [AtomicU64; 2],
}

impl Attacker {
    fn met(&self, disturbed: bool) {
        self.met[usize::from(disturbed)].fetch_add(1, Ordering::Relaxed);
    }

    fn run(&self) {
        let mut round = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            for target in TARGETS {
                let (here, there) = (self.live.join(target), self.attic.join(target.replace('/', "-")));
                // Every so often what is in the attic is a directory, because the command has removed the link.
                if round.is_multiple_of(64) && !there.is_symlink() {
                    let _ = fs::remove_dir_all(&there);
                    let _ = fs::remove_file(&there);
                    // If a command is just putting something into it, it is done the next time.
                    drop(symlink(self.outside.join(target), &there));
                }
                match renameat_with(CWD, &here, CWD, &there, RenameFlags::EXCHANGE) {
                    Ok(()) => drop(self.swaps.fetch_add(1, Ordering::Relaxed)),
                    // It is gone just now: then the link is there first.
                    Err(_) => drop(symlink(self.outside.join(target), &here)),
                }
            }
            round = round.wrapping_add(1);
            // Both states must be met by the command, and both ends of the swap.
            std::thread::yield_now();
        }
    }
}

/// How often directories are swapped in each of the three races: a hundred thousand in all.
const SWAPS: u64 = 34_000;
/// And how many commands must have met them.
const COMMANDS: u64 = 120;

/// Two revisions that differ in every way, in every directory that is swapped.
fn revisions(site: &Site) {
    let one =
        [("d/x", "one"), ("g/e/y", "one"), ("g/e/old", "gone soon"), ("f/z", "one"), ("f/kind", "file"), ("top", "1")];
    write_tree(&site.dir("m"), &one);
    site.publish("m").expect("publishes");
    let m = site.dir("m");
    fs::remove_file(m.join("g/e/old")).expect("it goes");
    fs::remove_file(m.join("f/kind")).expect("it goes");
    write_tree(
        &m,
        &[("d/x", "two"), ("g/e/y", "two"), ("g/e/new/deep", "new"), ("f/z", "two"), ("f/kind/is", "directory")],
    );
    fs::set_permissions(m.join("d/x"), fs::Permissions::from_mode(0o755)).expect("bits");
    fs::set_permissions(m.join("g/e"), fs::Permissions::from_mode(0o700)).expect("bits");
    symlink("../top", m.join("f/link")).expect("a link");
    site.publish("m").expect("publishes");
}

fn race(prepare: fn()) {
    let site = Site::new();
    revisions(&site);
    site.update("w").expect("updates");
    let outside = site.path().join("outside");
    // The same names as the revisions have, and some of their contents.
    let canaries =
        [("d/x", "canary x"), ("g/e/y", "canary y"), ("g/e/old", "gone soon"), ("f/z", "one"), ("f/kind/is", "c")];
    write_tree(&outside, &canaries);
    let canary = exact_beneath(&outside);
    let attic = site.path().join("attic");
    fs::create_dir(&attic).expect("a directory");
    let attackers = ["w", "m"].map(|node| {
        let attic = attic.join(node);
        fs::create_dir(&attic).expect("a directory");
        for target in TARGETS {
            symlink(outside.join(target), attic.join(target.replace('/', "-"))).expect("a link");
        }
        let (swaps, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        Attacker { live: site.dir(node), attic, outside: outside.clone(), swaps, stop, met: Default::default() }
    });
    let published = std::thread::scope(|scope| {
        let [worker, manager] = &attackers;
        let running = scope.spawn(|| worker.run());
        // Whatever this thread starts is prepared as it is: the attacker is not.
        let follow = scope.spawn(|| {
            prepare();
            follow_under_attack(&site, worker);
        });
        follow.join().expect("the worker's side holds");
        worker.stop.store(true, Ordering::Relaxed);
        running.join().expect("the attacker ends");
        let running = scope.spawn(|| manager.run());
        let publish = scope.spawn(|| {
            prepare();
            publish_under_attack(&site, manager)
        });
        let published = publish.join().expect("the manager's side holds");
        manager.stop.store(true, Ordering::Relaxed);
        running.join().expect("the attacker ends");
        published
    });
    let swaps: u64 = attackers.iter().map(|attacker| attacker.swaps.load(Ordering::Relaxed)).sum();
    let met = attackers.each_ref().map(|attacker| attacker.met.each_ref().map(|met| met.load(Ordering::Relaxed)));
    let raced = swaps >= SWAPS && met.iter().all(|[_, disturbed]| *disturbed > COMMANDS / 10);
    assert!(raced, "no race: {swaps} swaps; commands undisturbed and disturbed, worker and manager: {met:?}");
    assert!(exact_beneath(&outside) == canary, "the canary was touched: {:?}", exact_beneath(&outside).keys());
    for (_, content) in canaries.iter().filter(|(_, content)| content.starts_with("canary")) {
        assert!(!published.contains(&Digest::of(content.as_bytes())), "{content} was published");
    }
    // The attacker is gone: one update, and the directory is the revision, however little is left of it.
    let whatever_is_left = UpdateOptions { allow_mass_delete: true, ..UpdateOptions::default() };
    let update = site.node("w").update(&site.context(), &whatever_is_left).expect("updates");
    assert!(update.problems.is_empty() && update.conflicts.is_empty(), "{:?}", update.problems);
    let verified = site.node("w").verify(&site.context(), false).expect("verifies");
    assert!(verified.matches, "{:?}", verified.differing);
    assert!(exact_beneath(&outside) == canary, "the canary was touched: {:?}", exact_beneath(&outside).keys());
}

/// Updates to and fro, and repairs, until there were enough swaps and enough commands.
fn follow_under_attack(site: &Site, attacker: &Attacker) {
    let cx = site.context();
    let to_and_fro = |to| UpdateOptions { to, unpin: to.is_none(), ..UpdateOptions::default() };
    let mut commands = 0;
    while commands < COMMANDS || attacker.swaps.load(Ordering::Relaxed) < SWAPS / 2 {
        let node = site.node("w");
        // How each ends is the attacker's choice; where it writes is not.
        let disturbed = match commands % 3 {
            1 => node.verify(&cx, true).map(|verified| !verified.matches),
            at => {
                let update = node.update(&cx, &to_and_fro((at == 0).then_some(1)));
                update.map(|done| !done.problems.is_empty() || !done.kept_aside.is_empty())
            }
        };
        attacker.met(disturbed.unwrap_or(true));
        commands += 1;
    }
    // The position is the newest revision's again, whatever is on the disk.
    let _ = site.node("w").update(&cx, &to_and_fro(None));
}

/// Publishes what is found, again and again. The contents that were published.
fn publish_under_attack(site: &Site, attacker: &Attacker) -> BTreeSet<Digest> {
    let (mut commands, mut found) = (0, BTreeSet::new());
    let options = PublishOptions { allow_mass_delete: true, ..PublishOptions::default() };
    while commands < COMMANDS || attacker.swaps.load(Ordering::Relaxed) < SWAPS / 2 {
        fs::write(site.dir("m").join("top"), commands.to_string()).expect("a file");
        let published = site.node("m").publish(&site.context(), &options);
        attacker.met(published.as_ref().map_or(true, |outcome| outcome.changes.len() != 1));
        if let Ok(outcome) = published {
            let after = outcome.changes.iter().filter_map(|change| change.after.as_ref()?.content());
            found.extend(after.map(|(hash, _)| hash));
        }
        commands += 1;
    }
    found
}

#[test]
fn directories_that_are_swapped_for_links() {
    race(|| {});
}

#[test]
fn directories_that_are_swapped_for_links_on_an_old_kernel() {
    race(make_old);
}

#[test]
fn directories_that_are_swapped_for_links_on_an_old_kernel_and_a_poor_file_system() {
    race(|| {
        make_old();
        make_poor();
    });
}
