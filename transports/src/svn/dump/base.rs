//! What a delta is applied to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A text that can be read anywhere.
pub(crate) trait Base {
    /// Fills `bytes` with what stands at `offset`. If the text is shorter, that is [`io::ErrorKind::UnexpectedEof`].
    fn fill_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Base for File {
    fn fill_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        // The system has another error for what no file can have.
        let end = offset.checked_add(bytes.len() as u64).and_then(|end| i64::try_from(end).ok());
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.read_exact_at(bytes, offset)
    }
}

// For the slice itself there could be no `&dyn Base`: it has no size.
impl Base for &[u8] {
    fn fill_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok();
        let found = from.and_then(|from| self.get(from..from.checked_add(bytes.len())?));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
