use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use depsync_tests::process::{Death, run};
use depsync_tests::snapshot::write_tree;
use depsync_tests::tomcat::{War, pages};

use super::{Scene, assert_whole, updates};

const VERSIONS: u32 = 5;
const BALLAST: usize = 2 << 20;

/// Copies as a slow network does, into the file that is there: half of it, nothing for longer than the manager waits
/// for a directory to come to rest, and the other half.
fn copy_in_place(war: &War, to: &Path) {
    let bytes = war.bytes();
    let mut file = File::create(to).expect("a file");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first).expect("a half");
    std::thread::sleep(Duration::from_millis(400));
    file.write_all(second).expect("the other half");
}

/// Inode and modification time: what a server and a backup go by.
fn marks(path: &Path) -> (u64, i64, i64) {
    let found = path.metadata().expect("it is there");
    (found.ino(), found.mtime(), found.mtime_nsec())
}

#[test]
fn each_is_deployed_once_and_nobody_sees_a_part_of_one() {
    let scene = Scene::new();
    let (source, live) = (scene.source("app.war"), scene.live("app.war"));
    let war = |version| War::new(version).with(BALLAST);
    war(1).write(&source);
    let (manager, mut worker) = scene.daemons();
    let tomcat = scene.tomcat();
    let visitor = tomcat.visitor("/app/version.txt");
    visitor.wait_for(1);
    for version in 2..=VERSIONS {
        copy_in_place(&war(version), &source);
        visitor.wait_for(version);
    }
    let wanted = VERSIONS as usize;
    tomcat.wait_for(|server| server.deployments("app.war") == wanted, "it has deployed the last one");
    assert!(fs::read(&live).expect("an archive") == war(VERSIONS).bytes(), "it is the last one");

    // Now nothing changes, whatever else happens.
    worker.wait_for("the last version", |event| event["event"] == "updated" && event["to"] == VERSIONS);
    let (before, rights) = (marks(&live), live.metadata().expect("it is there").permissions());
    let done = updates(&worker).len();
    tomcat.look_around();
    assert_eq!(updates(&worker).len(), done, "{}", worker.everything());
    // The manager's is written again with the same content.
    war(VERSIONS).write(&source);
    // Somebody takes rights away; the worker gives them back.
    fs::set_permissions(&live, fs::Permissions::from_mode(0o600)).expect("chmod");
    tomcat.wait_for(|_| live.metadata().is_ok_and(|found| found.permissions() == rights), "the rights are back");
    tomcat.look_around();
    // The worker is killed, and started again; and does by hand what it does.
    worker.kill();
    let mut worker = scene.worker();
    worker.wait_for_event("ready");
    tomcat.look_around();
    worker.stop();
    for words in [&["update"][..], &["verify"], &["verify", "--repair"]] {
        run(&scene.site.dir("webapps"), &scene.site.hub(), words, Death::Never).expect(&[0], Death::Never);
    }
    tomcat.look_around();
    assert_eq!(marks(&live), before);

    let visits = visitor.leave();
    assert_whole(&visits);
    assert_eq!(pages(&visits), (1..=VERSIONS).collect::<Vec<_>>(), "{visits:?}");
    let times = (tomcat.attempts("app.war"), tomcat.deployments("app.war"), tomcat.removals("/app"));
    assert_eq!(times, (wanted, wanted, wanted - 1), "{}", tomcat.log());
    assert_eq!((tomcat.complaints(), tomcat.reloads("/app")), (Vec::new(), 0), "{}", tomcat.log());
    let told = manager.stop();
    let published = told.iter().filter(|event| event["event"] == "published" && event["changed"] == true);
    assert_eq!(published.count(), wanted, "{told:?}");
}

/// Time alone tells a server that there is something new: it may be older content, and of the same size.
#[test]
fn one_that_comes_back_is_deployed_again() {
    let scene = Scene::new();
    let source = scene.source("app.war");
    // A directory that is emptied is not published.
    write_tree(&scene.site.dir("m"), &[("one.txt", "1"), ("two.txt", "2")]);
    War::new(1).write(&source);
    let (manager, worker) = scene.daemons();
    let tomcat = scene.tomcat();
    let visitor = tomcat.visitor("/app/version.txt");
    visitor.wait_for(1);
    let old = source.metadata().expect("it is there").modified().expect("a time");
    for version in [2, 1, 2, 1] {
        War::new(version).write(&source);
        // As `cp -p` brings it, from where it lay all the time.
        let file = File::options().write(true).open(&source).expect("it is there");
        file.set_modified(old).expect("a time");
        visitor.wait_for(version);
    }
    tomcat.wait_for(|server| server.deployments("app.war") == 5, "it has deployed the last one");
    // Taken away and put back as it was.
    fs::remove_file(&source).expect("remove");
    tomcat.wait_for(|server| server.removals("/app") == 5, "it takes it away");
    tomcat.wait_for(|_| !scene.live("app").exists(), "its own directory goes with it");
    War::new(1).write(&source);
    visitor.wait_for(1);
    let visits = visitor.leave();
    assert_whole(&visits);
    assert_eq!(pages(&visits), [1, 2, 1, 2, 1], "{visits:?}");
    assert_eq!((tomcat.attempts("app.war"), tomcat.complaints()), (6, Vec::new()), "{}", tomcat.log());
    manager.stop();
    worker.stop();
}
