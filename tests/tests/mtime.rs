//! Application servers redeploy on any difference of a modification time, in whole seconds: an unchanged file keeps it,
//! a changed one gets another.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use depsync_engine::engine::UpdateOptions;
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{snapshot, write_tree};

/// Inode, modification time in seconds and nanoseconds.
type Marks = BTreeMap<String, (u64, i64, i64)>;

fn marks(directory: &Path) -> Marks {
    let mut marks = Marks::new();
    for path in snapshot(directory).into_keys() {
        let path = String::from_utf8(path).expect("text");
        let found = directory.join(&path).symlink_metadata().expect("metadata");
        if !found.is_dir() {
            marks.insert(path, (found.ino(), found.mtime(), found.mtime_nsec()));
        }
    }
    marks
}

fn seconds(directory: &Path, path: &str) -> i64 {
    directory.join(path).metadata().expect("metadata").mtime()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Publishes `content` as `path` and updates the worker; the second that the file has there now.
fn deploy(site: &Site, path: &str, content: &str) -> i64 {
    write_tree(&site.dir("m"), &[(path, content)]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    let second = seconds(&site.dir("w"), path);
    assert!(second <= now(), "{content} lies in the future");
    assert_eq!(std::fs::read_to_string(site.dir("w").join(path)).expect("read"), content);
    second
}

#[test]
fn what_does_not_change_keeps_inode_and_time() {
    let site = Site::new();
    let tree =
        [("a", "a"), ("b/c", "c"), ("b/d", "d"), ("link", "->a"), ("mode.sh", "x"), ("moved", "m"), ("e/f", "f")];
    write_tree(&site.dir("m"), &tree);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    let before = marks(&site.dir("w"));
    write_tree(&site.dir("m"), &[("b/c", "changed"), ("new", "new")]);
    chmod(&site.dir("m").join("mode.sh"), 0o755);
    chmod(&site.dir("m").join("e"), 0o750);
    std::fs::rename(site.dir("m").join("moved"), site.dir("m").join("b/moved")).expect("rename");
    // Written again with the same content: nothing to anybody else.
    std::fs::write(site.dir("m").join("a"), "a").expect("write");
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
    let after = marks(&site.dir("w"));
    for path in ["a", "b/d", "link", "mode.sh", "e/f"] {
        assert_eq!(after[path], before[path], "{path}");
    }
    assert_ne!(after["b/c"].1, before["b/c"].1);

    for _ in 0..2 {
        site.update("w").expect("updates");
        site.node("w").verify(&site.context(), false).expect("verifies");
        site.node("w").verify(&site.context(), true).expect("verifies");
        assert_eq!(marks(&site.dir("w")), after);
    }
}

#[test]
fn every_change_is_another_second_however_fast_they_come() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("other", "x")]);
    let mut used = Vec::new();
    for content in ["v1", "v2", "v1", "v3", "v2", "v1"] {
        let second = deploy(&site, "app.txt", content);
        assert!(!used.contains(&second), "{content}: {second} was there before: {used:?}");
        used.push(second);
    }
}

#[test]
fn a_file_that_went_and_came_back_is_another_second() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("other", "x")]);
    let first = deploy(&site, "app.txt", "v1");
    std::fs::remove_file(site.dir("m").join("app.txt")).expect("remove");
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    let second = deploy(&site, "app.txt", "v2");
    assert_ne!(first, second, "a server that looks once a second sees no difference");
}

#[test]
fn a_rollback_and_an_update_to_an_old_revision_are_another_second() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("other", "x")]);
    let mut used = vec![deploy(&site, "app.txt", "v1"), deploy(&site, "app.txt", "v2")];
    let by_hand = seconds(&site.dir("m"), "app.txt");
    site.node("m").rollback(&site.context(), 1, "").expect("rolls back");
    assert_ne!(seconds(&site.dir("m"), "app.txt"), by_hand);
    site.update("w").expect("updates");
    let second = seconds(&site.dir("w"), "app.txt");
    assert!(!used.contains(&second) && second <= now(), "{second}: {used:?}");
    used.push(second);
    let to = UpdateOptions { to: Some(2), ..UpdateOptions::default() };
    site.node("w").update(&site.context(), &to).expect("updates");
    let second = seconds(&site.dir("w"), "app.txt");
    assert!(!used.contains(&second) && second <= now(), "{second}: {used:?}");
}

#[test]
fn repaired_drift_is_another_second_than_the_drift() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("other", "x")]);
    let first = deploy(&site, "app.txt", "v1");
    std::fs::write(site.dir("w").join("app.txt"), "drift").expect("write");
    let drift = seconds(&site.dir("w"), "app.txt");
    site.update("w").expect("updates");
    let repaired = seconds(&site.dir("w"), "app.txt");
    assert!(repaired != drift && repaired <= now(), "{first} {drift} {repaired}");
}

#[test]
fn a_drift_of_permissions_is_mended_in_place() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("run.sh", "#!/bin/sh"), ("b", "b")]);
    chmod(&site.dir("m").join("run.sh"), 0o755);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    let before = marks(&site.dir("w"));
    chmod(&site.dir("w").join("run.sh"), 0o600);
    let update = site.update("w").expect("updates");
    assert_eq!((update.modified, update.kept_aside.len()), (1, 0), "{:?}", update.kept_aside);
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
    assert_eq!(marks(&site.dir("w")), before);
    // Changed on both sides, differently, and the content by nobody.
    chmod(&site.dir("w").join("run.sh"), 0o600);
    chmod(&site.dir("m").join("run.sh"), 0o700);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
    assert_eq!(marks(&site.dir("w")), before);
}

#[test]
fn a_first_contact_mends_permissions_in_place() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("run.sh", "#!/bin/sh"), ("b", "b")]);
    chmod(&site.dir("m").join("run.sh"), 0o755);
    site.publish("m").expect("publishes");
    write_tree(&site.dir("w"), &[("run.sh", "#!/bin/sh"), ("b", "b")]);
    let before = marks(&site.dir("w"));
    site.update("w").expect("adopts");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
    assert_eq!(marks(&site.dir("w")), before);
}

#[test]
fn a_file_from_the_future_is_followed_by_one_of_now() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("other", "x")]);
    deploy(&site, "app.txt", "v1");
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let file = std::fs::File::options().write(true).open(site.dir("w").join("app.txt")).expect("open");
    file.set_modified(future).expect("a time");
    deploy(&site, "app.txt", "v2");
}
