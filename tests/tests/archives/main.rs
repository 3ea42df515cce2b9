//! Archives that real programs have written: cut as Python's zipfile reads them, byte for byte, and deflated again.
//!
//! | file | is |
//! |---|---|
//! | `oracle` | what Python's zipfile says of an archive |
//! | `made` | archives that Python and Info-ZIP make here, with every option that changes their form |
//! | `bulk` | archives and their next versions, as many as one likes, from a seed |
//! | `shape` | how they have to be cut, and what there is in them |
//! | `generated` | a thousand of them are their recipes, alone and against each other |
//! | `published` | and they arrive |
//! | `damage`, `mutated` | with something wrong in them, they are still what they are |
//! | `zlib` | what is deflated, beside Python's zlib |

mod bulk;
mod damage;
mod generated;
mod made;
mod mutated;
mod oracle;
mod published;
mod shape;
mod zlib;

use std::fs::{self, File};
use std::path::Path;

use depsync_engine::content::archive::{Headers, Layout, Plain, Tile};
use depsync_engine::content::deflate;
use depsync_tests::debian::{archives, unpacked};

use self::oracle::Said;

/// The layout of a file; why not, otherwise.
fn layout(path: &Path) -> Result<Layout, Plain> {
    let file = File::open(path).expect("opens");
    Layout::of(&file, file.metadata().expect("a file").len())
}

/// The file from its tiles, and where the data of each entry begins that has any.
fn tiled(layout: &Layout, file: &[u8]) -> (Vec<u8>, Vec<(u32, usize)>) {
    let (mut made, mut inline, mut places) = (Vec::new(), layout.inline(), Vec::new());
    for &tile in layout.tiles() {
        let (at, length) = (made.len(), usize::try_from(layout.length(tile)).expect("it is in memory"));
        if let Tile::Data(entry) = tile {
            places.push((entry, at));
        }
        if matches!(tile, Tile::Inline(_)) {
            let (taken, left) = inline.split_at(length);
            made.extend_from_slice(taken);
            inline = left;
        } else {
            made.extend_from_slice(&file[at..at + length]);
        }
    }
    (made, places)
}

/// How many entries are deflated, and how many of them zlib makes again.
#[derive(Clone, Copy, Debug, Default)]
struct Again {
    deflated: usize,
    made: usize,
}

/// Cuts an archive, compares with what Python says, and deflates again what is deflated.
fn check(path: &Path) -> Again {
    let said = oracle::entries(path);
    let (count, again) = deflated_again(path, |number, found| assert_eq!(found, said[number], "{}", path.display()));
    assert_eq!(count, said.len(), "{}", path.display());
    again
}

/// Cuts an archive, and deflates again what is deflated. Gives the number of entries; `seen` gets each.
fn deflated_again(path: &Path, seen: impl Fn(usize, Said)) -> (usize, Again) {
    let file = fs::read(path).expect("reads");
    let layout = layout(path).unwrap_or_else(|why| panic!("{}: {why:?}", path.display()));
    let (made, places) = tiled(&layout, &file);
    assert!(made == file, "{} is not its tiles", path.display());
    let (none, headers) = (Headers::default(), Headers::of(&layout).expect("fields tell all of its headers"));
    let (decoded, _) = headers.against(&none).and_then(|columns| Headers::decode(&columns, &none)).expect("decodes");
    assert!(
        decoded.tiles().expect("tiles") == (layout.tiles().to_vec(), layout.inline().to_vec()),
        "{}",
        path.display()
    );
    let mut again = Again::default();
    for (number, entry) in layout.entries().iter().enumerate() {
        let shown = format!("{}: {}", path.display(), String::from_utf8_lossy(layout.name(entry)));
        let place = places.iter().find(|(entry, _)| *entry as usize == number).map(|(_, at)| *at);
        assert_eq!(place.is_some(), entry.compressed > 0, "{shown}");
        let (crc, compressed, size, method) = (entry.crc, entry.compressed, entry.size, entry.method);
        seen(number, Said { crc, compressed, size, method, data: place });
        if let (8, Some(at)) = (entry.method, place) {
            let data = &file[at..at + usize::try_from(entry.compressed).expect("in memory")];
            let raw = deflate::inflate(data, usize::try_from(entry.size).expect("in memory"));
            let raw = raw.unwrap_or_else(|| panic!("{shown} does not inflate"));
            again.deflated += 1;
            if let Some(level) = deflate::probe(data, &raw) {
                assert!(deflate::deflate(&raw, level) == data, "{shown}");
                again.made += 1;
            }
        }
    }
    (layout.entries().len(), again)
}

/// Java's own writer made them, by way of Debian's builds: all of what is deflated is made again.
#[test]
fn the_jars_of_a_real_server_are_cut_and_deflated_again() {
    let (mut count, mut all) = (0, Again::default());
    for path in archives(&unpacked("libtomcat10-java")) {
        let again = check(&path);
        assert_eq!(again.made, again.deflated, "{}", path.display());
        (count, all.deflated, all.made) = (count + 1, all.deflated + again.deflated, all.made + again.made);
    }
    assert!(count >= 20 && all.deflated > 1000, "{count} archives, {all:?}");
}

#[test]
fn what_is_no_archive_is_a_plain_file() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("file");
    let jar = fs::read(&archives(&unpacked("libtomcat10-java"))[0]).expect("reads");
    let mut late = jar.clone();
    late.extend_from_slice(b"more behind it");
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("text", b"PK are two letters"),
        ("without its end", &jar[..jar.len() - 1]),
        ("without its beginning", &jar[jar.len() / 2..]),
        ("with something behind it", &late),
    ] {
        fs::write(&path, bytes).expect("writes");
        assert!(layout(&path).is_err(), "{what}");
    }
}
