//! What may happen to an archive: bytes that are others, fields that lie, records that are elsewhere.

use depsync_tests::dice::Dice;

/// The fields of a record: where each begins, and how many bytes it has. The first is the signature.
type Fields = &'static [(usize, usize)];

const LOCAL: Fields = &[(0, 4), (4, 2), (6, 2), (8, 2), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)];
const CENTRAL: Fields = &[
    (0, 4),
    (6, 2),
    (8, 2),
    (10, 2),
    (12, 4),
    (16, 4),
    (20, 4),
    (24, 4),
    (28, 2),
    (30, 2),
    // A local header has none of these.
    (4, 2),
    (32, 2),
    (34, 2),
    (36, 2),
    (38, 4),
    (42, 4),
];
const DESCRIPTOR: Fields = &[(0, 4), (4, 4), (8, 4), (12, 4), (8, 8), (16, 8)];
const END: Fields = &[(0, 4), (4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)];
const END64: Fields = &[(0, 4), (4, 8), (12, 2), (14, 2), (16, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 8)];
const LOCATOR: Fields = &[(0, 4), (4, 4), (8, 8), (16, 4)];

/// A kind of record: its name, its signature, and its fields.
type Kind = (&'static str, [u8; 4], Fields);

const KINDS: [Kind; 6] = [
    ("local header", *b"PK\x03\x04", LOCAL),
    ("central record", *b"PK\x01\x02", CENTRAL),
    ("descriptor", *b"PK\x07\x08", DESCRIPTOR),
    ("end record", *b"PK\x05\x06", END),
    ("end record of ZIP64", *b"PK\x06\x06", END64),
    ("locator of ZIP64", *b"PK\x06\x07", LOCATOR),
];

/// What looks like a record: its kind, and where it stands.
#[derive(Clone, Copy)]
struct Record {
    kind: usize,
    at: usize,
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let kind = |window: &[u8]| KINDS.iter().position(|(_, signature, _)| window == signature);
    let windows = bytes.windows(4).enumerate().filter(|(_, window)| window.starts_with(b"PK"));
    windows.filter_map(|(at, window)| Some(Record { kind: kind(window)?, at })).collect()
}

/// Does one to four things to an archive; says what.
pub(super) fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) -> Vec<&'static str> {
    let times = 1 + dice.below(2) + dice.below(2) * dice.below(3);
    (0..times).filter_map(|_| once(dice, bytes)).collect()
}

fn once(dice: &mut Dice, bytes: &mut Vec<u8>) -> Option<&'static str> {
    let found = records(bytes);
    // Each kind as often as any other, however many there are of it.
    let kinds: Vec<usize> = (0..KINDS.len()).filter(|kind| found.iter().any(|record| record.kind == *kind)).collect();
    let kind = dice.pick(&kinds);
    let some: Vec<Record> = found.iter().filter(|record| Some(record.kind) == kind).copied().collect();
    match (dice.below(20), dice.pick(&some)) {
        (0..=10, Some(record)) => field(dice, bytes, record),
        (11 | 12, Some(record)) => both(dice, bytes, &found, record),
        (13 | 14, Some(record)) => extra(dice, bytes, record),
        (15, Some(record)) => moved(dice, bytes, &found, record),
        (16, _) => length(dice, bytes),
        _ => {
            let at = dice.below(bytes.len().max(1));
            *bytes.get_mut(at)? ^= 1 << dice.below(8);
            Some("a byte")
        }
    }
}

/// What a number may become: what is next to it, a bound, what other numbers are, or anything.
fn value(dice: &mut Dice, bytes: &[u8], at: usize, length: usize) -> Option<[u8; 8]> {
    let mut number = [0; 8];
    number.get_mut(..length)?.copy_from_slice(bytes.get(at..at + length)?);
    let number = u64::from_le_bytes(number);
    let somewhere = dice.below(bytes.len().max(1)) as u64;
    let value = match dice.below(12) {
        0 => 0,
        1 => u64::MAX,
        2 => u64::MAX >> (1 + dice.below(63)),
        3 => number.wrapping_add(1),
        4 => number.wrapping_sub(1),
        5 => number.wrapping_add(dice.below(300) as u64),
        6 => number.wrapping_sub(dice.below(300) as u64),
        7 => number ^ (1 << dice.below(8 * length)),
        8 => bytes.len() as u64,
        9 => somewhere,
        10 => number.wrapping_add(somewhere),
        _ => dice.roll(),
    };
    Some(value.to_le_bytes())
}

