//! What is fetched on demand only is known by what publishers tell: its content does not travel. Processes are counted, and
//! those that would read contents are not among them.

use std::fs;

use depsync_tests::node::noise;
use depsync_tests::svn::{Apache, Repository};
use serde_json::Value;

use crate::processes::Counted;

const CONFIGURATION: &str = "lazy = [\"*.app\"]\n";

/// A manager with three archives and twenty small files.
fn town() -> Counted {
    let counted = Counted::new();
    for number in 0..3 {
        counted.bench.write(&format!("source/{number}.app"), noise(number, 1_000_000));
    }
    counted.bench.write("lazy.toml", CONFIGURATION);
    counted.publish();
    counted
}

fn lazily(counted: &Counted, node: &str, command: &str, operands: &str) -> (Value, Vec<String>) {
    let line = format!(
        "--config lazy.toml --node {node} --state state-{node} {command} --dir {node} --hub {} {operands}",
        counted.hub
    );
    let (said, status, list) = counted.line(&line);
    assert_eq!(status, Some(0), "{said}");
    (said, list)
}

/// What the update brought, and the processes that it took beside `svn info` and `svn log`.
fn update(counted: &Counted, node: &str) -> (u64, Vec<String>) {
    let (said, list) = lazily(counted, node, "update", "");
    let others = |name: &String| name != "svn info" && name != "svn log" && name != "svn --version";
    (said["bytes_fetched"].as_u64().expect("a number"), list.into_iter().filter(others).collect())
}

/// The archive comes when somebody asks, as the manager has it.
fn fetch(counted: &Counted, node: &str, name: &str) {
    assert!(!counted.bench.path(&format!("{node}/{name}")).exists(), "{name} is a ghost");
    let (_, list) = lazily(counted, node, "fetch", name);
    assert_eq!(list.iter().filter(|name| !name.starts_with("svn info")).collect::<Vec<_>>(), ["svn cat"]);
    let read = |dir: &str| fs::read(counted.bench.path(&format!("{dir}/{name}"))).expect("a file");
    assert!(read(node) == read("source"), "{name}");
    lazily(counted, node, "evict", name);
}

#[test]
fn a_worker_starts_with_ghosts_and_no_archive_travels() {
    let counted = town();
    let (bytes, list) = update(&counted, "w");
    assert_eq!(list, ["svn cat"], "the small files");
    assert!(bytes < 10_000, "{bytes} bytes");
    assert!(counted.bench.path("w/file-7.xml").exists());
    fetch(&counted, "w", "1.app");
    // Nothing of it is lazy: all of the revision is read.
    assert_eq!(counted.of("update", "w2", "w2").last().map(String::as_str), Some("svnrdump dump"));
}

#[test]
fn a_release_leaves_ghosts_ghosts_and_sends_nothing_of_them() {
    let counted = town();
    update(&counted, "w");
    for round in 0..3 {
        counted.bench.write("source/1.app", noise(10 + round, 1_000_000));
        counted.bench.write("source/new.app", noise(20 + round, 1_000_000));
        counted.publish();
        assert_eq!(update(&counted, "w"), (0, vec![]), "only ghosts have changed");
    }
    counted.bench.write("source/1.app", noise(30, 1_000_000));
    counted.bench.write("source/file-3.xml", "another");
    fs::remove_file(counted.bench.path("source/0.app")).expect("removed");
    counted.publish();
    let (bytes, list) = update(&counted, "w");
    assert_eq!((bytes, list), (7, vec!["svn cat".to_owned()]));
    // Where nothing is spared, a delta is less than the whole.
    counted.bench.write("source/file-4.xml", "another");
    counted.publish();
    assert_eq!(update(&counted, "w").1, ["svnrdump dump"]);
    for name in ["1.app", "2.app", "new.app"] {
        fetch(&counted, "w", name);
    }
    assert!(!counted.bench.path("w/0.app").exists());
    let (said, _) = lazily(&counted, "w", "status", "");
    assert_eq!(said["ghosts"]["entries"], 3, "{said}");
}

