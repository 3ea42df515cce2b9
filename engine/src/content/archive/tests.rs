//! Archives that are made here, field by field: those that programs write, and those that nobody should.

use proptest::prelude::*;

use super::*;
use crate::content::testing::noise;

/// What stands behind an entry's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Nothing,
    Signed,
    Bare,
    SignedWide,
    BareWide,
    /// The flag is set and nothing is there.
    Missing,
}

/// An archive to be made.
#[derive(Clone, Debug)]
struct Plan {
    before: Vec<u8>,
    /// Whether what stands before was put there later, so that no offset counts it.
    before_is_late: bool,
    entries: Vec<(Vec<u8>, Vec<u8>, Behind)>,
    /// Between the last entry and the central directory.
    gap: Vec<u8>,
    reversed: bool,
    wide: bool,
    comment: Vec<u8>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            before: Vec::new(),
            before_is_late: false,
            entries: vec![
                (b"a/".to_vec(), Vec::new(), Behind::Nothing),
                (b"a/one".to_vec(), noise(1, 300), Behind::Nothing),
                (b"a/two".to_vec(), noise(2, 9), Behind::Nothing),
            ],
            gap: Vec::new(),
            reversed: false,
            wide: false,
            comment: Vec::new(),
        }
    }
}

const CRC: u32 = 0x1234_5678;

impl Plan {
    fn make(&self) -> Vec<u8> {
        let mut file = self.before.clone();
        let shift = if self.before_is_late { self.before.len() } else { 0 };
        let mut records = Vec::new();
        for (name, data, behind) in &self.entries {
            let (at, streamed) = (file.len() - shift, *behind != Behind::Nothing);
            let (flags, length) = (if streamed { 8u16 } else { 0 }, data.len() as u32);
            let lengths = |crc: u32, length: u32| [crc, length, length].map(u32::to_le_bytes).concat();
            file.extend_from_slice(b"PK\x03\x04\x14\x00");
            file.extend_from_slice(&flags.to_le_bytes());
            file.extend_from_slice(&[8, 0, 1, 2, 3, 4]);
            file.extend(if streamed { lengths(0, 0) } else { lengths(CRC, length) });
            file.extend_from_slice(&(name.len() as u16).to_le_bytes());
            file.extend_from_slice(&4u16.to_le_bytes());
            file.extend_from_slice(name);
            file.extend_from_slice(b"\xfe\xca\x00\x00");
            file.extend_from_slice(data);
            let wide = || [u64::from(length), u64::from(length)].map(u64::to_le_bytes).concat();
            match behind {
                Behind::Nothing | Behind::Missing => {}
                Behind::Signed => file.extend([b"PK\x07\x08".to_vec(), lengths(CRC, length)].concat()),
                Behind::Bare => file.extend(lengths(CRC, length)),
                Behind::SignedWide => {
                    file.extend([b"PK\x07\x08".to_vec(), CRC.to_le_bytes().to_vec(), wide()].concat());
                }
                Behind::BareWide => file.extend([CRC.to_le_bytes().to_vec(), wide()].concat()),
            }
            let mut record = b"PK\x01\x02\x14\x00\x14\x00".to_vec();
            record.extend_from_slice(&flags.to_le_bytes());
            record.extend_from_slice(&[8, 0, 1, 2, 3, 4]);
            let extra: Vec<u8> = if self.wide {
                let fields = [u64::from(length), u64::from(length), at as u64].map(u64::to_le_bytes).concat();
                [&[1, 0, 24, 0], &fields[..]].concat()
            } else {
                Vec::new()
            };
            record.extend(lengths(CRC, if self.wide { u32::MAX } else { length }));
            record.extend_from_slice(&(name.len() as u16).to_le_bytes());
            record.extend_from_slice(&(extra.len() as u16).to_le_bytes());
            record.extend_from_slice(&[0; 10]);
            record.extend_from_slice(&(if self.wide { u32::MAX } else { at as u32 }).to_le_bytes());
            record.extend_from_slice(name);
            record.extend(extra);
            records.push(record);
        }
        file.extend_from_slice(&self.gap);
        if self.reversed {
            records.reverse();
        }
        let (count, directory, at) = (records.len(), records.concat(), file.len() - shift);
        file.extend_from_slice(&directory);
        if self.wide {
            let place = file.len() - shift;
            file.extend_from_slice(b"PK\x06\x06");
            file.extend_from_slice(&44u64.to_le_bytes());
            file.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for field in [count, count, directory.len(), at] {
                file.extend_from_slice(&(field as u64).to_le_bytes());
            }
            file.extend_from_slice(b"PK\x06\x07\x00\x00\x00\x00");
            file.extend_from_slice(&(place as u64).to_le_bytes());
            file.extend_from_slice(&1u32.to_le_bytes());
        }
        let count = if self.wide { u16::MAX } else { count as u16 };
        let (length, at) = if self.wide { (u32::MAX, u32::MAX) } else { (directory.len() as u32, at as u32) };
        file.extend_from_slice(b"PK\x05\x06\x00\x00\x00\x00");
        file.extend_from_slice(&[count.to_le_bytes(), count.to_le_bytes()].concat());
        file.extend_from_slice(&[length.to_le_bytes(), at.to_le_bytes()].concat());
        file.extend_from_slice(&(self.comment.len() as u16).to_le_bytes());
        file.extend_from_slice(&self.comment);
        file
    }
}

