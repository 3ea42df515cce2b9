//! A change of most of a large tree over http: the commit is made from a checkout, and is the same as ever.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use depsync_tests::process::{Death, Ended};
use depsync_tests::snapshot::{check_same, snapshot, write_tree};
use depsync_tests::sshd::{Programs, program};
use depsync_tests::svn::{Apache, WRITER};

use crate::killed::{Act, PUBLISH, Scene, calls, killed};
use crate::town::{PLACE, Town, run_in};
use crate::trap::Spring;

/// How many files change: a little more than the fewest for which it is done.
const FILES: usize = 2_050;

fn fill(top: &Path, text: &str) {
    for number in 0..FILES {
        let directory = top.join(format!("d{} @x", number % 40));
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(format!("-f{number}@")), format!("{text} {number}\n")).expect("a file");
    }
}

fn old(top: &Path) {
    fill(top, "old");
    let others = [("gone/x", "x\n"), ("run.sh", "#!/bin/sh\n"), ("swap/in", "in\n"), ("paws", "paws\n")];
    write_tree(top, &others);
    write_tree(top, &[("link", "->paws"), ("ends", "one\n$Id$\n"), ("words", "$Id$\n"), ("odd", "odd\n")]);
    set_modes(top, &[("odd", 0o755)]);
}

fn new(top: &Path) {
    fill(top, "new");
    fs::remove_dir_all(top.join("gone")).expect("remove");
    fs::remove_dir_all(top.join("swap")).expect("remove");
    fs::remove_file(top.join("paws")).expect("remove");
    let come = [("swap", "a file by now\n"), ("paws/in", "a directory by now\n"), ("add @1/-y@2", "y\n")];
    write_tree(top, &come);
    // Nothing is guessed from what they begin with, and no end of a line is changed.
    write_tree(top, &[("ends", "one\r\ntwo\n$Id$\n"), ("words", "$Id$ $Rev$\n"), ("add @1/empty", "")]);
    fs::write(top.join("add @1/binary.png"), b"\x89PNG\r\n\x1a\n\0\0\0").expect("a file");
    set_modes(top, &[("run.sh", 0o755), ("odd", 0o644), ("add @1/-y@2", 0o755), ("d1 @x/-f1@", 0o755)]);
}

fn set_modes(top: &Path, modes: &[(&str, u32)]) {
    for (name, mode) in modes {
        fs::set_permissions(top.join(name), fs::Permissions::from_mode(*mode)).expect("chmod");
    }
}

/// A manager who has changed most of what it has published, and the server that it goes to.
fn scene() -> (Apache, Scene) {
    let town = Town::new();
    old(&town.dir("m"));
    let before = snapshot(&town.dir("m"));
    town.publish("m", "old");
    let person = town.repository.person();
    let copy = town.dir("copy");
    town.repository.checkout(&copy);
    let place = copy.join(PLACE);
    let of = |name: &str| place.join(name).to_str().expect("UTF-8").to_owned();
    person.does(&["propset", "-q", "svn:eol-style", "native", &of("ends")]);
    person.does(&["propset", "-q", "svn:keywords", "Id Rev", &of("words")]);
    person.does(&["propset", "-q", "svn:mime-type", "text/x-words", &of("words")]);
    person.does(&["propset", "-q", "svn:auto-props", "*.png = svn:keywords=Id", place.to_str().expect("UTF-8")]);
    person.does(&["commit", "-q", "-m", "by hand", copy.to_str().expect("UTF-8")]);
    fs::remove_dir_all(&copy).expect("remove");
    town.update("m");
    town.update("w");
    new(&town.dir("m"));
    let after = snapshot(&town.dir("m"));
    let apache = Apache::start(&town.repository);
    let mut scene = Scene::of(town, before, after);
    scene.hub = format!("svn+{}/{PLACE}", apache.url());
    (apache, scene)
}

/// Every line of a log, without what the many files are called.
fn counted(paths: &[String]) -> (usize, Vec<&str>) {
    let many = |path: &&String| path.starts_with("M /shop/d") && path.ends_with('@');
    let others = paths.iter().filter(|path| !many(path)).map(String::as_str).collect();
    (paths.iter().filter(many).count(), others)
}

/// Publishes by a `svn` that runs `command` before the first call that has this word in it.
fn between(act: &Act<'_>, word: &str, command: &str) -> Ended {
    let (programs, flag) = (Programs::only(&[]), act.top().join("flag"));
    let (flag, real) = (flag.display(), program("svn", "subversion"));
    let script = format!(
        "case \" $* \" in *\" {word} \"*) test -f {flag} || {{ touch {flag}; {command}; }} ;; esac\nexec {} \"$@\"\n",
        real.display()
    );
    programs.script("svn", &script);
    let path = programs.path_before_others();
    let ended = run_in(act.top(), act.hub(), "m", &PUBLISH, Death::Never, &[("PATH", OsStr::new(&path))]);
    assert!(act.top().join("flag").exists(), "nobody called `svn {word}`: {}", ended.told);
    ended
}

