//! Commits that stand although nobody was told so: the nonce decides, and what was published is published once.

use std::fs;

use depsync_tests::process::{Death, Ended};
use depsync_tests::snapshot::{check_same, snapshot, write_tree};
use depsync_tests::svn::Apache;

use crate::town::{PLACE, Town, run_in};
use crate::trap::{Spring, Trap};

const PUBLISH: [&str; 3] = ["publish", "-m", "new"];

/// A manager that has something to publish on top of revision 2.
fn to_publish() -> Town {
    let town = Town::new();
    write_tree(&town.dir("m"), &[("a", "old\n"), ("b/c", "c\n")]);
    town.publish("m", "old");
    write_tree(&town.dir("m"), &[("a", "new\n"), ("d", "d\n")]);
    town
}

/// One commit more, with everything in it; and nobody makes another one.
fn is_published_once(town: &Town, hub: &str, told: &Ended, shown: &str) {
    town.repository.verify();
    let log = town.log();
    assert_eq!(log.len(), 3, "{shown}: {log:?}: {}", told.told);
    assert_eq!((&*log[2].message, &*log[2].author), ("new", "writer"), "{shown}");
    check_same(&town.repository.tree(PLACE, 3), &snapshot(&town.dir("m")), shown);
    let again = run_in(town.path(), hub, "m", &["publish"], Death::Never, &[]).expect(&[0], Death::Never);
    assert_eq!((again.number("revision"), &again.json["changed"]), (Some(3), &false.into()), "{shown}: {}", again.told);
    assert_eq!(town.repository.youngest(), 3, "{shown}");
    let status = run_in(town.path(), hub, "m", &["status"], Death::Never, &[]).expect(&[0], Death::Never);
    assert_eq!(status.number("applied"), Some(3), "{shown}: {}", status.told);
}

/// Which of the programs that a publish starts makes the commit.
fn commits_at(town: &Town, trap: &Trap) -> usize {
    let backup = (town.repository.back_up(), crate::town::copy_of(town.path()));
    trap.run(backup.1.path(), &town.hub(), "m", &PUBLISH, 0, Spring::Never).expect(&[0], Death::Never);
    town.repository.go_back(&backup.0);
    1 + trap.calls().iter().position(|name| name == "svnmucc").expect("a commit")
}

#[test]
fn an_answer_that_was_lost_is_found_by_its_nonce() {
    for spring in [Spring::Lost, Spring::Killed] {
        let (town, trap) = (to_publish(), Trap::new());
        let at = commits_at(&town, &trap);
        let told = trap.run(town.path(), &town.hub(), "m", &PUBLISH, at, spring);
        let shown = format!("{spring:?}: {}", told.told);
        assert!(trap.is_done(), "{shown}");
        assert_eq!(
            (told.code, told.number("revision"), told.json["changed"].as_bool()),
            (Some(0), Some(3), Some(true))
        );
        is_published_once(&town, &town.hub(), &told, &shown);
    }
}

/// What makes the server die once, as soon as a commit stands.
fn dies_once(town: &Town) -> String {
    let flag = town.dir("flag");
    fs::write(&flag, "").expect("a file");
    format!("if test -f {0}; then rm {0}; kill -9 $PPID; fi", flag.display())
}

#[test]
fn the_server_dies_before_it_answers() {
    let town = to_publish();
    town.repository.hook("post-commit", &dies_once(&town));
    let told = town.run("m", &PUBLISH).expect(&[0], Death::Never);
    assert!(!town.dir("flag").exists());
    is_published_once(&town, &town.hub(), &told, "svnserve");
}

/// Over `http://` the programs send a request again whose answer was lost, even the one that commits.
#[test]
fn the_web_server_dies_before_it_answers() {
    let town = to_publish();
    let apache = Apache::start(&town.repository);
    let hub = format!("svn+{}/{PLACE}", apache.url());
    town.repository.hook("post-commit", &dies_once(&town));
    let told = run_in(town.path(), &hub, "m", &PUBLISH, Death::Never, &[]).expect(&[0], Death::Never);
    assert!(!town.dir("flag").exists());
    is_published_once(&town, &hub, &told, "apache");
}

#[test]
fn what_cannot_be_told_yet_is_told_by_the_next_command() {
    for edited in [false, true] {
        let town = to_publish();
        // The commit stands, and then there is no repository any more.
        let (repository, aside) = (town.repository.path(), town.repository.path().with_file_name("aside"));
        let hook = format!("mv {} {}; kill -9 $PPID", repository.display(), aside.display());
        town.repository.hook("post-commit", &hook);
        let told = town.run("m", &PUBLISH).expect(&[5], Death::Never);
        assert_eq!(told.json["error"]["kind"], "indeterminate", "{}", told.told);
        fs::rename(&aside, &repository).expect("it is back");
        fs::remove_file(repository.join("hooks/post-commit")).expect("a hook");
        if !edited {
            is_published_once(&town, &town.hub(), &told, "indeterminate");
            continue;
        }
        // What was edited since is not in conflict with what this node itself has published.
        write_tree(&town.dir("m"), &[("a", "newer\n")]);
        let again = town.publish("m", "newer");
        assert!(again.paths("conflicts").is_empty(), "{}", again.told);
        assert_eq!(town.log().last().expect("a commit").paths, ["M /shop", "M /shop/a"]);
    }
}

/// The connection dies before the commit, which then never is: told as such, and the next publish makes it.
#[test]
fn a_commit_that_never_was_is_not_taken_for_one() {
    let (town, trap) = (to_publish(), Trap::new());
    town.repository.hook("start-commit", &dies_once(&town));
    let told = trap.run(town.path(), &town.hub(), "m", &PUBLISH, 0, Spring::Never).expect(&[5], Death::Never);
    assert_eq!(told.json["error"]["kind"], "unreachable", "{}", told.told);
    assert_eq!(town.repository.youngest(), 2);
    let told = town.publish("m", "new");
    is_published_once(&town, &town.hub(), &told, "again");
}
