//! The program, killed with SIGKILL at each of its durable steps, at each program that it starts, and while that runs.
//!
//! Afterwards the repository has the whole commit or none of it, nobody has to clean up, and the same command goes
//! through: a commit that stands is recognised, and not made twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use depsync_tests::node::noise;
use depsync_tests::process::{Death, Ended};
use depsync_tests::snapshot::{Item, Snapshot, check_same, snapshot, write_tree};
use depsync_tests::svn::{Apache, Backup};

use crate::town::{PLACE, Town, copy_of, run_in};
use crate::trap::{Spring, Trap};

/// A manager `m` and a worker `w`, of whom one has something to do, and the repository as it is before.
pub(crate) struct Scene {
    pub(crate) town: Town,
    pub(crate) trap: Trap,
    backup: Backup,
    pub(crate) hub: String,
    /// The newest revision before.
    number: u64,
    old: Snapshot,
    new: Snapshot,
}

/// One copy of the scene, for one death.
pub(crate) struct Act<'a> {
    scene: &'a Scene,
    top: tempfile::TempDir,
}

fn old(top: &Path) {
    let tree = [
        ("change", "old\n"),
        ("gone/x", "x\n"),
        ("link", "->change"),
        ("moved/a", "a file that moves, and is long enough for that\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("same", "same\n"),
    ];
    write_tree(top, &tree);
}

fn new(top: &Path) {
    fs::remove_dir_all(top.join("gone")).expect("remove");
    fs::rename(top.join("moved"), top.join("to")).expect("rename");
    fs::set_permissions(top.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::remove_file(top.join("link")).expect("remove");
    write_tree(top, &[("change", "new\n"), ("add/y", "y\n"), ("link", "->same")]);
    fs::write(top.join("big"), noise(1, 200_000)).expect("a file");
}

impl Scene {
    /// The manager has published once, and changed everything since.
    fn to_publish() -> Self {
        let town = Town::new();
        old(&town.dir("m"));
        let before = snapshot(&town.dir("m"));
        town.publish("m", "old");
        town.update("w");
        new(&town.dir("m"));
        let after = snapshot(&town.dir("m"));
        Self::of(town, before, after)
    }

    /// The worker is one revision behind.
    fn to_update() -> Self {
        let Self { town, old, new, .. } = Self::to_publish();
        town.publish("m", "new");
        Self::of(town, old, new)
    }

    pub(crate) fn of(town: Town, old: Snapshot, new: Snapshot) -> Self {
        let (backup, number, hub) = (town.repository.back_up(), town.repository.youngest(), town.hub());
        Self { town, trap: Trap::new(), backup, hub, number, old, new }
    }

    pub(crate) fn act(&self) -> Act<'_> {
        self.town.repository.go_back(&self.backup);
        Act { scene: self, top: copy_of(self.town.path()) }
    }
}

impl Act<'_> {
    /// Where the nodes are.
    pub(crate) fn top(&self) -> &Path {
        self.top.path()
    }

    /// The hub's address.
    pub(crate) fn hub(&self) -> &str {
        &self.scene.hub
    }

    fn run(&self, node: &str, args: &[&str], death: Death) -> Ended {
        run_in(self.top.path(), &self.scene.hub, node, args, death, &[])
    }

    fn trapped(&self, node: &str, args: &[&str], at: usize, spring: Spring) -> Ended {
        self.scene.trap.run(self.top.path(), &self.scene.hub, node, args, at, spring)
    }

    pub(crate) fn does(&self, node: &str, args: &[&str], shown: &str) -> Ended {
        let ended = self.run(node, args, Death::Never);
        assert_eq!(ended.code, Some(0), "{shown}: {}", ended.told);
        ended
    }

    pub(crate) fn dir(&self, node: &str) -> Snapshot {
        snapshot(&self.top.path().join(node))
    }

    /// The server has nothing that is half done.
    pub(crate) fn check_transactions(&self, shown: &str) {
        let transactions = self.scene.town.repository.transactions();
        assert_eq!(transactions, Vec::<String>::new(), "{shown}: something is left half done");
    }

    /// What is checked after a publish that was killed. Says whether its commit stands.
    pub(crate) fn check_published(&self, shown: &str) -> bool {
        let (scene, repository) = (self.scene, &self.scene.town.repository);
        scene.town.server.wait_for(|server| server.connections() == 0, "nobody is at work");
        repository.verify();
        let youngest = repository.youngest();
        assert!(youngest <= scene.number + 1, "{shown}: {youngest} revisions");
        let stands = youngest > scene.number;
        let wanted = if stands { &scene.new } else { &scene.old };
        check_same(&repository.tree(PLACE, youngest), wanted, shown);
        check_same(&self.dir("m"), &scene.new, shown);
        self.does("w", &["update"], shown);
        check_same(&self.dir("w"), wanted, shown);

        let again = self.does("m", &["publish"], shown);
        assert_eq!(repository.youngest(), scene.number + 1, "{shown}: not one commit: {}", again.told);
        assert_eq!(again.number("revision"), Some(scene.number + 1), "{shown}: {}", again.told);
        assert_eq!(again.json["changed"], !stands, "{shown}: {}", again.told);
        check_same(&repository.tree(PLACE, scene.number + 1), &scene.new, shown);
        check_same(&self.dir("m"), &scene.new, shown);
        self.does("w", &["update"], shown);
        check_same(&self.dir("w"), &scene.new, shown);
        stands
    }
}

