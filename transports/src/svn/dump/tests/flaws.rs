//! Every flaw of a record, refused with its place.

use super::encode::{START, added, all_new, md5, node, stream};
use super::*;

/// Reads to the first error of `next` or of a text.
fn flaw(stream: &[u8]) -> Error {
    match read_all(stream, None) {
        Err(error) => error,
        Ok(items) => {
            let failed = items.into_iter().find_map(|(_, text)| text?.err());
            failed.unwrap_or_else(|| panic!("nothing is wrong with {}", String::from_utf8_lossy(stream)))
        }
    }
}

/// What is wrong with these records, which must be damage. `said` stands in the error.
fn damaged(records: &[Vec<u8>], said: &str) {
    let stream = stream(records);
    let error = flaw(&stream);
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    let text = error.to_string();
    assert!(text.contains(said), "{text:?} does not say {said:?}");
    assert!(error.place().is_some_and(|place| place.ends_with("@7") || place == "revision 7"), "{error} has no place");
}

fn head(rest: &str) -> Vec<u8> {
    format!("Node-path: dep/a\n{rest}\n\n").into_bytes()
}

#[test]
fn what_is_no_dump_is_said_so() {
    assert!(flaw(b"").to_string().contains("empty"));
    assert!(flaw(b"svnrdump: E170001: no\n").to_string().contains("ends within the head"));
    assert!(flaw(b"<html>\n\n").to_string().contains("not a header: <html>"));
    assert!(flaw(b"Revision-number: 1\n\n").to_string().contains("not a dump"));
    assert!(flaw(b"SVN-fs-dump-format-version: x\n\n").to_string().contains("says x"));
    for version in ["0", "1", "4", "18446744073709551615"] {
        let error = flaw(format!("SVN-fs-dump-format-version: {version}\n\n").as_bytes());
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&format!("format {version}:")), "{error}");
    }
    for uuid in ["", "a b", "\u{e9}", &"a".repeat(65)] {
        let error = flaw(format!("SVN-fs-dump-format-version: 3\n\nUUID: {uuid}\n\n").as_bytes());
        assert_eq!((error.kind(), error.place()), (ErrorKind::Damaged, Some("the dump")), "{error}");
    }
}

#[test]
fn records_have_an_order() {
    let format = "SVN-fs-dump-format-version: 3\n\n";
    for again in [format, "UUID: 5d2b8d3e-0001\n\n", "What: ever\n\n"] {
        damaged(&[again.into()], "not known or not due");
    }
    let early = format!("{format}Node-path: dep\nNode-kind: dir\nNode-action: add\n\n");
    assert!(flaw(early.as_bytes()).to_string().contains("not due"));
    for number in [7, 6, 0] {
        let second = format!("{START}Revision-number: {number}\n\n");
        let error = flaw(second.as_bytes());
        assert_eq!(error.place(), Some(&format!("revision {number}")[..]), "{error}");
    }
    for number in ["", "-1", "+8", "8 ", "99999999999999999999"] {
        damaged(&[format!("Revision-number: {number}\n\n").into()], "the header Revision-number says");
    }
    let text = flaw(format!("{START}Revision-number: 8\nText-content-length: 0\nContent-length: 0\n\n").as_bytes());
    assert!(text.to_string().contains("revision 8: a revision that has a text"), "{text}");
}

#[test]
fn heads_are_bounded_and_sound() {
    damaged(&[head("no colon")], "not a header: no colon");
    damaged(&[head("Node-kind: dir\nNode-kind: dir")], "twice");
    damaged(&[head("Node-action: add")], "neither a file nor a directory");
    damaged(&[head("Node-kind: dir")], "nothing is said to be done");
    damaged(&[head("Node-kind: link\nNode-action: add")], "the header Node-kind says link");
    damaged(&[head("Node-kind: dir\nNode-action: move")], "the header Node-action says move");
    let lines: String = (0..70).map(|number| format!("\nX-{number}: y")).collect();
    damaged(&[head(&format!("Node-kind: dir\nNode-action: add{lines}"))], "more than 64 headers");
    damaged(&[head(&format!("X: {}", "y".repeat(40_000)))], "more than 32768 bytes");
    let endless = [START.as_bytes(), &[b'x'; 1 << 20]].concat();
    assert!(flaw(&endless).to_string().contains("more than 32768 bytes"));
    for cut in ["Node-pa", "Node-path: dep\n", "Node-path: dep\nNode-kind: dir\nNode-action: add\n"] {
        damaged(&[cut.into()], "the dump ends within");
    }
}

