//! Columns: values that are mostly what one expects, kept apart by what they are of.
//!
//! Whoever writes and whoever reads pass over the same fields in the same order ([`Pass`]). For each there are
//! candidates, made of what both know by then; a column holds which of them it is, one byte a field, or the value itself.
//! Columns of nothing but first candidates are nearly nothing when they are compressed, and so are those of a value that
//! repeats.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The most candidates of a field.
const MOST: usize = 8;
/// What stands for a value that is no candidate.
const OTHER: u8 = 0xff;
const TOO_LONG: &str = "a text is too long";

/// One passing over all fields: what it does with each.
pub(in crate::content) trait Pass {
    /// A number.
    fn number(&mut self, column: usize, candidates: &[u64], value: &mut u64) -> Result<()>;

    /// A text, of `most` bytes at the most. One that is read shares what the candidate has.
    fn text(&mut self, column: usize, candidates: &[&Arc<[u8]>], value: &mut Arc<[u8]>, most: usize) -> Result<()>;

    /// Bytes of a length that both know, of which nothing is expected.
    fn exact(&mut self, column: usize, value: &mut [u8]) -> Result<()>;
}

/// Columns that are written, or read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::content) struct Columns(Vec<Column>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Column {
    /// Which candidate each field is.
    choices: Vec<u8>,
    /// The values of those that are none.
    values: Vec<u8>,
}

impl Columns {
    /// So many empty columns.
    pub(in crate::content) fn new(count: usize) -> Self {
        Self(vec![Column::default(); count])
    }

    /// All of them, one after the other, each with its lengths before it.
    pub(in crate::content) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Column { choices, values } in &self.0 {
            put(&mut bytes, choices.len() as u64);
            put(&mut bytes, values.len() as u64);
        }
        for Column { choices, values } in &self.0 {
            bytes.extend_from_slice(choices);
            bytes.extend_from_slice(values);
        }
        bytes
    }

    /// The columns that are these bytes, and nothing more; [`ErrorKind::Damaged`] otherwise.
    pub(in crate::content) fn of_bytes(mut bytes: &[u8], count: usize) -> Result<Self> {
        let mut lengths = Vec::with_capacity(count);
        for _ in 0..count {
            lengths.push((length(&mut bytes)?, length(&mut bytes)?));
        }
        let mut part = |length: usize| {
            let (part, rest) = bytes.split_at_checked(length).ok_or_else(|| damaged("a column is cut off"))?;
            bytes = rest;
            Ok(part.to_vec())
        };
        let columns: Result<Vec<Column>> = lengths
            .into_iter()
            .map(|(choices, values)| Ok(Column { choices: part(choices)?, values: part(values)? }))
            .collect();
        let columns = columns?;
        if bytes.is_empty() { Ok(Self(columns)) } else { Err(damaged("more than its columns")) }
    }
}

/// Writes fields into columns.
pub(in crate::content) struct Writing(pub(in crate::content) Columns);

impl Pass for Writing {
    fn number(&mut self, column: usize, candidates: &[u64], value: &mut u64) -> Result<()> {
        let Column { choices, values } = &mut self.0.0[column];
        match candidates.iter().take(MOST).position(|candidate| candidate == value) {
            Some(choice) => choices.push(choice as u8),
            None => {
                choices.push(OTHER);
                // Near to what was expected, mostly.
                put(values, zigzag(value.wrapping_sub(candidates.first().copied().unwrap_or(0))));
            }
        }
        Ok(())
    }

    fn text(&mut self, column: usize, candidates: &[&Arc<[u8]>], value: &mut Arc<[u8]>, _: usize) -> Result<()> {
        let Column { choices, values } = &mut self.0.0[column];
        match candidates.iter().take(MOST).position(|candidate| *candidate == value) {
            Some(choice) => choices.push(choice as u8),
            None => {
                choices.push(OTHER);
                put(values, value.len() as u64);
                values.extend_from_slice(value);
            }
        }
        Ok(())
    }

    fn exact(&mut self, column: usize, value: &mut [u8]) -> Result<()> {
        self.0.0[column].values.extend_from_slice(value);
        Ok(())
    }
}

/// Reads fields out of columns.
pub(in crate::content) struct Reading<'a> {
    columns: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Reading<'a> {
    pub(in crate::content) fn of(columns: &'a Columns) -> Self {
        Self { columns: columns.0.iter().map(|column| (&column.choices[..], &column.values[..])).collect() }
    }

    /// Everything must have been read.
    pub(in crate::content) fn finish(self) -> Result<()> {
        let all = self.columns.iter().all(|(choices, values)| choices.is_empty() && values.is_empty());
        if all { Ok(()) } else { Err(damaged("more in its columns than fields")) }
    }

    fn choice(&mut self, column: usize) -> Result<u8> {
        let choices = &mut self.columns[column].0;
        let (first, rest) = choices.split_first().ok_or_else(|| damaged("a column ends too early"))?;
        *choices = rest;
        Ok(*first)
    }
}

