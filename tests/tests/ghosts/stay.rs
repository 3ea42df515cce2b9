//! Updates move ghosts and fetch nothing of them.

use depsync_engine::engine::UpdateOptions;
use depsync_tests::cluster::Site;
use depsync_tests::node::noise;
use depsync_tests::snapshot::write_tree;

use crate::town::{check, evict, fetch, listed, path, release, town, update};

const GHOSTS: [&str; 6] = [
    "carbonapps/c.itg",
    "webapps/a.app",
    "webapps/b.app",
    "webapps/exploded/WEB-INF/web.xml",
    "webapps/exploded/index.jsp",
    "webapps/exploded/link",
];

#[test]
fn an_update_knows_of_what_is_lazy_and_brings_the_rest() {
    let site = town();
    check(&site, &GHOSTS, "the first update");
    assert!(!site.dir("w").join("webapps/exploded").exists(), "an application without its files would be deployed");
    release(&site, &[("conf/server.xml", "server 2"), ("webapps/b.app", "b, 2"), ("webapps/new.app", "new")]);
    std::fs::remove_file(site.dir("m").join("webapps/a.app")).expect("removed");
    site.publish("m").expect("publishes");
    let done = update(&site);
    assert_eq!((done.added, done.modified, done.removed), (0, 1, 0), "{done:?}");
    let mut ghosts: Vec<&str> = GHOSTS.iter().copied().filter(|name| *name != "webapps/a.app").collect();
    ghosts.push("webapps/new.app");
    check(&site, &ghosts, "after more releases");
    // One that is fetched then is the new one.
    fetch(&site, &["webapps/b.app"]).expect("fetches");
    assert_eq!(std::fs::read(site.dir("w").join("webapps/b.app")).expect("here"), b"b, 2");
}

#[test]
fn many_releases_leave_ghosts_ghosts_and_cost_no_content() {
    let site = town();
    let (worker, asked) = site.recorded("w");
    let mut fetched = 0;
    for round in 0..40_u64 {
        let content = noise(round, 100_000);
        std::fs::write(site.dir("m").join("webapps/a.app"), &content).expect("a file");
        write_tree(&site.dir("m"), &[("conf/server.xml", &format!("server {round}"))]);
        site.publish("m").expect("publishes");
        asked.take();
        let done = worker.update(&site.context(), &UpdateOptions::default()).expect("updates");
        assert_eq!((done.added, done.modified, done.removed), (0, 1, 0), "{done:?}");
        fetched += done.bytes_fetched;
    }
    // 100,000 bytes of an archive each: none of them came.
    assert!(fetched < 40 * 20_000, "{fetched} bytes");
    drop(worker);
    check(&site, &GHOSTS, "after forty releases");
    let done = fetch(&site, &["webapps/a.app"]).expect("fetches");
    assert_eq!((done.files, done.fetched, done.bytes), (1, 1, 100_000));
    assert!((100_000..140_000).contains(&done.bytes_fetched), "the artifact, not the store: {done:?}");
}

#[test]
fn what_is_here_stays_here_and_moves_with_the_hub() {
    let site = town();
    fetch(&site, &["webapps/a.app"]).expect("fetches");
    release(&site, &[("webapps/a.app", "application a, 2"), ("webapps/b.app", "b, 2")]);
    let done = update(&site);
    assert_eq!((done.added, done.modified), (0, 1), "{done:?}");
    check(&site, &without(&["webapps/a.app"]), "a new version of what is here");
    let other = site.node("w").update(&site.context(), &UpdateOptions { to: Some(1), ..Default::default() });
    assert_eq!(other.expect("goes back").modified, 1);
    assert_eq!(std::fs::read(site.dir("w").join("webapps/a.app")).expect("here"), b"application a, 1");
    fetch(&site, &["webapps/b.app"]).expect("fetches");
    assert_eq!(std::fs::read(site.dir("w").join("webapps/b.app")).expect("here"), b"application b, 1");
    let options = UpdateOptions { unpin: true, ..Default::default() };
    assert_eq!(site.node("w").update(&site.context(), &options).expect("forth").modified, 2);
    check(&site, &without(&["webapps/a.app", "webapps/b.app"]), "back at the newest");
}

#[test]
fn a_directory_that_was_fetched_stays_whole() {
    let site = town();
    fetch(&site, &["webapps/exploded"]).expect("fetches");
    release(&site, &[("webapps/exploded/new.jsp", "new"), ("webapps/other/x.jsp", "x")]);
    let done = update(&site);
    assert_eq!(done.added, 1, "{done:?}");
    let ghosts = ["carbonapps/c.itg", "webapps/a.app", "webapps/b.app", "webapps/other/x.jsp"];
    check(&site, &ghosts, "a new file in it came");
    evict(&site, &["webapps/exploded"]).expect("evicts");
    release(&site, &[("webapps/exploded/newer.jsp", "newer")]);
    assert_eq!(update(&site).added, 0);
    assert_eq!(listed(&site).1.iter().filter(|name| name.starts_with("webapps/exploded/")).count(), 5);
}

#[test]
fn a_state_that_is_lost_adopts_what_is_here_and_leaves_the_rest() {
    let site = town();
    fetch(&site, &["webapps/a.app"]).expect("fetches");
    std::fs::remove_dir_all(site.path().join(".w.depsync")).expect("lost");
    let done = update(&site);
    assert!(!done.changed, "{done:?}");
    check(&site, &without(&["webapps/a.app"]), "a new state");
    std::fs::remove_file(site.path().join(".w.depsync/cache.db")).expect("lost");
    check(&site, &without(&["webapps/a.app"]), "a new cache");
}

#[test]
fn a_file_in_the_place_of_a_ghost_is_adopted_or_kept_aside() {
    let site = town();
    write_tree(&site.dir("w"), &[("webapps/a.app", "application a, 1"), ("webapps/b.app", "somebody else's")]);
    let status = site.node("w").status(&site.context()).expect("status");
    assert_eq!(status.drift, [path("webapps/b.app")]);
    let done = update(&site);
    assert_eq!(done.kept_aside, [path("webapps/b.app")]);
    check(&site, &without(&["webapps/a.app", "webapps/b.app"]), "both are what the hub has");
}

#[test]
fn a_directory_in_which_everything_is_a_ghost_is_empty_and_well() {
    let site = Site::new();
    site.make_lazy(&["*"]);
    write_tree(&site.dir("m"), &[("a/b", "b"), ("c", "c")]);
    site.publish("m").expect("publishes");
    update(&site);
    check(&site, &["a/b", "c"], "nothing is here");
    release(&site, &[("a/b", "b, changed"), ("d", "d")]);
    assert!(!update(&site).changed);
    fetch(&site, &["a"]).expect("fetches");
    check(&site, &["c", "d"], "one of them");
    evict(&site, &["a"]).expect("evicts");
    check(&site, &["a/b", "c", "d"], "nothing again");
    std::fs::remove_dir(site.dir("w")).expect("an empty directory");
    assert!(!update(&site).changed);
    check(&site, &["a/b", "c", "d"], "it is made again");
}

/// All ghosts but these.
fn without(names: &[&str]) -> Vec<&'static str> {
    GHOSTS.iter().copied().filter(|name| !names.contains(name)).collect()
}
