//! Random bytes, and streams that are cut or have a byte changed.

use proptest::prelude::*;

use super::encode::{START, added, node, stream};
use super::*;

/// A stream with something of everything, and where its records end: their bodies, or else their heads.
fn sample() -> (Vec<u8>, Vec<usize>) {
    // Behind what `node` writes are two empty lines, and one behind the revision.
    let records = [
        (added("dep/a", b"a text"), 2),
        (node("Node-path: dep/d\nNode-kind: dir\nNode-action: add\n", Some(b"K 1\na\nV 1\nb\nPROPS-END\n"), None), 2),
        (node("Node-path: dep/gone\nNode-action: delete\n", None, None), 2),
        (b"Revision-number: 8\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n".to_vec(), 1),
        (added("dep/b", &[7; 3000]), 2),
    ];
    let mut ends: Vec<usize> = ["UUID", "Revision"].map(|name| START.find(name).expect("it is there")).to_vec();
    ends.push(START.len() - 1);
    let mut whole = START.as_bytes().to_vec();
    for (record, blank) in records {
        whole.extend(record);
        ends.push(whole.len() - blank);
    }
    (whole, ends)
}

/// Reads whatever comes, and answers the first error of a record or of a text.
fn first_error(stream: &[u8]) -> Option<Error> {
    match read_all(stream, Some(b"a base")) {
        Err(error) => Some(error),
        Ok(items) => items.into_iter().find_map(|(_, text)| text?.err()),
    }
}

#[test]
fn a_cut_stream_is_an_error_wherever_a_record_is_not_whole() {
    let (whole, ends) = sample();
    assert!(first_error(&whole).is_none());
    for cut in 0..whole.len() {
        let blank = |end: usize| whole.get(end..cut).is_some_and(|behind| behind.iter().all(|byte| *byte == b'\n'));
        let between = ends.iter().any(|end| blank(*end));
        match first_error(&whole[..cut]) {
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "cut at {cut}: {error}");
                assert!(!between, "cut at {cut}, between two records: {error}");
            }
            None => assert!(between, "cut at {cut}, within a record"),
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_no_dump(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(first_error(&bytes).expect("not a dump").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn random_lines_never_panic(lines in "(Node-(path|kind|action): ?[a-f/]{0,9}\n|(Prop-|Text-)?(content|Content)-length: [0-9]{0,20}\n|Text-delta: true\n|PROPS-END\n|K 1\n|\n){0,20}") {
        first_error(&stream(&[lines.into_bytes()]));
    }

    #[test]
    fn a_byte_that_is_another_never_panics(at: u32, to: u8) {
        let (mut whole, _) = sample();
        let at = at as usize % whole.len();
        whole[at] = to;
        first_error(&whole);
    }

    #[test]
    fn what_comes_in_small_pieces_reads_the_same(sizes in prop::collection::vec(1_usize..40, 1..20)) {
        struct Pieces<'a>(&'a [u8], std::iter::Cycle<std::vec::IntoIter<usize>>);
        impl Read for Pieces<'_> {
            fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
                let length = self.1.next().unwrap_or(1).min(bytes.len()).min(self.0.len());
                let (now, later) = self.0.split_at(length);
                bytes[..length].copy_from_slice(now);
                self.0 = later;
                Ok(length)
            }
        }
        let (whole, _) = sample();
        let mut dump = Dump::new(Pieces(&whole, sizes.into_iter().cycle()), b"dep");
        let mut items = Vec::new();
        while let Some(item) = dump.next().expect("a sound stream") {
            if matches!(&item, Item::Node(node) if node.text.is_some()) {
                dump.text(None, &mut std::io::sink()).expect("a sound text");
            }
            items.push(item);
        }
        let expected = read_all(&whole, None).expect("a sound stream").into_iter().map(|(item, _)| item);
        prop_assert_eq!(items, expected.collect::<Vec<_>>());
    }
}
