//! What stands before a patch: what is to be inflated, and deflated again.
//!
//! | bytes | are |
//! |---|---|
//! | 1 | the level at which the result is deflated, or 0: it is not; plus 16 if the base is inflated first |
//! | number | how many bytes the inflated base has, only where it is inflated |
//! | number | how many bytes the patch makes |
//!
//! Numbers have seven bits a byte, the lowest first.

use crate::content::archive::columns::{put, take};
use crate::content::deflate::Level;
use crate::error::{Error, ErrorKind, Result};

const INFLATED: u8 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) level: Option<Level>,
    pub(super) base_inflated: Option<u32>,
    /// How many bytes the patch makes: before they are deflated.
    pub(super) length: u32,
}

impl Form {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let level = self.level.map_or(0, Level::number);
        let mut bytes = vec![level | if self.base_inflated.is_some() { INFLATED } else { 0 }];
        if let Some(length) = self.base_inflated {
            put(&mut bytes, length.into());
        }
        put(&mut bytes, self.length.into());
        bytes
    }

    /// Takes a form from the beginning of `bytes`.
    pub(super) fn take(bytes: &mut &[u8]) -> Result<Self> {
        let damaged = || Error::new(ErrorKind::Damaged, "damaged patch: its form is none");
        let (&first, rest) = bytes.split_first().ok_or_else(damaged)?;
        *bytes = rest;
        let number = |bytes: &mut &[u8]| u32::try_from(take(bytes)?).map_err(|_| damaged());
        let level = match first & !INFLATED {
            0 => None,
            number => Some(Level::new(number).ok_or_else(damaged)?),
        };
        let base_inflated = if first & INFLATED != 0 { Some(number(bytes)?) } else { None };
        Ok(Self { level, base_inflated, length: number(bytes)? })
    }
}
