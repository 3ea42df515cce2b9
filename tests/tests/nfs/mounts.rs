//! `nfs://` takes a live network mount and nothing else.

use std::path::Path;

use depsync_tests::nfs::{Client, Scene};
use depsync_tests::snapshot::snapshot;

use crate::member::Member;

/// A local path, a mount point without its mount, and a mount: before, while and after it is there.
pub(crate) fn only_a_live_mount_will_do(scene: &Scene, top: &Path) {
    let local = top.join("local-hub");
    let point = Path::new("/run/third");
    for directory in [local.as_path(), point, &point.join("hub")] {
        std::fs::create_dir(directory).expect("mkdir");
    }
    let member = Member::new(top, "mounts-m", &point.join("hub"));
    let nowhere = Member { hub: format!("nfs://{}", local.display()), ..member.clone() };
    let worker = Member::new(top, "mounts-w", &point.join("hub"));
    member.write("file", "content");
    let refused = |member: &Member, command: &str| {
        let ended = member.run(command, 60);
        assert_eq!(ended.status, Some(3), "{command}: {ended:?}");
        assert!(ended.said.contains("not a network file system"), "{command}: {ended:?}");
        assert!(ended.said.contains("hint: mount the share"), "{command}: {ended:?}");
    };
    refused(&nowhere, "publish");
    refused(&nowhere, "update");
    refused(&member, "publish");
    assert!(snapshot(&local).is_empty() && snapshot(point).len() == 1, "nothing was made");
    std::fs::create_dir(scene.server.exported().join("hub")).expect("mkdir");
    let mounted = Client::mount(&scene.cables[1], point, "hard,timeo=20,retrans=2");
    for (member, command) in [(&member, "publish"), (&worker, "update"), (&worker, "status")] {
        let ended = member.run(command, 60);
        assert_eq!(ended.status, Some(0), "{command}: {ended:?}");
    }
    assert_eq!(worker.read("file"), "content");
    mounted.unmount();
    member.write("file", "changed");
    refused(&member, "publish");
    refused(&worker, "update");
    assert_eq!(worker.read("file"), "content");
    assert!(snapshot(&point.join("hub")).is_empty(), "nothing was made");
    let again = Client::mount(&scene.cables[1], point, "hard,timeo=20,retrans=2");
    assert_eq!(member.run("publish", 60).status, Some(0));
    assert_eq!(worker.run("update", 60).status, Some(0));
    assert_eq!(worker.read("file"), "changed");
    again.unmount();
}
