//! Archives, how they are cut, and what is deflated in them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use depsync_engine::content::archive::{Headers, Layout, Plain, Tile};
use depsync_engine::content::deflate;

use crate::{jar, recipes};

/// The bytes are a file, perhaps an archive.
pub(super) fn archive(data: &[u8]) {
    let layout = match Layout::of(data, data.len() as u64) {
        Ok(layout) => layout,
        Err(Plain::Because(_)) => return,
        Err(Plain::Unreadable(error)) => panic!("memory is readable: {error}"),
    };
    let (mut at, mut inline) = (0, layout.inline());
    let mut seen = vec![false; layout.entries().len()];
    for &tile in layout.tiles() {
        let length = usize::try_from(layout.length(tile)).expect("it is a part of what is in memory");
        assert!(length > 0, "an empty tile");
        let bytes = &data[at..at + length];
        match tile {
            Tile::Inline(_) => {
                let (taken, left) = inline.split_at(length);
                assert!(taken == bytes, "another header");
                inline = left;
            }
            Tile::Data(number) => {
                assert!(!std::mem::replace(&mut seen[number as usize], true), "an entry twice");
                let entry = &layout.entries()[number as usize];
                again(bytes, usize::try_from(entry.size).unwrap_or(usize::MAX));
            }
            Tile::Gap(_) => {}
        }
        at += length;
    }
    assert!(at == data.len() && inline.is_empty(), "not all of the file");
    coded(&layout);
    cut(data);
    // A record in the central directory has 46 bytes at least.
    assert!(layout.entries().len() * 46 <= data.len());
    assert!(layout.entries().iter().map(|entry| layout.name(entry).len()).sum::<usize>() <= data.len());
}

/// Cuts the bytes as a file; behind something so long that they are cut at their entries; and that, stored in an archive.
fn cut(data: &[u8]) {
    let behind = behind(data);
    let alone = recipes::cut(&behind);
    let within = recipes::cut(&jar::jar(&[jar::stored("a.jar", behind)], 1));
    recipes::against(&within, &alone);
    recipes::against(&recipes::cut(data), &within);
}

/// A file with these bytes at its end that has enough of them to be cut as an archive.
pub(super) fn behind(data: &[u8]) -> Vec<u8> {
    [b"PK\x03\x04", &[0; 4 << 10][..], data].concat()
}

/// The headers of an archive, if fields tell all of them, come back whatever they are coded against.
fn coded(layout: &Layout) {
    let Some(headers) = Headers::of(layout) else { return };
    for base in BASES.iter() {
        let columns = headers.against(base).expect("codes");
        let (decoded, _) = Headers::decode(&columns, base).expect("decodes");
        assert!(decoded == headers, "other headers");
        let (tiles, inline) = decoded.tiles().expect("they were taken apart before");
        assert!(tiles == layout.tiles() && inline == layout.inline(), "another archive");
    }
}

/// No headers, and those of an archive.
static BASES: LazyLock<[Headers; 2]> = LazyLock::new(|| {
    let archive = archives().swap_remove(1);
    let layout = Layout::of(&archive[..], archive.len() as u64).expect("an archive");
    [Headers::default(), Headers::of(&layout).expect("its fields are known")]
});

/// A length, two bytes, and what may inflate to that.
pub(super) fn deflated(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    again(rest, usize::from(u16::from_le_bytes(*length)));
}

/// What is inflated has the length that was said; what is found to be zlib's is made again.
fn again(data: &[u8], length: usize) {
    // What is made up has no reason to be long.
    let Some(raw) = Some(length).filter(|length| *length <= 1 << 20).and_then(|length| deflate::inflate(data, length))
    else {
        return;
    };
    assert_eq!(raw.len(), length);
    if let Some(level) = deflate::probe(data, &raw) {
        assert!(deflate::deflate(&raw, level) == data, "level {level:?} makes something else");
    }
}

/// The empty archive; one of two entries, plain, streamed, and with ZIP64; and one behind a script, with a comment. Python's
/// zipfile made them.
pub(super) fn archives() -> Vec<Vec<u8>> {
    let hexadecimal = [
        "504b0506000000000000000000000000000000000000",
        "504b03041400000008004208775d6100adb9100000002100000009000000612f622e636c6173734bce492c2e568850a8aee54ac6ca0400504b03041400000008004208775d6100adb9100000002100000001000000634bce492c2e568850a8aee54ac6ca0400504b010214031400000008004208775d6100adb91000000021000000090000000000000000000000800100000000612f622e636c617373504b010214031400000008004208775d6100adb9100000002100000001000000000000000000000080013700000063504b0506000000000200020066000000660000000000",
        "504b03041400080008004208775d00000000000000000000000009000000612f622e636c6173734bce492c2e568850a8aee54ac6ca0400504b07086100adb91000000021000000504b03041400080008004208775d00000000000000000000000001000000634bce492c2e568850a8aee54ac6ca0400504b07086100adb91000000021000000504b010214031400080008004208775d6100adb91000000021000000090000000000000000000000800100000000612f622e636c617373504b010214031400080008004208775d6100adb9100000002100000001000000000000000000000080014700000063504b0506000000000200020066000000860000000000",
        "504b03042d00080008004208775d00000000ffffffffffffffff09001400612f622e636c61737301001000000000000000000000000000000000004bce492c2e568850a8aee54ac6ca0400504b07086100adb910000000000000002100000000000000504b03042d00080008004208775d00000000ffffffffffffffff010014006301001000000000000000000000000000000000004bce492c2e568850a8aee54ac6ca0400504b07086100adb910000000000000002100000000000000504b01022d032d00080008004208775d6100adb91000000021000000090000000000000000000000800100000000612f622e636c617373504b01022d032d00080008004208775d6100adb9100000002100000001000000000000000000000080016300000063504b0506000000000200020066000000be0000000000",
        "23212f62696e2f73680a504b03041400000008004208775d6100adb9100000002100000009000000612f622e636c6173734bce492c2e568850a8aee54ac6ca0400504b03041400000008004208775d6100adb9100000002100000001000000634bce492c2e568850a8aee54ac6ca0400504b010214031400000008004208775d6100adb9100000002100000009000000000000000000000080010a000000612f622e636c617373504b010214031400000008004208775d6100adb9100000002100000001000000000000000000000080014100000063504b050600000000020002006600000070000000070062792068616e64",
    ];
    hexadecimal.into_iter().map(|text| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hexadecimal")).collect()
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    let texts = [&b""[..], b"class X {}\n", b"class X {}\nclass Y {}\nclass X {}\n", &[0; 600]];
    let stream = |raw: &[u8], level| [&(raw.len() as u16).to_le_bytes()[..], &deflate::deflate(raw, level)].concat();
    let levels = [1, 6, 9].map(|number| deflate::Level::new(number).expect("a level"));
    let streams: BTreeSet<_> = texts.iter().flat_map(|raw| levels.map(|level| stream(raw, level))).collect();
    streams.into_iter().collect()
}
