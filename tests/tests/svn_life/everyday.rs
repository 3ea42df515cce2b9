//! Two managers, a person with a working copy, and three workers, all at the same time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use depsync_tests::dice::{self, Dice};
use depsync_tests::process::Death;
use depsync_tests::snapshot::{Item, snapshot, write_tree};
use depsync_tests::svn::Person;

use crate::town::{Commit, PLACE, Town};

const WORKERS: [&str; 3] = ["w1", "w2", "w3"];
const ALL: [&str; 5] = ["m1", "m2", "w1", "w2", "w3"];
/// How often each of those who write does.
const ROUNDS: usize = 4;

fn make_executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// The first release, published by `m1`, and everybody has it.
fn released() -> Town {
    let town = Town::new();
    write_tree(
        &town.dir("m1"),
        &[
            ("app/index.html", "<h1>Shop</h1>\n"),
            ("app/img/a.png", "a picture of something, long enough\n"),
            ("app/img/b.png", "another picture, and long enough too\n"),
            ("app/old name.html", "<p>to be moved, and that is all</p>\n"),
            ("conf/current", "->site.xml"),
            ("conf/site.xml", "<site/>\n"),
            ("empty/", ""),
            ("gone.txt", "to be removed\n"),
            ("run.sh", "#!/bin/sh\n"),
        ],
    );
    make_executable(&town.dir("m1").join("run.sh"));
    town.publish("m1", "The first release");
    for node in ["m2", "w1", "w2", "w3"] {
        town.update(node);
    }
    town.all_equal(&ALL, "released");
    town
}

/// A commit as `svn log -v` has it. Everything was done with the same account.
fn commit(number: u64, message: &str, paths: &[&str]) -> Commit {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    Commit { number, author: "writer".to_owned(), paths, message: message.to_owned() }
}