/// What is checked after an update that was killed.
fn check_updated(act: &Act<'_>, shown: &str) {
    let scene = act.scene;
    let is_whole =
        |path: &Vec<u8>, item: &Item| [&scene.old, &scene.new].iter().any(|tree| tree.get(path) == Some(item));
    for (path, item) in &act.dir("w") {
        // A directory is made before it gets its mode.
        let directory = matches!(item, Item::Directory(_));
        assert!(directory || is_whole(path, item), "{shown}: {} is half done", String::from_utf8_lossy(path));
    }
    act.does("w", &["update"], shown);
    check_same(&act.dir("w"), &scene.new, shown);
    let idle = act.does("w", &["update"], shown);
    assert_eq!(idle.json["changed"], false, "{shown}: {}", idle.told);
    let status = act.does("w", &["status"], shown);
    assert_eq!(status.json["drift"].as_array().map(Vec::len), Some(0), "{shown}: {}", status.told);
}

/// What is checked after a rollback to what is `old` here, which was killed. Says whether its commit stands.
fn check_rolled_back(act: &Act<'_>, shown: &str) -> bool {
    let (scene, repository) = (act.scene, &act.scene.town.repository);
    scene.town.server.wait_for(|server| server.connections() == 0, "nobody is at work");
    repository.verify();
    act.check_transactions(shown);
    let youngest = repository.youngest();
    assert!(youngest <= scene.number + 1, "{shown}: {youngest} revisions");
    let stands = youngest > scene.number;
    check_same(&repository.tree(PLACE, youngest), if stands { &scene.old } else { &scene.new }, shown);
    act.does("m", &ROLLBACK, shown);
    assert_eq!(repository.youngest(), scene.number + 1, "{shown}: not one commit");
    check_same(&repository.tree(PLACE, scene.number + 1), &scene.old, shown);
    for node in ["m", "w"] {
        act.does(node, &["update"], shown);
        check_same(&act.dir(node), &scene.old, &format!("{shown}: {node}"));
    }
    let again = act.does("m", &["publish"], shown);
    assert_eq!(again.json["changed"], false, "{shown}: {}", again.told);
    stands
}

