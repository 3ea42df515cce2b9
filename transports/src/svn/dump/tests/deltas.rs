//! svndiff: every instruction, every flaw, and windows at random.

use proptest::prelude::*;

use super::super::input::Section;
use super::super::svndiff::{MAX_PART, Windows};
use super::encode::{MAGIC, Step, number, steps, window};
use super::*;

/// Applies a document, and gives what it makes and the memory that took.
fn apply(document: &[u8], base: Option<&[u8]>) -> (Result<Vec<u8>>, usize) {
    let mut reader = document;
    let mut left = document.len() as u64;
    let mut windows = Windows::default();
    let mut out = Vec::new();
    let base = base.as_ref().map(|base| base as &dyn Base);
    let applied = windows.apply(&mut Section::of(&mut reader, &mut left), base, |piece| {
        out.extend_from_slice(piece);
        Ok(())
    });
    (applied.map(|()| out), windows.held())
}

/// One window with raw instructions and new data.
fn raw(view: (u64, u64), target: u64, instructions: &[u8], fresh: &[u8]) -> Vec<u8> {
    let mut document = MAGIC.to_vec();
    let lengths = [view.0, view.1, target, instructions.len() as u64, fresh.len() as u64];
    lengths.into_iter().for_each(|length| number(&mut document, length));
    [&document, instructions, fresh].concat()
}

fn damaged(document: &[u8], base: Option<&[u8]>, said: &str) {
    let error = apply(document, base).0.expect_err(said);
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains(said), "{error} does not say {said:?}");
}

#[test]
fn numbers_are_as_the_format_says() {
    let written = |value| {
        let mut out = Vec::new();
        number(&mut out, value);
        out
    };
    assert_eq!(written(0), [0]);
    assert_eq!(written(130), [0b1000_0001, 0b0000_0010]);
    assert_eq!(written(u64::MAX).len(), 10);
    // The example of the format.
    let does = [
        Step::Source { offset: 0, length: 4 },
        Step::Source { offset: 8, length: 4 },
        Step::Fresh(b"d"),
        Step::Target { offset: 8, length: 7 },
    ];
    let (instructions, fresh) = steps(&does);
    assert_eq!(instructions, [4, 0, 4, 8, 0x81, 0x47, 8]);
    assert_eq!(fresh, b"d");
    let document = raw((0, 12), 16, &instructions, &fresh);
    assert_eq!(apply(&document, Some(b"aaaabbbbcccc")).0.expect("a sound delta"), b"aaaaccccdddddddd");
}

#[test]
fn copies_may_overlap_and_views_may_move_anywhere() {
    let mut document = MAGIC.to_vec();
    window(&mut document, (6, 4), 7, &[Step::Fresh(b"ab"), Step::Target { offset: 0, length: 5 }]);
    let does = [Step::Fresh(b"-xyz"), Step::Target { offset: 1, length: 200 }, Step::Source { offset: 1, length: 2 }];
    window(&mut document, (0, 3), 206, &does);
    window(&mut document, (9, 1), 1, &[Step::Source { offset: 0, length: 1 }]);
    let expected = format!("abababa-xyz{}12{}", &"xyz".repeat(70)[..200], 9);
    assert_eq!(apply(&document, Some(b"0123456789")).0.expect("a sound delta"), expected.as_bytes());
    assert_eq!(apply(MAGIC, None).0.expect("an empty text"), b"");
    assert_eq!(apply(&raw((0, 0), 0, &[], &[]), None).0.expect("an empty window"), b"");
}

#[test]
fn other_versions_are_named() {
    for version in [1, 2, b'x'] {
        let error = apply(&[b'S', b'V', b'N', version, 0, 0, 0, 0, 0], None).0.expect_err("not for us");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&format!("version {version}:")), "{error}");
    }
    damaged(b"VCD\0", None, "no svndiff");
    for short in [&b""[..], b"S", b"SVN"] {
        damaged(short, None, "longer than the text");
    }
}

