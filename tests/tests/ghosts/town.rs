//! A manager `m` and a worker `w` that fetches applications on demand.

use depsync_engine::engine::{EvictOptions, EvictOutcome, FetchOutcome, Item, UpdateOutcome};
use depsync_engine::error::Result;
use depsync_engine::path::RelPath;
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{self, Snapshot, check_same, snapshot, write_tree};

/// What is there from the first.
pub(crate) const FIRST: [(&str, &str); 8] = [
    ("conf/server.xml", "server 1"),
    ("webapps/a.app", "application a, 1"),
    ("webapps/b.app", "application b, 1"),
    ("webapps/exploded/WEB-INF/web.xml", "web 1"),
    ("webapps/exploded/index.jsp", "index 1"),
    ("webapps/exploded/link", "->index.jsp"),
    ("webapps/home.app", "home 1"),
    ("carbonapps/c.itg", "an integration, 1"),
];

/// What the worker fetches on demand.
pub(crate) const LAZY: [&str; 3] = ["/webapps/", "/carbonapps/*", "!/webapps/home.app"];

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

/// The first revision, known to the worker.
pub(crate) fn town() -> Site {
    let site = Site::new();
    site.make_lazy(&LAZY);
    write_tree(&site.dir("m"), &FIRST);
    site.publish("m").expect("publishes");
    update(&site);
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

pub(crate) fn fetch(site: &Site, paths: &[&str]) -> Result<FetchOutcome> {
    let paths: Vec<RelPath> = paths.iter().map(|text| path(text)).collect();
    site.node("w").fetch(&site.context(), &paths)
}

pub(crate) fn evict(site: &Site, paths: &[&str]) -> Result<EvictOutcome> {
    let paths = paths.iter().map(|text| path(text)).collect();
    site.node("w").evict(&site.context(), &EvictOptions { paths, ..EvictOptions::default() })
}

/// What `ls` of the worker says: paths that are here, and ghosts.
pub(crate) fn listed(site: &Site) -> (Vec<String>, Vec<String>) {
    let (mut here, mut ghosts) = (Vec::new(), Vec::new());
    let mut show = |item: Item| {
        if item.r#type != "directory" {
            if item.ghost { &mut ghosts } else { &mut here }.push(item.path.to_string());
        }
        Ok(())
    };
    site.node("w").list(&[], &mut show).expect("lists");
    (here, ghosts)
}

/// What is on the worker's disk is what `ls` says to be here, and just as the manager has it; nothing differs; and `ls`
/// knows all that the manager has.
pub(crate) fn check(site: &Site, ghosts: &[&str], at: &str) {
    let (here, away) = listed(site);
    assert_eq!(away, ghosts, "{at}");
    let wanted = snapshot(&site.dir("m"));
    let is_known = |name: &String| here.contains(name) || away.contains(name);
    let files = |tree: &Snapshot| -> Vec<String> {
        let files = tree.iter().filter(|(_, item)| !matches!(item, snapshot::Item::Directory(_)));
        files.map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    };
    assert!(files(&wanted).iter().all(is_known), "{at}: {here:?} {away:?}");
    let found = snapshot(&site.dir("w"));
    let mut named = files(&found);
    named.sort();
    let mut here = here;
    here.sort();
    assert_eq!(named, here, "{at}");
    let same: Snapshot = wanted.into_iter().filter(|(name, _)| found.contains_key(name)).collect();
    check_same(&found, &same, at);
    let status = site.node("w").status(&site.context()).expect("status");
    assert!(status.drift.is_empty() && status.problems.is_empty(), "{at}: {status:?}");
    assert_eq!(status.ghosts.map(|ghosts| ghosts.entries > 0), (!ghosts.is_empty()).then_some(true), "{at}");
    let again = site.update("w").expect("updates");
    assert!(!again.changed && again.problems.is_empty(), "{at}: {again:?}");
    let verified = site.node("w").verify(&site.context(), false).expect("verifies");
    assert!(verified.matches, "{at}: {verified:?}");
}
