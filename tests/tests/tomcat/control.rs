use std::fs::{self, File};
use std::io::Write;
use std::time::SystemTime;

use depsync_tests::tomcat::{Answer, Tomcat, War};

use super::Scene;

/// A copy over the live archive that stalls, as a script makes it.
#[test]
fn a_copy_in_place_is_deployed_in_part_and_a_time_alone_is_a_change() {
    let scene = Scene::new();
    let live = scene.live("app.war");
    fs::create_dir(scene.site.dir("webapps")).expect("mkdir");
    War::new(1).write(&live);
    let tomcat = Tomcat::serve(&scene.site.dir("webapps"));
    let visitor = tomcat.visitor("/app/version.txt");
    visitor.wait_for(1);
    let bytes = War::new(2).bytes();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut file = File::create(&live).expect("a file");
    file.write_all(first).expect("a half");
    tomcat.wait_for(|server| server.failures("app.war") == 1, "it deploys the half");
    assert!(!tomcat.complaints().is_empty(), "{}", tomcat.log());
    file.write_all(second).expect("the other half");
    drop(file);
    visitor.wait_for(2);
    let visits = visitor.leave();
    assert!(visits.iter().any(|visit| visit.answer == Answer::Status(404)), "{visits:?}");
    let attempts = tomcat.attempts("app.war");

    let file = File::options().write(true).open(&live).expect("it is there");
    file.set_modified(SystemTime::now()).expect("a time");
    tomcat.look_around();
    assert_eq!(tomcat.attempts("app.war"), attempts + 1, "{}", tomcat.log());
    tomcat.look_around();
    assert_eq!(tomcat.attempts("app.war"), attempts + 1, "{}", tomcat.log());
}
