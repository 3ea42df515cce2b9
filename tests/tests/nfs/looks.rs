//! What one client has published is seen by the other at its next look, whatever the other remembers.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use depsync_tests::nfs::Scene;
use depsync_tests::uml::say;

use crate::member::Member;

/// Whether an ordinary program on that client sees the file.
fn hidden(path: &Path) -> bool {
    File::open(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// A worker on one client sees each new head at once, though that client has just looked for everything that will be
/// new in it, and for good measure read what will be replaced.
pub(crate) fn a_new_head_is_seen_at_once(scene: &Scene, top: &Path) {
    let [here, there] = scene.clients.each_ref().map(|client| client.path().join("looks"));
    std::fs::create_dir(&here).expect("mkdir");
    let (manager, worker) = (Member::new(top, "looks-m", &here), Member::new(top, "looks-w", &there));
    manager.write("file", "0");
    manager.publish("0").expect("publishes");
    worker.update().expect("updates");
    let mut deceived = 0;
    for round in 1..=6 {
        let record = |hub: &Path| hub.join(format!("d/main/revisions/{:012}", round + 1));
        assert!(hidden(&record(&there)), "it is not there yet");
        let head = std::fs::read(there.join("d/main/HEAD")).expect("a head");
        assert!(!worker.update().expect("nothing to do").changed);
        // The look above has opened the directories: plant it anew.
        assert!(hidden(&record(&there)));
        manager.write("file", &round.to_string());
        manager.write(&format!("new/{round}"), "new");
        assert_eq!(manager.publish("next").expect("publishes").revision, Some(round + 1));
        // An ordinary program is deceived, so there is something to see through.
        deceived += u32::from(hidden(&record(&there)));
        deceived += u32::from(std::fs::read(there.join("d/main/HEAD")).is_ok_and(|read| read == head));
        let updated = worker.update().expect("updates");
        assert_eq!((updated.to, updated.changed), (Some(round + 1), true), "round {round}");
        assert_eq!(worker.read("file"), round.to_string());
    }
    assert!(deceived > 0, "this client's cache hides nothing: the test shows nothing");
    say(&format!("an ordinary program was deceived {deceived} times in 12 looks"));
}

/// The worker was there first: it has looked for the hub itself.
pub(crate) fn a_hub_that_was_missing_is_seen_at_once(scene: &Scene, top: &Path) {
    let [here, there] = scene.clients.each_ref().map(|client| client.path().join("early/hub"));
    std::fs::create_dir(here.parent().expect("early")).expect("mkdir");
    let (manager, worker) = (Member::new(top, "early-m", &here), Member::new(top, "early-w", &there));
    for _ in 0..2 {
        let error = worker.update().expect_err("there is no hub yet");
        assert_eq!(error.kind().name(), "unreachable", "{error}");
    }
    manager.write("file", "0");
    manager.publish("0").expect("publishes");
    assert!(hidden(&there), "this client's cache hides nothing: the test shows nothing");
    assert_eq!(worker.update().expect("updates").to, Some(1));
    assert_eq!(worker.read("file"), "0");
}
