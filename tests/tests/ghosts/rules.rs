//! Rules that change, and units.

use depsync_engine::engine::Due;
use depsync_tests::snapshot::write_tree;

use crate::town::{LAZY, check, evict, fetch, listed, release, town, update};

#[test]
fn what_is_no_longer_lazy_is_brought_by_the_next_update() {
    let site = town();
    site.make_lazy(&["/webapps/", "!/webapps/exploded/"]);
    assert_eq!(site.node("w").due(&site.context()).expect("asked"), Due::Rest);
    let done = update(&site);
    assert!(done.changed);
    check(&site, &["webapps/a.app", "webapps/b.app"], "other rules");
    assert_eq!(site.node("w").due(&site.context()).expect("asked"), Due::Nothing);
    site.make_lazy(&[]);
    update(&site);
    check(&site, &[], "no rules");
    // What becomes lazy is here, and stays.
    site.make_lazy(&LAZY);
    assert!(!update(&site).changed);
    check(&site, &[], "here already");
    evict(&site, &["webapps"]).expect("evicts");
    assert_eq!(listed(&site).1.len(), 5);
}

#[test]
fn a_unit_is_here_as_a_whole_or_not_at_all() {
    let site = town();
    site.name_unit("webapps/exploded", &[]);
    let done = fetch(&site, &["webapps/exploded/index.jsp"]).expect("fetches");
    assert_eq!((done.files, done.fetched), (3, 3), "one file of it is asked for, all of it comes");
    check(&site, &["carbonapps/c.itg", "webapps/a.app", "webapps/b.app"], "the unit");
    release(&site, &[("webapps/exploded/index.jsp", "index 2"), ("webapps/exploded/more.jsp", "more")]);
    assert_eq!(update(&site).added, 1);
    check(&site, &["carbonapps/c.itg", "webapps/a.app", "webapps/b.app"], "its next version");
    write_tree(&site.dir("w"), &[("webapps/exploded/more.jsp", "patched")]);
    let done = evict(&site, &["webapps/exploded/link"]).expect("evicts");
    assert_eq!((done.evicted, done.left.len()), (0, 1), "{done:?}");
    update(&site);
    let done = evict(&site, &["webapps/exploded/link"]).expect("evicts");
    assert_eq!(done.evicted, 4);
    assert!(!site.dir("w").join("webapps/exploded").exists());
}
