use std::fs;

use depsync_tests::snapshot::{check_same, snapshot, write_tree};
use depsync_tests::tomcat::{PAGE, Tomcat, War, pages};

use super::{Scene, assert_whole, updates};

/// The server unpacks `app.war` to `app/`, and its applications write there.
#[test]
fn a_worker_leaves_it_alone() {
    let scene = Scene::new();
    War::new(1).write(&scene.source("app.war"));
    War::new(1).write(&scene.source("other.war"));
    let (manager, mut worker) = scene.daemons();
    let tomcat = scene.tomcat();
    let visitor = tomcat.visitor("/other/version.txt");
    visitor.wait_for(1);
    write_tree(&scene.live("app"), &[("upload/a", "somebody's"), ("cache.bin", "the server's")]);
    let before = snapshot(&scene.live("app"));
    assert!(before.len() > 4 && before.contains_key(PAGE.as_bytes()), "{:?}", before.keys());
    // The other one changes, this one does not.
    for version in 2..=3 {
        War::new(version).write(&scene.source("other.war"));
        visitor.wait_for(version);
        worker.wait_for("the revision", |event| event["event"] == "updated" && event["to"] == version);
    }
    tomcat.look_around();
    check_same(&snapshot(&scene.live("app")), &before, "what is the server's own");
    assert_eq!((tomcat.attempts("app.war"), tomcat.attempts("other.war")), (1, 3), "{}", tomcat.log());
    assert_whole(&visitor.leave());
    let done = updates(&worker);
    assert_eq!(done.len(), 3, "{done:?}");
    assert!(done.iter().skip(1).all(|update| update["modified"] == 1 && update["removed"] == 0), "{done:?}");
    // What it has made is nothing that anybody publishes.
    let told = manager.stop();
    assert!(told.iter().all(|event| event["event"] != "failed"), "{told:?}");
    assert_eq!(snapshot(&scene.site.dir("m")).len(), 2);
    worker.stop();
}

/// A manager whose own server deploys from its directory says what of it is to be published.
#[test]
fn a_manager_publishes_none_of_it_when_told_so() {
    let scene = Scene::new();
    write_tree(&scene.site.dir("m"), &[(".depsyncignore", "/*\n!/*.war\n")]);
    War::new(1).write(&scene.source("app.war"));
    let tomcat = Tomcat::serve(&scene.site.dir("m"));
    assert!(scene.source("app").join(PAGE).exists(), "{}", tomcat.log());
    let (mut manager, mut worker) = scene.daemons();
    let visitor = tomcat.visitor("/app/version.txt");
    for version in 2..=3 {
        War::new(version).write(&scene.source("app.war"));
        visitor.wait_for(version);
        let is_it = |event: &serde_json::Value| event["event"] == "published" && event["revision"] == version;
        manager.wait_for("the version", is_it);
        worker.wait_for("the version", |event| event["event"] == "updated" && event["to"] == version);
    }
    assert_eq!(pages(&visitor.leave()).last(), Some(&3));
    let names: Vec<_> = snapshot(&scene.site.dir("webapps")).into_keys().collect();
    assert_eq!(names, [b"app.war"], "{}", manager.everything());
    assert!(
        fs::read(scene.live("app.war")).expect("an archive") == War::new(3).bytes(),
        "{} {}",
        manager.everything(),
        worker.everything()
    );
    manager.stop();
    worker.stop();
}
