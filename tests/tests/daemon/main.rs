//! `depsync run`: real processes that keep directories in step.
//!
//! | file | is |
//! |---|---|
//! | `several` | several deployments in one process |
//! | `together` | managers and workers, polling only: everything arrives, whoever is killed |
//! | `drift` | what is changed on a worker is brought back, or only told; what a server rewrites is left to it |
//! | `embedded` | the example that is a manager and a worker in one program |
//! | `heard` | what is announced over the channel arrives at once; what is false changes nothing |
//! | `metrics` | what can be measured, and the log |
//! | `nats` | the same over NATS |
//! | `reports` | who runs what, how it stands, and since when |
//! | `service` | what a service manager hears |
//! | `trouble` | a hub that is away, a directory that is away, what is refused, and how it ends |
//! | `transports` | a manager and two workers on each kind of hub |
//! | `watches` | watches that do not suffice, and events that are lost |

mod drift;
mod embedded;
mod heard;
mod metrics;
mod nats;
mod reports;
mod service;
mod several;
mod together;
mod transports;
mod trouble;
mod watches;

use std::path::{Path, PathBuf};

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::{snapshot, try_snapshot};

/// A manager that asks every 300 ms.
fn manager(dir: &Path, hub: &str) -> Post {
    Post::new(dir, hub, &["--role", "manager", "--period", "300ms"])
}

/// A worker that asks every 300 ms.
fn worker(dir: &Path, hub: &str) -> Post {
    Post::new(dir, hub, &["--period", "300ms"])
}

fn hub(site: &Site) -> String {
    site.hub().display().to_string()
}

/// Waits until all these directories hold the same as the first.
fn wait_for_equality(dirs: &[PathBuf]) {
    wait_until("all directories are equal", || {
        let wanted = snapshot(&dirs[0]);
        dirs.iter().all(|dir| dir.is_dir() && try_snapshot(dir).is_ok_and(|found| found == wanted))
    });
}
