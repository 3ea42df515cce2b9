//! svndiff, the delta that Subversion keeps and sends: `notes/svndiff` in its sources.
//!
//! A document is `SVN` and a version byte, and then windows to the end. A window makes the next piece of the target: it
//! has five numbers (where its view of the source begins, and the lengths of that view, of the target, of the
//! instructions and of the new data), then the instructions, then the new data. A number has seven bits a byte, the
//! highest first, and the highest bit of a byte says that another follows. An instruction copies from the source view,
//! from the target so far (also beyond its end, which repeats), or from the new data, of which it takes the next bytes.
//!
//! Laws:
//! - one window is in memory, of which no part is longer than [`MAX_PART`]; a length is looked at before memory is asked
//!   for. Subversion's own programs neither write nor take views of more than 100 KiB;
//! - whatever is out of bounds, left over or missing is damage. The format says so too, except that a source view may
//!   move backwards here: a base is read anywhere, so that needs no rule;
//! - version 0 alone: `svnrdump` writes no other. 1 (zlib) and 2 (LZ4) are what servers and clients say to each other.

use std::io;

use depsync_engine::error::{Error, ErrorKind, Result};

use super::base::Base;
use super::input::{Section, damaged};

/// The longest source view, target view, instructions or new data of a window.
pub(super) const MAX_PART: usize = 1 << 20;

/// The memory that a window is in.
#[derive(Default)]
pub(super) struct Windows {
    source: Vec<u8>,
    instructions: Vec<u8>,
    fresh: Vec<u8>,
    target: Vec<u8>,
}

impl Windows {
    /// Reads a document to the end of `section`, and gives what it makes of `base`, piece by piece, to `each`.
    pub(super) fn apply(
        &mut self,
        section: &mut Section<'_>,
        base: Option<&dyn Base>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut head = [0; 4];
        section.exact(&mut head)?;
        match head {
            [b'S', b'V', b'N', 0] => {}
            [b'S', b'V', b'N', version] => {
                let what = format!("a delta in svndiff version {version}: only version 0 is read");
                return Err(Error::new(ErrorKind::Unsupported, what));
            }
            _ => return Err(damaged("the delta is no svndiff")),
        }
        while section.left() > 0 {
            self.window(section, base)?;
            each(&self.target)?;
        }
        Ok(())
    }

    fn window(&mut self, section: &mut Section<'_>, base: Option<&dyn Base>) -> Result<()> {
        let from = number(section)?;
        let source = part(section, "source view")?;
        let target = part(section, "target view")?;
        let instructions = part(section, "instructions")?;
        let fresh = part(section, "new data")?;
        if (instructions + fresh) as u64 > section.left() {
            return Err(damaged("the delta ends within a window"));
        }
        section.fill(&mut self.instructions, instructions)?;
        section.fill(&mut self.fresh, fresh)?;
        self.view(base, from, source)?;
        self.follow(target)
    }

    /// Reads the source view.
    fn view(&mut self, base: Option<&dyn Base>, from: u64, length: usize) -> Result<()> {
        self.source.clear();
        if length == 0 {
            return Ok(());
        }
        let base = base.ok_or_else(|| damaged("the delta is to a text that is not here"))?;
        self.source.resize(length, 0);
        base.fill_at(&mut self.source, from).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("the delta is to a longer text than is here"),
            _ => Error::io("read", "the text that a delta is to", error),
        })
    }

    /// Makes `length` bytes of the target by the instructions.
    fn follow(&mut self, length: usize) -> Result<()> {
        self.target.clear();
        self.target.reserve(length);
        let mut fresh = &self.fresh[..];
        let mut rest = &self.instructions[..];
        while let Some((&first, behind)) = rest.split_first() {
            rest = behind;
            let count = match first & 0x3f {
                0 => size(&mut rest)?,
                short => usize::from(short),
            };
            if count == 0 || count > length - self.target.len() {
                return Err(damaged("a delta's instruction makes nothing, or more than its window has"));
            }
            match first >> 6 {
                0 => {
                    let offset = size(&mut rest)?;
                    let end = offset.checked_add(count);
                    let copied = end.and_then(|end| self.source.get(offset..end));
                    self.target.extend_from_slice(copied.ok_or_else(|| damaged(OUTSIDE))?);
                }
                1 => {
                    let offset = size(&mut rest)?;
                    repeat(&mut self.target, offset, count)?;
                }
                2 => {
                    let (next, behind) = fresh.split_at_checked(count).ok_or_else(|| damaged(OUTSIDE))?;
                    self.target.extend_from_slice(next);
                    fresh = behind;
                }
                _ => return Err(damaged("an instruction of a delta that nobody knows")),
            }
        }
        if self.target.len() != length || !fresh.is_empty() {
            return Err(damaged("a window of a delta makes less than it says, or leaves new data over"));
        }
        Ok(())
    }

    /// The memory it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        [&self.source, &self.instructions, &self.fresh, &self.target].map(Vec::capacity).iter().sum()
    }
}

const OUTSIDE: &str = "an instruction of a delta copies from outside of its window";

/// Copies `count` bytes of `target` from `offset` to its end: what is copied may itself be copied on.
fn repeat(target: &mut Vec<u8>, offset: usize, mut count: usize) -> Result<()> {
    if offset >= target.len() {
        return Err(damaged(OUTSIDE));
    }
    while count > 0 {
        // All from `offset` on repeats with the same period, so as much may be copied at once as is there.
        let length = count.min(target.len() - offset);
        target.extend_from_within(offset..offset + length);
        count -= length;
    }
    Ok(())
}

/// The length of a part of a window.
fn part(section: &mut Section<'_>, name: &str) -> Result<usize> {
    let length = number(section)?;
    let fits = usize::try_from(length).ok().filter(|length| *length <= MAX_PART);
    fits.ok_or_else(|| {
        damaged(format!("the {name} of a delta's window has {length} bytes: at most {MAX_PART} are read"))
    })
}

/// A number in a window's head.
fn number(section: &mut Section<'_>) -> Result<u64> {
    decode(|| section.byte())
}

/// A number in the instructions.
fn size(rest: &mut &[u8]) -> Result<usize> {
    let number = decode(|| {
        let (&first, behind) = rest.split_first().ok_or_else(|| damaged("a delta's instructions end within one"))?;
        *rest = behind;
        Ok(first)
    })?;
    usize::try_from(number).map_err(|_| damaged(TOO_LARGE))
}

const TOO_LARGE: &str = "a number in a delta is too large";

fn decode(mut byte: impl FnMut() -> Result<u8>) -> Result<u64> {
    let mut number = 0_u64;
    // Zeros in front change nothing, but must not go on for ever.
    for _ in 0..10 {
        let next = byte()?;
        number = number.checked_mul(128).ok_or_else(|| damaged(TOO_LARGE))? | u64::from(next & 0x7f);
        if next < 0x80 {
            return Ok(number);
        }
    }
    Err(damaged(TOO_LARGE))
}
