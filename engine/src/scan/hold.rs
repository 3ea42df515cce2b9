//! Telling a half-copied archive from a whole one, before somebody deploys it.
//!
//! A ZIP archive ends in a record that points at its central directory (APPNOTE.TXT, 4.3.16; 4.3.14 and 4.3.15 for
//! ZIP64). An archive that is still being copied lacks it, or ends by chance behind the end record of an archive
//! stored inside it, whose directory is then not where the record says. Only the tail is read; what passes can still
//! be damaged in the middle.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};

/// The extensions of files that are archives, unless configured otherwise.
pub const ARCHIVE_EXTENSIONS: [&str; 6] = ["war", "car", "jar", "aar", "ear", "zip"];

/// Why an archive is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flaw {
    /// It has no valid end record: probably still being copied.
    Truncated,
    /// It has no bytes at all.
    Empty,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the archive has no valid end record: it is probably still being copied",
            Self::Empty => "the archive is empty: it is probably about to be copied",
        })
    }
}

/// What an archive begins with.
pub(super) const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const END_SIZE: usize = 22;
const LOCATOR64_SIZE: usize = 20;
const END64_SIZE: usize = 56;
/// The end record and the longest comment behind it.
const TAIL: u64 = 65_557;

/// What is wrong with the archive `file` called `name`, if anything; `None` also for what is no archive.
///
/// An archive is what begins with a ZIP local header, or whose name has one of the `extensions` (any case, no dot).
pub fn archive_flaw(file: &File, name: &[u8], extensions: &[impl AsRef<[u8]>]) -> Result<Option<Flaw>> {
    let failed = |source| Error::io("read", String::from_utf8_lossy(name), source);
    let archive = Archive { file, size: file.metadata().map_err(failed)?.len() };
    let called = is_called_archive(name, extensions);
    if archive.size == 0 {
        return Ok(called.then_some(Flaw::Empty));
    }
    let local = archive.says(0, LOCAL_HEADER).map_err(failed)?;
    if !called && !local {
        return Ok(None);
    }
    let whole = archive.has_end(local).map_err(failed)?;
    Ok((!whole).then_some(Flaw::Truncated))
}

/// Whether `name` has one of the `extensions` (any case, no dot).
pub fn is_called_archive(name: &[u8], extensions: &[impl AsRef<[u8]>]) -> bool {
    let extension = name.rsplit(|&byte| byte == b'.').next().filter(|extension| extension.len() < name.len());
    extension.is_some_and(|found| extensions.iter().any(|one| found.eq_ignore_ascii_case(one.as_ref())))
}

struct Archive<'a> {
    file: &'a File,
    size: u64,
}

