//! What `svnrdump` writes of known content: read, and applied to what was there before.

use std::collections::BTreeMap;

use super::programs::{Repository, reader};
use super::*;

/// Files by their path, and directories, which have no content; both with their properties.
type Tree = BTreeMap<Vec<u8>, (Option<Vec<u8>>, Values)>;

/// The revisions of a dump, each applied to the tree before it. A copy is taken from the tree of its revision, so
/// `trees` has those before the dump.
fn replay(stream: &[u8], at: &str, trees: &mut BTreeMap<u64, Tree>) -> Vec<Node> {
    let mut dump = reader(stream, at);
    let mut tree = Tree::new();
    let (mut number, mut seen) = (0, Vec::new());
    while let Some(item) = dump.next().expect("a sound stream") {
        match item {
            Item::Format(version) => assert_eq!(version, 3),
            Item::Uuid(_) => {}
            Item::Revision(revision) => {
                number = revision.number;
                tree = trees.get(&(number - 1)).cloned().unwrap_or_default();
                trees.insert(number, tree.clone());
            }
            Item::Node(node) => {
                seen.push((*node).clone());
                if let Place::Within(path) = &node.place {
                    apply(&mut dump, &node, path, &mut tree, trees);
                    trees.insert(number, tree.clone());
                }
            }
        }
    }
    seen
}

fn apply(dump: &mut Dump<&[u8]>, node: &Node, path: &[u8], tree: &mut Tree, trees: &BTreeMap<u64, Tree>) {
    let moved = |name: &[u8], from: &[u8]| -> Option<Vec<u8>> {
        let rest = name.strip_prefix(from)?;
        (rest.is_empty() || from.is_empty() || rest.starts_with(b"/")).then(|| [path, rest].concat())
    };
    if matches!(node.action, Action::Delete | Action::Replace) {
        tree.retain(|name, _| moved(name, path).is_none());
    }
    if node.action == Action::Delete {
        return;
    }
    assert_eq!(node.action == Action::Change, tree.contains_key(path), "{node:?}");
    if let Some(source) = &node.source {
        let Place::Within(from) = &source.place else { panic!("a source elsewhere: {node:?}") };
        let copied = trees[&source.revision].iter().filter_map(|(name, what)| Some((moved(name, from)?, what.clone())));
        tree.extend(copied);
    }
    let (content, properties) = tree.entry(path.to_vec()).or_default();
    match &node.properties {
        Some(Properties::Complete(values)) => properties.clone_from(values),
        Some(Properties::Delta { set, deleted }) => {
            properties.retain(|name, _| !deleted.contains(name));
            properties.extend(set.clone());
        }
        None => {}
    }
    if let Some(text) = &node.text {
        assert!(text.delta && text.content.sha1.is_none(), "{node:?}");
        let before = content.take();
        assert_eq!(text.base.md5.is_some(), before.is_some(), "{node:?}");
        let slice = before.as_deref().unwrap_or_default();
        let mut out = Vec::new();
        let applied = dump.text(before.is_some().then_some(&slice as &dyn Base), &mut out).expect("a sound text");
        assert_eq!(applied.length, out.len() as u64);
        assert_eq!(applied.digest, depsync_engine::hash::Digest::of(&out));
        *content = Some(out);
    }
    assert_eq!(content.is_some(), node.kind == Some(Kind::File), "{node:?}");
}

/// A path, its content unless it is a directory, and its properties.
type Known<'a> = (&'a str, Option<&'a [u8]>, &'a [(&'a str, &'a str)]);