/// Kills `args` of `node` before each durable step that is `part` modulo `parts`: how many steps there are.
fn at_every_step(
    scene: &Scene,
    node: &str,
    args: &[&str],
    (part, parts): (usize, usize),
    check: impl Fn(&Act<'_>, &str),
) -> usize {
    for step in (1..).skip(part).step_by(parts) {
        let act = scene.act();
        let ended = act.run(node, args, Death::AtStep(step));
        if ended.code.is_some() {
            ended.expect(&[0], Death::Never);
            return step - 1;
        }
        check(&act, &format!("killed at step {step}"));
    }
    unreachable!("a command has an end")
}

/// The programs that `args` of `node` start.
pub(crate) fn calls(scene: &Scene, node: &str, args: &[&str]) -> Vec<String> {
    scene.act().trapped(node, args, 0, Spring::Never).expect(&[0], Death::Never);
    scene.trap.calls()
}

/// `args` of `node`, killed as `spring` says at the `at`th program.
pub(crate) fn killed(act: &Act<'_>, node: &str, args: &[&str], at: usize, spring: Spring, shown: &str) {
    let ended = act.trapped(node, args, at, spring);
    assert_eq!(ended.code, None, "{shown}: {}", ended.told);
    act.scene.town.server.wait_for(|_| act.scene.trap.is_done(), "the child has come to its end");
}

pub(crate) const PUBLISH: [&str; 3] = ["publish", "-m", "new"];
/// Back to the first of the two revisions of a scene: the commit before it made the place.
const ROLLBACK: [&str; 2] = ["rollback", "2"];

#[test]
fn a_publish_at_every_step() {
    let scene = Scene::to_publish();
    let steps = at_every_step(&scene, "m", &PUBLISH, (0, 1), |act, shown| {
        act.check_published(shown);
        act.check_transactions(shown);
    });
    assert!(steps > 5, "{steps}");
}

#[test]
fn a_publish_at_every_program() {
    let scene = Scene::to_publish();
    let calls = calls(&scene, "m", &PUBLISH);
    assert!(calls.contains(&"svnmucc".to_owned()), "{calls:?}");
    for (index, name) in calls.iter().enumerate() {
        let act = scene.act();
        let shown = format!("killed at the start of program {index} of {calls:?}");
        killed(&act, "m", &PUBLISH, index + 1, Spring::Before, &shown);
        let committed = calls[..index].contains(&"svnmucc".to_owned());
        assert_eq!(act.check_published(&shown), committed, "{shown}");
        act.check_transactions(&shown);
        if name == "svnmucc" {
            for spring in [Spring::Orphan, Spring::After] {
                let (act, shown) = (scene.act(), format!("svnmucc, {spring:?}"));
                killed(&act, "m", &PUBLISH, index + 1, spring, &shown);
                assert!(act.check_published(&shown), "{shown}");
                act.check_transactions(&shown);
            }
        }
    }
}

#[test]
fn a_rollback_at_every_step_and_program() {
    let scene = Scene::to_update();
    let steps = at_every_step(&scene, "m", &ROLLBACK, (0, 1), |act, shown| {
        check_rolled_back(act, shown);
    });
    assert!(steps > 5, "{steps}");
    let calls = calls(&scene, "m", &ROLLBACK);
    let commit = calls.iter().position(|name| name == "svnmucc").expect("a commit");
    for (index, _) in calls.iter().enumerate() {
        let springs: &[Spring] =
            if index == commit { &[Spring::Before, Spring::Orphan, Spring::After] } else { &[Spring::Before] };
        for spring in springs {
            let (act, shown) = (scene.act(), format!("{spring:?} at program {index} of {calls:?}"));
            killed(&act, "m", &ROLLBACK, index + 1, *spring, &shown);
            let wanted = index > commit || (index == commit && *spring != Spring::Before);
            assert_eq!(check_rolled_back(&act, &shown), wanted, "{shown}");
        }
    }
}

/// The program and its `svnmucc` are killed by the server's hooks, so it is known how far the commit is.
#[test]
fn a_publish_in_the_middle_of_its_commit() {
    let scene = Scene::to_publish();
    for hook in ["pre-commit", "post-commit"] {
        let act = scene.act();
        scene.town.repository.hook(hook, &scene.trap.hook());
        let ended = act.trapped("m", &PUBLISH, 0, Spring::Never);
        assert_eq!(ended.code, None, "{hook}: {}", ended.told);
        assert!(act.check_published(hook), "{hook}");
    }
    // A commit that has begun, and is too long to be on its way already. The server keeps a transaction that nobody will
    // end, which is in nobody's way.
    fs::write(scene.town.dir("m").join("big"), noise(1, 12 << 20)).expect("a file");
    let new = snapshot(&scene.town.dir("m"));
    let scene = Scene { new, ..scene };
    let act = scene.act();
    scene.town.repository.hook("start-commit", &scene.trap.hook());
    let ended = act.trapped("m", &PUBLISH, 0, Spring::Never);
    assert_eq!(ended.code, None, "start-commit: {}", ended.told);
    assert!(!act.check_published("start-commit"));
}

/// The same nodes go to the same repository by another way.
#[test]
fn a_publish_over_http_around_its_commit() {
    let scene = Scene::to_publish();
    let apache = Apache::start(&scene.town.repository);
    let scene = Scene { hub: format!("svn+{}/{PLACE}", apache.url()), ..scene };
    let at = 1 + calls(&scene, "m", &PUBLISH).iter().position(|name| name == "svnmucc").expect("a commit");
    for spring in [Spring::Before, Spring::Orphan, Spring::After] {
        // It keeps repositories open.
        apache.stop();
        let (act, shown) = (scene.act(), format!("{spring:?}, over http"));
        apache.start_again();
        killed(&act, "m", &PUBLISH, at, spring, &shown);
        assert_eq!(act.check_published(&shown), spring != Spring::Before, "{shown}");
        act.check_transactions(&shown);
    }
}

/// The first publish of all makes the deployment's directory as well.
#[test]
fn the_publish_that_makes_the_place() {
    let town = Town::new();
    new_tree(&town);
    let wanted = snapshot(&town.dir("m"));
    let scene = Scene::of(town, Snapshot::new(), wanted.clone());
    let check = |act: &Act<'_>, shown: &str| {
        let repository = &scene.town.repository;
        scene.town.server.wait_for(|server| server.connections() == 0, "nobody is at work");
        repository.verify();
        let seen = act.run("w", &["update"], Death::Never);
        match (seen.code, repository.youngest()) {
            (Some(5), 0) => {}
            (Some(0), 1) => assert!(act.dir("w").is_empty(), "{shown}"),
            (Some(0), 2) => check_same(&act.dir("w"), &wanted, shown),
            _ => panic!("{shown}: {}", seen.told),
        }
        act.does("m", &["publish"], shown);
        assert_eq!(repository.youngest(), 2, "{shown}: the place, and what is in it");
        act.does("w", &["update"], shown);
        check_same(&act.dir("w"), &wanted, shown);
    };
    at_every_step(&scene, "m", &PUBLISH, (0, 1), check);
    let calls = calls(&scene, "m", &PUBLISH);
    // The other programs only look.
    let write = |call: &str| call == "svnmucc" || call == "svn mkdir";
    for (index, _) in calls.iter().enumerate().filter(|(_, call)| write(call)) {
        let (act, shown) = (scene.act(), format!("killed after program {index} of {calls:?}"));
        killed(&act, "m", &PUBLISH, index + 1, Spring::After, &shown);
        check(&act, &shown);
    }
}

