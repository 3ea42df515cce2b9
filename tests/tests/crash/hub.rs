//! What writes to the hub, killed: the hub shows the old or the new revision, and the same command succeeds next.

use std::path::Path;

use depsync_engine::hash::Domain;
use depsync_tests::cluster::Site;
use depsync_tests::crash::{self, Child, End, Work};
use depsync_tests::snapshot::{Item, Snapshot, check_same, snapshot, write_tree};

use crate::scene::{whole_new, whole_old};

fn child(node: &str, work: Work) -> Child<'_> {
    Child { node, work, poor: false }
}

/// Runs `work` of `node` once undisturbed, then killed before each step that is `part` modulo `parts`; each time
/// `check` looks at the site, with the step for messages.
fn at_every_step(scene: &Site, node: &str, work: Work, (part, parts): (usize, usize), check: impl Fn(&Site, &str)) {
    let copy = scene.copy();
    let End::Finished(steps) = crash::run(&copy, child(node, work), None) else { panic!("{work:?} that nobody kills") };
    check(&copy, "undisturbed");
    for (at, step) in steps.iter().enumerate().filter(|(at, _)| at % parts == part) {
        let site = scene.copy();
        let shown = format!("{work:?} killed at step {at}, {step}");
        assert_eq!(crash::run(&site, child(node, work), Some(at)), End::Killed(step.clone()), "{shown}");
        check_packs(&site.hub(), &shown);
        check(&site, &shown);
    }
}

/// Every pack that has a name is the one it is named after.
fn check_packs(hub: &Path, shown: &str) {
    for (path, item) in snapshot(&hub.join("packs")) {
        if let Item::File(_, bytes) = item {
            let path = String::from_utf8(path).expect("a pack's name");
            let name = path.rsplit('/').next().unwrap_or_default();
            assert_eq!(Domain::Pack.digest(&bytes).to_string(), name, "{shown}");
        }
    }
}

/// What a worker that has never seen the hub gets; none where there is nothing to get yet.
fn seen_by_a_new_worker(site: &Site, name: &str, shown: &str) -> Option<Snapshot> {
    match site.update(name) {
        Ok(outcome) => outcome.to.map(|_| snapshot(&site.dir(name))),
        Err(error) => {
            assert!(!site.hub().join("FORMAT").exists(), "{shown}: {error}");
            None
        }
    }
}

/// A manager that has published once and changed everything since, and a worker at the first revision.
fn changed_site() -> (Site, Snapshot, Snapshot) {
    let site = Site::new();
    whole_old(&site.dir("m"));
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    let old = snapshot(&site.dir("m"));
    whole_new(&site.dir("m"));
    let new = snapshot(&site.dir("m"));
    (site, old, new)
}

fn publish_killed(part: usize) {
    let (scene, old, new) = changed_site();
    at_every_step(&scene, "m", Work::Publish, (part, 2), |site, shown| {
        check_same(&snapshot(&site.dir("m")), &new, shown);
        // The worker that was here looks at the hint alone; the new one looks for the records.
        site.update("w").expect("the worker reads the hub");
        let seen = [Some(snapshot(&site.dir("w"))), seen_by_a_new_worker(site, "fresh", shown)];
        for seen in seen.map(|seen| seen.expect("a revision")) {
            assert!(seen == old || seen == new, "{shown}: neither the old revision nor the new one");
        }

        let again = site.publish("m").expect("publishes");
        assert_eq!((again.revision, again.conflicts.len()), (Some(2), 0), "{shown}: {again:?}");
        check_same(&snapshot(&site.dir("m")), &new, shown);
        for worker in ["w", "fresh"] {
            site.update(worker).expect("updates");
            check_same(&snapshot(&site.dir(worker)), &new, shown);
        }
        let idle = site.publish("m").expect("publishes");
        assert_eq!((idle.revision, idle.changed), (Some(2), false), "{shown}");
        let status = site.node("m").status(&site.context()).expect("status");
        assert_eq!((status.applied, status.drift.len()), (Some(2), 0), "{shown}");
    });
}

#[test]
fn publish_killed_1_of_2() {
    publish_killed(0);
}

#[test]
fn publish_killed_2_of_2() {
    publish_killed(1);
}

