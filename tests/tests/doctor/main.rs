//! `depsync doctor`, with the real program: what is well is said to be, and each thing that can be broken here for real is
//! found, and nothing else.
//!
//! | file | breaks |
//! |---|---|
//! | `places` | the directory, staging, the state, the room that they have |
//! | `hub` | the hub, its history, the programs for it |
//! | `system` | clocks, watches, open files |
//! | `around` | hooks, secrets, the channel, the daemon, other nodes |

mod around;
mod hub;
mod places;
mod system;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use depsync_tests::cli::Bench;
use depsync_tests::snapshot::{Snapshot, snapshot};
use serde_json::Value;

/// A manager `m` and a worker `w` at revision 1 of `hub`.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
}

/// The command lines.
pub(crate) const M: &str = "doctor m hub --node m";
pub(crate) const W: &str = "doctor w hub --node w";

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self { bench: Bench::new() };
        for name in ["a.txt", "conf/b.xml", "conf/deep/c.xml"] {
            scene.bench.write(&format!("m/{name}"), format!("the first {name}\n"));
        }
        scene.does("publish m hub --node m");
        scene.does("update w hub --node w");
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    /// Runs a command that must succeed.
    pub(crate) fn does(&self, line: &str) {
        let said = self.bench.run(line);
        assert!(said.ends_with("--- exit 0\n"), "{said}");
    }

    pub(crate) fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), Permissions::from_mode(mode)).expect("chmod");
    }

    /// From now on the program runs without the power of root, who may do everything.
    pub(crate) fn without_power(&mut self) {
        if rustix::process::geteuid().is_root() {
            self.bench.through(&["setpriv", "--inh-caps=-all", "--bounding-set=-all"]);
        }
    }

    /// All that there is, but for what probing a hub leaves: the directory for what is on its way.
    pub(crate) fn everything(&self) -> Snapshot {
        let mut items = snapshot(&self.path(""));
        items.remove(b"hub/tmp".as_slice());
        items
    }

    /// Asks the doctor, who must change nothing.
    pub(crate) fn asks(&self, line: &str) -> Said {
        let before = self.everything();
        let said = self.asks_amid_work(line);
        assert!(self.everything() == before, "{line}: something was changed: {}", said.text());
        said
    }

    /// Asks the doctor while others work here.
    pub(crate) fn asks_amid_work(&self, line: &str) -> Said {
        let (json, code) = self.bench.json(line);
        let said = Said { json, code };
        let worst = said.checks().iter().map(|check| check["verdict"].as_str().expect("a verdict")).fold(
            "ok",
            |worst, next| match (worst, next) {
                ("failed", _) | (_, "failed") => "failed",
                ("warning", _) | (_, "warning") => "warning",
                _ => "ok",
            },
        );
        assert_eq!(said.json["verdict"], worst, "{}", said.text());
        assert_eq!(code, Some(i32::from(worst == "failed")), "{}", said.text());
        for check in said.checks() {
            let is_bad = ["warning", "failed"].contains(&check["verdict"].as_str().expect("a verdict"));
            assert_eq!(check["advice"].is_string(), is_bad, "who is told of trouble is told what to do: {check}");
        }
        said
    }
}

/// What the doctor has said.
pub(crate) struct Said {
    json: Value,
    code: Option<i32>,
}