fn put(bytes: &mut [u8], at: usize, length: usize, value: [u8; 8]) -> Option<()> {
    bytes.get_mut(at..at + length)?.copy_from_slice(&value[..length]);
    Some(())
}

fn field(dice: &mut Dice, bytes: &mut [u8], record: Record) -> Option<&'static str> {
    let (name, _, fields) = KINDS[record.kind];
    let (offset, length) = dice.pick(fields)?;
    let value = if offset == 0 {
        let (_, signature, _) = dice.pick(&KINDS)?;
        u64::from(u32::from_le_bytes(signature)).to_le_bytes()
    } else {
        value(dice, bytes, record.at + offset, length)?
    };
    put(bytes, record.at + offset, length, value)?;
    Some(if offset == 0 { "signature" } else { name })
}

/// The same in a central record and in what may be its local header, so that they agree.
fn both(dice: &mut Dice, bytes: &mut [u8], found: &[Record], record: Record) -> Option<&'static str> {
    let of_kind = |kind: usize| found.iter().filter(move |record| record.kind == kind);
    let place = of_kind(record.kind).position(|other| other.at == record.at)?;
    let (local, central) = (of_kind(0).nth(place)?, of_kind(1).nth(place)?);
    let field = 1 + dice.below(LOCAL.len() - 1);
    let ((here, length), (there, _)) = (LOCAL[field], CENTRAL[field]);
    let value = value(dice, bytes, central.at + there, length)?;
    put(bytes, local.at + here, length, value)?;
    put(bytes, central.at + there, length, value)?;
    Some("both headers")
}

/// What stands behind the name: kind and length of extra fields, and what is in them.
fn extra(dice: &mut Dice, bytes: &mut [u8], record: Record) -> Option<&'static str> {
    let (texts, lengths) = match record.kind {
        0 => (30, 26),
        1 => (46, 28),
        _ => return field(dice, bytes, record),
    };
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let (name, extra) = (short(record.at + lengths)?, short(record.at + lengths + 2)?);
    let at = record.at + texts + name + if extra > 4 { dice.below(extra) } else { 0 };
    // As ZIP64 has them, as times are, as Java's are.
    let kind = dice.pick(&[1, 0x5455, 0xcafe, 0x7875])?;
    let value = if dice.chance(40) { u64::to_le_bytes(kind) } else { value(dice, bytes, at, 2)? };
    put(bytes, at, 2, value)?;
    Some("extra field")
}

/// A record that is gone, twice there, or in the place of another.
fn moved(dice: &mut Dice, bytes: &mut Vec<u8>, found: &[Record], record: Record) -> Option<&'static str> {
    let end = |record: Record| found.iter().find(|next| next.at > record.at).map_or(bytes.len(), |next| next.at);
    let range = record.at..end(record);
    let part = bytes[range.clone()].to_vec();
    match dice.below(3) {
        0 => drop(bytes.drain(range)),
        1 => drop(bytes.splice(range.end..range.end, part)),
        _ => {
            let other = dice.pick(found)?;
            let there = other.at..end(other);
            drop(bytes.splice(there, part));
        }
    }
    Some("a record elsewhere")
}

/// Shorter, longer, or longer in the middle.
fn length(dice: &mut Dice, bytes: &mut Vec<u8>) -> Option<&'static str> {
    let at = dice.below(bytes.len() + 1);
    match dice.below(3) {
        0 => bytes.truncate(at),
        1 => bytes.resize(bytes.len() + dice.below(400), 0),
        _ => drop(bytes.splice(at..at, vec![b'P'; dice.below(400)])),
    }
    Some("another length")
}
