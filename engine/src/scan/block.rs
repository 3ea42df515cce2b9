//! A block of the stat cache: the records of about 512 neighbours in one directory.
//!
//! A block is a [`Frame::Cache`] frame around eight bytes of checksum (over the directory's path and the body, see
//! [`checksum`]) and the body: records in strictly ascending order of their names. A record is
//!
//! | field | encoding |
//! |---|---|
//! | name's length | one byte |
//! | shape | two bytes: bit 0 = the hash may be believed, 1 = a read size follows; then three bits each, bytes less one of size, change time, inode and device; bit 14 = the content begins like an archive; 0 |
//! | name | the bytes |
//! | mode | two bytes |
//! | mtime | eight bytes |
//! | size; ctime, as its distance from mtime, zigzag; inode; device | as many bytes as the shape says |
//! | a file | the size that was read, eight bytes, where it is not the stamp's; 32 bytes of BLAKE3 |
//! | a symbolic link | length in two bytes, target |
//!
//! Numbers are little endian. All widths of a record stand in one place, so that no number waits for the one before it.
//!
//! Laws:
//! - a record says all of itself, so that it can be copied from block to block as bytes;
//! - where a directory is cut into blocks depends on the names alone ([`starts_block`]): a change of one entry
//!   rewrites one block;
//! - a block is checked once, when it is loaded ([`check`]); what passed is read without further questions;
//! - a record has one spelling: equal records have equal bytes.

use std::cmp::Ordering;
use std::sync::Arc;

use rustix::fs::FileType;

use crate::codec::{self, Frame};
use crate::error::Result;
use crate::hash::Digest;
use crate::path::{self, MAX_NAME, MAX_PATH, RelPath};
use crate::stamp::Stamp;
use crate::tree::{Entry, LinkTarget, Mode};

/// Names a block: the directory it is of and its first name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// The directory's path; empty for the root.
    pub directory: Box<[u8]>,
    /// The first name in the block.
    pub first: Box<[u8]>,
}

impl BlockKey {
    /// Makes the block of this key out of records. They are looked at when it is loaded.
    pub fn seal(&self, records: &[u8]) -> Result<Vec<u8>> {
        seal(&self.directory, records.to_vec())
    }
}

/// Directories in the order of paths, so that a subtree is one range of blocks.
impl Ord for BlockKey {
    fn cmp(&self, other: &Self) -> Ordering {
        path::compare(&self.directory, &other.directory).then_with(|| self.first.cmp(&other.first))
    }
}

impl PartialOrd for BlockKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A block is cut after this many records even where no name says so.
pub(super) const MAX_RECORDS: usize = 4096;

/// Whether `name` begins a block: one name in 512 does (FNV-1a, whose last multiplication mixes into the top bits).
pub(super) fn starts_block(name: &[u8]) -> bool {
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55 == 0
}

const TRUSTED: u16 = 1;
const OTHER_SIZE: u16 = 2;
/// Where the widths begin in the shape: size, change time, inode, device.
const WIDTHS: [u32; 4] = [2, 5, 8, 11];
const ARCHIVE: u16 = 1 << 14;
const KNOWN: u16 = (1 << 15) - 1;
const CHECKSUM: usize = 8;

/// What a record says beside the stamp and the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Whether an equal stamp means equal content.
    pub(super) trusted: bool,
    /// Whether the content begins like an archive.
    pub(super) archive: bool,
}

impl Marks {
    pub(super) const TRUSTED: Self = Self { trusted: true, archive: false };
}