#[test]
fn paths_are_sound() {
    for path in ["/dep", "dep/", "dep//a", "dep/../x", "..", ".", "dep/./a", "dep/\0"] {
        damaged(&[format!("Node-path: {path}\nNode-action: delete\n\n").into()], "not a path");
        let copy = format!("Node-kind: dir\nNode-action: add\nNode-copyfrom-rev: 1\nNode-copyfrom-path: {path}");
        damaged(&[head(&copy)], "not a path");
    }
    damaged(&["Node-path: dep/\u{1b}[2J/.\nNode-action: delete\n\n".into()], r"dep/\u{1b}[2J/.@7");
}

#[test]
fn actions_and_sources_agree() {
    let source = "Node-copyfrom-rev: 1\nNode-copyfrom-path: dep/b";
    damaged(&[head(&format!("Node-action: delete\n{source}"))], "a deletion that has");
    damaged(&[node("Node-path: dep/a\nNode-action: delete\n", Some(b"PROPS-END\n"), None)], "a deletion that has");
    damaged(&[node("Node-path: dep/a\nNode-action: delete\n", None, Some(b""))], "a deletion that has");
    damaged(&[head(&format!("Node-kind: file\nNode-action: change\n{source}"))], "a change that has a source");
    damaged(&[node("Node-path: dep/a\nNode-kind: dir\nNode-action: add\n", None, Some(b""))], "a directory that has");
    damaged(&[head("Node-kind: file\nNode-action: add\nNode-copyfrom-rev: 1")], "without revision or path");
    damaged(&[head("Node-kind: file\nNode-action: add\nNode-copyfrom-path: b")], "without revision or path");
    for revision in [7, 8] {
        let late = source.replace('1', &revision.to_string());
        damaged(&[head(&format!("Node-kind: file\nNode-action: add\n{late}"))], "which is not earlier");
    }
}

#[test]
fn lengths_agree_and_are_bounded() {
    let file = "Node-kind: file\nNode-action: add\n";
    for lengths in [
        "Content-length: 5",
        "Prop-content-length: 10",
        "Text-content-length: 1",
        "Prop-content-length: 10\nText-content-length: 2\nContent-length: 11",
        "Prop-content-length: 1\nText-content-length: 18446744073709551615\nContent-length: 0",
    ] {
        damaged(&[head(&format!("{file}{lengths}"))], "do not make the length of both");
    }
    let long = (16 << 20) + 1;
    damaged(&[head(&format!("{file}Prop-content-length: {long}\nContent-length: {long}"))], "more than 16777216 bytes");
    damaged(&[head(&format!("{file}Prop-content-length: 999\nContent-length: 999"))], "ends too early");
    let huge = "Text-content-length: 18446744073709551615\nContent-length: 18446744073709551615";
    let sum = format!("Text-content-md5: {}\n", md5(b""));
    damaged(&[head(&format!("{file}{sum}{huge}"))], "ends too early");
    damaged(&[head(&format!("{file}Prop-delta: yes\nNode-copyfrom-path: x"))], "without revision or path");
    damaged(&[head(&format!("{file}Prop-delta: yes"))], "the header Prop-delta says yes");
}

#[test]
fn properties_are_sound() {
    for block in [
        "",
        "PROPS-END",
        "PROPS-END\n\n",
        "K 1\na\nPROPS-END\n",
        "K 1\na\nV 1\nPROPS-END\n",
        "K 2\na\nV 1\nb\nPROPS-END\n",
        "K 1\na\nV 1\nb",
        "K 1\na\nV 1\nb\n",
        "K -1\na\nV 1\nb\nPROPS-END\n",
        "K  1\na\nV 1\nb\nPROPS-END\n",
        "K 18446744073709551615\na\nV 1\nb\nPROPS-END\n",
        "D 1\na\nPROPS-END\n",
        "X 1\na\nPROPS-END\n",
        "V 1\na\nPROPS-END\n",
    ] {
        let record = node("Node-path: dep/a\nNode-kind: file\nNode-action: add\n", Some(block.as_bytes()), None);
        damaged(&[record], "properties");
    }
    let many: String = (0..20_000).map(|number| format!("K 5\n{number:05}\nV 0\n\n")).collect();
    let many = format!("{many}PROPS-END\n");
    damaged(
        &[node("Node-path: dep/a\nNode-kind: file\nNode-action: add\n", Some(many.as_bytes()), None)],
        "more than 16384 properties",
    );
}

