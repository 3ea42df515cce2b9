//! A repository that is another one, or the same one put back from a backup: refused, and nothing is changed. Then the
//! right one comes back, or the hint is followed.

use std::fs;
use std::process::{Command, Stdio};

use depsync_tests::process::Death;
use depsync_tests::snapshot::{Item, Snapshot, check_same, snapshot, write_tree};
use depsync_tests::sshd::program;
use depsync_tests::svn::Backup;

use crate::town::{PLACE, Town};

const EVERYTHING: [(&str, &str); 3] = [("m", "publish"), ("m", "update"), ("w", "update")];

/// A manager and a worker at revision 4, a worker that is still at 2, and the repository as it was at 3 and at 4.
struct Scene {
    town: Town,
    earlier: Backup,
    newest: Backup,
}

impl Scene {
    fn new() -> Self {
        let town = Town::new();
        let publish = |text: &str| {
            write_tree(&town.dir("m"), &[("a", text), ("b/c", "c\n"), ("same", "same\n")]);
            town.publish("m", text.trim());
        };
        publish("two\n");
        town.update("late");
        publish("three\n");
        let earlier = town.repository.back_up();
        publish("four\n");
        town.update("w");
        let newest = town.repository.back_up();
        assert_eq!(town.repository.youngest(), 4);
        Self { town, earlier, newest }
    }

    /// All that the nodes have, but for what they know.
    fn everything(&self) -> Vec<Snapshot> {
        let places = ["m", "w", ".m.depsync/recovery", ".w.depsync/recovery"];
        places.iter().map(|name| snapshot(&self.town.dir(name))).collect()
    }

    /// Whatever the nodes do is refused with a hint that has these words, and nothing is changed anywhere.
    fn is_refused(&self, shown: &str, words: &str) {
        let (before, youngest) = (self.everything(), self.town.repository.youngest());
        for (node, command) in EVERYTHING {
            let told = self.town.run(node, &[command]).expect(&[3], Death::Never);
            let error = &told.json["error"];
            assert_eq!(error["kind"], "refused", "{shown}: {}", told.told);
            assert!(error["hint"].as_str().is_some_and(|hint| hint.contains(words)), "{shown}: {}", told.told);
        }
        for (was, is) in before.iter().zip(self.everything()) {
            check_same(&is, was, shown);
        }
        assert_eq!(self.town.repository.youngest(), youngest, "{shown}");
        assert!(self.town.repository.transactions().is_empty(), "{shown}");
    }

    /// The repository of revision 4 comes back, and nobody has lost his place.
    fn goes_on_with_the_right_one(&self, shown: &str) {
        self.town.repository.go_back(&self.newest);
        for (node, command) in EVERYTHING {
            let told = self.town.run(node, &[command]).expect(&[0], Death::Never);
            assert_eq!(told.json["changed"], false, "{shown}: {}", told.told);
        }
        assert_eq!(self.town.repository.youngest(), 4, "{shown}");
        write_tree(&self.town.dir("m"), &[("b/c", "after all\n")]);
        self.town.publish("m", "after all");
        self.town.update("w");
        self.town.all_equal(&["m", "w"], shown);
    }

    /// The hint is followed: the state goes aside, `update` takes what is there, and the manager publishes again.
    fn goes_on_with_this_one(&self, shown: &str) {
        let town = &self.town;
        let (mine, there) = (fs::read(town.dir("m").join("a")).expect("a file"), town.export());
        for node in ["m", "w"] {
            fs::rename(town.dir(&format!(".{node}.depsync")), town.dir(&format!("aside-{node}"))).expect("rename");
            // What nobody has there stays.
            let mut wanted = snapshot(&town.dir(node));
            wanted.extend(there.clone());
            town.update(node);
            check_same(&snapshot(&town.dir(node)), &wanted, &format!("{shown}: {node}"));
            let kept = snapshot(&town.dir(&format!(".{node}.depsync/recovery")));
            let kept = kept.values().any(|item| matches!(item, Item::File(_, content) if *content == mine));
            assert!(kept, "{shown}: what {node} had is lost");
        }
        write_tree(&town.dir("m"), &[("a", "on it goes\n")]);
        town.publish("m", "on it goes");
        town.update("w");
        town.all_equal(&["m", "w"], shown);
        town.repository.verify();
    }
}

/// Somebody commits to the deployment by hand, so often.
fn commit(town: &Town, count: u64) {
    let person = town.repository.person();
    for number in 0..count {
        person.puts(&format!("{PLACE}/by hand"), format!("{number}\n").as_bytes());
    }
}

