//! Fetching: one artifact, a subtree, many at once.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use depsync_engine::error::ErrorKind;
use depsync_tests::cluster::Site;
use depsync_tests::node::noise;
use depsync_tests::snapshot::write_tree;

use crate::town::{check, fetch, listed, path, release, town, update};

#[test]
fn one_artifact_comes_alone_and_twice_is_once() {
    let site = town();
    let done = fetch(&site, &["webapps/a.app"]).expect("fetches");
    assert_eq!((done.revision, done.files, done.fetched, done.bytes), (1, 1, 1, 16));
    assert!(done.bytes_fetched > 0);
    let again = fetch(&site, &["webapps/a.app"]).expect("fetches");
    assert_eq!((again.files, again.fetched, again.bytes_fetched), (1, 0, 0));
    let (here, _) = listed(&site);
    assert_eq!(here, ["conf/server.xml", "webapps/a.app", "webapps/home.app"]);
}

#[test]
fn a_subtree_and_everything() {
    let site = town();
    let done = fetch(&site, &["webapps/exploded", "carbonapps/c.itg"]).expect("fetches");
    assert_eq!((done.files, done.fetched), (4, 4));
    check(&site, &["webapps/a.app", "webapps/b.app"], "a directory and a file");
    let done = site.node("w").fetch(&site.context(), &[]).expect("fetches all");
    assert_eq!((done.files, done.fetched), (8, 2));
    check(&site, &[], "everything");
}

#[test]
fn what_is_not_known_is_said_with_what_to_do() {
    let site = town();
    let error = fetch(&site, &["webapps/none.app"]).expect_err("unknown");
    assert_eq!((error.kind(), error.place()), (ErrorKind::Usage, Some("webapps/none.app")));
    assert!(error.to_string().contains("revision 1") && error.advice().expect("advice").contains("depsync ls"));
    let fresh = site.node("fresh").fetch(&site.context(), &[path("x")]).expect_err("nothing applied");
    assert!(fresh.advice().expect("advice").contains("depsync update"), "{fresh}");
}

#[test]
fn what_stands_in_the_way_is_kept_aside_and_the_rest_of_the_disk_is_not_looked_at() {
    let site = town();
    write_tree(&site.dir("w"), &[("webapps/a.app", "in the way"), ("conf/server.xml", "drift")]);
    let done = fetch(&site, &["webapps/a.app"]).expect("fetches");
    assert_eq!(done.kept_aside, [path("webapps/a.app")]);
    assert_eq!(std::fs::read(site.dir("w").join("webapps/a.app")).expect("here"), b"application a, 1");
    assert_eq!(
        std::fs::read(site.dir("w").join("conf/server.xml")).expect("here"),
        b"drift",
        "that is an update's work"
    );
}

#[test]
fn the_hub_is_asked_for_the_artifact_and_not_for_its_neighbours() {
    let site = town();
    for number in 0..50_u64 {
        let file = site.dir("m").join(format!("webapps/n{number}.bin"));
        std::fs::write(file, noise(number, 60_000)).expect("a file");
    }
    site.publish("m").expect("publishes");
    update(&site);
    let (worker, asked) = site.recorded("w");
    asked.take();
    let done = worker.fetch(&site.context(), &[path("webapps/n7.bin")]).expect("fetches");
    assert_eq!(done.bytes, 60_000);
    assert!((60_000..70_000).contains(&done.bytes_fetched), "{done:?}");
    let lines = asked.take_lines();
    assert!(lines.len() <= 4, "a few questions: {lines:?}");
}

#[test]
fn a_hundred_who_want_the_same_share_one_fetch() {
    let site = town();
    std::fs::write(site.dir("m").join("webapps/big.bin"), noise(1, 3 << 20)).expect("a file");
    site.publish("m").expect("publishes");
    update(&site);
    let outcomes = together(&site, |_| "webapps/big.bin".to_owned());
    let fetched: u64 = outcomes.iter().map(|outcome| outcome.bytes_fetched).sum();
    assert!(((3 << 20)..(3 << 20) + 100_000).contains(&fetched), "{fetched}");
    assert!(std::fs::read(site.dir("w").join("webapps/big.bin")).expect("here") == noise(1, 3 << 20));
}