/// One record, read in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) name: &'a [u8],
    pub(super) stamp: Stamp,
    pub(super) marks: Marks,
    content: Content<'a>,
    /// Where the record begins and ends in the body.
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    File { size: u64, hash: &'a [u8; 32] },
    Directory,
    Symlink { target: &'a [u8] },
}

impl Record<'_> {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory)
    }

    /// Whether what has this stamp now is what the record says. A directory's record vouches for nothing: what is
    /// beneath must be looked at.
    #[inline]
    pub(super) fn vouches_for(&self, stamp: &Stamp) -> bool {
        self.stamp == *stamp && self.marks.trusted && !self.is_directory()
    }

    /// The entry that the record stands for.
    pub(super) fn entry(&self) -> Entry {
        let mode = Mode::new(self.stamp.mode);
        match self.content {
            Content::File { size, hash } => Entry::File { mode, size, hash: Digest::from_bytes(*hash) },
            Content::Directory => Entry::Directory { mode },
            Content::Symlink { target } => {
                Entry::Symlink { target: LinkTarget::new(target).expect("because the block was checked") }
            }
        }
    }
}

/// Appends the record of `entry`. The stamp's type must be the entry's.
pub(super) fn write(out: &mut Vec<u8>, name: &[u8], stamp: &Stamp, marks: Marks, entry: &Entry) {
    let read = entry.content().map(|(_, size)| size).filter(|&size| size != stamp.size);
    let distance = stamp.ctime.wrapping_sub(stamp.mtime);
    let zigzag = (distance.wrapping_shl(1) ^ (distance >> 63)).cast_unsigned();
    let integers = [stamp.size, zigzag, stamp.inode, stamp.device];
    let flags = [(marks.trusted, TRUSTED), (read.is_some(), OTHER_SIZE), (marks.archive, ARCHIVE)];
    let mut shape = flags.into_iter().filter(|(set, _)| *set).fold(0, |shape, (_, flag)| shape | flag);
    for (integer, shift) in integers.into_iter().zip(WIDTHS) {
        shape |= (width_of(integer) as u16 - 1) << shift;
    }
    out.push(u8::try_from(name.len()).expect("because a name has at most 255 bytes"));
    out.extend_from_slice(&shape.to_le_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(&u16::try_from(stamp.mode).expect("because a mode has 16 bits").to_le_bytes());
    out.extend_from_slice(&stamp.mtime.to_le_bytes());
    for integer in integers {
        out.extend_from_slice(&integer.to_le_bytes()[..width_of(integer)]);
    }
    match entry {
        Entry::File { hash, .. } => {
            if let Some(size) = read {
                out.extend_from_slice(&size.to_le_bytes());
            }
            out.extend_from_slice(hash.as_bytes());
        }
        Entry::Directory { .. } => {}
        Entry::Symlink { target } => {
            let length = u16::try_from(target.as_bytes().len()).expect("because a target has at most 4095 bytes");
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(target.as_bytes());
        }
    }
}

/// The bytes that `integer` needs, at least one.
fn width_of(integer: u64) -> usize {
    8 - (integer | 1).leading_zeros() as usize / 8
}

/// Reads the record that begins at `start`; `None` at the end, or where the bytes are not a record.
#[inline]
pub(super) fn read(body: &[u8], start: usize) -> Option<Record<'_>> {
    let mut rest = body.get(start..)?;
    let [length, low, high] = *take::<3>(&mut rest)?;
    let shape = u16::from_le_bytes([low, high]);
    let name = take_slice(&mut rest, usize::from(length))?;
    let mode = u32::from(u16::from_le_bytes(*take::<2>(&mut rest)?));
    let mtime = i64::from_le_bytes(*take::<8>(&mut rest)?);
    let [size, zigzag, inode, device] = take_integers(&mut rest, shape)?;
    let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    let stamp = Stamp { mode, size, mtime, ctime: mtime.wrapping_add(distance), inode, device };
    let content = match stamp.file_type() {
        FileType::RegularFile => {
            let size = if shape & OTHER_SIZE == 0 { size } else { u64::from_le_bytes(*take::<8>(&mut rest)?) };
            Content::File { size, hash: take::<32>(&mut rest)? }
        }
        FileType::Directory if shape & OTHER_SIZE == 0 => Content::Directory,
        FileType::Symlink if shape & OTHER_SIZE == 0 => {
            let length = u16::from_le_bytes(*take::<2>(&mut rest)?);
            Content::Symlink { target: take_slice(&mut rest, usize::from(length))? }
        }
        _ => return None,
    };
    let known = shape & !KNOWN == 0;
    let marks = Marks { trusted: shape & TRUSTED != 0, archive: shape & ARCHIVE != 0 };
    known.then_some(Record { name, stamp, marks, content, start, end: body.len() - rest.len() })
}