#[test]
fn another_repository_at_the_address() {
    let scene = Scene::new();
    let town = &scene.town;
    town.repository.replace();
    scene.is_refused("an empty one", "restore it");
    let person = town.repository.person();
    person.does(&["mkdir", "-m", "place", &person.url(PLACE)]);
    scene.is_refused("an empty place", "start with a new --state");
    // Fewer revisions than are known here, as many, and more.
    for count in 0..3 {
        person.puts(&format!("{PLACE}/a"), format!("theirs {count}\n").as_bytes());
        scene.is_refused(
            &format!("{} revisions of another one", town.repository.youngest()),
            "start with a new --state",
        );
    }
    scene.goes_on_with_this_one("another one");
}

#[test]
fn the_address_is_right_again() {
    let scene = Scene::new();
    scene.town.repository.replace();
    commit_place(&scene.town);
    scene.is_refused("another one", "start with a new --state");
    scene.goes_on_with_the_right_one("the right one is back");
}

fn commit_place(town: &Town) {
    let person = town.repository.person();
    person.does(&["mkdir", "-m", "place", &person.url(PLACE)]);
    commit(town, 1);
}

#[test]
fn the_deployment_is_removed_in_the_repository() {
    let scene = Scene::new();
    let person = scene.town.repository.person();
    person.does(&["rm", "-m", "gone", &person.url(PLACE)]);
    scene.is_refused("removed", "restore");
    // Another one in its place is another one.
    person.does(&["mkdir", "-m", "anew", &person.url(PLACE)]);
    scene.is_refused("made anew", "move the state directory aside");
    commit(&scene.town, 1);
    scene.is_refused("filled anew", "move the state directory aside");
    person.does(&["rm", "-m", "gone again", &person.url(PLACE)]);
    // It comes back as people bring back what was removed.
    person.does(&["copy", "-m", "back", &format!("{}@4", person.address(PLACE)), &person.url(PLACE)]);
    for (node, command) in EVERYTHING {
        let told = scene.town.run(node, &[command]).expect(&[0], Death::Never);
        assert_eq!(told.json["changed"], false, "{}", told.told);
    }
    write_tree(&scene.town.dir("m"), &[("a", "and on\n")]);
    scene.town.publish("m", "and on");
    scene.town.update("w");
    scene.town.all_equal(&["m", "w"], "back");
}

#[test]
fn put_back_from_a_backup() {
    let scene = Scene::new();
    let repository = &scene.town.repository;
    repository.go_back(&scene.earlier);
    scene.is_refused("put back", "move the state directory aside");
    // Whoever has not seen what was lost has nothing to refuse.
    scene.town.update("late");
    assert_eq!(fs::read(scene.town.dir("late").join("a")).expect("a file"), b"three\n");
    // Somebody commits elsewhere in the repository.
    let person = repository.person();
    for name in ["else", "where"] {
        person.does(&["mkdir", "-m", "elsewhere", &person.url(name)]);
        scene.is_refused("put back, and a commit elsewhere", "move the state directory aside");
    }
    scene.goes_on_with_the_right_one("restored once more");
}

#[test]
fn put_back_and_others_have_committed() {
    for count in 1..=3 {
        let scene = Scene::new();
        scene.town.repository.go_back(&scene.earlier);
        commit(&scene.town, count);
        let shown = format!("put back, and {count} commits more");
        scene.is_refused(&shown, "move the state directory aside");
        scene.town.update("late");
        if count == 2 {
            scene.goes_on_with_this_one(&shown);
        }
    }
}

/// Loads a dump of the repository into an empty one, with its UUID or with another.
fn dump_and_load(town: &Town, uuid: &str) {
    let (repository, dump) = (town.repository.path(), town.dir("dump"));
    let mut admin = Command::new(program("svnadmin", "subversion"));
    let out = fs::File::create(&dump).expect("a file");
    let dumped = admin.args(["dump", "-q"]).arg(&repository).stdout(out).status().expect("svnadmin");
    assert!(dumped.success());
    town.repository.replace();
    let mut admin = Command::new(program("svnadmin", "subversion"));
    admin.args(["load", "-q", uuid]).arg(&repository).stdin(fs::File::open(&dump).expect("a file"));
    assert!(admin.stdout(Stdio::null()).status().expect("svnadmin").success());
}

/// A repository that has moved by dump and load is the same one, with its UUID.
#[test]
fn dumped_and_loaded() {
    let scene = Scene::new();
    dump_and_load(&scene.town, "--force-uuid");
    for (node, command) in EVERYTHING {
        let told = scene.town.run(node, &[command]).expect(&[0], Death::Never);
        assert_eq!(told.json["changed"], false, "{}", told.told);
    }
    write_tree(&scene.town.dir("m"), &[("a", "on the new server\n")]);
    scene.town.publish("m", "on the new server");
    scene.town.update("w");
    scene.town.update("late");
    scene.town.all_equal(&["m", "w", "late"], "after a move");

    let scene = Scene::new();
    dump_and_load(&scene.town, "--ignore-uuid");
    scene.is_refused("another UUID", "start with a new --state");
    scene.goes_on_with_the_right_one("the old server");
}