fn new_tree(town: &Town) {
    write_tree(&town.dir("m"), &[("a", "a\n"), ("b/c", "c\n")]);
}

/// What was published by the one who was killed is edited before the next command, and so is something else by
/// somebody else.
#[test]
fn a_publish_whose_files_are_edited_since() {
    let scene = Scene::to_publish();
    let calls = calls(&scene, "m", &PUBLISH);
    let at = 1 + calls.iter().position(|name| name == "svnmucc").expect("a commit");
    for spring in [Spring::Before, Spring::Orphan, Spring::After] {
        let (act, shown) = (scene.act(), format!("{spring:?}"));
        killed(&act, "m", &PUBLISH, at, spring, &shown);
        scene.town.repository.person().does(&[
            "mkdir",
            "-m",
            "by hand",
            &scene.town.repository.person().url(&format!("{PLACE}/hand")),
        ]);
        write_tree(&act.top.path().join("m"), &[("change", "edited since\n"), ("add/y", "edited, too\n")]);
        let edited = act.dir("m");
        let again = act.does("m", &["publish", "-m", "edited"], &shown);
        assert!(again.paths("conflicts").is_empty(), "{shown}: in conflict with itself: {}", again.told);
        act.does("m", &["update"], &shown);
        act.does("w", &["update"], &shown);
        let mut wanted = edited;
        wanted.insert(b"hand".to_vec(), Item::Directory(0o755));
        check_same(&act.dir("w"), &wanted, &shown);
        check_same(&act.dir("m"), &wanted, &shown);
    }
}

