//! What stays in a unit that changes is the very same file, with its time; what changes obeys the discipline.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use depsync_engine::engine::PublishOptions;
use depsync_tests::snapshot::snapshot;

use crate::town::{chmod, release, same, stamps, town, unlock, update};

#[test]
fn files_that_stay_keep_inode_and_time_and_directories_their_time() {
    let site = town(&[]);
    let shop = site.dir("w/shop");
    chmod(&site.dir("m/shop/WEB-INF/lib"), 0o750);
    site.publish("m").expect("publishes");
    update(&site);
    let before = stamps(&shop);
    site.pass(5);
    release(&site, &[("shop/index.jsp", "index 2"), ("shop/static/new.css", "new")]);
    let done = update(&site);
    assert_eq!((done.added, done.modified, done.removed), (1, 1, 0));
    let after = stamps(&shop);
    assert_ne!(before[&shop].0, after[&shop].0, "it is another directory");
    for (path, old) in &before {
        let new = after[path];
        let shown = path.display();
        assert_eq!((old.1, old.2), (new.1, new.2), "{shown}: mode and owner");
        let stirred = path.ends_with("static") || *path == shop;
        if path.is_dir() && !path.is_symlink() {
            assert_eq!((old.3, old.4) == (new.3, new.4), !stirred, "{shown}: {old:?} {new:?}");
        } else if path.ends_with("index.jsp") {
            assert_ne!(old.3, new.3, "{shown} changed in the same second");
        } else {
            assert_eq!(old, &new, "{shown} was touched");
        }
    }
    same(&site, "the second release");
}

#[test]
fn back_and_forth_is_another_second_each_time() {
    let site = town(&[]);
    let time = || site.dir("w/shop/index.jsp").metadata().expect("metadata").mtime();
    let mut seen = vec![time()];
    for round in 0..4 {
        release(&site, &[("shop/index.jsp", if round % 2 == 0 { "index 2" } else { "index 1" })]);
        update(&site);
        assert!(!seen.contains(&time()), "round {round}: {} of {seen:?}", time());
        seen.push(time());
        assert!(time() <= jiff::Timestamp::now().as_second(), "it is from the future");
    }
}

#[test]
fn permissions_alone_change_without_a_new_time() {
    let site = town(&[]);
    let jar = site.dir("w/shop/WEB-INF/lib/a.bin");
    let before = jar.metadata().expect("metadata");
    let mut open = File::options().append(true).open(&jar).expect("open");
    chmod(&site.dir("m/shop/WEB-INF/lib/a.bin"), 0o600);
    chmod(&site.dir("m/shop/static"), 0o700);
    site.publish("m").expect("publishes");
    assert_eq!(update(&site).modified, 2);
    let after = jar.metadata().expect("metadata");
    assert_eq!((before.mtime(), before.mtime_nsec()), (after.mtime(), after.mtime_nsec()));
    assert_eq!(open.metadata().expect("metadata").mode(), before.mode(), "the old one was changed before its time");
    open.write_all(b"!").expect("write");
    same(&site, "other permissions");
}

#[test]
fn a_locked_unit_and_locked_directories_in_it_change_too() {
    let site = town(&[]);
    for (inner, mode) in [("m/shop/WEB-INF/lib", 0o555), ("m/shop", 0o555)] {
        chmod(&site.dir(inner), mode);
    }
    site.publish("m").expect("publishes");
    update(&site);
    same(&site, "locked");
    for inner in ["m/shop", "m/shop/WEB-INF/lib"] {
        chmod(&site.dir(inner), 0o755);
    }
    std::fs::write(site.dir("m/shop/WEB-INF/lib/b.bin"), "b").expect("write");
    for inner in ["m/shop", "m/shop/WEB-INF/lib"] {
        chmod(&site.dir(inner), 0o555);
    }
    site.publish("m").expect("publishes");
    update(&site);
    same(&site, "changed while locked");
    unlock(&site);
}

#[test]
fn repair_rollback_and_a_pinned_revision_go_the_same_way() {
    let site = town(&[]);
    let shop = site.dir("w/shop");
    let inode = || shop.metadata().expect("metadata").ino();
    let first = snapshot(&site.dir("m"));
    release(&site, &[("shop/index.jsp", "index 2"), ("shop/WEB-INF/web.xml", "web 2")]);
    update(&site);
    let mut last = inode();
    let mut exchanged = |what: &str| {
        assert_ne!(inode(), last, "{what}");
        last = inode();
    };
    std::fs::write(shop.join("index.jsp"), "by hand").expect("write");
    let repaired = site.node("w").verify(&site.context(), true).expect("verifies");
    assert!(repaired.matches && repaired.repaired == 1, "{repaired:?}");
    exchanged("a repair");
    same(&site, "repaired");
    let manager = site.dir("m/shop").metadata().expect("metadata").ino();
    site.node("m").rollback(&site.context(), 1, "").expect("rolls back");
    assert_ne!(site.dir("m/shop").metadata().expect("metadata").ino(), manager, "on the manager, too");
    assert_eq!(snapshot(&site.dir("m")), first);
    update(&site);
    exchanged("a rollback");
    same(&site, "rolled back");
    let options = depsync_engine::engine::UpdateOptions { to: Some(2), ..Default::default() };
    site.node("w").update(&site.context(), &options).expect("updates");
    exchanged("a pinned revision");
}

#[test]
fn what_does_not_touch_the_unit_leaves_it_alone() {
    let site = town(&[]);
    let before = stamps(&site.dir("w/shop"));
    release(&site, &[("beside.txt", "beside 2"), ("other/x", "x")]);
    update(&site);
    assert_eq!(stamps(&site.dir("w/shop")), before);
    // Nor does a manager's publish.
    let before = stamps(&site.dir("m"));
    site.node("m").publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert_eq!(stamps(&site.dir("m")), before);
}
