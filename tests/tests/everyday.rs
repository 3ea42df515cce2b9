//! The everyday: publish, update, change, remove, roll back.

use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{snapshot, write_tree};

#[test]
fn a_worker_follows_a_manager() {
    let site = Site::new();
    write_tree(
        &site.dir("m"),
        &[("a.txt", "one"), ("conf/b.xml", "<b/>"), ("empty/", ""), ("link", "->a.txt"), ("run.sh", "#!/bin/sh")],
    );
    let first = site.publish("m").expect("publishes");
    assert_eq!((first.revision, first.added, first.changed), (Some(1), 6, true));
    let update = site.update("w").expect("updates");
    assert_eq!((update.from, update.to, update.added), (None, Some(1), 6));
    assert_eq!(update.root, first.root);
    assert_eq!(snapshot(&site.dir("m")), snapshot(&site.dir("w")));

    std::fs::write(site.dir("m").join("a.txt"), "two!").expect("write");
    std::fs::remove_file(site.dir("m").join("conf/b.xml")).expect("remove");
    std::fs::remove_file(site.dir("m").join("link")).expect("remove");
    write_tree(&site.dir("m"), &[("link/now/a/directory", "x")]);
    let second = site.publish("m").expect("publishes");
    assert_eq!((second.revision, second.parent), (Some(2), Some(1)));
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("m")), snapshot(&site.dir("w")));

    let nothing = site.publish("m").expect("publishes");
    assert_eq!((nothing.revision, nothing.changed), (Some(2), false));
    let nothing = site.update("w").expect("updates");
    assert!(!nothing.changed);

    let back = site.node("m").rollback(&site.context(), 1, "").expect("rolls back");
    assert_eq!((back.revision, back.root), (Some(3), first.root));
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("m")), snapshot(&site.dir("w")));
    assert_eq!(std::fs::read(site.dir("w").join("a.txt")).expect("read"), b"one");
    assert!(site.dir("w").join("link").is_symlink());
}