fn layout(file: &[u8]) -> Result<Layout, Plain> {
    Layout::of(file, file.len() as u64)
}

/// The file, put together from its tiles.
fn rebuilt(layout: &Layout, file: &[u8]) -> Vec<u8> {
    let (mut made, mut inline) = (Vec::new(), layout.inline());
    for &tile in layout.tiles() {
        let length = usize::try_from(layout.length(tile)).expect("it is in memory");
        if let Tile::Inline(_) = tile {
            let (taken, left) = inline.split_at(length);
            made.extend_from_slice(taken);
            inline = left;
        } else {
            let at = made.len();
            made.extend_from_slice(&file[at..at + length]);
        }
    }
    assert!(inline.is_empty());
    made
}

/// The data of each entry that has any, by name, in the order of the file.
fn data(layout: &Layout, file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    for &tile in layout.tiles() {
        let length = usize::try_from(layout.length(tile)).expect("it is in memory");
        if let Tile::Data(number) = tile {
            let name = layout.name(&layout.entries()[number as usize]).to_vec();
            found.push((name, file[at..at + length].to_vec()));
        }
        at += length;
    }
    found
}

fn check(plan: &Plan) {
    let file = plan.make();
    let layout = layout(&file).unwrap_or_else(|why| panic!("{why:?}: {plan:?}"));
    assert!(rebuilt(&layout, &file) == file, "{plan:?}");
    let wanted: Vec<_> = plan.entries.iter().filter(|(_, data, _)| !data.is_empty()).cloned().collect();
    let wanted: Vec<_> = wanted.into_iter().map(|(name, data, _)| (name, data)).collect();
    assert_eq!(data(&layout, &file), wanted, "{plan:?}");
    assert_eq!(layout.entries().len(), plan.entries.len());
    check_headers(&layout, &Headers::default());
}

/// Codes the headers against those of another archive, and decodes them.
fn check_headers(layout: &Layout, base: &Headers) -> usize {
    let headers = Headers::of(layout).expect("every field is known");
    let bytes = headers.against(base).expect("codes");
    let (decoded, _) = Headers::decode(&bytes, base).expect("decodes");
    assert_eq!(decoded, headers);
    let (tiles, inline) = decoded.tiles().expect("they were taken apart before");
    assert!(tiles == layout.tiles() && inline == layout.inline());
    zstd::bulk::compress(&bytes, 19).expect("compresses").len()
}

