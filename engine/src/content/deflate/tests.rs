use proptest::prelude::*;

use super::*;
use crate::content::testing::{noise, prose};

fn level(number: u8) -> Level {
    Level::new(number).expect("a level")
}

#[test]
fn the_encoder_is_the_one_that_the_format_means() {
    check().expect("stock zlib 1.3.2");
}

#[test]
fn there_are_nine_levels() {
    assert!([0, 10, 255].into_iter().all(|number| Level::new(number).is_none()));
    assert_eq!(level(9).number(), 9);
}

#[test]
fn what_is_deflated_is_inflated_and_found_again() {
    for raw in [Vec::new(), b"x".to_vec(), prose(1, 100_000), noise(2, 100_000), check::sample()] {
        for number in [6, 9, 1, 4] {
            let data = deflate(&raw, level(number));
            assert_eq!(inflate(&data, raw.len()).as_ref(), Some(&raw));
            let found = probe(&data, &raw).expect("some level makes it");
            assert_eq!(deflate(&raw, found), data, "level {number}, found as {found:?}");
        }
    }
}

#[test]
fn another_encoder_is_not_taken_for_ours() {
    let raw = prose(3, 20_000);
    let mut data = deflate(&raw, level(6));
    // A stored block of nothing before it, and an end mark in front of more: as right, and nobody's usual way.
    let padded = [&[0, 0, 0, 0xff, 0xff][..], &data].concat();
    assert_eq!(inflate(&padded, raw.len()).as_ref(), Some(&raw));
    assert_eq!(probe(&padded, &raw), None);
    data.push(0);
    assert!(!makes(&data, &raw, level(6)));
}

#[test]
fn a_length_that_is_not_the_content_s_gives_nothing() {
    let raw = prose(4, 5000);
    let data = deflate(&raw, level(6));
    for length in [0, 4999, 5001, MAX_INFLATED + 1, usize::MAX] {
        assert_eq!(inflate(&data, length), None, "{length}");
    }
    assert_eq!(inflate(&data[..data.len() - 1], raw.len()), None);
    assert_eq!(inflate(&[&data[..], b"x"].concat(), raw.len()), None);
    assert_eq!(inflate(b"", 0), None);
    // A bomb: a thousandth of what it would become.
    let bomb = deflate(&vec![0; 10 << 20], level(9));
    assert!(bomb.len() < 20_000 && inflate(&bomb, 1000).is_none());
}

proptest! {
    #[test]
    fn damage_is_noticed_or_harmless(seed in any::<u64>(), at in any::<proptest::sample::Index>(), flip in 1u8..) {
        let raw = prose(seed, 3000);
        let mut data = deflate(&raw, level(6));
        let at = at.index(data.len());
        data[at] ^= flip;
        if let Some(found) = inflate(&data, raw.len()) {
            prop_assert_eq!(found.len(), raw.len());
            if let Some(level) = probe(&data, &found) {
                prop_assert_eq!(deflate(&found, level), data);
            }
        }
    }
}
