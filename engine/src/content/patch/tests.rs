//! Patches of pieces of all kinds, and what damaged ones come to.

use proptest::prelude::*;

use super::*;
use crate::content::deflate::{Level, another, deflate, inflate};
use crate::content::testing::{archive, noise, prose};

fn deflated(content: &[u8]) -> Vec<u8> {
    deflate(content, Level::new(6).expect("a level"))
}

/// `content` with a few bytes changed.
fn edited(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    let middle = content.len() / 2;
    content[middle..middle + 4].copy_from_slice(b"edit");
    content
}

fn counterpart(new: Option<usize>, old: Option<usize>) -> Counterpart {
    let length = |length: Option<usize>| length.map(|length| length as u32);
    Counterpart { base: Some(0), inflated: length(new), base_inflated: length(old) }
}

fn difference(new: &[u8], old: &[u8], counterpart: &Counterpart) -> Difference {
    let found = between(new, old, counterpart, Effort::Balanced).expect("no failure").expect("a difference");
    assert_eq!(apply(found.codec, &found.bytes, old, new.len()).expect("applies"), new);
    found
}

#[test]
fn a_changed_byte_before_deflating_is_a_few_bytes() {
    let old = prose(1, 20_000);
    let new = edited(&old);
    let found = difference(&deflated(&new), &deflated(&old), &counterpart(Some(new.len()), Some(old.len())));
    assert_eq!(found.codec, Codec::Patch);
    assert!(found.bytes.len() < 64, "{} bytes", found.bytes.len());
}

#[test]
fn what_was_stored_is_deflated_and_the_other_way_round() {
    let old = prose(2, 20_000);
    let new = edited(&old);
    let found = difference(&deflated(&new), &old, &counterpart(Some(new.len()), None));
    assert!(found.bytes.len() < 64, "{} bytes", found.bytes.len());
    let found = difference(&new, &deflated(&old), &counterpart(None, Some(old.len())));
    assert!(found.bytes.len() < 64, "{} bytes", found.bytes.len());
    let found = difference(&new, &old, &counterpart(None, None));
    assert!(found.bytes.len() < 64, "{} bytes", found.bytes.len());
}

#[test]
fn what_cannot_be_made_again_is_taken_as_it_is() {
    let old = prose(3, 9_000);
    // Deflated by nobody: stored blocks that zlib would not write.
    let block = [&[1][..], &9000u16.to_le_bytes(), &(!9000u16).to_le_bytes(), &old].concat();
    assert_eq!(inflate(&block, old.len()).as_deref(), Some(&old[..]));
    let mut new = block.clone();
    new[4000] ^= 1;
    let found = difference(&new, &block, &counterpart(Some(old.len()), Some(old.len())));
    assert!(found.bytes.len() < 64, "{} bytes", found.bytes.len());
    // What says it is deflated and is not is bytes like any other.
    let noise = noise(4, 5000);
    difference(&edited(&noise), &noise, &counterpart(Some(9), Some(7)));
}

/// An archive as builds make them, with `changed` in one of its entries.
fn module(changed: &str, stamp: u32) -> Vec<u8> {
    let classes: Vec<(String, Vec<u8>)> =
        (0..40).map(|number| (format!("com/example/C{number}.class"), prose(100 + number, 3000))).collect();
    let mut entries: Vec<(&str, &[u8], Option<u8>)> =
        classes.iter().map(|(name, content)| (&name[..], &content[..], Some(6))).collect();
    let first = [&prose(5, 2000)[..], changed.as_bytes(), &prose(6, 2000)].concat();
    entries.push(("com/example/Main.class", &first, Some(6)));
    entries.push(("static/page.html", changed.as_bytes(), None));
    archive(&entries, stamp)
}

#[test]
fn an_archive_in_an_archive_is_what_has_changed_in_it() {
    let (old, new) = (module("old", 1), module("new version", 2));
    let found = difference(&deflated(&new), &deflated(&old), &counterpart(Some(new.len()), Some(old.len())));
    assert_eq!(found.codec, Codec::Nested);
    assert!(found.bytes.len() < 400, "{} bytes", found.bytes.len());
}