impl Said {
    fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().unwrap_or_else(|| panic!("{:?}: {}", self.code, self.json))
    }

    pub(crate) fn text(&self) -> String {
        let line =
            |check: &Value| format!("{} {} {} {}\n", check["verdict"], check["name"], check["found"], check["advice"]);
        self.checks().iter().map(line).collect()
    }

    /// The checks that came out like this.
    pub(crate) fn with(&self, verdict: &str) -> Vec<&str> {
        let checks = self.checks().iter().filter(|check| check["verdict"] == verdict);
        checks.map(|check| check["name"].as_str().expect("a name")).collect()
    }

    /// Nothing but these failed, and nothing but these are warnings.
    #[track_caller]
    pub(crate) fn has_only(&self, failed: &[&str], warnings: &[&str]) -> &Self {
        assert_eq!(
            (self.with("failed"), self.with("warning")),
            (failed.to_vec(), warnings.to_vec()),
            "{}",
            self.text()
        );
        self
    }

    /// The check `name` was found, or advised, to be about `words`.
    #[track_caller]
    pub(crate) fn tells(&self, name: &str, words: &[&str]) -> &Self {
        let said = |check: &Value| format!("{} {}", check["found"], check["advice"]);
        let is_it = |check: &&Value| check["name"] == name && words.iter().all(|word| said(check).contains(word));
        assert!(self.checks().iter().any(|check| is_it(&check)), "no {name} with {words:?}:\n{}", self.text());
        self
    }
}

#[test]
fn whoever_is_well_is_told_so() {
    let scene = Scene::new();
    let all = [
        "configuration",
        "directory",
        "staging",
        "state",
        "directory-space",
        "state-space",
        "database",
        "update",
        "programs",
        "hub",
        "head",
        "rights",
        "hub-space",
        "clock",
        "hub-clock",
        "watches",
        "watch-queue",
        "open-files",
        "daemon",
        "nodes",
    ];
    for (line, role) in [(M, "a manager, m, deployment main"), (W, "a worker, w, deployment main")] {
        let said = scene.asks(line);
        let ok = said.has_only(&[], &[]).with("ok");
        assert!(all.iter().all(|name| ok.contains(name)), "{}", said.text());
        said.tells("configuration", &[role, "depsync.toml"]).tells("head", &["revision 1 of", "1 is applied here"]);
        said.tells("nodes", &["2 nodes"]).tells("watches", &["3 directories here"]);
    }
    let text = scene.bench.run(W);
    assert!(text.starts_with("$ depsync doctor") && text.contains("\nok       directory        "), "{text}");
    assert!(
        text.lines().rev().nth(1).is_some_and(|line| line.starts_with("2") && line.contains(" checks: ")),
        "{text}"
    );
    assert_eq!(scene.bench.run(&format!("-q {W}")), format!("$ depsync -q {W}\n--- exit 0\n"));
}

#[test]
fn whoever_has_not_begun_is_told_what_will_be_and_nothing_is_made() {
    let scene = Scene::new();
    let said = scene.asks("doctor new hub");
    said.has_only(&[], &[]).tells("directory", &["the first update makes it"]).tells("state", &["nothing yet"]);
    assert_eq!(said.with("skipped"), ["database", "watches"], "{}", said.text());
    let said = scene.asks("doctor new nohub");
    said.has_only(&["hub"], &[]).tells("hub", &["No such file", "is the hub mounted"]);
    // A manager before its first publish: what it holds is counted on the disk.
    scene.bench.write("first.toml", "dir = 'm2'\nhub = 'hub2'\nrole = 'manager'\nnode = 'm2'\n");
    scene.bench.write("m2/one/two/three", "x");
    std::fs::create_dir(scene.path("hub2")).expect("mkdir");
    let said = scene.asks("doctor --config first.toml");
    said.has_only(&["hub"], &[])
        .tells("watches", &["3 directories here"])
        .tells("hub", &["no hub here", "first `publish` makes a hub"]);
}

#[test]
fn what_cannot_be_looked_at_at_all_is_an_error_as_elsewhere() {
    let scene = Scene::new();
    scene.bench.write("bad.toml", "dir = 'm'\nhbu = 'x'\n");
    for (line, word) in [
        ("doctor", "which directory"),
        ("doctor --dir new", "which hub"),
        ("doctor --config bad.toml", "hbu"),
        ("doctor m", "HUB"),
    ] {
        let (json, code) = scene.bench.json(line);
        assert_eq!((code, &json["error"]["kind"]), (Some(2), &"usage".into()), "{line}: {json}");
        assert!(json["error"]["message"].as_str().is_some_and(|text| text.contains(word)), "{line}: {json}");
    }
}
