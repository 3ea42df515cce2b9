//! A manager and a worker with tenants, each by one configuration.

use std::path::PathBuf;

use depsync_tests::cli::Bench;
use depsync_tests::daemon::{Daemon, Post, wait_until};
use depsync_tests::snapshot::{snapshot, try_snapshot, write_tree};

/// See the module.
pub(crate) struct Town {
    pub(crate) bench: Bench,
}

impl Town {
    /// Configurations `m.toml` and `w.toml` over a hub in a directory; `more` is added to the worker's.
    pub(crate) fn new(more: &str) -> Self {
        let town = Self { bench: Bench::in_memory() };
        town.configure("m", "hub", "role = 'manager'\n");
        town.configure("w", "hub", &format!("role = 'worker'\n{more}"));
        town
    }

    /// Writes a configuration.
    pub(crate) fn configure(&self, node: &str, hub: &str, more: &str) {
        let text = format!("dir = '{node}/{{tenant}}'\nhub = '{hub}'\nnode = '{node}'\n{more}");
        self.bench.write(&format!("{node}.toml"), text);
        std::fs::create_dir_all(self.bench.path(node)).expect("a directory");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    /// Writes files of a tenant on a node.
    pub(crate) fn write(&self, node: &str, tenant: &str, files: &[(&str, &str)]) {
        let directory = self.path(node).join(tenant);
        std::fs::create_dir_all(&directory).expect("a directory");
        write_tree(&directory, files);
    }

    /// Runs a command by a node's configuration, which has to be well.
    pub(crate) fn must(&self, node: &str, line: &str) -> serde_json::Value {
        let (said, code) = self.bench.json(&format!("--config {node}.toml {line}"));
        assert_eq!(code, Some(0), "{line}: {said}");
        said
    }

    /// A daemon by a node's configuration, which asks every 300 ms.
    pub(crate) fn daemon(&self, node: &str, args: &[&str]) -> Daemon {
        self.post(node, args).start()
    }

    pub(crate) fn post(&self, node: &str, args: &[&str]) -> Post {
        let usual: &[&str] = if args.contains(&"--period") { &[] } else { &["--period", "300ms"] };
        let args = [usual, args].concat();
        Post::of(&self.path(&format!("{node}.toml")), &args).variable("HOME", self.path("home"))
    }

    /// Waits until a tenant is the same on both nodes.
    pub(crate) fn wait_for(&self, tenant: &str) {
        let (there, here) = (self.path("m").join(tenant), self.path("w").join(tenant));
        wait_until(&format!("tenant {tenant} is the same"), || {
            here.is_dir() && try_snapshot(&here).is_ok_and(|found| found == snapshot(&there))
        });
    }

    /// How the list of a node's tenants has one.
    pub(crate) fn row(&self, node: &str, tenant: &str) -> serde_json::Value {
        let all = self.must(node, "tenants");
        let rows = all["tenants"].as_array().expect("a list").clone();
        rows.into_iter().find(|row| row["name"] == tenant).unwrap_or_default()
    }
}