/// The name in the record of a checked body that begins at `start`; empty where there is none.
#[inline]
pub(super) fn name_at(body: &[u8], start: usize) -> &[u8] {
    match body.get(start..) {
        Some([length, _, _, rest @ ..]) => rest.get(..usize::from(*length)).unwrap_or_default(),
        _ => &[],
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(head)
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// The integers whose widths stand in `shape`.
#[inline]
fn take_integers(rest: &mut &[u8], shape: u16) -> Option<[u64; 4]> {
    let widths = WIDTHS.map(|shift| usize::from(shape >> shift & 7) + 1);
    let length: usize = widths.iter().sum();
    let mut integers = [0; 4];
    let mut at = 0;
    // Eight bytes at once, and what is too much cut off; at the end of a body there may not be so many.
    let mut padded = [0; 40];
    let bytes: &[u8] = if let Some(bytes) = rest.first_chunk::<40>() {
        bytes
    } else {
        padded.get_mut(..length)?.copy_from_slice(rest.get(..length)?);
        &padded
    };
    for (integer, width) in integers.iter_mut().zip(widths) {
        let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
        *integer = word & (u64::MAX >> (64 - 8 * width));
        at += width;
    }
    *rest = rest.get(length..)?;
    Some(integers)
}

/// All records of a checked body, in order.
pub(super) fn records(body: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let record = read(body, at)?;
        at = record.end;
        Some(record)
    })
}

/// Four lanes of 64 bits take eight bytes each in turn. A step is a bijection of the lane, so that damage to one word
/// is always noticed, and any other with all but 2^-64. Against accidents only: whoever can write to the state
/// directory need not forge a checksum. (BLAKE3 here was a tenth of the cost of an idle scan.)
fn checksum(directory: &[u8], body: &[u8]) -> [u8; CHECKSUM] {
    let mut lanes = [0x243f_6a88_85a3_08d3_u64, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];
    for part in [directory, body] {
        step(&mut lanes[0], part.len() as u64);
        let mut words = part.chunks_exact(32);
        for four in &mut words {
            let (four, _) = four.as_chunks::<8>();
            for (lane, word) in lanes.iter_mut().zip(four) {
                step(lane, u64::from_le_bytes(*word));
            }
        }
        for (lane, word) in lanes.iter_mut().zip(words.remainder().chunks(8)) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            step(lane, u64::from_le_bytes(padded));
        }
    }
    let mut sum = 0;
    for lane in lanes {
        step(&mut sum, lane);
    }
    sum.to_le_bytes()
}

