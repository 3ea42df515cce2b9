//! An application as an archive: some pages and as much ballast as a test likes, not compressed.

use std::path::Path;

/// Where the page is that says the version, beneath the application.
pub const PAGE: &str = "version.txt";

/// What the application is to the server. Complete: no class has to be searched for annotations.
const DESCRIPTOR: &str = r#"<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0" metadata-complete="true"/>
"#;

/// Lines of a page: more than fit into one packet or buffer.
const LINES: usize = 1000;

/// A version of the application.
#[derive(Clone, Copy, Debug)]
pub struct War {
    version: u32,
    ballast: usize,
}

impl War {
    /// The version `version`, small.
    pub fn new(version: u32) -> Self {
        Self { version, ballast: 0 }
    }

    /// The same with `ballast` bytes that are other ones in each version, and do not compress.
    #[must_use]
    pub fn with(self, ballast: usize) -> Self {
        Self { ballast, ..self }
    }

    /// The page of a version.
    pub fn page(version: u32) -> String {
        format!("version {version}\n").repeat(LINES) + "end\n"
    }

    /// The version that has this page, whole.
    pub fn version_of(page: &str) -> Option<u32> {
        let version = page.lines().next()?.strip_prefix("version ")?.parse().ok()?;
        (Self::page(version) == page).then_some(version)
    }

    /// The archive.
    pub fn bytes(&self) -> Vec<u8> {
        // What a hash function goes on to say is as good as chance, and there at once, however much it is.
        let mut ballast = vec![0; self.ballast];
        blake3::Hasher::new().update(&self.version.to_le_bytes()).finalize_xof().fill(&mut ballast);
        let mut zip = Zip::default();
        zip.add("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n");
        zip.add("WEB-INF/web.xml", DESCRIPTOR.as_bytes());
        zip.add("ballast.bin", &ballast);
        // Last: who sees it has seen the archive to its end.
        zip.add(PAGE, Self::page(self.version).as_bytes());
        zip.close()
    }

    /// Writes the archive to `path`, in place of whatever is there.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).expect("an archive is written");
    }
}

/// A ZIP archive that is written, of stored entries (APPNOTE.TXT, 4.3).
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip {
    fn add(&mut self, name: &str, content: &[u8]) {
        let offset = self.offset();
        let size = u32::try_from(content.len()).expect("less than 4 GiB").to_le_bytes();
        let length = u16::try_from(name.len()).expect("a short name").to_le_bytes();
        // Version 1.0, no flags, stored, the first day that a ZIP archive knows; no extra field.
        let about =
            [&[10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &crc32(content).to_le_bytes(), &size, &size, &length, &[0; 2]];
        let about = about.concat();
        self.bytes.extend([b"PK\x03\x04", about.as_slice(), name.as_bytes(), content].concat());
        let of_file = [b"PK\x01\x02\x0a\x00", about.as_slice(), &[0; 10], &offset, name.as_bytes()];
        self.directory.extend(of_file.concat());
        self.entries += 1;
    }

    fn close(mut self) -> Vec<u8> {
        let (offset, entries) = (self.offset(), self.entries.to_le_bytes());
        let size = u32::try_from(self.directory.len()).expect("less than 4 GiB").to_le_bytes();
        let end = [&b"PK\x05\x06\0\0\0\0"[..], &entries, &entries, &size, &offset, &[0; 2]].concat();
        self.bytes.append(&mut self.directory);
        self.bytes.extend(end);
        self.bytes
    }

    fn offset(&self) -> [u8; 4] {
        u32::try_from(self.bytes.len()).expect("less than 4 GiB").to_le_bytes()
    }
}

/// The checksum of ZIP archives.
fn crc32(content: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|byte| {
        (0..8).fold(u32::try_from(byte).expect("a byte"), |rest, _| (rest >> 1) ^ (0xedb8_8320 * (rest & 1)))
    });
    let mut rest: u32 = !0;
    // A plain loop: some hundred million times in a program that is not optimised.
    for byte in content {
        rest = (rest >> 8) ^ table[usize::from(rest.to_le_bytes()[0] ^ byte)];
    }
    !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_page_is_told_from_a_part_of_one() {
        let page = War::page(7);
        assert_eq!(War::version_of(&page), Some(7));
        assert_eq!(War::version_of(&page[..page.len() - 1]), None);
        assert_eq!(War::version_of(&page.replacen("version 7\n", "version 8\n", 1)), None);
        assert_eq!(War::version_of("version 7\n"), None);
    }
}
