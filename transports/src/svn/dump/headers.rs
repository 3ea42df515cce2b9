//! The head of a record: lines of a name, a colon and a value, up to an empty line.

use std::io::Read;

use depsync_engine::error::Result;

use super::input::{Input, damaged};
use super::properties::MAX_BLOCK;

/// The most lines of a head.
const MAX_COUNT: usize = 64;

/// The lines of a head, of which there is at least one.
pub(super) struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

/// How long what follows a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    /// The properties, which come first.
    pub(super) properties: Option<usize>,
    /// The text.
    pub(super) text: Option<u64>,
}

impl Headers {
    /// Reads the next head; none at the end of the stream.
    pub(super) fn read<R: Read>(input: &mut Input<R>) -> Result<Option<Self>> {
        let mut line = Vec::new();
        while line.is_empty() {
            if !input.line(&mut line)? {
                return Ok(None);
            }
        }
        let mut lines: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        while !line.is_empty() {
            let colon =
                memchr::memchr(b':', &line).ok_or_else(|| damaged(format!("not a header: {}", shown(&line))))?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if lines.iter().any(|(known, _)| known == name) {
                return Err(damaged(format!("the header {} twice", shown(name))));
            }
            if lines.len() == MAX_COUNT {
                return Err(damaged(format!("a record has more than {MAX_COUNT} headers")));
            }
            lines.push((name.to_vec(), value.strip_prefix(b" ").unwrap_or(value).to_vec()));
            if !input.line(&mut line)? {
                return Err(damaged("the dump ends within the head of a record"));
            }
        }
        Ok(Some(Self(lines)))
    }

    /// The name of the first line, which tells the sort of record.
    pub(super) fn first(&self) -> &[u8] {
        self.0.first().map_or(&[], |(name, _)| name)
    }

    /// The value of a line.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| &value[..])
    }

    /// A value that is a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        self.with(name, number)
    }

    /// A value that is `true` or `false`, which it is unless it is there.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        let read = |value: &[u8]| match value {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        };
        Ok(self.with(name, read)?.unwrap_or(false))
    }

    /// A value that is so many bytes in hex.
    pub(super) fn bytes<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>> {
        self.with(name, |value| data_encoding::HEXLOWER.decode(value).ok()?.try_into().ok())
    }

    /// What `read` makes of a value. If that is nothing, the value is garbled.
    pub(super) fn with<T>(&self, name: &str, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let garbled = || damaged(format!("the header {name} says {}", shown(value)));
        read(value).map(Some).ok_or_else(garbled)
    }

    /// The lengths of what follows.
    pub(super) fn lengths(&self) -> Result<Lengths> {
        let properties = self.number("Prop-content-length")?;
        let text = self.number("Text-content-length")?;
        let both = properties.unwrap_or(0).checked_add(text.unwrap_or(0));
        let all = self.number("Content-length")?;
        if both != Some(all.unwrap_or(0)) {
            return Err(damaged("the lengths of properties and text do not make the length of both"));
        }
        if properties.is_some_and(|length| length > MAX_BLOCK) {
            return Err(damaged(format!("the properties have more than {MAX_BLOCK} bytes")));
        }
        let properties =
            properties.map(usize::try_from).transpose().map_err(|_| damaged("the properties are too long"))?;
        Ok(Lengths { properties, text })
    }
}

/// A number in digits.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|_| digits.iter().all(u8::is_ascii_digit))
}

/// Bytes from outside, for people.
pub(super) fn shown(bytes: &[u8]) -> String {
    let some = &bytes[..bytes.len().min(4 << 10)];
    String::from_utf8_lossy(some).chars().flat_map(char::escape_debug).collect()
}