/// What zstd makes may become another thing; what was made once makes the same for ever. There are more of these, as files:
/// `tests/fixtures/archives-1`.
#[test]
fn golden_patches() {
    let (old, new) = (deflated(&prose(7, 400)), deflated(&edited(&prose(7, 400))));
    let golden = b"169003900328b52ffd6090008d0000286365646974030041a02837b9289431af";
    let golden = data_encoding::HEXLOWER.decode(golden).expect("hex");
    assert_eq!(apply(Codec::Patch, &golden, &old, new.len()).expect("applies"), new);
    let patch = difference(&new, &old, &counterpart(Some(400), Some(400)));
    assert_eq!(patch.bytes[..5], golden[..5], "its form is the format, bit for bit");
}

fn sample() -> (Vec<u8>, Vec<u8>, Vec<Difference>) {
    let (old, new) = (deflated(&module("old", 1)), deflated(&module("new", 9)));
    let lengths = counterpart(Some(module("new", 9).len()), Some(module("old", 1).len()));
    let nested = difference(&new, &old, &lengths);
    let pair = Pair::of(&new, &old, &lengths).expect("a pair");
    let flat = Difference { codec: Codec::Patch, bytes: pair.patch(Effort::Fast).expect("a patch") };
    (old, new, vec![nested, flat])
}

#[test]
fn another_encoder_applies_nothing_that_has_to_be_deflated_and_makes_no_such_patch() {
    let (old, new, differences) = sample();
    for Difference { codec, bytes } in &differences {
        let error = another::with(|| apply(*codec, bytes, &old, new.len())).expect_err("not with this encoder");
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("zlib"), "{error}");
        assert!(error.advice().is_some_and(|hint| hint.contains("`depsync gc --raw`")), "{:?}", error.advice());
        assert_eq!(apply(*codec, bytes, &old, new.len()).expect("applies"), new, "ours does");
    }
    let counterpart = counterpart(Some(module("new", 9).len()), Some(module("old", 1).len()));
    let made = another::with(|| between(&new, &old, &counterpart, Effort::Balanced)).expect("no failure");
    let made = made.expect("a patch of the bytes as they are");
    assert_eq!((made.codec, made.bytes[0]), (Codec::Patch, 0), "neither inflated nor deflated");
    assert_eq!(another::with(|| apply(made.codec, &made.bytes, &old, new.len())).expect("applies"), new);
    // What is not deflated is made as ever.
    let (old, new) = (prose(2, 9_000), edited(&prose(2, 9_000)));
    let patch = difference(&new, &old, &Counterpart::default());
    assert_eq!(another::with(|| apply(patch.codec, &patch.bytes, &old, new.len())).expect("applies"), new);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_is_found_out_or_makes_bytes_of_the_length_that_was_asked_for(
        which in 0usize..2, at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<Option<prop::sample::Index>>(),
    ) {
        let (old, new, differences) = sample();
        let Difference { codec, mut bytes } = differences[which].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(made) = apply(codec, &bytes, &old, new.len()) {
            prop_assert_eq!(made.len(), new.len());
        }
    }

    #[test]
    fn whatever_differs_is_made_again(
        old in proptest::collection::vec(0u8..4, 0..3000), new in proptest::collection::vec(0u8..4, 1..3000),
        old_level in proptest::option::of(1u8..=9), new_level in proptest::option::of(1u8..=9),
    ) {
        let pack = |content: &[u8], level: Option<u8>| match level.and_then(Level::new) {
            Some(level) => (deflate(content, level), Some(content.len())),
            None => (content.to_vec(), None),
        };
        let ((new, new_length), (old, old_length)) = (pack(&new, new_level), pack(&old, old_level));
        let found = between(&new, &old, &counterpart(new_length, old_length), Effort::Fast).expect("no failure");
        let found = found.expect("a difference");
        prop_assert_eq!(apply(found.codec, &found.bytes, &old, new.len()).expect("applies"), new);
    }
}