fn tree(items: &[Known<'_>]) -> Tree {
    let items = items.iter();
    items
        .map(|(path, content, pairs)| (path.as_bytes().to_vec(), (content.map(<[u8]>::to_vec), values(pairs))))
        .collect()
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

const NAMES: [(&str, &str); 7] = [
    ("with space", "with%20space"),
    ("a@b", "a@b"),
    ("per%20cent", "per%2520cent"),
    ("gr\u{fc}\u{df}e \u{1f600}", "gr%C3%BC%C3%9Fe%20%F0%9F%98%80"),
    ("-dash", "-dash"),
    ("colon: x", "colon:%20x"),
    ("#?&", "%23%3F&"),
];

#[test]
fn content_comes_as_it_was_committed_and_as_it_changes() {
    let repository = Repository::create();
    let big = noise(1 << 20);
    let mut edited = big.clone();
    edited[700_000..700_010].copy_from_slice(b"0123456789");
    edited.splice(500_000..500_000, b"inserted in the middle".iter().copied());
    let binary = b"\0\x01\0\xff\xfePROPS-END\n\nNode-path: x\n\n\0".to_vec();
    let (local_big, local_edited) = (repository.local("big", &big), repository.local("edited", &edited));
    let (local_binary, local_empty) = (repository.local("binary", &binary), repository.local("empty", b""));
    let (text, link) = (repository.local("text", b"text\n"), repository.local("link", b"link some/target"));
    let exact = ["svn:executable", "*"];

    let mut first = vec!["mkdir", "dep", "put", &local_big, "dep/big", "put", &local_binary, "dep/binary"];
    first.extend(["put", &local_empty, "dep/empty", "mkdir", "dep/d", "put", &text, "dep/d/f", "put", &text, "dep/x"]);
    first.extend([
        "propset",
        exact[0],
        exact[1],
        "dep/x",
        "put",
        &link,
        "dep/l",
        "propset",
        "svn:special",
        "*",
        "dep/l",
    ]);
    first.extend(["propset", "depsync:mode", "600", "dep/binary", "propset", "lines", "of a directory", "dep/d"]);
    let escaped: Vec<String> = NAMES.iter().map(|(_, name)| format!("dep/{name}")).collect();
    for name in &escaped {
        first.extend(["put", &text, name]);
    }
    repository.commit(&first);
    let empty = &[][..];
    let mut expected = tree(&[
        ("", None, empty),
        ("big", Some(&big), empty),
        ("binary", Some(&binary), &[("depsync:mode", "600")]),
        ("d", None, &[("lines", "of a directory")]),
        ("d/f", Some(b"text\n"), empty),
        ("empty", Some(b""), empty),
        ("l", Some(b"link some/target"), &[("svn:special", "*")]),
        ("x", Some(b"text\n"), &[("svn:executable", "*")]),
    ]);
    expected
        .extend(NAMES.iter().map(|(name, _)| (name.as_bytes().to_vec(), (Some(b"text\n".to_vec()), Values::new()))));

    let mut second =
        vec!["put", &local_edited, "dep/big", "put", &local_empty, "dep/binary", "put", &text, "dep/empty"];
    second.extend(["propdel", "svn:executable", "dep/x", "propset", "svn:executable", "*", "dep/binary"]);
    second.extend(["propdel", "lines", "dep/d", "propset", "a", "new\u{fc}", "dep/d", "propset", "root", "9", "dep"]);
    second.extend(["rm", &escaped[0], "put", &local_binary, &escaped[2], "put", &local_binary, &escaped[4]]);
    repository.commit(&second);
    let mut changed = expected.clone();
    changed.remove(&b"with space"[..]);
    changed.extend(tree(&[
        ("", None, &[("root", "9")]),
        ("big", Some(&edited), empty),
        ("binary", Some(b""), &[("depsync:mode", "600"), ("svn:executable", "*")]),
        ("d", None, &[("a", "new\u{fc}")]),
        ("empty", Some(b"text\n"), empty),
        ("per%20cent", Some(&binary), empty),
        ("-dash", Some(&binary), empty),
        ("x", Some(b"text\n"), empty),
    ]));
    // One that touches nothing here, and one that touches nothing.
    repository.commit(&["mkdir", "elsewhere"]);
    repository.commit(&["propset", "root", "9", "dep"]);

    let mut trees = BTreeMap::new();
    replay(&repository.dump("dep", "1:4", true), "dep", &mut trees);
    assert_eq!(trees.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(trees[&1] == expected, "{:?}", trees[&1].keys());
    assert!(trees[&2] == changed && trees[&3] == changed && trees[&4] == changed, "{:?}", trees[&2].keys());

    // Only the second, on the first. The small edit is small.
    let stream = repository.dump("dep", "2:2", true);
    assert!(stream.len() < 3000, "{} bytes", stream.len());
    let mut later = BTreeMap::from([(1, expected)]);
    let seen = replay(&stream, "dep", &mut later);
    assert!(later[&2] == changed);
    assert_eq!(seen.iter().filter(|node| node.place == within("")).count(), 1);

    // All of the last, at once.
    let mut whole = BTreeMap::new();
    let seen = replay(&repository.dump("dep", "4:4", false), "dep", &mut whole);
    assert!(whole[&4] == changed);
    assert!(seen.iter().all(|node| node.action == Action::Add && node.source.is_none()));
}

#[test]
fn revisions_have_their_properties_and_the_repository_its_uuid() {
    let repository = Repository::create();
    repository.commit(&["mkdir", "dep"]);
    let stream = repository.dump("dep", "0:1", true);
    let items: Vec<_> = read_all(&stream, None).expect("a sound stream").into_iter().map(|(item, _)| item).collect();
    assert_eq!(items[..2], [Item::Format(3), Item::Uuid(repository.uuid())]);
    let numbers = items.iter().filter_map(|item| {
        let Item::Revision(revision) = item else { return None };
        Some((revision.number, revision.properties.get(&b"svn:log"[..]).cloned()))
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [(0, None), (1, Some(b"a message".to_vec()))]);
}

#[test]
fn copies_name_their_source_and_replacements_what_they_are() {
    let repository = Repository::create();
    let (one, two) = (repository.local("one", b"the first text\n"), repository.local("two", b"the second text\n"));
    repository.commit(&[
        "mkdir", "dep", "mkdir", "dep/d", "put", &one, "dep/d/f", "put", &one, "dep/d/g", "put", &one, "dep/a", "put",
        &one, "dep/b", "propset", "p", "1", "dep/d", "propset", "p", "1", "dep/a",
    ]);
    repository.commit(&["rm", "dep/b", "put", &two, "dep/a"]);
    // With and without edits, of now and of long ago; a directory with an edit, an addition and a removal in it.
    repository.commit(&[
        "cp", "2", "dep/a", "dep/now", "cp", "1", "dep/b", "dep/old", "cp", "1", "dep/a", "dep/edit", "put", &two,
        "dep/edit", "propdel", "p", "dep/edit", "cp", "2", "dep/d", "dep/e", "put", &two, "dep/e/f", "rm", "dep/e/g",
        "put", &two, "dep/e/h", "propset", "q", "2", "dep/e",
    ]);
    // Replaced: by a new file, by a copy, a file by a directory, a directory by a file.
    repository.commit(&[
        "rm",
        "dep/now",
        "put",
        &one,
        "dep/now",
        "rm",
        "dep/old",
        "cp",
        "3",
        "dep/a",
        "dep/old",
        "rm",
        "dep/edit",
        "mkdir",
        "dep/edit",
        "put",
        &one,
        "dep/edit/in",
        "rm",
        "dep/e",
        "put",
        &two,
        "dep/e",
    ]);
    let mut trees = BTreeMap::new();
    let seen = replay(&repository.dump("dep", "1:4", true), "dep", &mut trees);
    let (first, second) = (Some(&b"the first text\n"[..]), Some(&b"the second text\n"[..]));
    let (empty, p) = (&[][..], &[("p", "1")][..]);
    let base = [("", None, empty), ("a", second, p), ("d", None, p), ("d/f", first, empty), ("d/g", first, empty)];
    let mut third = tree(&base);
    third.extend(tree(&[("now", second, p), ("old", first, empty), ("edit", second, empty)]));
    third.extend(tree(&[("e", None, &[("p", "1"), ("q", "2")]), ("e/f", second, empty), ("e/h", second, empty)]));
    assert_eq!(trees[&3], third);
    let mut fourth = tree(&base);
    fourth.extend(tree(&[("now", first, empty), ("old", second, p), ("edit", None, empty), ("edit/in", first, empty)]));
    fourth.extend(tree(&[("e", second, empty)]));
    assert_eq!(trees[&4], fourth);

    // `old` became a copy: it was deleted and added, in that order. The others were replaced.
    let of = |path: &str| -> Vec<Action> {
        seen.iter().filter(|node| node.place == within(path)).map(|node| node.action).collect()
    };
    assert_eq!(of("old"), [Action::Add, Action::Delete, Action::Add]);
    for path in ["now", "edit", "e"] {
        assert_eq!(of(path), [Action::Add, Action::Replace], "{path}");
    }
    // A copy from before the range has nothing but its source.
    let alone = nodes(&repository.dump("dep", "3:3", true));
    let old = alone.iter().find(|node| node.place == within("old")).expect("a record");
    let source = Source { revision: 1, place: within("b"), sums: Sums::default() };
    assert_eq!((&old.source, &old.properties, &old.text), (&Some(source), &None, &None));

    // Whole: the same, without any source.
    let mut whole = BTreeMap::new();
    let seen = replay(&repository.dump("dep", "4:4", false), "dep", &mut whole);
    assert_eq!(whole[&4], fourth);
    assert!(seen.iter().all(|node| node.source.is_none()));
}

#[test]
fn a_wrong_base_is_found_out() {
    let repository = Repository::create();
    let big = noise(300_000);
    let mut edited = big.clone();
    edited[200_000] ^= 1;
    let (local, other) = (repository.local("big", &big), repository.local("other", &edited));
    repository.commit(&["mkdir", "dep", "put", &local, "dep/big"]);
    repository.commit(&["put", &other, "dep/big"]);
    let stream = repository.dump("dep", "2:2", true);
    let mut wrong = big.clone();
    wrong[100] ^= 1;
    for (base, sound) in [(&big[..], true), (&wrong, false), (&big[..100], false)] {
        let items = read_all(&stream, Some(base)).expect("a sound stream");
        let result = items.into_iter().find_map(|(_, text)| text).expect("a text");
        match result {
            Ok((_, content)) => assert!(sound && content == edited),
            Err(error) => {
                assert!(!sound && error.kind() == ErrorKind::Damaged, "{error}");
                assert_eq!(error.place(), Some("dep/big@2"));
            }
        }
    }
}