/// The commit of a program that was killed comes while the next one is about to make its own: whichever stands has what
/// it says that it has.
#[test]
fn a_commit_that_comes_late() {
    let scene = Scene::to_publish();
    let at = 1 + calls(&scene, "m", &PUBLISH).iter().position(|name| name == "svnmucc").expect("a commit");
    let act = scene.act();
    let ended = act.trapped("m", &PUBLISH, at, Spring::Late);
    assert_eq!(ended.code, None, "{}", ended.told);
    // It is the first by name, so all others have another place now.
    write_tree(&act.top.path().join("m"), &[("aaa", "edited since\n")]);
    let edited = act.dir("m");
    let again = act.trapped("m", &["publish", "-m", "edited"], at, Spring::Overtaken);
    assert_eq!(again.code, Some(0), "{}", again.told);
    let repository = &scene.town.repository;
    scene.town.server.wait_for(|server| server.connections() == 0, "nobody is at work");
    let log = scene.town.log();
    for commit in log.iter().filter(|commit| commit.number > scene.number) {
        let wanted = if commit.message == "new" { &scene.new } else { &edited };
        check_same(&repository.tree(PLACE, commit.number), wanted, &format!("{commit:?}"));
    }
    assert_eq!(log.last().map(|commit| &*commit.message), Some("edited"));
    act.does("w", &["update"], "late");
    check_same(&act.dir("w"), &edited, "late");
    assert_eq!(act.does("m", &["publish"], "late").json["changed"], false);
}

#[test]
fn an_update_at_every_step_1_of_2() {
    let steps = at_every_step(&Scene::to_update(), "w", &["update"], (0, 2), check_updated);
    assert!(steps > 20, "{steps}");
}

#[test]
fn an_update_at_every_step_2_of_2() {
    at_every_step(&Scene::to_update(), "w", &["update"], (1, 2), check_updated);
}

#[test]
fn an_update_at_every_program() {
    let scene = Scene::to_update();
    let calls = calls(&scene, "w", &["update"]);
    assert!(calls.contains(&"svnrdump".to_owned()), "{calls:?}");
    for (index, name) in calls.iter().enumerate() {
        let springs: &[Spring] = match &**name {
            "svnrdump" => &[Spring::Before, Spring::Orphan, Spring::Midway, Spring::After],
            _ => &[Spring::Before],
        };
        for &spring in springs {
            let (act, shown) = (scene.act(), format!("{spring:?} {index} of {calls:?}"));
            killed(&act, "w", &["update"], index + 1, spring, &shown);
            check_same(&act.dir("w"), &scene.old, &shown);
            check_updated(&act, &shown);
        }
    }
}
