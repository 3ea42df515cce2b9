//! A full disk at every stage: a clear error, the old state intact, and success once there is room again.
//!
//! The sizes are not chosen: a file system is made just large enough for what is there and a few KiB more, in steps,
//! until the operation goes through. So every stage is the one that fails, once.

use std::path::Path;

use depsync_engine::engine::{Node, Options, PublishOptions, StatePlace, UpdateOptions};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_tests::cluster::{Site, copy_tree};
use depsync_tests::mounted::{Tmpfs, as_root};
use depsync_tests::node::noise;
use depsync_tests::snapshot::{Snapshot, check_same, snapshot, write_tree};

/// Room that everything here fits in, in KiB.
const PLENTY: usize = 64 << 10;
/// Steps between two sizes, in KiB: one page of memory, the unit of a tmpfs.
const STEP: usize = 4;

fn write_old(top: &Path) {
    write_tree(top, &[("a", "old"), ("b/c", "old"), ("gone/d", "goes"), ("link", "->a")]);
    std::fs::write(top.join("big.bin"), noise(1, 200_000)).expect("big");
}

fn write_new(top: &Path) {
    write_tree(top, &[("a", "new"), ("b/c", "new"), ("new/e/f", "new"), ("new/g", "->a")]);
    std::fs::remove_dir_all(top.join("gone")).expect("remove");
    let mut big = noise(1, 200_000);
    big[100_000..100_004].copy_from_slice(b"1234");
    std::fs::write(top.join("big.bin"), big).expect("big");
    std::fs::write(top.join("more.bin"), noise(2, 60_000)).expect("more");
}

fn check_clear(error: &Error, place: &str) {
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{place}: {error} ({error:?})");
    let said = error.to_string();
    assert!(said.contains('/'), "{place}: no place is named: {said}");
}

fn node(site: &Site, name: &str, state: &Path) -> Result<Node> {
    let mut options: Options = site.options(name);
    options.state = StatePlace::At(state.to_owned());
    site.try_open(&site.context(), options, |transport| transport)
}

fn update(site: &Site, state: &Path) -> Result<()> {
    node(site, "disk/w", state)?.update(&site.context(), &UpdateOptions::default()).map(drop)
}

/// What the worker's directory looked like when the disk was full: old, or, once journalled, old or new path by path.
fn check_old_or_journalled(live: &Snapshot, old: &Snapshot, new: &Snapshot, shown: &str) {
    for (path, item) in live {
        let name = String::from_utf8_lossy(path);
        let known = old.get(path) == Some(item) || new.get(path) == Some(item);
        assert!(known || name.starts_with(".depsync-"), "{shown}: {name} is neither old nor new");
    }
    for path in old.keys().filter(|path| new.contains_key(*path)) {
        assert!(live.contains_key(path), "{shown}: {} is gone", String::from_utf8_lossy(path));
    }
}

