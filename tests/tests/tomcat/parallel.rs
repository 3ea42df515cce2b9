use std::fs;

use depsync_tests::tomcat::{Answer, War, pages};

use super::Scene;

const VERSIONS: u32 = 5;

fn name(version: u32) -> String {
    format!("app##{version:03}.war")
}

/// `app##NNN.war`: Tomcat sends whoever comes to the newest, which is there before the old one goes.
#[test]
fn nobody_is_sent_away() {
    let scene = Scene::new();
    War::new(1).with(1 << 20).write(&scene.source(&name(1)));
    let (manager, worker) = scene.daemons();
    let tomcat = scene.tomcat();
    let visitor = tomcat.visitor("/app/version.txt");
    visitor.wait_for(1);
    for version in 2..=VERSIONS {
        War::new(version).with(1 << 20).write(&scene.source(&name(version)));
        visitor.wait_for(version);
        let old = name(version - 1);
        fs::remove_file(scene.source(&old)).expect("remove");
        let path = format!("/app##{:03}", version - 1);
        tomcat.wait_for(|server| server.removals(&path) == 1, "it takes the old one away");
        assert!(!scene.live(&old).exists());
    }
    tomcat.look_around();
    let visits = visitor.leave();
    let others: Vec<_> = visits.iter().filter(|visit| !matches!(visit.answer, Answer::Page(_))).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(pages(&visits), (1..=VERSIONS).collect::<Vec<_>>(), "{visits:?}");
    for version in 1..=VERSIONS {
        assert_eq!(tomcat.attempts(&name(version)), 1, "{}", tomcat.log());
    }
    assert_eq!(tomcat.complaints(), Vec::<String>::new());
    manager.stop();
    worker.stop();
}
