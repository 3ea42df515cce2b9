use depsync_engine::engine::{Options, PublishOptions, Role, UpdateOptions};
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{snapshot, write_tree};

fn options(site: &Site, name: &str, role: Role) -> Options {
    Options {
        role: Some(role),
        exploded: vec!["/webapps/*".to_owned()],
        archives: vec!["war".into()],
        ..site.options(name)
    }
}

#[test]
fn an_application_beside_its_archive_is_left_out_and_one_without_is_published() {
    let site = Site::new();
    let war = depsync_tests::jar::jar(&[depsync_tests::jar::deflated("WEB-INF/web.xml", "<web-app/>")], 0);
    write_tree(&site.dir("m"), &[("webapps/shop/WEB-INF/web.xml", "exploded"), ("webapps/plain/index.jsp", "plain")]);
    std::fs::write(site.dir("m").join("webapps/shop.war"), &war).expect("an archive");
    let manager = site.open(options(&site, "m", Role::ReadWrite));
    let done = manager.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert_eq!(done.added, 4, "webapps, plain, its page, and the archive: {done:?}");
    let worker = site.open(options(&site, "w", Role::ReadOnly));
    worker.update(&site.context(), &UpdateOptions::default()).expect("updates");
    // The worker's server explodes it, too.
    write_tree(&site.dir("w"), &[("webapps/shop/WEB-INF/web.xml", "exploded")]);
    std::fs::write(site.dir("m").join("webapps/plain/index.jsp"), "plain, changed").expect("written");
    std::fs::write(site.dir("m").join("webapps/shop/WEB-INF/web.xml"), "exploded anew").expect("written");
    let done = manager.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert_eq!((done.added, done.modified, done.removed), (0, 1, 0), "{done:?}");
    let done = worker.update(&site.context(), &UpdateOptions::default()).expect("updates");
    assert_eq!((done.added, done.modified, done.removed, done.problems.len()), (0, 1, 0, 0), "{done:?}");
    // One that was published before its archive came stays as it is, until somebody forgets it.
    std::fs::write(site.dir("m").join("webapps/plain.war"), &war).expect("an archive");
    let done = manager.publish(&site.context(), &PublishOptions::default()).expect("publishes");
    assert_eq!((done.added, done.modified, done.removed), (1, 0, 0), "{done:?}");
    let forget = vec!["webapps/plain".try_into().expect("a path")];
    let options = PublishOptions { forget, ..PublishOptions::default() };
    let done = manager.publish(&site.context(), &options).expect("publishes");
    assert_eq!((done.added, done.modified, done.removed), (0, 0, 2), "{done:?}");
    assert!(snapshot(&site.dir("m")).contains_key(&b"webapps/plain/index.jsp"[..]), "it stays where it is");
}
