//! Bytes that come in: lines, blocks and sections whose length is known.

use std::io::{self, BufRead, BufReader, Read};

use depsync_engine::error::{Error, ErrorKind, Result};

/// The longest line of a header that is read, with its end. A path is one; no file system takes longer ones.
pub(super) const MAX_LINE: u64 = 32 << 10;

const CHUNK: usize = 64 << 10;

/// A flaw of the stream. Its place is named by whoever knows it.
pub(super) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

fn failed(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => damaged("the dump ends too early"),
        _ => Error::io("read", "the dump", source),
    }
}

/// The stream.
pub(super) struct Input<R>(BufReader<R>);

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self(BufReader::with_capacity(CHUNK, reader))
    }

    /// Reads a line into `line`, without its end. Answers whether there was one.
    pub(super) fn line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        let read = Read::take(&mut self.0, MAX_LINE).read_until(b'\n', line).map_err(failed)?;
        match line.pop() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) if read as u64 == MAX_LINE => {
                Err(damaged(format!("a line of a header has more than {MAX_LINE} bytes")))
            }
            Some(_) => Err(damaged("the dump ends within a line")),
        }
    }

    /// The next `left` bytes, which is counted down as they are read.
    pub(super) fn section<'a>(&'a mut self, left: &'a mut u64) -> Section<'a> {
        Section { reader: &mut self.0, left }
    }
}

/// A part of the stream. Nothing behind its end is read.
pub(super) struct Section<'a> {
    reader: &'a mut dyn BufRead,
    left: &'a mut u64,
}

impl<'a> Section<'a> {
    /// The first `left` bytes of `reader`.
    #[cfg(test)]
    pub(super) fn of(reader: &'a mut dyn BufRead, left: &'a mut u64) -> Self {
        Self { reader, left }
    }

    /// How much of it was not read yet.
    pub(super) fn left(&self) -> u64 {
        *self.left
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.exact(&mut byte)?;
        Ok(byte[0])
    }

    /// As many bytes as `bytes` has.
    pub(super) fn exact(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.pass(bytes.len() as u64)?;
        self.reader.read_exact(bytes).map_err(|error| self.lost(error))
    }

    /// Reads `length` bytes into `bytes`, in place of what is in it. The caller bounds the length; memory grows only as
    /// bytes come.
    pub(super) fn fill(&mut self, bytes: &mut Vec<u8>, length: usize) -> Result<()> {
        self.pass(length as u64)?;
        bytes.clear();
        let read = Read::take(&mut *self.reader, length as u64).read_to_end(bytes);
        match read {
            Ok(read) if read == length => Ok(()),
            Ok(_) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Gives what is left to `each`, piece by piece.
    pub(super) fn drain(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while *self.left > 0 {
            let found = match self.reader.fill_buf() {
                Ok([]) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            let piece = &found[..found.len().min(usize::try_from(*self.left).unwrap_or(usize::MAX))];
            let length = piece.len();
            let taken = each(piece);
            self.reader.consume(length);
            *self.left -= length as u64;
            taken?;
        }
        Ok(())
    }

    /// A failure of the reader: nobody knows where it is, so nothing behind is taken for a record.
    fn lost(&mut self, source: io::Error) -> Error {
        *self.left = u64::MAX;
        failed(source)
    }

    fn pass(&mut self, length: u64) -> Result<()> {
        let left = self.left.checked_sub(length);
        *self.left = left.ok_or_else(|| damaged("a part of the text is longer than the text"))?;
        Ok(())
    }
}