#[test]
fn a_hundred_who_want_different_things_get_each_its_own() {
    let site = town();
    for number in 0..100_u64 {
        let file = site.dir("m").join(format!("webapps/n{number}.bin"));
        std::fs::write(file, noise(number, 20_000)).expect("a file");
    }
    site.publish("m").expect("publishes");
    update(&site);
    let outcomes = together(&site, |number| format!("webapps/n{number}.bin"));
    assert!(outcomes.iter().all(|outcome| outcome.files == 1 && outcome.problems.is_empty()), "{outcomes:?}");
    let fetched: u64 = outcomes.iter().map(|outcome| outcome.bytes_fetched).sum();
    assert!((2_000_000..2_400_000).contains(&fetched), "each once: {fetched}");
    let (_, ghosts) = listed(&site);
    assert!(!ghosts.iter().any(|name| name.contains("/n")), "{ghosts:?}");
}

/// Lets a hundred threads of one process ask at once.
fn together(site: &Site, name: impl Fn(usize) -> String + Sync) -> Vec<depsync_engine::engine::FetchOutcome> {
    const ALL: usize = 100;
    let (worker, cx, start) = (site.node("w"), site.context(), Barrier::new(ALL));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ALL)
            .map(|number| {
                let (worker, cx, start, name) = (&worker, &cx, &start, &name);
                scope.spawn(move || {
                    start.wait();
                    worker.fetch(cx, &[path(&name(number))])
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic").expect("fetches")).collect()
    })
}

#[test]
fn one_that_cannot_be_had_does_not_keep_the_others_from_coming() {
    let site = town();
    release(&site, &[("webapps/x.app", "the one that is lost")]);
    let packs = site.hub().join("packs");
    let find = || walk(&packs);
    let before = find();
    release(&site, &[("webapps/y.app", "the other one")]);
    update(&site);
    let lost: Vec<_> = find().into_iter().filter(|file| !before.contains(file)).collect();
    for file in lost {
        let length = std::fs::metadata(&file).expect("a pack").len();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("writable");
        std::fs::write(&file, vec![0; usize::try_from(length).expect("small")]).expect("damaged");
    }
    let (worker, cx, start) = (site.node("w"), site.context(), Barrier::new(2));
    let ask = |name: &'static str| {
        start.wait();
        worker.fetch(&cx, &[path(name)])
    };
    let (good, bad) = std::thread::scope(|scope| {
        let good = scope.spawn(|| ask("webapps/x.app"));
        let bad = scope.spawn(|| ask("webapps/y.app"));
        (good.join().expect("no panic"), bad.join().expect("no panic"))
    });
    assert_eq!(good.expect("is there").fetched, 1);
    assert_eq!(bad.expect_err("is damaged").kind(), ErrorKind::Damaged);
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let place = entry.expect("an entry").path();
        if place.is_dir() { found.extend(walk(&place)) } else { found.push(place) }
    }
    found
}

#[test]
fn a_deadline_is_kept_while_another_works_on_the_deployment() {
    let site = town();
    let (worker, other) = (site.node("w"), site.node("w"));
    let held = depsync_engine::apply::Lock::take(&site.context(), &other.places().state, Duration::ZERO).expect("free");
    let cx = site.context().with_deadline(Instant::now() + Duration::from_millis(300));
    let error = worker.fetch(&cx, &[path("webapps/a.app")]).expect_err("locked");
    assert!(matches!(error.kind(), ErrorKind::Locked | ErrorKind::DeadlineExceeded), "{error}");
    drop(held);
    worker.fetch(&site.context(), &[path("webapps/a.app")]).expect("free again");
}
