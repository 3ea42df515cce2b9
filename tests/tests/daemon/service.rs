use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use depsync_tests::cluster::Site;
use depsync_tests::daemon::Post;
use depsync_tests::snapshot::write_tree;

use super::hub;

/// What a service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    /// The next thing that is said, unless it is not said in time.
    fn hear(&self, within: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(within)).expect("a timeout");
        let mut buffer = [0; 4096];
        let count = self.0.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..count]).into_owned())
    }

    /// All that is said within a time.
    fn hear_for(&self, time: Duration) -> Vec<String> {
        let until = Instant::now() + time;
        let mut heard = Vec::new();
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            heard.extend(self.hear(left));
        }
        heard
    }
}

#[test]
fn a_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("a", "one")]);
    let socket = site.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).expect("a socket"));
    let daemon = Post::new(&site.dir("m"), hub(&site), &["--role", "manager", "--period", "1h"])
        .variable("NOTIFY_SOCKET", &socket)
        .variable("WATCHDOG_USEC", "600000")
        .start();
    let mut heard = Vec::new();
    while !heard.iter().any(|said: &String| said.contains("READY=1")) {
        heard.push(manager.hear(Duration::from_secs(30)).expect("it becomes ready"));
    }
    assert!(heard.iter().any(|said| said.contains("STATUS=published revision 1")), "{heard:?}");
    // It has nothing to do, and says so often enough.
    let idle = manager.hear_for(Duration::from_secs(3));
    let beats = idle.iter().filter(|said| said.contains("WATCHDOG=1")).count();
    assert!((5..=30).contains(&beats), "{idle:?}");
    daemon.stop();
    let last = manager.hear_for(Duration::from_millis(200));
    assert!(last.iter().any(|said| said.contains("STOPPING=1")), "{last:?}");
}

#[test]
fn a_hub_that_is_away_does_not_keep_it_from_being_ready() {
    let site = Site::new();
    std::fs::create_dir(site.dir("w")).expect("mkdir");
    let socket = site.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).expect("a socket"));
    let daemon = Post::new(&site.dir("w"), hub(&site), &[]).variable("NOTIFY_SOCKET", &socket).start();
    let mut heard = Vec::new();
    while !heard.iter().any(|said: &String| said.contains("READY=1")) {
        heard.push(manager.hear(Duration::from_secs(30)).expect("it becomes ready"));
    }
    assert!(heard.iter().any(|said| said.contains("STATUS=") && said.contains("hub")), "{heard:?}");
    daemon.stop();
}
