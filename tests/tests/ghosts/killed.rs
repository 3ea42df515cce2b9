//! Killed at every durable step of an update, a fetch and an evict: the next command leaves what nobody killed would have left.

use depsync_tests::cluster::Site;
use depsync_tests::crash::{self, Child, End, Work};

use crate::town::{check, evict, fetch, listed, release, town};

/// Kills `work` at each of its steps in a copy, then lets an update follow; `then` makes good what was asked for and not
/// done. In the end these are the ghosts.
fn killed(site: &Site, work: Work, ghosts: &[&str], then: impl Fn(&Site)) {
    let child = Child { node: "w", work, poor: false };
    let copy = site.copy();
    let End::Finished(steps) = crash::run(&copy, child, None) else { panic!("nobody kills it") };
    assert!(steps.len() > 5, "{steps:?}");
    for (at, step) in steps.iter().enumerate() {
        let copy = site.copy();
        let at_step = format!("killed at step {at}, {step}");
        assert!(matches!(crash::run(&copy, child, Some(at)), End::Killed(_)), "{at_step}");
        let next = copy.update("w").expect(&at_step);
        assert!(next.problems.is_empty() && next.kept_aside.is_empty(), "{at_step}: {next:?}");
        then(&copy);
        check(&copy, ghosts, &at_step);
    }
}

#[test]
fn an_update_that_moves_ghosts() {
    let site = town();
    fetch(&site, &["webapps/b.app"]).expect("fetches");
    release(&site, &[("webapps/a.app", "a, 2"), ("webapps/b.app", "b, 2"), ("webapps/new/x.jsp", "x")]);
    std::fs::remove_dir_all(site.dir("m").join("webapps/exploded")).expect("removed");
    site.publish("m").expect("publishes");
    killed(&site, Work::Update, &["carbonapps/c.itg", "webapps/a.app", "webapps/new/x.jsp"], |_| {});
}

#[test]
fn a_fetch() {
    let site = town();
    let ghosts = ["carbonapps/c.itg", "webapps/a.app", "webapps/b.app"];
    killed(&site, Work::Fetch("webapps/exploded"), &ghosts, |copy| {
        fetch(copy, &["webapps/exploded"]).expect("fetches");
    });
}

#[test]
fn a_fetch_of_a_unit() {
    let site = town();
    site.name_unit("webapps/exploded", &[]);
    let ghosts = ["carbonapps/c.itg", "webapps/a.app", "webapps/b.app"];
    killed(&site, Work::Fetch("webapps/exploded/index.jsp"), &ghosts, |copy| {
        fetch(copy, &["webapps/exploded"]).expect("fetches");
    });
}

#[test]
fn an_evict() {
    let site = town();
    let (_, before) = listed(&site);
    fetch(&site, &["webapps"]).expect("fetches");
    let ghosts: Vec<&str> = before.iter().map(String::as_str).collect();
    killed(&site, Work::Evict("webapps"), &ghosts, |copy| {
        evict(copy, &["webapps"]).expect("evicts");
    });
}

#[test]
fn whatever_changes_the_signs_of_what_is_not_here() {
    let site = town();
    site.put_signs();
    site.update("w").expect("updates");
    assert_eq!(signs(&site), ["a.app", "b.app", "c.itg", "index.jsp", "link", "web.xml"]);
    fetch(&site, &["webapps/b.app"]).expect("fetches");
    release(&site, &[("webapps/n.app", "n"), ("carbonapps/b.app", "of another folder")]);
    std::fs::remove_dir_all(site.dir("m").join("webapps/exploded")).expect("removed");
    site.publish("m").expect("publishes");
    for (work, wanted) in [
        (Work::Update, &["a.app", "b.app", "c.itg", "n.app"][..]),
        (Work::Fetch("webapps/a.app"), &["b.app", "c.itg", "n.app"]),
        (Work::Evict("webapps/b.app"), &["a.app", "b-43475a3d.app", "b.app", "c.itg", "n.app"]),
    ] {
        let child = Child { node: "w", work, poor: false };
        let End::Finished(steps) = crash::run(&site.copy(), child, None) else { panic!("nobody kills it") };
        assert!(steps.iter().any(|step| step.starts_with("stub.")), "{steps:?}");
        for (at, step) in steps.iter().enumerate() {
            let copy = site.copy();
            let at_step = format!("{work:?} killed at step {at}, {step}");
            assert!(matches!(crash::run(&copy, child, Some(at)), End::Killed(_)), "{at_step}");
            let next = copy.update("w").expect(&at_step);
            assert!(
                next.problems.is_empty() && next.warnings.is_empty() && next.kept_aside.is_empty(),
                "{at_step}: {next:?}"
            );
            match work {
                Work::Fetch(path) => drop(fetch(&copy, &[path]).expect(&at_step)),
                Work::Evict(path) => drop(evict(&copy, &[path]).expect(&at_step)),
                _ => {}
            }
            assert_eq!(signs(&copy), wanted, "{at_step}");
        }
        site.update("w").expect("updates");
    }
}

fn signs(site: &Site) -> Vec<String> {
    let entries = std::fs::read_dir(site.dir("w").join("signs")).expect("signs");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a text")).collect();
    names.sort();
    names
}