fn step(lane: &mut u64, word: u64) {
    let mixed = (*lane ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    *lane = mixed ^ (mixed >> 32);
}

/// Makes a block of the records in `body`, in its own memory.
pub(super) fn seal(directory: &[u8], mut body: Vec<u8>) -> Result<Vec<u8>> {
    let sum = checksum(directory, &body);
    let header = codec::header(Frame::Cache, CHECKSUM + body.len())?;
    body.splice(0..0, header.into_iter().chain(sum));
    body.shrink_to_fit();
    Ok(body)
}

/// The body of a checked block.
pub(super) fn body(block: &[u8]) -> &[u8] {
    block.get(codec::HEADER + CHECKSUM..).unwrap_or_default()
}

/// Where the records of a block begin.
pub(super) type Starts = Arc<[u32]>;

/// Checks a block from the store, whole, and tells where its records begin; `None` when it is damaged.
pub(super) fn check(key: &BlockKey, block: &[u8]) -> Option<Starts> {
    let (sum, body) = codec::payload(Frame::Cache, block).ok()?.split_first_chunk::<CHECKSUM>()?;
    if *sum != checksum(&key.directory, body) {
        return None;
    }
    let directory = key.directory.len();
    if directory > 0 && RelPath::new(&*key.directory).is_err() {
        return None;
    }
    let mut starts = Vec::with_capacity(body.len() / 64);
    let mut last: &[u8] = &[];
    let mut at = 0;
    while at < body.len() {
        let record = read(body, at)?;
        let ascending = if starts.is_empty() { *record.name == *key.first } else { last < record.name };
        if !ascending || !is_name(record.name) || directory + 1 + record.name.len() > MAX_PATH {
            return None;
        }
        if let Content::Symlink { target } = record.content
            && LinkTarget::new(target).is_err()
        {
            return None;
        }
        starts.push(u32::try_from(at).ok()?);
        last = record.name;
        at = record.end;
    }
    (!starts.is_empty()).then(|| starts.into())
}

/// Where the records of a body begin that need not be checked.
pub(super) fn starts(body: &[u8]) -> Starts {
    records(body).map_while(|record| u32::try_from(record.start).ok()).collect()
}

fn is_name(name: &[u8]) -> bool {
    let plain = name.iter().fold(true, |plain, &byte| plain & (byte != 0) & (byte != b'/'));
    plain && !name.is_empty() && name.len() <= MAX_NAME && name != b"." && name != b".."
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: u32 = 0o100_644;

    fn key(directory: &str, first: &str) -> BlockKey {
        BlockKey { directory: directory.as_bytes().into(), first: first.as_bytes().into() }
    }

    fn stamp(mode: u32, size: u64) -> Stamp {
        Stamp { mode, size, mtime: 1_700_000_000_123_456_789, ctime: 1_700_000_000_123_456_790, inode: 77, device: 25 }
    }

    fn sample() -> Vec<u8> {
        let mut body = Vec::new();
        let file = Entry::File { mode: Mode::new(FILE), size: 3, hash: Digest::of(b"abc") };
        write(&mut body, b"a", &stamp(FILE, 3), Marks { trusted: true, archive: true }, &file);
        write(
            &mut body,
            b"b",
            &stamp(0o040_755, 40),
            Marks { trusted: false, archive: false },
            &Entry::Directory { mode: Mode::new(0o755) },
        );
        let target = LinkTarget::new(&b"a"[..]).expect("target");
        write(&mut body, b"c\xff", &stamp(0o120_777, 1), Marks::TRUSTED, &Entry::Symlink { target });
        body
    }

    #[test]
    fn the_format_stands_still() {
        let block = seal(b"dir", sample()).expect("seals");
        let golden = concat!(
            "445363610262000000",
            "42a9ae80cfc57c4f",
            "01014061a48115cd853dfe9c971703024d196437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            "01000062ed4115cd853dfe9c971728024d19",
            "02010063ffffa115cd853dfe9c971701024d19010061",
        );
        assert_eq!(data_encoding::HEXLOWER.encode(&block), golden);
        let checked = check(&key("dir", "a"), &block).expect("whole");
        assert_eq!(checked, starts(body(&block)));
        assert_eq!(
            checked.iter().map(|&start| name_at(body(&block), start as usize)).collect::<Vec<_>>(),
            [&b"a"[..], b"b", b"c\xff"]
        );
        let cuts: Vec<u32> = (0..4000).filter(|n| starts_block(format!("file-{n}").as_bytes())).collect();
        assert_eq!(cuts, [242, 653, 677, 1900, 2980, 3109, 3445, 3682, 3886, 3999]);
    }

    #[test]
    fn any_flipped_bit_is_damage() {
        let block = seal(b"dir", sample()).expect("seals");
        for bit in 0..block.len() * 8 {
            let mut damaged = block.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&key("dir", "a"), &damaged), None, "bit {bit}");
        }
        for length in 0..block.len() {
            assert_eq!(check(&key("dir", "a"), &block[..length]), None, "cut at {length}");
        }
        for other in [key("dis", "a"), key("", "a"), key("dir", "b"), key("dir/..", "a")] {
            assert_eq!(check(&other, &block), None, "{other:?}");
        }
    }

    #[test]
    fn names_that_could_climb_and_disorder_are_damage() {
        let directory = Entry::Directory { mode: Mode::new(0o755) };
        for names in [&["."][..], &[".."], &["a/b"], &["a\0"], &[""], &["b", "a"], &["a", "a"]] {
            let mut body = Vec::new();
            for name in names {
                write(&mut body, name.as_bytes(), &stamp(0o040_755, 0), Marks::TRUSTED, &directory);
            }
            assert_eq!(check(&key("", names[0]), &seal(b"", body).expect("seals")), None, "{names:?}");
        }
        assert_eq!(check(&key("", ""), &seal(b"", Vec::new()).expect("seals")), None, "an empty block");
    }

    prop_compose! {
        fn any_stamp()(mode in 0u32..0o10_000, size: u64, mtime: i64, ctime: i64, inode: u64, device: u64) -> Stamp {
            Stamp { mode, size, mtime, ctime, inode, device }
        }
    }

    fn any_entry() -> impl Strategy<Value = (u32, Entry)> {
        let target = proptest::collection::vec(1u8.., 1..300).prop_map(|bytes| LinkTarget::new(bytes).expect("target"));
        prop_oneof![
            (any::<u64>(), any::<[u8; 32]>(), 0u32..0o1000).prop_map(|(size, hash, mode)| {
                (0o100_000, Entry::File { mode: Mode::new(mode), size, hash: Digest::from_bytes(hash) })
            }),
            (0u32..0o1000).prop_map(|mode| (0o040_000, Entry::Directory { mode: Mode::new(mode) })),
            target.prop_map(|target| (0o120_000, Entry::Symlink { target })),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mut stamp in any_stamp(), trusted: bool, archive: bool, (kind, entry) in any_entry(), same: bool,
                                   name in proptest::collection::vec(b'a'.., 1..256), shifts: [u8; 4], behind in 0usize..50) {
            stamp.size >>= shifts[0] % 64;
            stamp.inode >>= shifts[1] % 64;
            stamp.device >>= shifts[2] % 64;
            stamp.ctime = stamp.mtime.wrapping_add(stamp.ctime >> (shifts[3] % 64));
            let permissions = entry.mode().map_or(0o777, Mode::bits);
            stamp.mode = kind | (stamp.mode & !0o777) | permissions;
            if same && entry.is_file() {
                stamp.size = entry.size();
            }
            let mut body = vec![9];
            let marks = Marks { trusted, archive };
            write(&mut body, &name, &stamp, marks, &entry);
            let end = body.len();
            for cut in 1..end {
                prop_assert!(read(&body[..cut], 1).is_none(), "cut at {}", cut);
            }
            body.resize(end + behind, 0xff);
            let record = read(&body, 1).expect("a record");
            prop_assert_eq!((record.name, record.stamp, record.marks), (&name[..], stamp, marks));
            prop_assert_eq!((record.entry(), record.end), (entry, end));
            prop_assert_eq!(name_at(&body, 1), &name[..]);
        }

        #[test]
        fn any_bytes_are_refused_or_read_but_never_abort(bytes: Vec<u8>) {
            let _ = read(&bytes, 0);
            let block = seal(b"", bytes.clone()).expect("seals");
            if let Some(first) = records(&bytes).next() {
                check(&BlockKey { directory: [].into(), first: first.name.into() }, &block);
            }
        }
    }
}