/// The update of a worker whose directory and staging are on a small file system, and its state in `state`.
fn worker_on_a_small_disk(state: &str, short_of: Short) {
    let site = Site::new();
    let disk = site.dir("disk");
    std::fs::create_dir(&disk).expect("mkdir");
    let (state, elsewhere) = (site.path().join(state), !state.starts_with("disk/"));
    write_old(&site.dir("m"));
    let old = snapshot(&site.dir("m"));
    site.publish("m").expect("publishes");
    let pristine = site.path().join("pristine");
    std::fs::create_dir(&pristine).expect("mkdir");
    let pristine_state = site.path().join("pristine-state");
    {
        let _mount = Tmpfs::mount(&disk, PLENTY);
        update(&site, &state).expect("updates");
        copy_tree(&disk, &pristine);
        if elsewhere {
            std::fs::create_dir(&pristine_state).expect("mkdir");
            copy_tree(&state, &pristine_state);
        }
    }
    write_new(&site.dir("m"));
    let new = snapshot(&site.dir("m"));
    site.publish("m").expect("publishes");
    let (mut failures, mut journalled) = (0, 0);
    for room in (0..).map(|step| step * if short_of == Short::Room { STEP } else { 1 }) {
        let mount = Tmpfs::mount(&disk, PLENTY);
        copy_tree(&pristine, &disk);
        if elsewhere {
            std::fs::remove_dir_all(&state).expect("remove");
            std::fs::create_dir(&state).expect("mkdir");
            copy_tree(&pristine_state, &state);
        }
        match short_of {
            Short::Room => mount.resize(mount.used() + room),
            Short::Files => mount.leave_files(Some(room)),
        }
        let shown = format!("{room} left of {short_of:?}");
        let ended = update(&site, &state);
        let live = snapshot(&site.dir("disk/w"));
        match &ended {
            Ok(()) => check_same(&live, &new, &shown),
            Err(error) => {
                failures += 1;
                check_clear(error, &shown);
                check_old_or_journalled(&live, &old, &new, &shown);
                journalled += usize::from(error.advice().unwrap_or_default().contains("journal"));
                if !error.advice().unwrap_or_default().contains("journal") {
                    check_same(&live, &old, &format!("{shown}: {error}"));
                }
            }
        }
        mount.resize(PLENTY);
        mount.leave_files(None);
        update(&site, &state).expect("there is room again");
        check_same(&snapshot(&site.dir("disk/w")), &new, &shown);
        let staging = disk.join(".w.depsync/staging");
        assert!(snapshot(&staging).is_empty(), "{shown}: left in staging");
        if ended.is_ok() && room > 0 {
            break;
        }
    }
    assert!(failures > 8, "{failures}");
    assert!(short_of == Short::Room || journalled > 1, "no failure between the journal and its end");
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    /// Room for content.
    Room,
    /// Room for files and directories, however small: what the steps after the journal need.
    Files,
}

#[test]
fn the_disk_of_a_worker() {
    if as_root("the_disk_of_a_worker") {
        worker_on_a_small_disk("disk/state", Short::Room);
    }
}

#[test]
fn the_inodes_of_a_worker() {
    if as_root("the_inodes_of_a_worker") {
        worker_on_a_small_disk("state-of-w", Short::Files);
    }
}

#[test]
fn the_inodes_of_a_worker_with_its_state() {
    if as_root("the_inodes_of_a_worker_with_its_state") {
        worker_on_a_small_disk("disk/state", Short::Files);
    }
}

#[test]
fn the_disk_of_a_worker_with_its_state_elsewhere() {
    if as_root("the_disk_of_a_worker_with_its_state_elsewhere") {
        worker_on_a_small_disk("state-of-w", Short::Room);
    }
}

#[test]
fn the_disk_of_the_state() {
    if !as_root("the_disk_of_the_state") {
        return;
    }
    let site = Site::new();
    let disk = site.dir("small");
    std::fs::create_dir(&disk).expect("mkdir");
    std::fs::create_dir(site.dir("disk")).expect("mkdir");
    let state = disk.join("state");
    let wanted = |name: &str| snapshot(&site.dir(name));
    write_old(&site.dir("m"));
    let old = wanted("m");
    site.publish("m").expect("publishes");
    write_new(&site.dir("m"));
    let new = wanted("m");
    let pristine = site.path().join("pristine");
    for directory in ["live", "state", "hub"] {
        std::fs::create_dir_all(pristine.join(directory)).expect("mkdir");
    }
    {
        let _mount = Tmpfs::mount(&disk, PLENTY);
        update(&site, &state).expect("updates");
        copy_tree(&disk, &pristine.join("state"));
        copy_tree(&site.dir("disk"), &pristine.join("live"));
    }
    site.publish("m").expect("publishes");
    let mut failures = 0;
    // Also less than the database needs to be opened at all.
    for room in (0..).map(|step| step * STEP) {
        let mount = Tmpfs::mount(&disk, PLENTY);
        copy_tree(&pristine.join("state"), &disk);
        std::fs::remove_dir_all(site.dir("disk")).expect("remove");
        std::fs::create_dir(site.dir("disk")).expect("mkdir");
        copy_tree(&pristine.join("live"), &site.dir("disk"));
        mount.resize(mount.used() + room);
        let shown = format!("{room} KiB left for the state");
        let ended = update(&site, &state);
        let live = wanted("disk/w");
        match &ended {
            Ok(()) => check_same(&live, &new, &shown),
            Err(error) => {
                failures += 1;
                check_clear(error, &shown);
                check_old_or_journalled(&live, &old, &new, &shown);
            }
        }
        mount.resize(PLENTY);
        update(&site, &state).expect("there is room again");
        check_same(&wanted("disk/w"), &new, &shown);
        if ended.is_ok() && room > 0 {
            break;
        }
    }
    assert!(failures > 5, "{failures}");
}