#[test]
fn the_publish_that_makes_the_hub_killed() {
    let scene = Site::new();
    write_tree(&scene.dir("m"), &[("a", "one"), ("b/c", "two"), ("link", "->a")]);
    let wanted = snapshot(&scene.dir("m"));
    at_every_step(&scene, "m", Work::Publish, (0, 1), |site, shown| {
        let seen = seen_by_a_new_worker(site, "w", shown);
        assert!(seen.is_none() || seen.as_ref() == Some(&wanted), "{shown}: another tree");
        let again = site.publish("m").expect("publishes");
        assert_eq!(again.revision, Some(1), "{shown}");
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &wanted, shown);
    });
}

#[test]
fn init_killed() {
    let scene = Site::new();
    write_tree(&scene.dir("m"), &[("a", "one")]);
    at_every_step(&scene, "m", Work::Init, (0, 1), |site, shown| {
        site.node("m").init(&site.context(), None).expect("init");
        assert_eq!(site.publish("m").expect("publishes").revision, Some(1), "{shown}");
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &snapshot(&site.dir("m")), shown);
    });
}

#[test]
fn edited_after_a_killed_publish() {
    let scene = Site::new();
    write_tree(&scene.dir("m"), &[("a", "one"), ("b", "two"), ("c/d", "three"), ("gone", "x")]);
    scene.publish("m").expect("publishes");
    scene.update("w").expect("updates");
    write_tree(&scene.dir("m"), &[("a", "published?"), ("new", "published?"), ("new-too", "published?")]);
    std::fs::remove_file(scene.dir("m").join("gone")).expect("remove");
    at_every_step(&scene, "m", Work::Publish, (0, 1), |site, shown| {
        // The manager goes on working: nobody tells the operator whether the killed publish came through.
        write_tree(
            &site.dir("m"),
            &[("a", "edited since"), ("new", "edited since"), ("gone", "back again"), ("e", "e")],
        );
        std::fs::remove_file(site.dir("m").join("new-too")).expect("remove");
        let edited = snapshot(&site.dir("m"));
        let again = site.publish("m").expect("publishes");
        assert!(again.conflicts.is_empty(), "{shown}: in conflict with itself: {:?}", again.conflicts);
        check_same(&snapshot(&site.dir("m")), &edited, shown);
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &edited, shown);
    });
}

#[test]
fn edited_after_the_first_publish_was_killed() {
    let scene = Site::new();
    write_tree(&scene.dir("m"), &[("a", "one"), ("b", "two")]);
    at_every_step(&scene, "m", Work::Publish, (0, 1), |site, shown| {
        write_tree(&site.dir("m"), &[("a", "edited since"), ("c", "new")]);
        let edited = snapshot(&site.dir("m"));
        if let Err(error) = site.publish("m") {
            panic!("{shown}: {error}");
        }
        check_same(&snapshot(&site.dir("m")), &edited, shown);
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &edited, shown);
    });
}

#[test]
fn another_manager_publishes_after_a_killed_publish() {
    let scene = Site::new();
    write_tree(&scene.dir("m"), &[("a", "one"), ("b", "two"), ("both", "old")]);
    scene.publish("m").expect("publishes");
    scene.update("w").expect("updates");
    scene.update("n").expect("updates");
    write_tree(&scene.dir("m"), &[("a", "by m"), ("m/new", "by m"), ("both", "alike")]);
    write_tree(&scene.dir("n"), &[("b", "by n"), ("n/new", "by n"), ("both", "alike")]);
    at_every_step(&scene, "m", Work::Publish, (0, 1), |site, shown| {
        let second = site.publish("n").expect("the other one publishes");
        assert!(second.conflicts.is_empty() && second.changed, "{shown}: {second:?}");
        let again = site.publish("m").expect("the killed one publishes");
        assert!(again.conflicts.is_empty(), "{shown}: {again:?}");
        for node in ["m", "n", "w"] {
            site.update(node).expect("updates");
        }
        let wanted = snapshot(&site.dir("w"));
        for (path, content) in [("a", "by m"), ("m/new", "by m"), ("b", "by n"), ("n/new", "by n"), ("both", "alike")] {
            let Some(Item::File(_, found)) = wanted.get(path.as_bytes()) else { panic!("{shown}: {path} is missing") };
            assert_eq!(found, content.as_bytes(), "{shown}: {path}");
        }
        check_same(&snapshot(&site.dir("m")), &wanted, shown);
        check_same(&snapshot(&site.dir("n")), &wanted, shown);
    });
}