#[test]
fn what_people_commit_costs_what_they_have_changed() {
    let counted = town();
    update(&counted, "w");
    let mut content = noise(1, 1_000_000);
    content[500_000] ^= 1;
    // Somebody who has never heard of depsync.
    counted.repository.person().puts("main/1.app", &content);
    // A delta, and what it is against: not the two other archives.
    assert_eq!(update(&counted, "w").1, ["svnrdump dump", "svn cat"]);
    assert_eq!(counted.of("update", "m", "source").last().map(String::as_str), Some("svnrdump dump"));
    fetch(&counted, "w", "1.app");
    // From there on publishers tell again.
    counted.bench.write("source/2.app", noise(12, 1_000_000));
    counted.publish();
    assert_eq!(update(&counted, "w"), (0, vec![]));
    fetch(&counted, "w", "2.app");
    // Who comes now hears of the first revision, and reads from there.
    let (bytes, list) = update(&counted, "w2");
    assert!(list.iter().filter(|name| *name == "svnrdump dump").count() == 1 && bytes < 10_000, "{list:?}, {bytes}");
    for name in ["0.app", "1.app", "2.app"] {
        fetch(&counted, "w2", name);
    }
}

#[test]
fn a_populated_node_takes_over_what_it_has_without_reading_it() {
    let counted = town();
    let source = counted.bench.path("source");
    depsync_tests::cluster::copy_tree(&source, &counted.bench.path("w"));
    assert_eq!(update(&counted, "w"), (0, vec![]), "all is here");
    let (said, _) = lazily(&counted, "w", "status", "");
    assert!(said["ghosts"].is_null(), "{said}");
}

/// What is told of many files is longer than an argument may be; whoever carries it has limits of his own.
#[test]
fn a_large_commit_is_told_over_http_too() {
    let mut counted = Counted::new();
    let word = |seed: u64| -> String { noise(seed, 200).iter().map(|byte| char::from(b'a' + byte % 26)).collect() };
    for number in 0..600 {
        let name = format!("source/{}/{}/{}.app", word(3 * number), word(3 * number + 1), word(3 * number + 2));
        counted.bench.write(&name, noise(number, 1_000));
    }
    counted.bench.write("lazy.toml", CONFIGURATION);
    let apache = Apache::start(&counted.repository);
    counted.hub = format!("svn+{}/main", apache.url());
    counted.publish();
    let number = counted.repository.youngest().to_string();
    let person = counted.repository.person();
    let told = person.does(&["proplist", "--revprop", "-r", &number, &counted.repository.url()]);
    assert!(told.contains("depsync:tree.2"), "{told}");
    let (bytes, list) = update(&counted, "w");
    assert_eq!((list, bytes < 10_000), (vec!["svn cat".to_owned()], true));
    let (said, _) = lazily(&counted, "w", "status", "");
    assert_eq!(said["ghosts"]["entries"], 600, "{said}");
}

/// A property of a revision can be changed by who may: then what is told is not what is there.
#[test]
fn a_forged_telling_is_found_out_before_anything_is_live() {
    let counted = town();
    let twin = Counted::new();
    for (number, seed) in [(0, 0), (1, 77), (2, 2)] {
        twin.bench.write(&format!("source/{number}.app"), noise(seed, 1_000_000));
    }
    twin.publish();
    let number = twin.repository.youngest();
    assert_eq!(number, counted.repository.youngest());
    for name in ["depsync:record", "depsync:tree"] {
        copy_property(&twin.repository, &counted.repository, number, name);
    }
    update(&counted, "w");
    let line = format!("--config lazy.toml --node w --state state-w fetch --dir w --hub {} 1.app", counted.hub);
    let (said, status, _) = counted.line(&line);
    assert_eq!(status, Some(6), "{said}");
    assert!(!counted.bench.path("w/1.app").exists());
    fetch(&counted, "w", "2.app");
}

fn copy_property(from: &Repository, to: &Repository, number: u64, name: &str) {
    let number = number.to_string();
    let value = from.person().does(&["propget", "--revprop", "-r", &number, "--no-newline", name, &from.url()]);
    to.hook("pre-revprop-change", "exit 0");
    to.person().does(&["propset", "-q", "--revprop", "-r", &number, name, &value, &to.url()]);
}
