//! Every field of a record, read.

use super::encode::{MAGIC, START, Step, added, md5, node, sha1, stream, window};
use super::*;

#[test]
fn a_stream_begins_with_format_uuid_and_revision() {
    let text = "SVN-fs-dump-format-version: 3\n\nUUID: 5d2b8d3e-0001-4a5c-9d5e-0123456789ab\n\n\
                Revision-number: 0\nContent-length: 0\n\n\nRevision-number: 12\nProp-content-length: 55\nContent-length: 55\n\n\
                K 7\nsvn:log\nV 11\ntwo\n\nlines\n\nK 6\n\0\n:\u{ff} \nV 0\n\nPROPS-END\n";
    let items = read_all(text.as_bytes(), None).expect("a sound stream");
    let items: Vec<Item> = items.into_iter().map(|(item, _)| item).collect();
    assert_eq!(
        items,
        [
            Item::Format(3),
            Item::Uuid("5d2b8d3e-0001-4a5c-9d5e-0123456789ab".into()),
            Item::Revision(Revision { number: 0, properties: Values::new() }),
            Item::Revision(Revision {
                number: 12,
                properties: values(&[("svn:log", "two\n\nlines\n"), ("\0\n:\u{ff} ", "")]),
            }),
        ]
    );
}

#[test]
fn every_action_and_kind_is_read() {
    let found = nodes(&stream(&[
        node("Node-path: dep\nNode-kind: dir\nNode-action: change\n", Some(b"K 1\na\nV 1\nb\nPROPS-END\n"), None),
        node("Node-path: dep/gone\nNode-action: delete\n", None, None),
        node("Node-path: dep/d\nNode-kind: dir\nNode-action: replace\n", None, None),
        node(
            "Node-path: dep/d/f\nNode-action: add\nUnheard-of: x\nNode-kind: file\nNode-copyfrom-path: dep/a\n\
             Node-copyfrom-rev: 3\nText-copy-source-md5: 000102030405060708090a0b0c0d0e0f\n",
            None,
            None,
        ),
    ]));
    let plain = |path: &str, kind, action| Node {
        place: within(path),
        kind,
        action,
        source: None,
        properties: None,
        text: None,
    };
    let sums = Sums { md5: Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]), sha1: None };
    assert_eq!(
        found,
        [
            Node {
                properties: Some(Properties::Complete(values(&[("a", "b")]))),
                ..plain("", Some(Kind::Directory), Action::Change)
            },
            plain("gone", None, Action::Delete),
            plain("d", Some(Kind::Directory), Action::Replace),
            Node {
                source: Some(Source { revision: 3, place: within("a"), sums }),
                ..plain("d/f", Some(Kind::File), Action::Add)
            },
        ]
    );
}

#[test]
fn places_are_seen_from_the_dumped_directory() {
    let place = |path: &str, at: &str| Place::of(path.as_bytes(), at.as_bytes()).expect("a path");
    let (above, beside) = (|path: &str| Place::Above(path.into()), |path: &str| Place::Beside(path.into()));
    assert_eq!(place("a/b", "a/b"), within(""));
    assert_eq!(place("a/b/c/d", "a/b"), within("c/d"));
    assert_eq!(place("a", "a/b"), above("a"));
    assert_eq!(place("", "a/b"), above(""));
    assert_eq!(place("a/bc", "a/b"), beside("a/bc"));
    assert_eq!(place("a/bc/d", "a/b"), beside("a/bc/d"));
    assert_eq!(place("a/c", "a/b"), beside("a/c"));
    assert_eq!(place("ab", "a/b"), beside("ab"));
    assert_eq!(place("", ""), within(""));
    assert_eq!(place("a/b", ""), within("a/b"));
}

#[test]
fn properties_are_sets_or_changes() {
    let block = b"K 1\na\nV 2\nb\n\nD 3\nc d\nPROPS-END\n";
    let read = |block: &[u8], delta| Properties::read(block, delta);
    assert_eq!(read(block, true).ok(), delta(&[("a", "b\n")], &["c d"]));
    assert_eq!(read(block, false).expect_err("a deletion in a set").kind(), ErrorKind::Damaged);
    assert_eq!(read(b"PROPS-END\n", false).expect("empty"), Properties::Complete(Values::new()));
    // A name may look like the end.
    let block = b"K 9\nPROPS-END\nV 10\nPROPS-END\n\nPROPS-END\n";
    assert_eq!(read(block, true).ok(), delta(&[("PROPS-END", "PROPS-END\n")], &[]));
    // The later holds.
    assert_eq!(read(b"K 1\na\nV 1\nb\nD 1\na\nPROPS-END\n", true).ok(), delta(&[], &["a"]));
    assert_eq!(read(b"D 1\na\nK 1\na\nV 1\nb\nPROPS-END\n", true).ok(), delta(&[("a", "b")], &[]));
}

