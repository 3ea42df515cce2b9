//! A manager `m` and a worker `w`, whose `shop` changes as one.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use depsync_engine::engine::UpdateOutcome;
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{Snapshot, check_same, snapshot, write_tree};

/// The application, as first released.
pub(crate) const RELEASE: [(&str, &str); 7] = [
    ("shop/index.jsp", "index 1"),
    ("shop/WEB-INF/web.xml", "web 1"),
    ("shop/WEB-INF/lib/a.bin", "a library"),
    ("shop/WEB-INF/lib/link", "->a.bin"),
    ("shop/WEB-INF/classes/deep/er/A.class", "a class"),
    ("shop/static/", ""),
    ("beside.txt", "beside 1"),
];

/// A town with the first release on both, where `carry` moves along.
pub(crate) fn town(carry: &[&str]) -> Site {
    let site = Site::new();
    site.name_unit("shop", carry);
    write_tree(&site.dir("m"), &RELEASE);
    site.publish("m").expect("publishes");
    let brought = site.update("w").expect("updates");
    assert!(brought.problems.is_empty(), "{:?}", brought.problems);
    same(&site, "the first release");
    site
}

/// Changes files of the manager and publishes.
pub(crate) fn release(site: &Site, changes: &[(&str, &str)]) {
    write_tree(&site.dir("m"), changes);
    site.publish("m").expect("publishes");
}

/// Updates the worker, which is to have no problem.
pub(crate) fn update(site: &Site) -> UpdateOutcome {
    let done = site.update("w").expect("updates");
    assert!(done.problems.is_empty() && done.warnings.is_empty(), "{:?} {:?}", done.problems, done.warnings);
    done
}

/// The worker has what the manager has, and there is nothing left to do.
pub(crate) fn same(site: &Site, at: &str) {
    check_same(&snapshot(&site.dir("w")), &snapshot(&site.dir("m")), at);
    let again = site.update("w").expect("updates");
    assert!(!again.changed && again.problems.is_empty() && !again.recovered, "{at}: {again:?}");
}

/// What is in the staging area of the worker: names at the top.
pub(crate) fn staged(site: &Site) -> Vec<String> {
    let listing = std::fs::read_dir(site.path().join(".w.depsync/staging"));
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> =
        listing.into_iter().flatten().map(name).map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names
}

/// Where the units that were replaced are kept.
pub(crate) fn kept(site: &Site) -> Vec<PathBuf> {
    let areas = site.path().join(".w.depsync/staging");
    staged(site).iter().filter(|name| name.starts_with("until-")).map(|name| areas.join(name)).collect()
}

/// What was kept aside on the worker.
pub(crate) fn recovered(site: &Site) -> Snapshot {
    let area = site.path().join(".w.depsync/recovery");
    let folders = std::fs::read_dir(area).into_iter().flatten();
    folders.flat_map(|folder| snapshot(&folder.expect("a folder").path())).collect()
}

/// Inode, mode, owner and modification time of everything beneath `top`, itself included.
pub(crate) fn stamps(top: &Path) -> BTreeMap<PathBuf, (u64, u32, u32, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let stat = path.symlink_metadata().expect("metadata");
        found.insert(path.clone(), (stat.ino(), stat.mode(), stat.uid(), stat.mtime(), stat.mtime_nsec()));
        if stat.is_dir() {
            left.extend(std::fs::read_dir(&path).expect("a listing").map(|entry| entry.expect("an entry").path()));
        }
    }
    found
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Opens everything, so that somebody who is not root can clear the place away.
pub(crate) fn unlock(site: &Site) {
    let done = std::process::Command::new("chmod").args(["-R", "u+rwX"]).arg(site.path()).status().expect("chmod");
    assert!(done.success());
}
