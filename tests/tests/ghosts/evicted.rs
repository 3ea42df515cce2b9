//! Evicting: what is as it was fetched goes and stays known; anything else stays.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use depsync_engine::engine::EvictOptions;
use depsync_engine::error::ErrorKind;
use depsync_tests::snapshot::write_tree;

use crate::town::{check, evict, fetch, listed, path, release, town, update};

#[test]
fn what_was_fetched_goes_with_its_empty_directories_and_comes_again() {
    let site = town();
    let before = listed(&site);
    fetch(&site, &["webapps/exploded", "webapps/a.app", "carbonapps/c.itg"]).expect("fetches");
    let done = evict(&site, &["webapps", "carbonapps"]).expect("evicts");
    assert_eq!((done.evicted, done.left.len()), (5, 0), "{done:?}");
    assert_eq!(listed(&site), before);
    assert!(!site.dir("w").join("webapps/exploded").exists() && site.dir("w").join("webapps/home.app").exists());
    check(&site, &before.1.iter().map(String::as_str).collect::<Vec<_>>(), "evicted");
    fetch(&site, &["webapps/exploded"]).expect("again");
    assert!(site.dir("w").join("webapps/exploded/WEB-INF/web.xml").exists());
    let nothing = evict(&site, &["webapps/a.app"]).expect("it is a ghost");
    assert_eq!(nothing.evicted, 0);
}

#[test]
fn what_somebody_changed_stays_and_so_does_what_nobody_tracks() {
    let site = town();
    fetch(&site, &["webapps/exploded", "webapps/a.app", "webapps/b.app"]).expect("fetches");
    write_tree(&site.dir("w"), &[("webapps/a.app", "patched"), ("webapps/exploded/cache.tmp2", "the server's")]);
    let done = evict(&site, &["webapps"]).expect("evicts");
    assert_eq!(done.left.iter().map(|left| left.path.clone()).collect::<Vec<_>>(), [Some(path("webapps/a.app"))]);
    assert_eq!(std::fs::read(site.dir("w").join("webapps/a.app")).expect("stays"), b"patched");
    assert!(site.dir("w").join("webapps/exploded/cache.tmp2").exists());
    assert!(!site.dir("w").join("webapps/b.app").exists() && !site.dir("w").join("webapps/exploded/link").exists());
    // A directory that was fetched whole goes whole, or not at all.
    fetch(&site, &["webapps/exploded"]).expect("fetches");
    write_tree(&site.dir("w"), &[("webapps/exploded/index.jsp", "patched")]);
    let done = evict(&site, &["webapps/exploded"]).expect("evicts");
    assert_eq!((done.evicted, done.left.len()), (0, 1), "{done:?}");
}

#[test]
fn only_what_is_lazy_can_go() {
    let site = town();
    let error = evict(&site, &["conf/server.xml"]).expect_err("eager");
    assert_eq!((error.kind(), error.place()), (ErrorKind::Usage, Some("conf/server.xml")));
    assert!(error.advice().expect("advice").contains("lazy"));
    assert_eq!(evict(&site, &["webapps/home.app"]).expect_err("eager, too").kind(), ErrorKind::Usage);
    assert_eq!(evict(&site, &["conf"]).expect("nothing lazy in it").evicted, 0);
    let manager = site.node("m").evict(&site.context(), &EvictOptions::default()).expect_err("nothing is lazy there");
    assert_eq!(manager.kind(), ErrorKind::Usage);
    assert!(site.dir("m").join("webapps/a.app").exists());
}

#[test]
fn what_was_not_read_for_long_goes() {
    let site = town();
    fetch(&site, &["webapps/a.app", "webapps/b.app", "webapps/exploded"]).expect("fetches");
    site.pass(10 * 86_400);
    let read = |name: &str, days_ahead: u64| {
        let file = File::options().write(true).open(site.dir("w").join(name)).expect("a file");
        let when = SystemTime::now() + Duration::from_secs(days_ahead * 86_400);
        file.set_times(FileTimes::new().set_accessed(when)).expect("times");
    };
    read("webapps/b.app", 9);
    read("webapps/exploded/index.jsp", 9);
    update(&site);
    let idle = |days: u64, dry_run| {
        let options =
            EvictOptions { idle: Some(Duration::from_secs(days * 86_400)), dry_run, ..EvictOptions::default() };
        site.node("w").evict(&site.context(), &options).expect("evicts")
    };
    assert_eq!(idle(11, false).evicted, 0);
    assert_eq!(idle(5, true).evicted, 1);
    assert!(site.dir("w").join("webapps/a.app").exists(), "a dry run");
    // One file of the application was read, so all of it is in use.
    assert_eq!(idle(5, false).evicted, 1);
    let (here, _) = listed(&site);
    assert!(!here.contains(&"webapps/a.app".to_owned()) && here.contains(&"webapps/exploded/link".to_owned()));
}

#[test]
fn what_was_evicted_moves_as_a_ghost() {
    let site = town();
    fetch(&site, &["webapps/a.app"]).expect("fetches");
    evict(&site, &["webapps/a.app"]).expect("evicts");
    release(&site, &[("webapps/a.app", "application a, 2")]);
    let done = update(&site);
    assert!(!done.changed, "{done:?}");
    fetch(&site, &["webapps/a.app"]).expect("fetches");
    assert_eq!(std::fs::read(site.dir("w").join("webapps/a.app")).expect("here"), b"application a, 2");
}
