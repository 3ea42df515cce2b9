//! A block of properties: `K 3`, a name, `V 5`, a value, and so on, `D 3` and a name where one is gone, and at the end
//! `PROPS-END`.

use std::collections::{BTreeMap, BTreeSet};

use depsync_engine::error::Result;

use super::input::damaged;

/// The longest block that is read.
pub(super) const MAX_BLOCK: u64 = 16 << 20;

/// The most properties of a block.
const MAX_COUNT: usize = 16 << 10;

/// Names and values, both bytes.
pub(crate) type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a record says about properties, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Properties {
    /// These and no others.
    Complete(Values),
    /// What changes; others stay.
    Delta {
        /// Those that are new or have another value.
        set: Values,
        /// Those that are gone.
        deleted: BTreeSet<Vec<u8>>,
    },
}

impl Properties {
    /// Reads a block.
    pub(super) fn read(block: &[u8], delta: bool) -> Result<Self> {
        let (mut set, mut deleted) = (Values::new(), BTreeSet::new());
        let mut rest = block;
        // One that stands there twice is as the later says, as for Subversion's own reader.
        loop {
            let line = line(&mut rest)?;
            if line == b"PROPS-END" {
                break;
            }
            if set.len() + deleted.len() == MAX_COUNT {
                return Err(damaged(format!("there are more than {MAX_COUNT} properties")));
            }
            if let Some(length) = line.strip_prefix(b"K ") {
                let name = counted(&mut rest, length)?;
                let length = take_line(&mut rest, b"V ")?;
                let value = counted(&mut rest, length)?;
                deleted.remove(name);
                set.insert(name.to_vec(), value.to_vec());
            } else if let Some(length) = line.strip_prefix(b"D ").filter(|_| delta) {
                let name = counted(&mut rest, length)?;
                set.remove(name);
                deleted.insert(name.to_vec());
            } else {
                return Err(garbled());
            }
        }
        if !rest.is_empty() {
            return Err(damaged("something stands behind the end of the properties"));
        }
        Ok(if delta { Self::Delta { set, deleted } } else { Self::Complete(set) })
    }
}

fn garbled() -> depsync_engine::error::Error {
    damaged("the properties are garbled")
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let end = memchr::memchr(b'\n', rest).ok_or_else(garbled)?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Ok(line)
}

fn take_line<'a>(rest: &mut &'a [u8], prefix: &[u8]) -> Result<&'a [u8]> {
    line(rest)?.strip_prefix(prefix).ok_or_else(garbled)
}

/// Bytes of which there are `length` in digits, and the end of the line behind them.
fn counted<'a>(rest: &mut &'a [u8], length: &[u8]) -> Result<&'a [u8]> {
    let length = super::headers::number(length).and_then(|length| usize::try_from(length).ok()).ok_or_else(garbled)?;
    let (bytes, behind) = rest.split_at_checked(length).ok_or_else(garbled)?;
    *rest = behind.strip_prefix(b"\n").ok_or_else(garbled)?;
    Ok(bytes)
}
