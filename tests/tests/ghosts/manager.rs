//! A manager with ghosts: what it has not is not what it has removed.

use depsync_engine::engine::{EvictOptions, PublishOptions, Role, UpdateOptions};
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{snapshot, write_tree};

use crate::town::{path, town};

/// A second manager, which fetches on demand.
fn lazy_manager(site: &Site) -> depsync_engine::engine::Node {
    let node = site.node_as("w", Role::ReadWrite);
    node.update(&site.context(), &UpdateOptions::default()).expect("updates");
    node
}

#[test]
fn nothing_is_published_of_ghosts() {
    let site = town();
    let lazy = lazy_manager(&site);
    let done = lazy.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert!(!done.changed, "{done:?}");
    lazy.fetch(&site.context(), &[path("webapps/a.app")]).expect("fetches");
    lazy.evict(&site.context(), &EvictOptions::default()).expect("evicts");
    let done = lazy.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert!(!done.changed, "{done:?}");
}

#[test]
fn a_new_version_in_the_place_of_a_ghost_is_published_and_a_removed_directory_takes_its_ghosts_along() {
    let site = town();
    let lazy = lazy_manager(&site);
    write_tree(&site.dir("w"), &[("webapps/a.app", "application a, 2"), ("webapps/exploded/", "")]);
    let done = lazy.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert_eq!((done.added, done.modified, done.removed), (0, 1, 0), "{done:?}");
    std::fs::remove_dir(site.dir("w").join("webapps/exploded")).expect("an empty one");
    let done = lazy.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert_eq!((done.added, done.modified, done.removed), (0, 0, 5), "{done:?}");
    site.update("m").expect("updates");
    let there = snapshot(&site.dir("m"));
    assert!(!there.contains_key(&b"webapps/exploded"[..]) && there.contains_key(&b"webapps/b.app"[..]));
    assert_eq!(std::fs::read(site.dir("m").join("webapps/a.app")).expect("there"), b"application a, 2");
}

#[test]
fn both_changed_a_ghost_differently_is_a_conflict() {
    let site = town();
    let lazy = lazy_manager(&site);
    write_tree(&site.dir("m"), &[("webapps/a.app", "theirs")]);
    site.publish("m").expect("publishes");
    write_tree(&site.dir("w"), &[("webapps/a.app", "mine")]);
    let done = lazy.publish(&site.context(), &PublishOptions::default()).expect("publishes the rest");
    assert_eq!(done.conflicts.len(), 1, "{done:?}");
    let done = lazy.update(&site.context(), &UpdateOptions::default()).expect("updates the rest");
    assert_eq!(done.conflicts.len(), 1, "{done:?}");
    lazy.resolve(&site.context(), &path("webapps/a.app"), depsync_engine::engine::Side::Theirs).expect("resolves");
    lazy.update(&site.context(), &UpdateOptions::default()).expect("updates");
    assert_eq!(std::fs::read(site.dir("w").join("webapps/a.app")).expect("there"), b"theirs");
}
