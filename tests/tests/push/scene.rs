//! A directory to push from, and nodes to push to: each a directory behind a server of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use depsync_tests::cli::Bench;
use depsync_tests::snapshot::{Snapshot, check_same, snapshot};
use depsync_tests::sshd::{HOST, Sshd};
use serde_json::Value;
use tempfile::TempDir;

/// A node: a server, and the directory behind it.
pub(crate) struct Far {
    pub(crate) sshd: Sshd,
    place: TempDir,
}

impl Far {
    fn with(sshd: Sshd) -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        Self { sshd, place }
    }

    fn below(sshd: Sshd, top: &Path) -> Self {
        Self { sshd, place: tempfile::tempdir_in(top).expect("a directory") }
    }

    /// The directory that is pushed to.
    pub(crate) fn dir(&self) -> PathBuf {
        self.place.path().join("deploy")
    }

    /// What is beside it.
    pub(crate) fn beside(&self) -> PathBuf {
        self.place.path().join(".deploy.depsync-push")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).expect("writes");
    }

    /// What was kept aside, by path below the folder of its push.
    pub(crate) fn kept(&self) -> BTreeMap<String, String> {
        let mut kept = BTreeMap::new();
        let Ok(folders) = std::fs::read_dir(self.beside().join("kept")) else { return kept };
        for folder in folders {
            let folder = folder.expect("an entry").path();
            for (path, _) in snapshot(&folder) {
                let path = String::from_utf8(path).expect("names of a test");
                if let Ok(text) = std::fs::read_to_string(folder.join(&path)) {
                    kept.insert(path, text);
                }
            }
        }
        kept
    }
}

/// A directory `deploy` to push from, with a `depsync.toml`, and the nodes `web-1`, `web-2`, …
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    pub(crate) nodes: Vec<Far>,
}

impl Scene {
    pub(crate) fn new(count: usize) -> Self {
        Self::with((0..count).map(|_| Sshd::start_logging()).collect())
    }

    pub(crate) fn with(servers: Vec<Sshd>) -> Self {
        Self::of(servers.into_iter().map(Far::with).collect())
    }

    /// With one node whose directory is below `top`.
    pub(crate) fn below(top: &Path) -> Self {
        Self::of(vec![Far::below(Sshd::start_logging(), top)])
    }

    fn of(nodes: Vec<Far>) -> Self {
        let scene = Self { bench: Bench::in_memory(), nodes };
        scene.bench.write("deploy/.keep", "");
        std::fs::remove_file(scene.bench.path("deploy/.keep")).expect("removes");
        scene.introduce();
        scene.list(&scene.nodes.iter().map(|far| far.sshd.port()).collect::<Vec<_>>());
        scene
    }

    /// Writes the configuration: whom to believe.
    fn introduce(&self) {
        let known: String =
            self.nodes.iter().map(|far| std::fs::read_to_string(far.sshd.known_hosts()).expect("keys")).collect();
        self.bench.write("known_hosts", known);
        self.bench.write(
            "depsync.toml",
            "dir = 'deploy'\nnodes = 'nodes-list.txt'\nnode = 'ops'\nauthor = 'ops'\n[ssh]\nknown-hosts = 'known_hosts'\n",
        );
    }

    /// Writes the list, with these ports.
    pub(crate) fn list(&self, ports: &[u16]) {
        let mut list = String::from("# the shop\n\n");
        for (number, (far, port)) in self.nodes.iter().zip(ports).enumerate() {
            let (user, dir, key) = (far.sshd.user(), far.dir(), far.sshd.identity().display().to_string());
            writeln!(list, "{user}@{HOST}:{} port={port} key={key} name=web-{}", dir.display(), number + 1)
                .expect("text");
        }
        self.bench.write("nodes-list.txt", list);
    }

    /// Writes a file of the directory that is pushed from.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.bench.write(&format!("deploy/{name}"), content);
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.bench.path("deploy")
    }

    /// Pushes; the answer and the exit status.
    pub(crate) fn push(&self, words: &str) -> (Value, i32) {
        let (answer, exit) = self.bench.json(&format!("push {words}"));
        (answer, exit.expect("it was not killed"))
    }

    /// Pushes; everybody must have it.
    pub(crate) fn must_push(&self, words: &str) -> Value {
        let (answer, exit) = self.push(words);
        assert_eq!(exit, 0, "{answer:#}");
        self.all_identical("after a push");
        answer
    }

    /// A push that has stopped before its first step of this name, and holds its locks.
    pub(crate) fn stopped_push(&self, step: &str) -> Child {
        let mut command = self.bench.command(&["--stop-at-step", step, "push"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let (begun, status) = (Instant::now(), format!("/proc/{}/stat", child.id()));
        while !std::fs::read_to_string(&status).is_ok_and(|stat| stat.contains(") T ")) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    pub(crate) fn all_identical(&self, at: &str) {
        for far in &self.nodes {
            self.identical(far, at);
        }
    }

    /// The node has what is here: names, kinds, permissions, contents.
    pub(crate) fn identical(&self, far: &Far, at: &str) {
        check_same(&tree(&far.dir()), &tree(&self.source()), at);
        assert!(!far.beside().join("stage").exists(), "{at}: nothing is left behind");
    }

    /// What is on record of the node `web-NUMBER`: the revision.
    pub(crate) fn on_record(&self, number: usize) -> Option<u64> {
        let (status, _) = self.bench.json("status");
        let nodes = status["nodes"].as_array().expect("nodes").clone();
        let node = nodes.into_iter().find(|node| node["node"] == format!("web-{number}"))?;
        node["applied"]["number"].as_u64()
    }
}

fn tree(directory: &Path) -> Snapshot {
    snapshot(directory)
}

/// The part of an answer about the node `web-NUMBER`.
pub(crate) fn node(answer: &Value, number: usize) -> Value {
    let nodes = answer["nodes"].as_array().expect("nodes");
    nodes.iter().find(|node| node["node"] == format!("web-{number}")).expect("the node").clone()
}
