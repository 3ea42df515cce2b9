//! What becomes of a node whose own knowledge is lost, damaged, old or somebody else's, or whose clock is wrong: each case
//! has the outcome that `engine/doc/state-recovery.md` says, word for word.
//!
//! Everything is done with the real program. What it prints is compared with `tests/golden/state_*.txt`; beside that,
//! each case looks at the files: nothing live is lost, and nothing that was removed comes back.

mod cache;
mod clock;
mod copies;
mod database;
mod forbidden;
mod lost;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use depsync_tests::cli::{Bench, golden};
use depsync_tests::cluster::copy_tree;
use depsync_tests::snapshot::{Item, Snapshot, snapshot};

/// The command lines of the two nodes.
pub(crate) const PUBLISH: &str = "publish m hub --node m";
pub(crate) const UPDATE: &str = "update w hub --node w";
pub(crate) const UPDATE_M: &str = "update m hub --node m";

/// A manager `m` and a worker `w` at revision 2 of `hub`, and all that was said.
///
/// Revision 1 had `old.txt` and `gone/page.html`; revision 2 removed both, and changed `a.txt`.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    text: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self { bench: Bench::new(), text: String::new() };
        for name in ["a.txt", "b.txt", "conf/c.xml", "conf/d.xml", "e.txt", "gone/page.html", "old.txt"] {
            scene.write(&format!("m/{name}"), &format!("the first {name}\n"));
        }
        scene.quietly(PUBLISH);
        scene.quietly(UPDATE);
        scene.write("m/a.txt", "the second a.txt\n");
        std::fs::remove_dir_all(scene.path("m/gone")).expect("remove");
        std::fs::remove_file(scene.path("m/old.txt")).expect("remove");
        scene.save("first");
        scene.quietly(PUBLISH);
        scene.quietly(UPDATE);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        self.bench.write(name, content);
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("remove");
    }

    /// Copies both states to `saved/NAME`.
    pub(crate) fn save(&self, name: &str) {
        for node in ["m", "w"] {
            let place = self.path(&format!("saved/{name}/{node}"));
            std::fs::create_dir_all(&place).expect("mkdir");
            copy_tree(&self.path(&format!(".{node}.depsync")), &place);
        }
    }

    /// Puts the saved state of `from` in the place of `node`'s.
    pub(crate) fn put_back(&self, name: &str, from: &str, node: &str) {
        let place = self.path(&format!(".{node}.depsync"));
        if place.exists() {
            std::fs::remove_dir_all(&place).expect("remove");
        }
        std::fs::create_dir(&place).expect("mkdir");
        copy_tree(&self.path(&format!("saved/{name}/{from}")), &place);
    }

    /// A heading of the golden text.
    pub(crate) fn note(&mut self, what: &str) {
        writeln!(self.text, "# {what}").expect("writing to a string cannot fail");
    }

    /// Runs a command and keeps what it said. The exit status must be `status`.
    pub(crate) fn say(&mut self, line: &str, status: i32) {
        let said = self.bench.run(line);
        assert!(said.ends_with(&format!("--- exit {status}\n")), "not {status}:\n{said}");
        self.text.push_str(&said);
        self.text.push('\n');
    }

    /// Runs a command that must succeed, and keeps nothing.
    pub(crate) fn quietly(&self, line: &str) {
        let said = self.bench.run(line);
        assert!(said.ends_with("--- exit 0\n"), "{said}");
    }

    /// Says what was kept aside by `node`, by path without the folder of the run.
    pub(crate) fn kept(&self, node: &str) -> BTreeMap<String, String> {
        let items = snapshot(&self.path(&format!(".{node}.depsync/recovery"))).into_iter();
        let files = items.filter_map(|(path, item)| match item {
            Item::File(_, content) => {
                let path = String::from_utf8(path).expect("a name");
                let (_, inside) = path.split_once('/').expect("a folder");
                Some((inside.to_owned(), String::from_utf8(content).expect("text")))
            }
            _ => None,
        });
        files.collect()
    }

    /// The directory of `node`.
    pub(crate) fn tree(&self, node: &str) -> Snapshot {
        snapshot(&self.path(node))
    }

    /// The hub, but for what probing it leaves.
    pub(crate) fn hub(&self) -> Snapshot {
        let mut items = snapshot(&self.path("hub"));
        items.remove(b"tmp".as_slice());
        // What nodes say of themselves: that they were refused, too.
        items.retain(|path, _| !path.starts_with(b"d/main/nodes/"));
        items
    }

    /// A new worker gets exactly these files.
    pub(crate) fn published(&self, name: &str) -> Vec<String> {
        self.quietly(&format!("update {name} hub --node {name}"));
        let files = self.tree(name).into_iter().filter(|(_, item)| matches!(item, Item::File(..)));
        files.map(|(path, _)| String::from_utf8(path).expect("a name")).collect()
    }

    /// Compares all that was said with the golden text.
    pub(crate) fn golden(&self, name: &str) {
        golden(name, &self.text);
    }
}

/// Moves a state aside, as the advice says.
pub(crate) fn set_aside(scene: &Scene, node: &str) {
    let state = scene.path(&format!(".{node}.depsync"));
    let aside = scene.path(&format!("aside.{node}"));
    if aside.exists() {
        std::fs::remove_dir_all(&aside).expect("remove");
    }
    std::fs::rename(state, aside).expect("rename");
}

/// Removes the log and shared memory of a database: what was in them is in it.
pub(crate) fn without_log(database: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}