#[test]
fn the_empty_archive_is_one() {
    let file = Plan { entries: Vec::new(), ..Plan::default() }.make();
    assert_eq!(file.len(), 22);
    assert_eq!(layout(&file).expect("an archive").tiles(), [Tile::Inline(22)]);
}

#[test]
fn entries_are_found_whatever_stands_around_them() {
    let plan = Plan::default;
    let script = b"#!/bin/sh\nexec java -jar \"$0\"\n".to_vec();
    check(&plan());
    check(&Plan { reversed: true, ..plan() });
    check(&Plan { before: script.clone(), before_is_late: true, ..plan() });
    check(&Plan { before: script, before_is_late: false, ..plan() });
    check(&Plan { wide: true, ..plan() });
    check(&Plan { wide: true, before: noise(3, 5000), before_is_late: true, ..plan() });
    check(&Plan { comment: b"made by hand".to_vec(), ..plan() });
    // The longest comment, behind the records of ZIP64.
    check(&Plan { wide: true, comment: noise(6, 0xffff), ..plan() });
    check(&Plan { gap: noise(4, 100), ..plan() });
    for behind in [Behind::Signed, Behind::Bare, Behind::SignedWide, Behind::BareWide, Behind::Missing] {
        let entries = plan().entries.into_iter().map(|(name, data, _)| (name, data, behind)).collect();
        check(&Plan { entries, ..plan() });
    }
    // Two of one name.
    let mut twice = plan();
    twice.entries.push((b"a/one".to_vec(), noise(9, 40), Behind::Nothing));
    check(&twice);
}

#[test]
fn a_long_gap_is_a_part_of_its_own_and_a_short_one_goes_with_the_headers() {
    for (length, is_own) in [(256, false), (257, true), (70_000, true)] {
        let plan = Plan { gap: noise(5, length), ..Plan::default() };
        check(&plan);
        let found = layout(&plan.make()).expect("an archive");
        assert_eq!(found.tiles().contains(&Tile::Gap(length as u64)), is_own, "{length}");
    }
}

#[test]
fn an_end_record_in_a_comment_is_none() {
    // It ends where the file does, and speaks of a central directory that is not there.
    let mut comment = b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    check(&Plan { comment: comment.clone(), ..Plan::default() });
    // One of an empty archive cannot be told from the end of one: it is cut as that, and is still the same file.
    comment[8..20].fill(0);
    let file = Plan { comment, ..Plan::default() }.make();
    assert!(rebuilt(&layout(&file).expect("an archive"), &file) == file);
}