#[test]
fn a_text_is_what_was_declared() {
    let file = "Node-path: dep/a b\nNode-kind: file\nNode-action: add\n";
    damaged(&[node(file, None, Some(b"text"))], "dep/a b@7: a text without a checksum");
    let wrong = format!("{file}Text-content-md5: {}\n", md5(b"other"));
    damaged(&[node(&wrong, None, Some(b"text"))], "its checksum differs");
    damaged(&[node(&format!("{wrong}Text-delta: true\n"), None, Some(&all_new(b"text")))], "its checksum differs");
    let half = format!("{file}Text-content-md5: {}\nText-content-sha1: {}\n", md5(b"text"), "0".repeat(40));
    damaged(&[node(&half, None, Some(b"text"))], "its checksum differs");
    for sum in ["", "00", &"g".repeat(32), &"A".repeat(32)] {
        let sum = format!("{file}Text-content-md5: {sum}\n");
        damaged(&[node(&sum, None, Some(b"text"))], "the header Text-content-md5 says");
    }
}

#[test]
fn a_delta_has_no_place_in_format_2() {
    let two = START.replace("version: 3", "version: 2").into_bytes();
    for record in [added("dep/a", b"text"), head("Node-kind: dir\nNode-action: add\nProp-delta: true")] {
        let error = flaw(&[two.clone(), record].concat());
        assert!(error.to_string().contains("a delta in a format that has none"), "{error}");
    }
}

#[test]
fn behind_a_bad_text_the_stream_goes_on_and_behind_a_bad_head_it_does_not() {
    let mut bad = added("dep/bad", b"text");
    let magic = memchr::memmem::find(&bad, b"SVN\0").expect("a delta");
    bad[magic] = b'X';
    let stream = stream(&[bad, added("dep/good", b"good"), head("garbled"), added("dep/late", b"late")]);
    let mut dump = Dump::new(&stream[..], b"dep");
    for _ in 0..4 {
        dump.next().expect("a sound record").expect("a record");
    }
    let error = dump.text(None, &mut Vec::new()).expect_err("a bad text");
    assert_eq!(error.to_string(), "dep/bad@7: the delta is no svndiff");
    assert!(matches!(dump.next(), Ok(Some(Item::Node(node))) if node.place == within("good")));
    let mut out = Vec::new();
    dump.text(None, &mut out).expect("a good text");
    assert_eq!(out, b"good");
    for _ in 0..2 {
        assert_eq!(dump.next().expect_err("a bad head").kind(), ErrorKind::Damaged);
    }
}

#[test]
fn a_failing_reader_or_writer_is_no_damage() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(28))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    struct Once(bool);
    impl Read for Once {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) { Ok(0) } else { Failing.read(bytes) }
        }
    }
    let whole = stream(&[added("dep/a", b"text")]);
    let late = added("dep/late", b"late");
    // It recovers, but who knows where it is.
    let reader = Read::chain(&whole[..whole.len() - 8], Once(false)).chain(&late[..]);
    let mut dump = Dump::new(reader, b"dep");
    for _ in 0..4 {
        dump.next().expect("a sound record").expect("a record");
    }
    let error = dump.text(None, &mut Vec::new()).expect_err("no more bytes");
    assert_eq!((error.kind(), error.os_error()), (ErrorKind::Io, Some(5)), "{error}");
    let error = dump.next().expect_err("the stream is lost");
    assert_eq!(error.to_string(), "revision 7: the dump ends too early");
    let mut dump = Dump::new(&whole[..], b"dep");
    for _ in 0..4 {
        dump.next().expect("a sound record").expect("a record");
    }
    let error = dump.text(None, &mut Failing).expect_err("no space");
    assert_eq!((error.kind(), error.os_error()), (ErrorKind::NoSpace, Some(28)), "{error}");
    assert_eq!(dump.next().expect("the stream is sound"), None);
}