/// Whether there is a working copy anywhere.
fn holds_a_checkout(top: &Path) -> bool {
    walk(top).any(|path| path.file_name() == Some(OsStr::new(".svn")))
}

fn walk(top: &Path) -> impl Iterator<Item = PathBuf> {
    let mut left = vec![top.to_owned()];
    std::iter::from_fn(move || {
        let path = left.pop()?;
        if path.is_dir() && !path.is_symlink() {
            left.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
        Some(path)
    })
}

#[test]
fn it_is_one_commit_as_ever() {
    let (_apache, scene) = scene();
    set_modes(&scene.town.dir("m"), &[("add @1/-y@2", 0o750), ("d2 @x", 0o700)]);
    let called = calls(&scene, "m", &PUBLISH);
    assert!(!called.contains(&"svnmucc".to_owned()), "{called:?}");
    assert!(called.contains(&"svn checkout".to_owned()) && called.contains(&"svn commit".to_owned()), "{called:?}");
    // That was one publish, by a copy of the manager.
    let (town, log) = (&scene.town, scene.town.log());
    let last = log.last().expect("a commit");
    assert_eq!((last.number, &*last.author, &*last.message), (town.repository.youngest(), WRITER.name, "new"));
    let (many, others) = counted(&last.paths);
    assert_eq!(many, FILES);
    let expected = [
        "M /shop",
        "A /shop/add @1",
        "A /shop/add @1/-y@2",
        "A /shop/add @1/binary.png",
        "A /shop/add @1/empty",
        "M /shop/d2 @x",
        "M /shop/ends",
        "D /shop/gone",
        "M /shop/odd",
        "R /shop/paws",
        "A /shop/paws/in",
        "M /shop/run.sh",
        "R /shop/swap",
        "M /shop/words",
    ];
    assert_eq!(others, expected);
    town.update("w");
    check_same(&snapshot(&town.dir("w")), &snapshot(&town.dir("m")), "the worker");
    let nodes = town.repository.nodes(last.number);
    let properties = |path: &str| nodes[&format!("{PLACE}/{path}")].properties.keys().cloned().collect::<Vec<_>>();
    assert_eq!(properties("words"), ["svn:mime-type"], "what is not ours stays, and what changes bytes goes");
    for (path, names) in
        [("ends", &[][..]), ("add @1/binary.png", &[]), ("add @1/-y@2", &["depsync:mode", "svn:executable"])]
    {
        assert_eq!(properties(path), names, "{path}");
    }
}

#[test]
fn a_commit_that_comes_before_it_wins() {
    let (_apache, scene) = scene();
    let act = scene.act();
    let person = scene.town.repository.person();
    let other = person.program("svnmucc", &["-m", "by another", "mkdir", &person.url(&format!("{PLACE}/theirs"))]);
    let words: Vec<String> = std::iter::once(other.get_program())
        .chain(other.get_args())
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    let ended = between(&act, "commit", &words.join(" "));
    assert_eq!(ended.code, Some(0), "{}", ended.told);
    let log = scene.town.log();
    let last: Vec<(&str, usize)> = log.iter().rev().take(2).map(|one| (&*one.message, counted(&one.paths).0)).collect();
    assert_eq!(last, [("new", FILES), ("by another", 0)], "on top of theirs, and not beside it");
    act.does("m", &["update"], "the manager");
    act.does("w", &["update"], "the worker");
    check_same(&act.dir("m"), &act.dir("w"), "both");
    assert!(act.dir("w").contains_key(&b"theirs"[..]));
}

#[test]
fn without_a_checkout_it_goes_the_slow_way() {
    let (_apache, scene) = scene();
    let act = scene.act();
    let ended = between(&act, "checkout", "exit 1");
    assert_eq!(ended.code, Some(0), "{}", ended.told);
    act.does("w", &["update"], "the worker");
    check_same(&act.dir("w"), &act.dir("m"), "the worker");
    assert_eq!(counted(&scene.town.log().last().expect("a commit").paths).0, FILES);
}

#[test]
fn killed_around_each_program_that_writes() {
    let (apache, scene) = scene();
    let called = calls(&scene, "m", &PUBLISH);
    let at = |name: &str| 1 + called.iter().position(|call| call == name).expect("it is called");
    let cases = [
        ("svn checkout", Spring::Orphan),
        ("svn commit", Spring::Before),
        ("svn commit", Spring::Orphan),
        ("svn commit", Spring::After),
    ];
    for (name, spring) in cases {
        // It keeps repositories open.
        apache.stop();
        let (act, shown) = (scene.act(), format!("{name}, {spring:?}"));
        apache.start_again();
        killed(&act, "m", &PUBLISH, at(name), spring, &shown);
        let commits = name == "svn commit" && spring != Spring::Before;
        assert_eq!(act.check_published(&shown), commits, "{shown}");
        act.check_transactions(&shown);
        assert!(!holds_a_checkout(act.top()), "{shown}: a checkout is left behind");
    }
}
