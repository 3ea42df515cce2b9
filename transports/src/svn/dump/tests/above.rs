//! What `svnrdump` writes of directories above the dumped one, and of copies from elsewhere.

use super::programs::{Repository, reader};
use super::*;

/// A record in short: the revision, what is done where, the revision of its source, changed properties, and the text.
fn brief(stream: &[u8], at: &str) -> Vec<String> {
    let mut dump = reader(stream, at);
    let (mut number, mut found) = (0, Vec::new());
    while let Some(item) = dump.next().expect("a sound stream") {
        match item {
            Item::Revision(revision) => number = revision.number,
            Item::Node(node) => {
                let mut text = Vec::new();
                if node.text.is_some() {
                    dump.text(None, &mut text).expect("a text of a new file");
                }
                found.push(format!("{number} {}{}", line(&node), String::from_utf8_lossy(&text)));
            }
            Item::Format(_) | Item::Uuid(_) => {}
        }
    }
    found
}

fn line(node: &Node) -> String {
    let (place, path) = match &node.place {
        Place::Within(path) => ("within", path),
        Place::Above(path) => ("above", path),
        Place::Beside(path) => ("beside", path),
    };
    let mut line = format!("{:?} {place} '{}'", node.action, String::from_utf8_lossy(path));
    if let Some(source) = &node.source {
        line.push_str(&format!(" of {}", source.revision));
    }
    if let Some(Properties::Delta { set, deleted }) = &node.properties {
        set.keys().for_each(|name| line.push_str(&format!(" +{}", String::from_utf8_lossy(name))));
        deleted.iter().for_each(|name| line.push_str(&format!(" -{}", String::from_utf8_lossy(name))));
    }
    line
}

/// `top/dep` through all that can happen to `top`.
fn repository() -> Repository {
    let repository = Repository::create();
    let (one, two) = (repository.local("one", b" first"), repository.local("two", b" second"));
    repository.commit(&["mkdir", "top", "mkdir", "top/dep", "put", &one, "top/dep/a", "put", &one, "top/b"]);
    repository.commit(&["propset", "p", "1", "top", "propset", "q", "1", ".", "propset", "r", "1", "top/dep"]);
    repository.commit(&["cp", "2", "top", "other"]);
    repository.commit(&["rm", "top", "cp", "3", "other", "top", "put", &two, "top/dep/a"]);
    repository.commit(&["rm", "top"]);
    repository.commit(&["cp", "4", "top", "top"]);
    repository.commit(&["cp", "6", "other/b", "top/dep/b", "cp", "6", "other", "top/dep/other"]);
    repository.commit(&["rm", "top/dep", "cp", "7", "top/dep", "top/dep", "propdel", "r", "top/dep"]);
    repository
}

#[test]
fn what_happens_above_is_told_apart_from_what_happens_within() {
    let repository = repository();
    let seen = brief(&repository.dump("top/dep", "1:8", true), "top/dep");
    // In which order paths come is not for us to hold.
    let of = |number: &str| {
        let lines = seen.iter().filter_map(|line| line.strip_prefix(number)?.strip_prefix(' '));
        let mut lines: Vec<&str> = lines.collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(of("1"), ["Add above 'top'", "Add within ''", "Add within 'a' first"]);
    assert_eq!(of("2"), ["Change above '' +q", "Change above 'top' +p", "Change within '' +r"]);
    assert_eq!(of("3"), [""; 0]);
    assert_eq!(of("5"), ["Delete above 'top'"]);
    // It comes whole with what is beside the dumped directory. The file has the text of the commit, not of the source.
    let comes = ["Add beside 'b' first", "Add within '' +r", "Add within 'a' second", "Change above 'top' +p"];
    let comes = comes.map(|line| line.replace("beside 'b'", "beside 'top/b'"));
    assert_eq!(of("4"), [&comes[..], &["Replace above 'top' +p".to_owned()]].concat());
    let mut added = [&comes[..], &["Add above 'top' +p".to_owned()]].concat();
    added.sort_unstable();
    assert_eq!(of("6"), added);
    assert_eq!(
        of("7"),
        [
            "Add within 'b' first",
            "Add within 'other' +p",
            "Add within 'other/b' first",
            "Add within 'other/dep' +r",
            "Add within 'other/dep/a' first",
            "Change within 'other' +p",
        ]
    );
    // What is replaced by a copy goes before it comes.
    assert_eq!(seen[seen.len() - 2..], ["8 Delete within ''", "8 Add within '' of 7 -r"]);
}

#[test]
fn a_whole_dump_begins_with_the_directories_above() {
    let repository = repository();
    assert_eq!(
        brief(&repository.dump("top/dep", "2:2", false), "top/dep"),
        ["2 Add above 'top'", "2 Add within '' +r", "2 Add within 'a' first"]
    );
    // The repository's root is never added: it is not there, or changed.
    let mut root = brief(&repository.dump("", "2:2", false), "");
    root.sort_unstable();
    assert_eq!(
        root,
        [
            "2 Add within 'top' +p",
            "2 Add within 'top/b' first",
            "2 Add within 'top/dep' +r",
            "2 Add within 'top/dep/a' first",
            "2 Change within '' +q",
        ]
    );
    assert!(!brief(&repository.dump("", "1:1", false), "").iter().any(|line| line.contains("''")));
}

#[test]
fn a_property_that_a_copy_loses_is_deleted_or_not_there_at_all() {
    let repository = Repository::create();
    let both = |path| ["propset", "p", "1", path, "propset", "q", "1", path];
    repository.commit(&[&["mkdir", "dep", "mkdir", "dep/d", "mkdir", "x"][..], &both("dep/d"), &both("x")].concat());
    repository.commit(&[
        "cp", "1", "dep/d", "dep/e", "propdel", "p", "dep/e", "cp", "1", "x", "dep/x", "propdel", "p", "dep/x",
    ]);
    let mut seen = brief(&repository.dump("dep", "2:2", true), "dep");
    seen.sort_unstable();
    // The one has a source, which has it. The other comes whole.
    assert_eq!(seen, ["2 Add within 'e' of 1 -p", "2 Add within 'x' +q"]);
}