#[test]
fn texts_are_whole_or_deltas_and_have_their_sums() {
    let (base, text) = (&b"aaaabbbbcccc"[..], &b"aaaaccccdddddddd"[..]);
    let mut changed = MAGIC.to_vec();
    let does = [
        Step::Source { offset: 0, length: 4 },
        Step::Source { offset: 8, length: 4 },
        Step::Fresh(b"d"),
        Step::Target { offset: 8, length: 7 },
    ];
    window(&mut changed, (0, 12), 16, &does);
    let sums = format!("Text-content-md5: {}\nText-content-sha1: {}\n", md5(text), sha1(text));
    let head = "Node-kind: file\nNode-action: change\n";
    let stream = stream(&[
        node(&format!("Node-path: dep/whole\n{head}{sums}"), None, Some(text)),
        node(
            &format!("Node-path: dep/delta\n{head}Text-delta: true\nText-delta-base-md5: {}\n{sums}", md5(base)),
            Some(b"PROPS-END\n"),
            Some(&changed),
        ),
        added("dep/empty", b""),
        node(&format!("Node-path: dep/sha1\n{head}Text-content-sha1: {}\n", sha1(b"")), None, Some(b"")),
    ]);
    let found = read_all(&stream, Some(base)).expect("a sound stream");
    let texts: Vec<_> = found.into_iter().filter_map(|(item, text)| Some((item, text?))).collect();
    let expected = [&b"aaaaccccdddddddd"[..], b"aaaaccccdddddddd", b"", b""];
    assert_eq!(texts.len(), expected.len());
    for ((item, result), content) in texts.iter().zip(expected) {
        let (applied, out) = result.as_ref().expect("a sound text");
        assert_eq!(out, content, "{item:?}");
        assert_eq!(
            *applied,
            Applied { length: content.len() as u64, digest: depsync_engine::hash::Digest::of(content) }
        );
    }
    let Item::Node(node) = &texts[1].0 else { panic!("a node") };
    let declared = node.text.as_ref().expect("a text");
    assert!(declared.delta && declared.length == changed.len() as u64);
    assert_eq!(declared.base.md5.map(|sum| data_encoding::HEXLOWER.encode(&sum)), Some(md5(base)));
    assert_eq!(declared.content.sha1.map(|sum| data_encoding::HEXLOWER.encode(&sum)), Some(sha1(text)));
}

#[test]
fn a_text_that_is_not_asked_for_is_passed_over() {
    let stream = stream(&[added("dep/a", &[b'\n'; 300 << 10]), added("dep/b", b"Node-path: dep/c\n\n")]);
    let mut dump = Dump::new(&stream[..], b"dep");
    let mut places = Vec::new();
    while let Some(item) = dump.next().expect("a sound stream") {
        if let Item::Node(node) = item {
            places.push(node.place);
        }
    }
    assert_eq!(places, [within("a"), within("b")]);
}

#[test]
fn a_text_is_there_once() {
    let stream = stream(&[added("dep/a", b"text")]);
    let mut dump = Dump::new(&stream[..], b"dep");
    for _ in 0..4 {
        let refused = dump.text(None, &mut Vec::new()).expect_err("no text yet");
        assert_eq!(refused.kind(), ErrorKind::Internal);
        dump.next().expect("a sound stream").expect("an item");
    }
    let mut out = Vec::new();
    dump.text(None, &mut out).expect("a text");
    assert_eq!(out, b"text");
    dump.text(None, &mut out).expect_err("the text was read");
    assert_eq!(dump.next().expect("a sound stream"), None);
}

#[test]
fn a_text_that_was_passed_over_is_not_there_later() {
    let stream = [stream(&[added("dep/a", b"text")]), b"Revision-number: 8\n\n".to_vec()].concat();
    let mut dump = Dump::new(&stream[..], b"dep");
    for _ in 0..5 {
        dump.next().expect("a sound stream").expect("an item");
    }
    let refused = dump.text(None, &mut Vec::new()).expect_err("a revision has no text");
    assert_eq!(refused.kind(), ErrorKind::Internal);
    assert_eq!(dump.next().expect("a sound stream"), None);
}

#[test]
fn format_2_has_whole_texts_and_sets() {
    let head = format!("Node-path: dep/a\nNode-kind: file\nNode-action: add\nText-content-md5: {}\n", md5(b"text"));
    let two = [START.replace("version: 3", "version: 2").into_bytes(), node(&head, None, Some(b"text"))].concat();
    let found = read_all(&two, None).expect("a sound stream");
    assert_eq!(found[0].0, Item::Format(2));
    assert_eq!(found[3].1.as_ref().expect("a text").as_ref().expect("a sound one").1, b"text");
}

#[test]
fn a_base_is_a_file_or_a_slice() {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(b"0123456789").expect("a write");
    let slice = &b"0123456789"[..];
    for base in [&file as &dyn Base, &slice] {
        let mut four = [0; 4];
        base.fill_at(&mut four, 6).expect("there are four");
        assert_eq!(&four, b"6789");
        for offset in [7, 11, u64::MAX / 2] {
            let error = base.fill_at(&mut four, offset).expect_err("there are fewer");
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{offset}");
        }
    }
}
