//! What an archive is read from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that can be read at any place.
pub trait Source {
    /// Fills `into` with what stands at `offset`. [`io::ErrorKind::UnexpectedEof`] where there is not as much.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Source for File {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, offset)
    }
}

impl Source for [u8] {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(into.len())?));
        let found = range.and_then(|range| self.get(range)).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(found);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self[..].read(offset, into)
    }
}

/// Reads `length` bytes at `offset`. The length was compared with a bound before.
pub(super) fn read(source: &(impl Source + ?Sized), offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    source.read(offset, &mut bytes)?;
    Ok(bytes)
}
