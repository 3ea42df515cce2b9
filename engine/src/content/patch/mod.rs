//! Pieces as differences from other pieces.
//!
//! What is deflated differs in all its bytes where it differs in one before it was deflated. So both sides inflate: the
//! publisher what it has and what was there before, the receiver what it has; it applies the patch and deflates the result
//! again, at the level that the publisher has found out to make the very same bytes. What is not made again travels as
//! it is.
//!
//! | codec | is |
//! |---|---|
//! | [`Patch`](Codec::Patch) | a form (`form`), and a zstd frame with the base, inflated or as it is, as its prefix |
//! | [`Nested`](Codec::Nested) | a form, and what has changed within an archive (`nested`) |
//!
//! Laws:
//! - what an encoder makes was decoded and compared, or probed, before it is used: a patch makes its piece, or there is
//!   none;
//! - nothing is believed: each length is compared with its bound before memory is claimed, and whoever applies a patch
//!   verifies what it makes by its name;
//! - a patch is applied to the very bytes that it was made against, which have a name, too.

mod form;
mod nested;
mod prefix;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, Result};

use super::deflate::{self, MAX_INFLATED};
use super::effort::Effort;
use super::pack::Codec;
use super::recipe::Counterpart;
use form::Form;

/// What is found out about a piece that travels as a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::content) struct Difference {
    pub(in crate::content) codec: Codec,
    pub(in crate::content) bytes: Vec<u8>,
}

/// The difference of `new` from `old`, verified; none where there is none. Whether it is worth it is for the caller to say.
pub(in crate::content) fn between(
    new: &[u8],
    old: &[u8],
    counterpart: &Counterpart,
    effort: Effort,
) -> Result<Option<Difference>> {
    let Some(pair) = Pair::of(new, old, counterpart) else { return Ok(None) };
    let nested = if pair.form.level.is_some() { nested::encode(&pair.new, &pair.old, effort)? } else { None };
    let difference = match nested {
        Some(inner) => {
            let bytes = [&pair.form.to_bytes()[..], &inner].concat();
            Difference { codec: Codec::Nested, bytes }
        }
        None => Difference { codec: Codec::Patch, bytes: pair.patch(effort)? },
    };
    let made = apply(difference.codec, &difference.bytes, old, new.len());
    Ok(made.is_ok_and(|made| made == new).then_some(difference))
}

/// As [`between`], for what stands in an archive that is itself deflated: archives in it are content like any other.
fn flat(new: &[u8], old: &[u8], counterpart: &Counterpart, effort: Effort) -> Result<Option<Vec<u8>>> {
    Pair::of(new, old, counterpart).map(|pair| pair.patch(effort)).transpose()
}

/// Two pieces as they are held against each other: inflated where that is of use.
struct Pair<'a> {
    form: Form,
    new: Cow<'a, [u8]>,
    old: Cow<'a, [u8]>,
}

impl<'a> Pair<'a> {
    fn of(new: &'a [u8], old: &'a [u8], counterpart: &Counterpart) -> Option<Self> {
        let inflate = |data: &[u8], length: Option<u32>| deflate::inflate(data, usize::try_from(length?).ok()?);
        let content = inflate(new, counterpart.inflated).filter(|_| deflate::check().is_ok());
        let made = content.and_then(|content| Some((deflate::probe(new, &content)?, content)));
        // What cannot be made again is worth a patch only against deflated data, if at all.
        let as_is = made.is_none() && counterpart.inflated.is_some();
        let base = if as_is { None } else { inflate(old, counterpart.base_inflated) };
        let (level, new) = match made {
            Some((level, content)) => (Some(level), Cow::Owned(content)),
            None => (None, Cow::Borrowed(new)),
        };
        let base_inflated = base.as_ref().map(|base| u32::try_from(base.len())).transpose().ok()?;
        let old = base.map_or(Cow::Borrowed(old), Cow::Owned);
        let form = Form { level, base_inflated, length: u32::try_from(new.len()).ok()? };
        Some(Self { form, new, old })
    }

    /// The form, and the patch.
    fn patch(&self, effort: Effort) -> Result<Vec<u8>> {
        let failed = |source| Error::new(ErrorKind::Internal, "zstd cannot compress").because(source);
        let patch = prefix::compress(&self.new, &self.old, effort.level()).map_err(failed)?;
        Ok([self.form.to_bytes(), patch].concat())
    }
}

/// What a difference makes of `old`: `length` bytes, not yet verified. [`ErrorKind::Damaged`] where it makes nothing, and
/// where this program's encoder is not the one of the format.
pub(in crate::content) fn apply(codec: Codec, stored: &[u8], old: &[u8], length: usize) -> Result<Vec<u8>> {
    let damaged = |why: &str| Error::new(ErrorKind::Damaged, format!("damaged patch: {why}"));
    let mut rest = stored;
    let form = Form::take(&mut rest)?;
    let content_length = form.length as usize;
    let most = if form.level.is_some() { MAX_INFLATED } else { length };
    if content_length > most || form.level.is_none() && content_length != length {
        return Err(damaged("its length is out of bounds"));
    }
    let inflated = match form.base_inflated {
        None => None,
        Some(length) => {
            let base = deflate::inflate(old, length as usize);
            Some(base.ok_or_else(|| damaged("its base does not inflate to what it says"))?)
        }
    };
    let base = inflated.as_deref().unwrap_or(old);
    let content = match codec {
        Codec::Nested => nested::decode(rest, base, content_length)?,
        _ => prefix::decompress(rest, base, content_length)
            .map_err(|source| damaged("it does not decompress").because(source))?,
    };
    let Some(level) = form.level else { return Ok(content) };
    deflate::check()?;
    let made = deflate::deflate(&content, level);
    if made.len() == length { Ok(made) } else { Err(damaged("what it makes has another length when it is deflated")) }
}