#[test]
fn the_disk_of_the_hub() {
    if !as_root("the_disk_of_the_hub") {
        return;
    }
    let site = Site::new();
    std::fs::create_dir(site.hub()).expect("mkdir");
    write_old(&site.dir("m"));
    let old = snapshot(&site.dir("m"));
    let pristine = Site::new();
    {
        let _mount = Tmpfs::mount(&site.hub(), PLENTY);
        site.publish("m").expect("publishes");
        site.update("w").expect("updates");
        copy_tree(&site.hub(), pristine.path());
    }
    write_new(&site.dir("m"));
    let new = snapshot(&site.dir("m"));
    // The nodes' states are put back each time, too.
    let states: Vec<_> = [".m.depsync", ".w.depsync", "w"].into_iter().collect();
    let kept = Site::new();
    for state in &states {
        std::fs::create_dir(kept.path().join(state)).expect("mkdir");
        copy_tree(&site.path().join(state), &kept.path().join(state));
    }
    let mut failures = 0;
    for room in (0..).map(|step| step * STEP) {
        let mount = Tmpfs::mount(&site.hub(), PLENTY);
        copy_tree(pristine.path(), &site.hub());
        for state in &states {
            std::fs::remove_dir_all(site.path().join(state)).expect("remove");
            std::fs::create_dir(site.path().join(state)).expect("mkdir");
            copy_tree(&kept.path().join(state), &site.path().join(state));
        }
        mount.resize(mount.used() + room);
        let shown = format!("{room} KiB left in the hub");
        let ended = site.node("m").publish(&site.context(), &PublishOptions::default());
        if let Err(error) = &ended {
            failures += 1;
            check_clear(error, &shown);
            assert!(error.to_string().contains("hub"), "{shown}: {error}");
        }
        check_same(&snapshot(&site.dir("m")), &new, &shown);
        // A worker's report finds no room either: that is a warning.
        site.update("w").expect("a full hub can be read");
        let seen = snapshot(&site.dir("w"));
        assert!(seen == old || seen == new, "{shown}");
        assert!(ended.is_err() || seen == new || site.update("fresh").is_ok(), "{shown}");
        mount.resize(PLENTY);
        let again = site.publish("m").expect("there is room again");
        assert_eq!(again.revision, Some(2), "{shown}");
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &new, &shown);
        if ended.is_ok_and(|done| done.warnings.is_empty()) {
            break;
        }
    }
    assert!(failures > 5, "{failures}");
}

#[test]
fn the_first_publish_to_a_full_hub() {
    if !as_root("the_first_publish_to_a_full_hub") {
        return;
    }
    let mut failures = 0;
    for room in (0..).map(|step| step * STEP) {
        let site = Site::new();
        std::fs::create_dir(site.hub()).expect("mkdir");
        write_tree(&site.dir("m"), &[("a", "a"), ("b/c", "c")]);
        let mount = Tmpfs::mount(&site.hub(), PLENTY);
        mount.resize(mount.used() + room.max(4));
        let shown = format!("{room} KiB for a new hub");
        let ended = site.publish("m");
        if let Err(error) = &ended {
            failures += 1;
            check_clear(error, &shown);
        }
        mount.resize(PLENTY);
        assert_eq!(site.publish("m").expect("there is room again").revision, Some(1), "{shown}");
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &snapshot(&site.dir("m")), &shown);
        if ended.is_ok_and(|done| done.warnings.is_empty()) {
            break;
        }
    }
    assert!(failures > 1, "{failures}");
}
