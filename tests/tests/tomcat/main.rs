//! A real Tomcat whose `webapps` directory is kept by a worker, while a manager publishes what it is to deploy.
//!
//! | file | is |
//! |---|---|
//! | `versions` | one archive, version by version: each is deployed whole and once, and nothing is without a change |
//! | `parallel` | an archive for each version: nobody is sent away |
//! | `unpacked` | what the server makes beside its archives is left to it, on a worker and on a manager |
//! | `exploded` | an application as a directory, changed in place |
//! | `control` | without depsync: the kit sees what the others say does not happen |
//!
//! What a client is answered and what the server says of itself are counted; seconds are not.

mod control;
mod exploded;
mod parallel;
mod unpacked;
mod versions;

use std::path::PathBuf;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Daemon, Post};
use depsync_tests::tomcat::{Answer, Tomcat, Visit};

/// A manager `m`, a worker `webapps`, and a hub.
struct Scene {
    site: Site,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        std::fs::create_dir(site.dir("m")).expect("mkdir");
        Self { site }
    }

    /// What lies in the manager's directory under this name.
    fn source(&self, name: &str) -> PathBuf {
        self.site.dir("m").join(name)
    }

    /// What lies in the server's directory under this name.
    fn live(&self, name: &str) -> PathBuf {
        self.site.dir("webapps").join(name)
    }

    fn manager(&self) -> Daemon {
        Post::new(&self.site.dir("m"), self.site.hub(), &["--role", "manager", "--period", "300ms"]).start()
    }

    /// A worker that looks at every file every half second, too.
    fn worker(&self) -> Daemon {
        Post::new(&self.site.dir("webapps"), self.site.hub(), &["--period", "300ms", "--scan-period", "500ms"]).start()
    }

    /// A manager and a worker; the worker has got what the manager has.
    fn daemons(&self) -> (Daemon, Daemon) {
        let (mut manager, mut worker) = (self.manager(), self.worker());
        manager.wait_for_event("published");
        worker.wait_for_event("updated");
        (manager, worker)
    }

    fn tomcat(&self) -> Tomcat {
        Tomcat::serve(&self.site.dir("webapps"))
    }
}

/// Nobody was ever answered anything but whole pages and, where the application is away for a moment, that it is.
fn assert_whole(visits: &[Visit]) {
    let is_fine = |visit: &&Visit| matches!(visit.answer, Answer::Page(_) | Answer::Status(404));
    let others: Vec<&Visit> = visits.iter().filter(|visit| !is_fine(visit)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// What a worker has done, for messages and to count.
fn updates(worker: &Daemon) -> Vec<serde_json::Value> {
    worker.events("updated").into_iter().filter(|event| event["changed"] == true).collect()
}
