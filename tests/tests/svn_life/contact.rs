//! A node and a repository that meet for the first time: every row of the table in `engine/doc/svn.md`.

use std::collections::BTreeSet;
use std::fs;

use depsync_tests::process::{Death, Ended};
use depsync_tests::snapshot::{Item, Snapshot, check_same, snapshot, write_tree};

use crate::town::{PLACE, Town};

/// A repository that people have filled, without depsync: `a`, `b/c`, a link; `removed` was there once.
fn populated() -> Town {
    let town = Town::new();
    let (person, copy) = town.person("person");
    let top = copy.join(PLACE);
    let at = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    write_tree(&top, &[("a", "one\n"), ("b/c", "c\n"), ("link", "->a"), ("removed", "was there once\n")]);
    person.does(&["add", "-q", &at(&top)]);
    person.does(&["commit", "-q", "-m", "by hand", &at(&top)]);
    fs::write(top.join("a"), "two\n").expect("a file");
    person.does(&["rm", "-q", &at(&top.join("removed"))]);
    person.does(&["commit", "-q", "-m", "again", &at(&top)]);
    town
}

/// What a node has before it meets anything.
fn fill(town: &Town, node: &str) -> Snapshot {
    write_tree(&town.dir(node), &[("a", "mine\n"), ("b/c", "c\n"), ("own", "my own\n"), ("d/e", "also my own\n")]);
    snapshot(&town.dir(node))
}

/// The contents that a node has kept aside.
fn kept(town: &Town, node: &str) -> BTreeSet<Vec<u8>> {
    let items = snapshot(&town.dir(&format!(".{node}.depsync/recovery"))).into_values();
    items.filter_map(|item| if let Item::File(_, content) = item { Some(content) } else { None }).collect()
}

/// Runs a command that must end like this, and change nothing: neither here nor there.
fn changes_nothing(town: &Town, node: &str, command: &str, code: i32) -> Ended {
    let (here, there) = (snapshot(&town.dir(node)), town.repository.youngest());
    let told = town.run(node, &[command]).expect(&[code], Death::Never);
    check_same(&snapshot(&town.dir(node)), &here, &told.told);
    assert_eq!(town.repository.youngest(), there, "{}", told.told);
    assert!(kept(town, node).is_empty(), "{}", told.told);
    told
}

fn hint(told: &Ended) -> &str {
    told.json["error"]["hint"].as_str().unwrap_or_else(|| panic!("no hint: {}", told.told))
}

#[test]
fn a_fresh_node_and_a_populated_repository() {
    let town = populated();
    let wanted = town.export();
    // A manager without a directory, and with an empty one.
    let told = changes_nothing(&town, "m", "publish", 1);
    assert!(hint(&told).contains("check the path"), "{}", told.told);
    fs::create_dir_all(town.dir("m")).expect("a directory");
    let told = changes_nothing(&town, "m", "publish", 3);
    assert!(hint(&told).contains("depsync update"), "{}", told.told);
    for node in ["m", "w"] {
        town.update(node);
        check_same(&snapshot(&town.dir(node)), &wanted, node);
        assert!(kept(&town, node).is_empty());
    }
    let told = changes_nothing(&town, "m", "publish", 0);
    assert_eq!(told.json["changed"], false, "{}", told.told);
    write_tree(&town.dir("m"), &[("a", "three\n")]);
    town.publish("m", "from a manager");
    assert_eq!(town.log().last().expect("a commit").paths, ["M /shop", "M /shop/a"]);
}

#[test]
fn a_populated_node_and_an_empty_repository() {
    for made in [false, true] {
        let town = Town::new();
        if made {
            let person = town.repository.person();
            person.does(&["mkdir", "-m", "a place", &person.url(PLACE)]);
        }
        let own = fill(&town, "m");
        fill(&town, "w");
        // Nothing to follow: where there is no place it is an error, worth another try.
        let code = if made { 0 } else { 5 };
        let told = changes_nothing(&town, "w", "update", code);
        if !made {
            assert!(hint(&told).contains("publish"), "{}", told.told);
        }
        changes_nothing(&town, "m", "update", code);
        town.publish("m", "the first");
        check_same(&snapshot(&town.dir("m")), &own, "publishing changes nothing here");
        assert_eq!(town.repository.youngest(), 2, "the place, and what is in it");
        check_same(&town.export(), &own, "what was published");
        // Now there is something, and the worker has the same.
        town.update("w");
        check_same(&snapshot(&town.dir("w")), &own, "the worker");
        assert!(kept(&town, "w").is_empty() && kept(&town, "m").is_empty());
    }
}