#[test]
fn what_is_cut_off_or_contradicts_itself_is_a_plain_file() {
    let file = Plan::default().make();
    for length in 0..file.len() {
        assert!(layout(&file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
    for (what, at, bytes) in [
        ("several disks", file.len() - 18, &[1, 0][..]),
        ("more entries than there are", file.len() - 14, &[4, 0, 4, 0]),
        ("fewer entries", file.len() - 14, &[2, 0, 2, 0]),
        ("a central directory beyond the file", file.len() - 6, &[0xff, 0xff, 0xff, 0x7f]),
        ("a longer central directory", file.len() - 10, &[0xff, 0, 0, 0]),
    ] {
        let mut broken = file.clone();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(layout(&broken).is_err(), "{what}");
    }
    let central = layout(&file).expect("an archive");
    // The second entry where the first is, and data as long as everything.
    let records: Vec<usize> = central.entries().iter().map(|entry| entry.header as usize).collect();
    let find = |number: usize| {
        let name = &Plan::default().entries[number].0;
        (0..file.len()).rev().find(|&at| file[at..].starts_with(name)).expect("its record") - 46
    };
    for (what, at, value) in [
        ("two at one place", find(1) + 42, records[0] as u32),
        ("data over what is next", find(1) + 20, 500),
        ("a header beyond the file", find(1) + 42, 1 << 30),
        ("a header just beyond the file", find(2) + 42, file.len() as u32 + 1),
        ("on another disk", find(1) + 34, 1),
    ] {
        let mut broken = file.clone();
        broken[at..at + 4].copy_from_slice(&value.to_le_bytes());
        // It is no archive; that is no reason not to read what it stands in.
        assert!(matches!(layout(&broken), Err(Plain::Because(_))), "{what}");
    }
}

/// A thousand classes; built again, all times are new and one of them is another.
#[test]
fn a_rebuilt_archive_has_nearly_no_new_headers() {
    let plan = |seed: u64| Plan {
        entries: (0..1000)
            .map(|number| {
                let length = if number == 500 { 700 + seed as usize } else { 400 + number % 97 };
                (format!("org/example/Part{number}.class").into_bytes(), noise(number as u64, length), Behind::Signed)
            })
            .collect(),
        ..Plan::default()
    };
    let (old, mut new) = (plan(1).make(), plan(2).make());
    for at in 0..new.len() - 14 {
        match &new[at..at + 4] {
            b"PK\x03\x04" => new[at + 10..at + 14].copy_from_slice(&[9, 9, 9, 9]),
            b"PK\x01\x02" => new[at + 12..at + 16].copy_from_slice(&[9, 9, 9, 9]),
            _ => {}
        }
    }
    let (old, new) = (layout(&old).expect("an archive"), layout(&new).expect("an archive"));
    let full = check_headers(&new, &Headers::default());
    let small = check_headers(&new, &Headers::of(&old).expect("headers"));
    assert!(
        new.inline().len() > 100_000 && full < 8_000 && small < 120,
        "{} bytes: {full}, {small}",
        new.inline().len()
    );
}

fn behind() -> impl Strategy<Value = Behind> {
    use Behind::{Bare, BareWide, Missing, Nothing, Signed, SignedWide};
    prop_oneof![Just(Nothing), Just(Signed), Just(Bare), Just(SignedWide), Just(BareWide), Just(Missing)]
}

fn plan() -> impl Strategy<Value = Plan> {
    let bytes = |most: usize| (any::<u64>(), 0..most).prop_map(|(seed, length)| noise(seed, length));
    let entry =
        ("[a-z/]{1,12}", bytes(700), behind()).prop_map(|(name, data, behind)| (name.into_bytes(), data, behind));
    let entries = proptest::collection::vec(entry, 0..12);
    (bytes(600), any::<[bool; 3]>(), entries, bytes(600), bytes(90)).prop_map(
        |(before, [before_is_late, reversed, wide], entries, gap, comment)| Plan {
            before,
            before_is_late,
            entries,
            gap,
            reversed,
            wide,
            comment,
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_made_comes_back(plan in plan()) {
        check(&plan);
    }

    #[test]
    fn headers_come_back_whatever_they_are_coded_against(plans in [plan(), plan()]) {
        let [base, new] = plans.map(|plan| layout(&plan.make()).expect("an archive"));
        check_headers(&new, &Headers::of(&base).expect("headers"));
    }

    #[test]
    fn damaged_columns_are_refused_or_make_some_headers(
        plans in [plan(), plan()],
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let [base, new] = plans.map(|plan| Headers::of(&layout(&plan.make()).expect("an archive")).expect("headers"));
        let mut bytes = new.against(&base).expect("codes");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok((headers, _)) = Headers::decode(&bytes, &base) {
            let _ = headers.tiles();
        }
    }

    #[test]
    fn what_is_cut_is_the_file_whatever_was_done_to_it(
        plan in plan(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = plan.make();
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(found) = layout(&file) {
            prop_assert!(rebuilt(&found, &file) == file);
        }
    }

    #[test]
    fn noise_is_a_plain_file_or_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(found) = layout(&bytes) {
            prop_assert!(rebuilt(&found, &bytes) == bytes);
        }
    }
}
