//! Reading what the far side of a push says. Nothing of it is believed beyond what it is about.

use std::collections::HashMap;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use depsync_engine::push::{Arrival, Found, Mark, Sum};
use depsync_engine::tree::{LinkTarget, Mode};

/// The kinds of files in the upper bits of a mode.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// What stands at a path; the target of a link is asked for later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Found(Found),
    Link,
}

/// What `begin` says: the arrival, the directory and the place beside it.
pub(super) fn arrival(said: &[u8]) -> Result<(Arrival, String, String)> {
    let text = std::str::from_utf8(said).map_err(|_| garbled("it has a directory whose name is not UTF-8"))?;
    let (mut dir, mut work) = (None, None);
    let mut arrival = Arrival { place: None, empty: false, mark: None, privileged: false };
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "dir" => dir = Some(rest.to_owned()),
            "work" => work = Some(rest.to_owned()),
            "place" => {
                let numbers =
                    rest.split_once(' ').and_then(|(device, inode)| device.parse().ok().zip(inode.parse().ok()));
                arrival.place = Some(numbers.ok_or_else(|| garbled("no device and inode"))?);
            }
            "empty" => arrival.empty = true,
            // One that does not read is as good as none: everything is looked at.
            "mark" => arrival.mark = rest.parse::<Mark>().ok(),
            "root" => arrival.privileged = true,
            _ => return Err(garbled("words that nobody expects")),
        }
    }
    match (dir, work) {
        (Some(dir), Some(work)) => Ok((arrival, dir, work)),
        _ => Err(garbled("no directory")),
    }
}

/// What `look` and `everything` say.
pub(super) fn seen(said: &[u8]) -> Result<Vec<(RelPath, Seen)>> {
    said.split(|&byte| byte == 0)
        .filter(|record| !record.is_empty())
        .map(|record| one(record).ok_or(()))
        .map(|one| {
            one.map_err(|()| {
                garbled("what stands there does not read")
                    .hint("a name with a line feed needs GNU `stat` on the far side")
            })
        })
        .collect()
}

fn one(record: &[u8]) -> Option<(RelPath, Seen)> {
    let mut words = record.splitn(3, |&byte| byte == b' ');
    let mode = u32::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 16).ok()?;
    let size: u64 = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let name = words.next()?;
    let path = RelPath::new(name.strip_prefix(b"./").unwrap_or(name)).ok()?;
    let bits = Mode::new(mode);
    let seen = match mode & KIND {
        REGULAR => Seen::Found(Found::File { mode: bits, size }),
        DIRECTORY => Seen::Found(Found::Directory { mode: bits }),
        LINK => Seen::Link,
        _ => Seen::Found(Found::Other),
    };
    Some((path, seen))
}

/// What `targets` says, one for each link that was asked for; none where it is no link any more.
pub(super) fn targets(said: &[u8], count: usize) -> Result<Vec<Option<LinkTarget>>> {
    let mut parts: Vec<&[u8]> = said.split(|&byte| byte == 0).collect();
    if parts.pop().is_none_or(|rest| !rest.is_empty()) || parts.len() != count {
        return Err(garbled("targets of other links"));
    }
    Ok(parts.into_iter().map(|part| LinkTarget::new(part.strip_suffix(b"\n").unwrap_or(part)).ok()).collect())
}

/// What `sums` says: `HEX  NAME` a line, as `sha256sum` writes it.
pub(super) fn sums(said: &[u8]) -> HashMap<RelPath, Sum> {
    said.split(|&byte| byte == b'\n').filter_map(sum).collect()
}

fn sum(line: &[u8]) -> Option<(RelPath, Sum)> {
    let (escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (digits, rest) = line.split_at_checked(64)?;
    let sum = Sum::parse(std::str::from_utf8(digits).ok()?)?;
    let name = rest.strip_prefix(b"  ").or(rest.strip_prefix(b" *")).or(rest.strip_prefix(b" "))?;
    let name = if escaped { unescaped(name)? } else { name.to_vec() };
    RelPath::new(name).ok().map(|path| (path, sum))
}

/// Undoes what `sha256sum` does to names with a backslash or the end of a line in them.
fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(plain)
}

fn garbled(what: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("the far side's answer is garbled: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(bytes: &[u8]) -> RelPath {
        RelPath::new(bytes).expect("path")
    }

    #[test]
    fn an_arrival_is_read() {
        let mark = format!("settled 7 {}", "ab".repeat(32));
        let said = format!("dir /srv/a b\nwork /srv/.a b.depsync-push\nplace 12 34\nempty\nmark {mark}\nroot\n");
        let (found, dir, work) = arrival(said.as_bytes()).expect("reads");
        assert_eq!((&dir[..], &work[..]), ("/srv/a b", "/srv/.a b.depsync-push"));
        assert_eq!((found.place, found.empty, found.privileged), (Some((12, 34)), true, true));
        assert_eq!(found.mark, Some(mark.parse().expect("a mark")));
        assert!(arrival(b"dir /x\nwork /y\nmark nonsense\n").expect("reads").0.mark.is_none());
        for bad in ["", "dir /x\n", "dir /x\nwork /y\nplace 1\n", "dir /x\nwork /y\nhello\n"] {
            assert!(arrival(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_stands_there_is_read() {
        let said = b"81a4 5 ./a b\x0041ed 4096 d\0a1ff 3 l\0c1ff 0 s\0";
        let found = seen(said).expect("reads");
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], (path(b"a b"), Seen::Found(Found::File { mode: Mode::new(0o644), size: 5 })));
        assert_eq!(found[1].1, Seen::Found(Found::Directory { mode: Mode::new(0o755) }));
        assert_eq!((&found[2].1, &found[3].1), (&Seen::Link, &Seen::Found(Found::Other)));
        for bad in [&b"81a4 5 ../x\0"[..], b"81a4 x a\0", b"a\0", b"81a4 5 /etc/passwd\0"] {
            assert!(seen(bad).is_err());
        }
        assert_eq!(targets(b"x\n\0\n\0", 2).expect("reads"), [LinkTarget::new(&b"x"[..]).ok(), None]);
        assert!(targets(b"x\n\0", 2).is_err() && targets(b"x", 1).is_err());
    }

    #[test]
    fn sums_are_read_as_every_program_writes_them() {
        let of = |bytes: &[u8]| format!("{:?}", Sum::of(bytes));
        let said = format!("{}  a b\n{} *c\n{} d\n\\{}  e\\nf\\\\\nnonsense\n", of(b"1"), of(b"2"), of(b"3"), of(b"4"));
        let sums = sums(said.as_bytes());
        for (name, content) in [(&b"a b"[..], b"1"), (b"c", b"2"), (b"d", b"3"), (b"e\nf\\", b"4")] {
            assert_eq!(sums.get(&path(name)), Some(&Sum::of(content)));
        }
        assert_eq!(sums.len(), 4);
    }
}