#[test]
fn parts_have_bounds() {
    for place in 1..5 {
        let mut lengths = [0; 5];
        lengths[place] = MAX_PART as u64 + 1;
        let mut document = MAGIC.to_vec();
        lengths.into_iter().for_each(|length| number(&mut document, length));
        damaged(&document, Some(b""), "at most 1048576 are read");
        let (result, held) = apply(&document, Some(b""));
        assert!(result.is_err() && held == 0, "{held} bytes for nothing");
    }
    // What is not there is not waited for.
    damaged(&[&raw((0, 0), 1, &[0x81], b"a")[..10], &[]].concat(), None, "ends within a window");
    let all = vec![7; MAX_PART];
    let mut document = MAGIC.to_vec();
    window(
        &mut document,
        (0, MAX_PART as u64),
        MAX_PART as u64,
        &[Step::Source { offset: 0, length: MAX_PART as u64 }],
    );
    assert_eq!(apply(&document, Some(&all)).0.expect("the longest window"), all);
}

#[test]
fn numbers_have_bounds() {
    damaged(&[MAGIC, &[0xff; 12]].concat(), None, "too large");
    damaged(&[MAGIC, &[0x80; 10], &[0; 5]].concat(), None, "too large");
    assert_eq!(apply(&[MAGIC, &[0x80; 9], &[0; 5]].concat(), None).0.expect("zeros in front"), b"");
    damaged(&[MAGIC, &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat(), None, "too large");
    damaged(&raw((0, 0), 1, &[&[0x00][..], &[0xff; 10]].concat(), &[]), None, "too large");
    let last = raw((u64::MAX, 1), 1, &[1, 0], &[]);
    damaged(&last, Some(b"base"), "a longer text than is here");
}

#[test]
fn instructions_stay_in_their_window() {
    let base = Some(&b"0123"[..]);
    damaged(&raw((0, 4), 1, &[1, 4], &[]), base, "outside");
    damaged(&raw((0, 4), 4, &[4, 1], &[]), base, "outside");
    damaged(&raw((2, 2), 3, &[3, 0], &[]), base, "outside");
    let far = [&[1][..], &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
    damaged(&raw((0, 4), 1, &far, &[]), base, "outside");
    // Nothing is left of the window before.
    let second = &raw((0, 0), 1, &[1, 0], &[])[MAGIC.len()..];
    damaged(&[&raw((0, 4), 4, &[4, 0], &[]), second].concat(), base, "outside");
    damaged(&raw((0, 0), 1, &[0x41, 0], &[]), None, "outside");
    damaged(&raw((0, 0), 2, &[0x81, 0x41, 1], b"a"), None, "outside");
    damaged(&raw((0, 0), 2, &[0x82], b"a"), None, "outside");
    damaged(&raw((0, 0), 1, &[0xc1], b""), None, "nobody knows");
}

#[test]
fn windows_make_what_they_say() {
    damaged(&raw((0, 0), 1, &[0x82], b"ab"), None, "or more than its window has");
    damaged(&raw((0, 0), 3, &[0x81, 0x43, 0], b"a"), None, "or more than its window has");
    damaged(&raw((0, 0), 3, &[0x82], b"ab"), None, "makes less than it says");
    damaged(&raw((0, 0), 1, &[0x81], b"ab"), None, "leaves new data over");
    damaged(&raw((0, 0), 1, &[0x80, 0, 0x81], b"a"), None, "makes nothing");
    damaged(&raw((0, 0), 2, &[0x81, 0x41], b"a"), None, "end within one");
    damaged(&raw((0, 0), 2, &[0x80], b"ab"), None, "end within one");
    damaged(&raw((0, 0), 2, &[0x80, 0x80], b"ab"), None, "end within one");
}

#[test]
fn a_base_is_not_believed() {
    let document = raw((0, 4), 4, &[4, 0], &[]);
    damaged(&document, None, "a text that is not here");
    damaged(&document, Some(b"abc"), "a longer text than is here");
    assert_eq!(apply(&document, Some(b"abcdef")).0.expect("a longer base does no harm"), b"abcd");
}

/// What a step of a random window is made of.
type Seed = (u8, u32, u32, Vec<u8>);

/// Writes a window of random steps, and appends what it makes to `target`.
fn random_window(document: &mut Vec<u8>, base: &[u8], view: (u32, u32), seeds: &[Seed], target: &mut Vec<u8>) {
    let from = view.0 as usize % (base.len() + 1);
    let source = &base[from..from + view.1 as usize % (base.len() - from + 1)];
    let mut made: Vec<u8> = Vec::new();
    let mut does = Vec::new();
    for (code, place, length, fresh) in seeds {
        let (place, length) = (*place as usize, *length as usize);
        match code % 3 {
            0 if !source.is_empty() => {
                let offset = place % source.len();
                let length = 1 + length % (source.len() - offset);
                made.extend_from_slice(&source[offset..offset + length]);
                does.push(Step::Source { offset: offset as u64, length: length as u64 });
            }
            1 if !made.is_empty() => {
                let (offset, length) = (place % made.len(), 1 + length % 300);
                // Byte by byte, as the format says it.
                for at in offset..offset + length {
                    made.push(made[at]);
                }
                does.push(Step::Target { offset: offset as u64, length: length as u64 });
            }
            _ if !fresh.is_empty() => {
                made.extend_from_slice(fresh);
                does.push(Step::Fresh(fresh));
            }
            _ => {}
        }
    }
    window(document, (from as u64, source.len() as u64), made.len() as u64, &does);
    target.extend(made);
}

fn random_document(base: &[u8], windows: &[((u32, u32), Vec<Seed>)]) -> (Vec<u8>, Vec<u8>) {
    let (mut document, mut target) = (MAGIC.to_vec(), Vec::new());
    for (view, seeds) in windows {
        random_window(&mut document, base, *view, seeds, &mut target);
    }
    (document, target)
}

fn seeds() -> impl Strategy<Value = Vec<((u32, u32), Vec<Seed>)>> {
    let fresh = prop::collection::vec(any::<u8>(), 0..150);
    let steps = prop::collection::vec((any::<u8>(), any::<u32>(), any::<u32>(), fresh), 0..12);
    prop::collection::vec((any::<(u32, u32)>(), steps), 0..5)
}

proptest! {
    #[test]
    fn random_windows_give_their_bytes(base in prop::collection::vec(any::<u8>(), 0..2000), windows in seeds()) {
        let (document, target) = random_document(&base, &windows);
        prop_assert_eq!(apply(&document, Some(&base)).0.expect("a sound delta"), target);
    }

    #[test]
    fn a_cut_document_is_damaged_or_ends_at_a_window(
        base in prop::collection::vec(any::<u8>(), 1..500), windows in seeds(), cut: u32,
    ) {
        let (document, target) = random_document(&base, &windows);
        let cut = cut as usize % document.len();
        match apply(&document[..cut], Some(&base)).0 {
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Damaged),
            // A window was whole: then the checksum tells.
            Ok(out) => prop_assert!(target.starts_with(&out)),
        }
    }

    #[test]
    fn random_bytes_neither_panic_nor_take_memory(
        base in prop::collection::vec(any::<u8>(), 0..500), bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_, held) = apply(&[MAGIC, &bytes].concat(), Some(&base));
        prop_assert!(held <= 8 * MAX_PART, "{} bytes are held", held);
        let (result, held) = apply(&bytes, Some(&base));
        prop_assert!(result.is_err() && held == 0 || bytes.starts_with(b"SVN"));
    }

    #[test]
    fn a_byte_that_is_another_neither_panics_nor_takes_memory(
        base in prop::collection::vec(any::<u8>(), 1..500), windows in seeds(), at: u32, to: u8,
    ) {
        let (mut document, _) = random_document(&base, &windows);
        let at = at as usize % document.len();
        document[at] = to;
        let (_, held) = apply(&document, Some(&base));
        prop_assert!(held <= 8 * MAX_PART, "{} bytes are held", held);
    }
}