#[test]
fn both_are_populated_and_differ() {
    let town = populated();
    let head = town.export();
    let own = fill(&town, "m");
    fill(&town, "w");
    let told = changes_nothing(&town, "m", "publish", 3);
    assert!(hint(&told).contains("depsync update"), "{}", told.told);
    // What is equal is adopted, what differs is replaced and kept aside, what nobody else has stays.
    let mut wanted = head.clone();
    wanted.extend(
        own.iter().filter(|(path, _)| !head.contains_key(*path)).map(|(path, item)| (path.clone(), item.clone())),
    );
    for node in ["m", "w"] {
        town.update(node);
        check_same(&snapshot(&town.dir(node)), &wanted, node);
        assert_eq!(kept(&town, node), [b"mine\n".to_vec()].into(), "{node}");
    }
    check_same(&town.export(), &head, "the repository");
    // A worker's own files stay where they are; a manager's are published.
    town.publish("m", "my own");
    check_same(&town.export(), &wanted, "what was published");
    assert_eq!(town.log().last().expect("a commit").paths, ["M /shop", "A /shop/d", "A /shop/d/e", "A /shop/own"]);
    town.update("w");
    check_same(&snapshot(&town.dir("w")), &wanted, "the worker has it now");
}

#[test]
fn both_are_populated_and_equal() {
    let town = populated();
    for node in ["m", "m2", "w"] {
        write_tree(&town.dir(node), &[("a", "two\n"), ("b/c", "c\n"), ("link", "->a")]);
    }
    let times = |node: &str| fs::metadata(town.dir(node).join("a")).expect("a file").modified().expect("a time");
    let before = ["m", "m2", "w"].map(times);
    let told = changes_nothing(&town, "m", "publish", 0);
    assert_eq!((&told.json["changed"], told.number("revision")), (&false.into(), Some(2)), "{}", told.told);
    for node in ["m2", "w"] {
        changes_nothing(&town, node, "update", 0);
    }
    assert_eq!(["m", "m2", "w"].map(times), before, "nothing was written anew");
    for node in ["m", "w"] {
        let status = town.run(node, &["status"]).expect(&[0], Death::Never);
        assert_eq!(status.number("applied"), Some(2), "{}", status.told);
    }
}

/// Nodes that were installed again from an old copy: what was removed since is told by the repository's log.
#[test]
fn what_was_removed_does_not_come_back_from_an_old_copy() {
    let town = populated();
    let (person, copy) = town.person("another");
    let top = copy.join(PLACE);
    let at = |path: &str| top.join(path).to_str().expect("UTF-8").to_owned();
    let commit = |message: &str| drop(person.does(&["commit", "-q", "-m", message, &at("")]));
    write_tree(&top, &[("gone/f", "in a directory\n"), ("gone/g", "first\n"), ("name", "under its old name\n")]);
    person.does(&["add", "-q", &at("gone"), &at("name")]);
    commit("more");
    fs::write(at("gone/g"), "second\n").expect("a file");
    commit("changed");
    person.does(&["update", "-q", &at("")]);
    person.does(&["rm", "-q", &at("gone")]);
    person.does(&["mv", "-q", &at("name"), &at("new name")]);
    commit("less");
    let head = town.export();

    let old = [("removed", "was there once\n"), ("gone/f", "in a directory\n"), ("name", "under its old name\n")];
    for node in ["m", "w"] {
        write_tree(&town.dir(node), &old);
        // Its last content but one; what it never was; and what is only the node's.
        write_tree(&town.dir(node), &[("gone/g", "first\n"), ("link", "->a"), ("b/own", "c\n"), ("own", "own\n")]);
    }
    write_tree(&town.dir("m"), &[("gone/kept", "own\n")]);
    // Neither has published yet, so for all that is known both are workers.
    for node in ["m", "w"] {
        town.update(node);
        let mut wanted = head.clone();
        for path in ["b/own", "gone", "gone/kept", "own"] {
            let item = snapshot(&town.dir(node)).remove(path.as_bytes());
            assert_eq!(item.is_some(), node == "m" || path.ends_with("own"), "{node}: {path}");
            wanted.extend(item.map(|item| (path.as_bytes().to_vec(), item)));
        }
        check_same(&snapshot(&town.dir(node)), &wanted, "what the repository had once is gone");
        let gone = old.iter().map(|(_, content)| *content).chain(["first\n"]);
        assert_eq!(kept(&town, node), gone.map(|content| content.as_bytes().to_vec()).collect(), "{node}");
    }
    town.publish("m", "own");
    check_same(&town.export(), &snapshot(&town.dir("m")), "it does not come back");
    let paths = town.log().pop().expect("a commit").paths;
    assert_eq!(paths, ["M /shop", "A /shop/b/own", "A /shop/gone", "A /shop/gone/kept", "A /shop/own"]);
}