/// Everything that the reader's account has done was to read.
fn workers_only_read(town: &Town) {
    let log = town.server.log();
    let by_reader: Vec<&str> = log.lines().filter(|line| line.contains(" reader ")).collect();
    assert!(by_reader.len() > WORKERS.len(), "{log}");
    let writes = ["commit", "lock", "unlock", "change-rev-prop", "rev-proplist-set"];
    let written = by_reader.iter().filter(|line| line.split(' ').any(|word| writes.contains(&word)));
    assert_eq!(written.collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn the_log_reads_as_if_people_had_written_it() {
    let town = released();
    let (person, copy) = town.person("person");
    let at = |path: &str| copy.join(PLACE).join(path).to_str().expect("UTF-8").to_owned();

    person.does(&["move", "-q", &at("app/old name.html"), &at("app/new name.html")]);
    fs::write(at("conf/site.xml"), "<site mode='live'/>\n").expect("a file");
    person.does(&["commit", "-q", "-m", "A better name\n\nand live", &at("")]);

    // This one has not seen that, and changes something else.
    let m1 = town.dir("m1");
    fs::rename(m1.join("app/img"), m1.join("app/pictures")).expect("rename");
    fs::write(m1.join("app/index.html"), "<h1>The shop</h1>\n").expect("a file");
    let published = town.publish("m1", "Say what they are");
    assert_eq!(published.number("revision"), Some(4), "{}", published.told);

    town.update("m2");
    fs::remove_file(town.dir("m2").join("gone.txt")).expect("remove");
    fs::remove_file(town.dir("m2").join("conf/current")).expect("remove");
    fs::create_dir_all(town.dir("m2").join("conf/current")).expect("a directory");
    fs::write(town.dir("m2").join("conf/current/a"), "a\n").expect("a file");
    fs::set_permissions(town.dir("m2").join("run.sh"), fs::Permissions::from_mode(0o644)).expect("chmod");
    town.publish("m2", "");
    // Nothing new: nothing is said.
    town.publish("m2", "nothing");

    assert_eq!(
        town.log(),
        [
            commit(1, "a place for a deployment, by depsync", &["A /shop"]),
            commit(
                2,
                "The first release",
                &[
                    "M /shop",
                    "A /shop/app",
                    "A /shop/app/img",
                    "A /shop/app/img/a.png",
                    "A /shop/app/img/b.png",
                    "A /shop/app/index.html",
                    "A /shop/app/old name.html",
                    "A /shop/conf",
                    "A /shop/conf/current",
                    "A /shop/conf/site.xml",
                    "A /shop/empty",
                    "A /shop/gone.txt",
                    "A /shop/run.sh",
                ],
            ),
            commit(
                3,
                "A better name\n\nand live",
                &[
                    "A /shop/app/new name.html (from /shop/app/old name.html:2)",
                    "D /shop/app/old name.html",
                    "M /shop/conf/site.xml",
                ],
            ),
            commit(
                4,
                "Say what they are",
                &[
                    "M /shop",
                    "D /shop/app/img",
                    "M /shop/app/index.html",
                    "A /shop/app/pictures (from /shop/app/img:3)",
                ],
            ),
            commit(
                5,
                "",
                &["M /shop", "R /shop/conf/current", "A /shop/conf/current/a", "D /shop/gone.txt", "M /shop/run.sh"],
            ),
        ]
    );
    for node in ALL {
        town.update(node);
    }
    town.all_equal(&ALL, "after a day");
    // Of ours there is one property, of the deployment's directory; what else is there, svn itself would have set.
    let nodes = town.repository.nodes(5);
    let named = nodes.iter().filter(|(_, node)| !node.properties.is_empty());
    let named: Vec<_> = named.map(|(path, node)| (&**path, node.properties.keys().cloned().collect())).collect();
    assert_eq!(named, [("shop", vec!["depsync:root".to_owned()])]);

    // A mode that svn does not know is a property of that file, and people get it with the usual one.
    let site = |node: &str| town.dir(node).join("conf/site.xml");
    fs::set_permissions(site("m2"), fs::Permissions::from_mode(0o640)).expect("chmod");
    town.publish("m2", "Not for everybody");
    assert_eq!(town.log().pop(), Some(commit(6, "Not for everybody", &["M /shop", "M /shop/conf/site.xml"])),);
    town.update("w1");
    assert_eq!(fs::metadata(site("w1")).expect("a file").permissions().mode() & 0o777, 0o640);
    assert_eq!(town.export(), snapshot(&town.dir("w2")));
    workers_only_read(&town);
    town.repository.verify();
}

/// Edits the part of the directory that is `who`'s: adds, changes, moves and removes.
fn edit(top: &Path, who: &str, round: usize, dice: &mut Dice) {
    let part = top.join(who);
    fs::create_dir_all(&part).expect("a directory");
    let text = |what: &str| format!("{who} {round} {what} {}\n", dice.clone().roll());
    fs::write(part.join("every"), text("every")).expect("a file");
    fs::create_dir_all(part.join(format!("d{round}"))).expect("a directory");
    fs::write(part.join(format!("d{round}/new")), text("new and long enough to be known again")).expect("a file");
    if round > 0 {
        let before = part.join(format!("d{}", round - 1));
        match dice.below(3) {
            0 => fs::rename(before, part.join(format!("moved{round}"))).expect("rename"),
            1 => fs::remove_dir_all(before).expect("remove"),
            _ => make_executable(&before.join("new")),
        }
    }
    dice.roll();
}

/// The person's rounds: how many commits did not get through at first.
fn person_works(person: &Person, copy: &Path) -> usize {
    let part = copy.join(PLACE).join("hand");
    let at = |name: &str| part.join(name).to_str().expect("UTF-8").to_owned();
    let mut lost = 0;
    fs::create_dir(&part).expect("a directory");
    fs::write(at("f0"), "by hand, and long enough to be moved\n").expect("a file");
    person.does(&["add", "-q", &at("")]);
    for round in 1..=ROUNDS {
        let message = format!("hand round {round}");
        let mut tries = 0;
        while !person.svn(&["commit", "-q", "-m", &message, &at("")]).output().expect("svn").status.success() {
            tries += 1;
            assert!(tries < 20, "the person never gets through");
        }
        lost += tries;
        person.does(&["update", "-q", copy.to_str().expect("UTF-8")]);
        person.does(&["move", "-q", &at(&format!("f{}", round - 1)), &at(&format!("f{round}"))]);
        fs::write(at(&format!("new{round}")), format!("round {round}\n")).expect("a file");
        person.does(&["add", "-q", &at(&format!("new{round}"))]);
    }
    person.does(&["revert", "-q", "-R", &at("")]);
    lost
}

#[test]
fn all_at_the_same_time() {
    let seed = dice::seed();
    let town = released();
    let before = town.log().len();
    let (person, copy) = town.person("person");
    let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lost = std::thread::scope(|scope| {
        for worker in WORKERS {
            let (town, over, looks) = (&town, &over, &looks);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    town.update(worker);
                    looks.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let managers = ["m1", "m2"].map(|manager| {
            let (town, mut dice) = (&town, Dice::new(seed + u64::from(manager.as_bytes()[1])));
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    edit(&town.dir(manager), manager, round, &mut dice);
                    town.publish(manager, &format!("{manager} round {round}"));
                }
            })
        });
        let person = scope.spawn(|| person_works(&person, &copy));
        let lost = person.join();
        let managed = managers.map(ScopedJoinHandle::join);
        over.store(true, Ordering::SeqCst);
        assert!(managed.iter().all(Result::is_ok), "a manager");
        lost.expect("the person")
    });
    for node in ALL {
        town.update(node);
    }
    town.all_equal(&ALL, "at the end");
    let log = town.log();
    check_log(&log[before..]);
    workers_only_read(&town);
    town.repository.verify();
    assert!(town.repository.transactions().is_empty());
    report(log.len(), lost, looks.load(Ordering::SeqCst));
}

