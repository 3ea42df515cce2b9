//! A file's text: how it is declared, and what becomes of it.

use std::io::Write;

use depsync_engine::error::{Error, Result};
use depsync_engine::hash::{Digest, Hasher};
use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::headers::{Headers, Lengths};
use super::input::damaged;

/// The text that follows a node, as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// How many bytes of the stream it has; the content may have more or less.
    pub(crate) length: u64,
    /// Whether it is a delta to what the file, or its source, was before. Otherwise it is the content itself.
    pub(crate) delta: bool,
    /// The checksums of what a delta is to. None are there if that is nothing.
    pub(crate) base: Sums,
    /// The checksums of the content.
    pub(crate) content: Sums,
}

/// Checksums that are declared. `svnrdump` declares MD5 alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) sha1: Option<[u8; 20]>,
}

/// What a text has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// How long the content is.
    pub(crate) length: u64,
    /// Its digest.
    pub(crate) digest: Digest,
}

impl Sums {
    /// Reads the headers whose names begin with `what`.
    pub(super) fn read(headers: &Headers, what: &str) -> Result<Self> {
        Ok(Self { md5: headers.bytes(&format!("{what}-md5"))?, sha1: headers.bytes(&format!("{what}-sha1"))? })
    }
}

impl Text {
    /// Reads what a node's head says of its text.
    pub(super) fn read(headers: &Headers, lengths: Lengths) -> Result<Option<Self>> {
        let Some(length) = lengths.text else { return Ok(None) };
        let delta = headers.flag("Text-delta")?;
        let (base, content) = (Sums::read(headers, "Text-delta-base")?, Sums::read(headers, "Text-content")?);
        Ok(Some(Self { length, delta, base, content }))
    }
}

/// Where content goes: out, and into the sums.
pub(super) struct Sink<'a> {
    out: &'a mut dyn Write,
    declared: Sums,
    length: u64,
    blake3: Hasher,
    md5: Option<Md5>,
    sha1: Option<Sha1>,
}

impl<'a> Sink<'a> {
    /// Content that must have the sums `declared`, of which there is one at least.
    pub(super) fn new(out: &'a mut dyn Write, declared: Sums) -> Result<Self> {
        if declared == Sums::default() {
            return Err(damaged("a text without a checksum"));
        }
        let (md5, sha1) = (declared.md5.map(|_| Md5::new()), declared.sha1.map(|_| Sha1::new()));
        Ok(Self { out, declared, length: 0, blake3: Hasher::plain(), md5, sha1 })
    }

    /// The next piece of the content.
    pub(super) fn put(&mut self, piece: &[u8]) -> Result<()> {
        self.out.write_all(piece).map_err(|error| Error::io("write", "a text of the dump", error))?;
        self.length += piece.len() as u64;
        self.blake3.update(piece);
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(piece);
        }
        Ok(())
    }

    /// Looks whether it was the content that was declared.
    pub(super) fn finish(self) -> Result<Applied> {
        let md5: Option<[u8; 16]> = self.md5.map(|md5| md5.finalize().into());
        let sha1: Option<[u8; 20]> = self.sha1.map(|sha1| sha1.finalize().into());
        if md5 != self.declared.md5 || sha1 != self.declared.sha1 {
            return Err(damaged("the text is not the one that was declared: its checksum differs"));
        }
        Ok(Applied { length: self.length, digest: self.blake3.finish() })
    }
}