#[test]
fn rollback_killed() {
    let scene = Site::new();
    write_tree(&scene.dir("m"), &[("a", "one"), ("b", "two"), ("c/d", "three"), ("gone", "x")]);
    let old = snapshot(&scene.dir("m"));
    scene.publish("m").expect("publishes");
    write_tree(&scene.dir("m"), &[("a", "changed"), ("new/f", "new")]);
    std::fs::remove_file(scene.dir("m").join("gone")).expect("remove");
    let new = snapshot(&scene.dir("m"));
    scene.publish("m").expect("publishes");
    scene.update("w").expect("updates");
    at_every_step(&scene, "m", Work::Rollback(1), (0, 1), |site, shown| {
        site.update("w").expect("updates");
        let seen = snapshot(&site.dir("w"));
        assert!(seen == old || seen == new, "{shown}: neither the old revision nor the new one");
        let again = site.node("m").rollback(&site.context(), 1, "").expect("rolls back");
        assert_eq!(again.revision, Some(3), "{shown}");
        check_same(&snapshot(&site.dir("m")), &old, shown);
        site.update("w").expect("updates");
        check_same(&snapshot(&site.dir("w")), &old, shown);
        assert!(!site.publish("m").expect("publishes").changed, "{shown}");
    });
}

/// Two managers that have changed the same file.
fn conflict() -> Site {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("a", "one"), ("b", "two")]);
    site.publish("m").expect("publishes");
    site.update("n").expect("updates");
    write_tree(&site.dir("m"), &[("a", "theirs")]);
    write_tree(&site.dir("n"), &[("a", "mine")]);
    site.publish("m").expect("publishes");
    let raced = site.publish("n").expect("publishes the rest");
    assert_eq!(raced.conflicts.len(), 1);
    site
}

#[test]
fn resolve_killed() {
    let scene = conflict();
    for work in [Work::Mine("a"), Work::Theirs("a")] {
        at_every_step(&scene, "n", work, (0, 1), |site, shown| {
            // Said again: either it ends the conflict now, or it says that there is none any more.
            if !matches!(crash::run(site, child("n", work), None), End::Finished(_)) {
                let status = site.node("n").status(&site.context()).expect("status");
                assert!(status.conflicts.is_empty(), "{shown}: {:?}", status.conflicts);
            }
            site.publish("n").expect("publishes");
            site.update("n").expect("updates");
            site.update("w").expect("updates");
            let (wanted, other): (&[u8], &[u8]) = match work {
                Work::Mine(_) => (b"mine", b"theirs"),
                _ => (b"theirs", b"mine"),
            };
            for node in ["n", "w"] {
                assert_eq!(std::fs::read(site.dir(node).join("a")).expect("read"), wanted, "{shown}");
            }
            if wanted == b"theirs" {
                let kept = snapshot(&site.path().join(".n.depsync/recovery"));
                let found = kept.values().any(|item| matches!(item, Item::File(_, content) if content == other));
                assert!(found, "{shown}: mine is lost");
            }
        });
    }
}

#[test]
fn repair_killed() {
    let scene = Site::new();
    whole_old(&scene.dir("m"));
    scene.publish("m").expect("publishes");
    scene.update("w").expect("updates");
    let wanted = snapshot(&scene.dir("w"));
    for path in ["change.txt", "big.bin", "dir-to-file/sub/b"] {
        std::fs::write(scene.dir("w").join(path), format!("only here: {path}")).expect("drift");
    }
    std::fs::remove_dir_all(scene.dir("w").join("nested-gone")).expect("remove");
    at_every_step(&scene, "w", Work::Repair, (0, 1), |site, shown| {
        let verified = site.node("w").verify(&site.context(), true).expect("repairs");
        assert!(verified.matches, "{shown}: {verified:?}");
        check_same(&snapshot(&site.dir("w")), &wanted, shown);
        let kept = snapshot(&site.path().join(".w.depsync/recovery"));
        let own = kept.values().filter(|item| matches!(item, Item::File(_, content) if content.starts_with(b"only")));
        assert_eq!(own.count(), 3, "{shown}");
    });
}