impl Archive<'_> {
    /// Whether `magic` stands at `offset`.
    fn says(&self, offset: u64, magic: &[u8]) -> std::io::Result<bool> {
        let within = offset.checked_add(4).is_some_and(|end| end <= self.size);
        let mut bytes = [0; 4];
        Ok(within && self.fill(&mut bytes, offset)? && bytes == magic)
    }

    /// Fills `bytes`, or says that the file has become shorter meanwhile.
    fn fill(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<bool> {
        match self.file.read_exact_at(bytes, offset) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| true),
        }
    }

    /// Searches for a valid end record. `local`: the file begins with a local header, so that nothing precedes the
    /// archive and every offset counts from the start of the file.
    fn has_end(&self, local: bool) -> std::io::Result<bool> {
        let length = self.size.min(TAIL);
        let start = self.size - length;
        let mut tail = vec![0; usize::try_from(length).expect("because it is at most 65557")];
        if !self.fill(&mut tail, start)? {
            return Ok(false);
        }
        for at in (0..(tail.len() + 1).saturating_sub(END_SIZE)).rev() {
            let record = &tail[at..];
            if !record.starts_with(END) {
                continue;
            }
            let rest = record.len() - END_SIZE;
            let comment = usize::from(u16_at(record, 20));
            // Some bytes behind the comment are common and harmless where the offsets are proof enough.
            if comment > rest || (!local && comment < rest) {
                continue;
            }
            let end = Directory {
                ends: start + at as u64,
                size: u64::from(u32_at(record, 12)),
                offset: u64::from(u32_at(record, 16)),
            };
            let entries = u16_at(record, 10);
            let fits = if entries == u16::MAX || end.size == u64::from(u32::MAX) || end.offset == u64::from(u32::MAX) {
                self.fits(&end, local)? || self.fits64(end.ends, local)?
            } else {
                self.fits(&end, local)?
            };
            if fits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the central directory stands directly before its end record.
    fn fits(&self, directory: &Directory, local: bool) -> std::io::Result<bool> {
        let Some(begins) = directory.ends.checked_sub(directory.size) else { return Ok(false) };
        let placed = if local { begins == directory.offset } else { begins >= directory.offset };
        Ok(placed && (directory.size == 0 || self.says(begins, CENTRAL_HEADER)?))
    }

    /// The same by the ZIP64 record, whose locator stands before the end record at `end`.
    fn fits64(&self, end: u64, local: bool) -> std::io::Result<bool> {
        let mut locator = [0; LOCATOR64_SIZE];
        let Some(at) = end.checked_sub(LOCATOR64_SIZE as u64) else { return Ok(false) };
        if !self.fill(&mut locator, at)? || !locator.starts_with(LOCATOR64) {
            return Ok(false);
        }
        // What precedes the archive shifts the record; without extensible data it stands directly before the locator.
        let said = u64_at(&locator, 8);
        for ends in [said, at.saturating_sub(END64_SIZE as u64)] {
            let mut record = [0; END64_SIZE];
            let within = ends.checked_add(END64_SIZE as u64).is_some_and(|end| end <= at);
            if within && self.fill(&mut record, ends)? && record.starts_with(END64) {
                let directory = Directory { ends, size: u64_at(&record, 40), offset: u64_at(&record, 48) };
                if self.fits(&directory, local)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Where an end record stands, and what it says of the central directory.
struct Directory {
    ends: u64,
    size: u64,
    offset: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A stored archive of the given members, behind `before` bytes that its offsets do not count.
    fn zip(members: &[(&str, &[u8])], before: &[u8], comment: &[u8], zip64: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut central = Vec::new();
        for (name, content) in members {
            let offset = u32::try_from(bytes.len()).expect("small");
            let size = u32::try_from(content.len()).expect("small").to_le_bytes();
            let name_length = u16::try_from(name.len()).expect("small").to_le_bytes();
            bytes.extend_from_slice(LOCAL_HEADER);
            bytes.extend_from_slice(&[0; 14]);
            bytes.extend_from_slice(&[&size[..], &size, &name_length, &[0; 2], name.as_bytes(), content].concat());
            central.extend_from_slice(CENTRAL_HEADER);
            central.extend_from_slice(&[0; 16]);
            central.extend_from_slice(&[&size[..], &size, &name_length, &[0; 12], &offset.to_le_bytes()].concat());
            central.extend_from_slice(name.as_bytes());
        }
        let offset = bytes.len() as u64;
        let size = central.len() as u64;
        bytes.extend_from_slice(&central);
        let count = u16::try_from(members.len()).expect("few").to_le_bytes();
        let comment_length = u16::try_from(comment.len()).expect("small").to_le_bytes();
        if zip64 {
            let at = bytes.len() as u64;
            bytes.extend_from_slice(
                &[END64, &44u64.to_le_bytes(), &[0; 28], &size.to_le_bytes(), &offset.to_le_bytes()].concat(),
            );
            bytes.extend_from_slice(&[LOCATOR64, &[0; 4], &at.to_le_bytes(), &1u32.to_le_bytes()].concat());
            bytes.extend_from_slice(&[END, &[0; 4], &[0xff; 12], &comment_length, comment].concat());
        } else {
            let small = |value: u64| u32::try_from(value).expect("small").to_le_bytes();
            let counts = [count, count].concat();
            bytes.extend_from_slice(
                &[END, &[0; 4], &counts, &small(size), &small(offset), &comment_length, comment].concat(),
            );
        }
        [before, &bytes].concat()
    }

    fn flaw(name: &str, bytes: &[u8]) -> Option<Flaw> {
        let mut file = tempfile::tempfile().expect("tempfile");
        file.write_all(bytes).expect("write");
        archive_flaw(&file, name.as_bytes(), &ARCHIVE_EXTENSIONS).expect("reads")
    }

    #[test]
    fn whole_archives_pass() {
        let members: &[(&str, &[u8])] = &[("a", b"content"), ("b/c", b"")];
        for (what, bytes) in [
            ("plain", zip(members, b"", b"", false)),
            ("comment", zip(members, b"", &[b'x'; 65_535], false)),
            ("a comment that looks like an end", zip(members, b"", END, false)),
            ("zip64", zip(members, b"", b"c", true)),
            ("script", zip(members, b"#!/bin/sh\nexec java -jar $0\n", b"", false)),
            ("zip64 script", zip(members, b"#!/bin/sh\nexec java -jar $0\n", b"", true)),
            ("no members", zip(&[], b"", b"", false)),
            ("a newline behind it", [&zip(members, b"", b"", false)[..], b"\n"].concat()),
        ] {
            assert_eq!(flaw("app.war", &bytes), None, "{what}");
            assert_eq!(flaw("app.WAR", &bytes), None, "{what}");
            assert_eq!(flaw("app", &bytes), None, "{what}");
        }
        assert_eq!(zip(&[], b"", b"", false).len(), 22);
    }

    #[test]
    fn no_beginning_of_an_archive_passes() {
        let inner = zip(&[("x", b"inner")], b"", b"", false);
        for (zip64, comment) in [(false, &b""[..]), (true, b""), (false, b"a comment")] {
            let whole =
                zip(&[("lib/inner.jar", &inner), ("b", b"more"), ("lib/other.jar", &inner)], b"", comment, zip64);
            for length in 1..whole.len() - comment.len() {
                assert_eq!(flaw("app.war", &whole[..length]), Some(Flaw::Truncated), "{length} of {}", whole.len());
            }
            // Without the extension the header alone makes it an archive.
            for length in 4..whole.len() - comment.len() {
                assert_eq!(flaw("app", &whole[..length]), Some(Flaw::Truncated), "{length} of {}", whole.len());
            }
        }
        let script = zip(&[("a", b"b")], b"#!/bin/sh\n", b"", false);
        for length in 1..script.len() {
            assert_eq!(flaw("app.jar", &script[..length]), Some(Flaw::Truncated), "{length}");
        }
    }

    #[test]
    fn empty_files_and_other_files() {
        assert_eq!(flaw("app.war", b""), Some(Flaw::Empty));
        assert_eq!(flaw("web.xml", b""), None);
        assert_eq!(flaw("war", b""), None);
        assert_eq!(flaw("web.xml", b"<web-app/>"), None);
        assert_eq!(flaw("app.jar", b"not an archive"), Some(Flaw::Truncated));
        assert_eq!(flaw("app.jar", &[b"PK\x05\x06".repeat(20_000), vec![0; 9]].concat()), Some(Flaw::Truncated));
        assert!(Flaw::Truncated.to_string().contains("end record") && Flaw::Empty.to_string().contains("empty"));
    }
}
