//! Archives as builds make them: written here, entry by entry, so that a test says what is in them.

use depsync_engine::content::deflate::{Level, deflate};

use crate::node::noise;

/// An entry: its name, its content, and the level at which it is deflated, if it is.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
    /// 1 to 9; none: it is stored.
    pub level: Option<u8>,
}

/// An entry that is deflated as Java does.
pub fn deflated(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Entry {
    Entry { name: name.into(), content: content.into(), level: Some(6) }
}

/// An entry that is stored.
pub fn stored(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Entry {
    Entry { name: name.into(), content: content.into(), level: None }
}

/// An archive of these entries, each with the same time.
pub fn jar(entries: &[Entry], stamp: u32) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for Entry { name, content, level } in entries {
        let level = level.and_then(Level::new);
        let data = level.map_or_else(|| content.clone(), |level| deflate(content, level));
        let method: u16 = if level.is_some() { 8 } else { 0 };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a short entry").to_le_bytes();
        let name_length = u16::try_from(name.len()).expect("a short name").to_le_bytes();
        let fields = [
            &[20, 0, 0, 8][..],
            &method.to_le_bytes(),
            &stamp.to_le_bytes(),
            &crc(content).to_le_bytes(),
            &length(&data),
            &length(content),
            &name_length,
            &[0, 0],
        ]
        .concat();
        let at = length(&file);
        directory.extend([b"PK\x01\x02\x14\x00", &fields[..], &[0; 10], &at, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), &data].concat());
    }
    let count = u16::try_from(entries.len()).expect("few entries").to_le_bytes();
    let numbers = [directory.len(), file.len()].map(|number| u32::try_from(number).expect("a short archive"));
    file.extend_from_slice(&directory);
    file.extend([&b"PK\x05\x06\x00\x00\x00\x00"[..], &count, &count].concat());
    file.extend(numbers.map(u32::to_le_bytes).concat());
    file.extend_from_slice(&[0, 0]);
    file
}

/// The CRC-32 of ZIP.
fn crc(content: &[u8]) -> u32 {
    !content.iter().fold(u32::MAX, |mut sum, byte| {
        sum ^= u32::from(*byte);
        (0..8).for_each(|_| sum = (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 });
        sum
    })
}

/// What a compiler makes of a class: some 3 KB that compress to a half.
pub fn class(seed: u64) -> Vec<u8> {
    let words: Vec<String> = noise(seed, 400).iter().map(|byte| format!("Ljava/{byte:x};")).collect();
    [b"\xca\xfe\xba\xbe".to_vec(), words.concat().into_bytes()].concat()
}

/// A WAR of this release: classes, one of them new in each; a module stored and one deflated, in each of which one class is
/// new; and the time of the build in every header.
pub fn release(number: u32) -> Vec<u8> {
    jar(&entries(number), number)
}

/// The entries of [`release`].
pub fn entries(number: u32) -> Vec<Entry> {
    let module = |seed: u64| {
        let fresh = [class(seed), format!("release {number}").into_bytes()].concat();
        let same = (1..8).map(|class_number| {
            deflated(format!("com/example/m{seed}/C{class_number}.class"), class(seed + class_number))
        });
        jar(&same.chain([deflated(format!("com/example/m{seed}/Main.class"), fresh)]).collect::<Vec<_>>(), number)
    };
    let mut entries: Vec<Entry> =
        (0..12).map(|number| deflated(format!("WEB-INF/classes/C{number}.class"), class(number))).collect();
    let fresh = [class(50), format!("release {number}").into_bytes(), class(51)].concat();
    entries.push(deflated("WEB-INF/classes/Main.class", fresh));
    entries.push(stored("WEB-INF/lib/one.jar", module(1000)));
    entries.push(deflated("WEB-INF/lib/two.jar", module(2000)));
    entries.push(stored("static/picture.png", noise(7, 90_000)));
    entries.push(deflated("WEB-INF/web.xml", format!("<web-app version=\"{number}\"/>\n")));
    entries
}