/// One commit for each round, with the paths of the one who made it and nothing else.
fn check_log(commits: &[Commit]) {
    let mut messages: Vec<&str> = commits.iter().map(|commit| &*commit.message).collect();
    messages.sort_unstable();
    let hand = (1..=ROUNDS).map(|round| format!("hand round {round}"));
    let managed = ["m1", "m2"].into_iter();
    let managed = managed.flat_map(|manager| (0..ROUNDS).map(move |round| format!("{manager} round {round}")));
    assert_eq!(messages, hand.chain(managed).collect::<Vec<_>>());
    for commit in commits {
        let who = commit.message.split(' ').next().expect("a word");
        let own = format!("/{PLACE}/{who}");
        let (ours, rest): (Vec<&String>, Vec<&String>) =
            commit.paths.iter().partition(|path| path[2..].starts_with(&own));
        assert!(!ours.is_empty(), "{commit:?}");
        let wanted: &[&str] = if who == "hand" { &[] } else { &["M /shop"] };
        assert_eq!(rest, wanted, "{commit:?}");
    }
    assert!(commits.iter().any(|commit| commit.paths.iter().any(|path| path.contains("(from /shop/hand/f"))));
}

#[allow(clippy::print_stderr, reason = "how much happened is for the person who reads the test's output")]
fn report(revisions: usize, lost: usize, looks: usize) {
    eprintln!("{revisions} revisions, {lost} commits of the person done again, {looks} looks of workers");
}

/// What a node kept aside.
fn kept(town: &Town, node: &str) -> Vec<Vec<u8>> {
    let items = snapshot(&town.dir(&format!(".{node}.depsync/recovery"))).into_values();
    items.filter_map(|item| if let Item::File(_, content) = item { Some(content) } else { None }).collect()
}

#[test]
fn the_same_file_is_never_merged_in_silence() {
    let town = released();
    let (person, copy) = town.person("person");
    let site = copy.join(PLACE).join("conf/site.xml");
    let at = site.to_str().expect("UTF-8");
    fs::write(&site, "<site by='hand'/>\n").expect("a file");
    person.does(&["commit", "-q", "-m", "by hand", at]);

    // The manager did not see it. What is beside it goes through; this does not, and both stay what they are.
    fs::write(town.dir("m1").join("conf/site.xml"), "<site by='m1'/>\n").expect("a file");
    fs::write(town.dir("m1").join("run.sh"), "#!/bin/sh\nexec true\n").expect("a file");
    let published = town.run("m1", &["publish", "-m", "by m1"]).expect(&[4], Death::Never);
    assert_eq!(published.paths("conflicts"), ["conf/site.xml"], "{}", published.told);
    assert_eq!(town.log().last().expect("a commit").paths, ["M /shop", "M /shop/run.sh"]);
    let again = town.run("m1", &["publish"]).expect(&[4], Death::Never);
    assert_eq!(again.json["changed"], false, "{}", again.told);
    let updated = town.run("m1", &["update"]).expect(&[4], Death::Never);
    assert_eq!(updated.paths("conflicts"), ["conf/site.xml"], "{}", updated.told);
    let read = |node: &str| fs::read_to_string(town.dir(node).join("conf/site.xml")).expect("a file");
    assert_eq!(read("m1"), "<site by='m1'/>\n");
    town.update("w1");
    assert_eq!(read("w1"), "<site by='hand'/>\n");

    // Somebody decides: theirs, and mine is kept aside; or mine.
    town.update("m2");
    fs::write(town.dir("m2").join("conf/site.xml"), "<site by='m2'/>\n").expect("a file");
    town.run("m1", &["resolve", "conf/site.xml", "--theirs"]).expect(&[0], Death::Never);
    town.publish("m1", "nothing");
    town.update("m1");
    assert_eq!(read("m1"), "<site by='hand'/>\n");
    assert_eq!(kept(&town, "m1"), [b"<site by='m1'/>\n"]);
    person.does(&["update", "-q", copy.to_str().expect("UTF-8")]);
    fs::write(&site, "<site by='hand, again'/>\n").expect("a file");
    person.does(&["commit", "-q", "-m", "again", at]);
    town.run("m2", &["publish"]).expect(&[4], Death::Never);
    town.run("m2", &["resolve", "conf/site.xml", "--mine"]).expect(&[0], Death::Never);
    town.publish("m2", "mine");
    for node in ["w1", "m1"] {
        town.update(node);
        assert_eq!(read(node), "<site by='m2'/>\n");
    }

    // A person who has not seen what a manager published is told so by svn, as ever.
    fs::write(&site, "<site by='hand, too late'/>\n").expect("a file");
    let refused = person.svn(&["commit", "-q", "-m", "too late", at]).output().expect("svn");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && (said.contains("E155011") || said.contains("E160028")), "{said}");
    let youngest = town.log().len();
    assert_eq!(town.log()[youngest - 1].message, "mine");
    town.repository.verify();
}

#[test]
fn a_worker_cannot_publish_whatever_it_is_told() {
    let town = released();
    fs::write(town.dir("w1").join("run.sh"), "#!/bin/sh\nrm -rf /\n").expect("a file");
    let before = town.repository.youngest();
    let refused = town.run("w1", &["publish"]).expect(&[1], Death::Never);
    assert_eq!(refused.json["error"]["kind"], "permission-denied", "{}", refused.told);
    assert_eq!(town.repository.youngest(), before);
    assert!(town.repository.transactions().is_empty());
}