impl Pass for Reading<'_> {
    fn number(&mut self, column: usize, candidates: &[u64], value: &mut u64) -> Result<()> {
        *value = match self.choice(column)? {
            OTHER => {
                let difference = unzigzag(take(&mut self.columns[column].1)?);
                difference.wrapping_add(candidates.first().copied().unwrap_or(0))
            }
            choice => *candidates.get(usize::from(choice)).ok_or_else(|| damaged("no such candidate"))?,
        };
        Ok(())
    }

    fn text(&mut self, column: usize, candidates: &[&Arc<[u8]>], value: &mut Arc<[u8]>, most: usize) -> Result<()> {
        let found = match self.choice(column)? {
            OTHER => {
                let values = &mut self.columns[column].1;
                let length = length(values)?;
                let (text, rest) = values.split_at_checked(length).ok_or_else(|| damaged("a text is cut off"))?;
                *values = rest;
                if text.len() > most {
                    return Err(damaged(TOO_LONG));
                }
                Arc::from(text)
            }
            choice => Arc::clone(candidates.get(usize::from(choice)).ok_or_else(|| damaged("no such candidate"))?),
        };
        if found.len() > most {
            return Err(damaged(TOO_LONG));
        }
        *value = found;
        Ok(())
    }

    fn exact(&mut self, column: usize, value: &mut [u8]) -> Result<()> {
        let values = &mut self.columns[column].1;
        let (found, rest) = values.split_at_checked(value.len()).ok_or_else(|| damaged("bytes are cut off"))?;
        value.copy_from_slice(found);
        *values = rest;
        Ok(())
    }
}

/// Appends a number: seven bits a byte, the lowest first.
pub(in crate::content) fn put(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Takes a number that [`put`] wrote.
pub(in crate::content) fn take(from: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first().ok_or_else(|| damaged("a number is cut off"))?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged("a number is too long"))
}

fn length(from: &mut &[u8]) -> Result<usize> {
    usize::try_from(take(from)?).map_err(|_| damaged("a length is too long"))
}

/// Small numbers for small differences, whatever their sign.
fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (((difference as i64) >> 63) as u64)
}

fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("damaged columns: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn differences_of_either_sign_are_small() {
        for (difference, small) in [(0u64, 0), (1, 2), (u64::MAX, 1), (2u64.wrapping_neg(), 3), (1 << 63, u64::MAX)] {
            assert_eq!((zigzag(difference), unzigzag(small)), (small, difference));
        }
    }

    #[derive(Clone, Debug)]
    enum Field {
        Number(Vec<u64>, u64),
        Text(Vec<Arc<[u8]>>, Arc<[u8]>),
    }

    fn fields() -> impl Strategy<Value = Vec<(usize, Field)>> {
        let number = (proptest::collection::vec(0u64..20, 0..4), prop_oneof![0u64..20, any::<u64>()])
            .prop_map(|(candidates, value)| Field::Number(candidates, value));
        let text = || proptest::collection::vec(0u8..3, 0..4).prop_map(Arc::from);
        let text = (proptest::collection::vec(text(), 0..4), text())
            .prop_map(|(candidates, value)| Field::Text(candidates, value));
        proptest::collection::vec((0usize..3, prop_oneof![number, text]), 0..60)
    }

    fn pass(through: &mut impl Pass, fields: &mut [(usize, Field)]) -> Result<()> {
        for (column, field) in fields {
            match field {
                Field::Number(candidates, value) => through.number(*column, candidates, value)?,
                Field::Text(candidates, value) => {
                    let candidates: Vec<&Arc<[u8]>> = candidates.iter().collect();
                    through.text(*column, &candidates, value, 3)?;
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mut fields in fields()) {
            let mut writing = Writing(Columns::new(3));
            pass(&mut writing, &mut fields).expect("writes");
            let bytes = writing.0.to_bytes();
            let columns = Columns::of_bytes(&bytes, 3).expect("reads");
            let mut blank = fields.clone();
            for (_, field) in &mut blank {
                match field {
                    Field::Number(_, value) => *value = 77,
                    Field::Text(_, value) => *value = Arc::from(&b"blank"[..]),
                }
            }
            let mut reading = Reading::of(&columns);
            pass(&mut reading, &mut blank).expect("reads");
            reading.finish().expect("all of it");
            prop_assert_eq!(format!("{blank:?}"), format!("{fields:?}"));
        }

        #[test]
        fn damage_is_an_error_or_other_values(mut fields in fields(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut writing = Writing(Columns::new(3));
            pass(&mut writing, &mut fields).expect("writes");
            let mut bytes = writing.0.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(columns) = Columns::of_bytes(&bytes, 3) {
                let mut reading = Reading::of(&columns);
                let _ = pass(&mut reading, &mut fields).and_then(|()| reading.finish());
            }
        }
    }
}
