//! The names in one directory, sorted as bytes, each with its stamp. What is known to be unchanged is left out.
//!
//! An entry is looked at in the moment when the listing shows it: the kernel has just had it in hand, and a second
//! round in sorted order would find it gone from the processor's caches.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::ignore::Ignore;
use super::read;
use super::walk::Stop;
use crate::context::Context;
use crate::stamp::Stamp;

/// Bytes for one `getdents` call.
const BUFFER: usize = 64 << 10;
/// How many entries may pass between two looks at the context.
const CHECK_EVERY: usize = 512;

/// The names in a directory, without those that are ignored by name alone.
#[derive(Default)]
pub(super) struct Listing {
    /// The names, each with its terminator.
    arena: Vec<u8>,
    names: Vec<Name>,
    /// In the order of the listing.
    stamps: Vec<rustix::io::Result<Stamp>>,
}

struct Name {
    /// Eight bytes of the name, behind what all names have in common: decides most comparisons.
    key: u64,
    start: usize,
    stamp: u32,
    length: u16,
    kind: FileType,
}

impl Name {
    fn bytes<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        &arena[self.start..][..usize::from(self.length)]
    }
}

/// A name that was found in a directory.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    /// The name and its terminator.
    terminated: &'a [u8],
    /// What the listing says it is; that may be unknown or out of date.
    pub(super) kind: FileType,
    pub(super) stamp: rustix::io::Result<Stamp>,
}

impl<'a> Named<'a> {
    pub(super) fn new(terminated: &'a [u8], kind: FileType, stamp: rustix::io::Result<Stamp>) -> Self {
        Self { terminated, kind, stamp }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        &self.terminated[..self.terminated.len() - 1]
    }

    pub(super) fn terminated(&self) -> &'a CStr {
        CStr::from_bytes_with_nul(self.terminated).expect("because it was copied from a C string or checked")
    }
}

impl Listing {
    /// Reads the directory from its beginning. The handle must be freshly opened. What is `known` by name and stamp is
    /// not kept.
    pub(super) fn fill(
        &mut self,
        cx: &Context,
        directory: BorrowedFd<'_>,
        ignore: &Ignore,
        buffer: &mut Vec<u8>,
        mut known: impl FnMut(&[u8], &Stamp) -> bool,
    ) -> Result<(), Stop> {
        self.clear();
        buffer.clear();
        buffer.reserve(BUFFER);
        let mut looked: usize = 0;
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry.map_err(Stop::Unreadable)?,
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || ignore.hides_name(name) {
                continue;
            }
            looked += 1;
            if looked.is_multiple_of(CHECK_EVERY) {
                cx.check()?;
            }
            let found = read::stamp_at(directory, entry.file_name());
            if found.as_ref().is_ok_and(|stamp| known(name, stamp)) {
                continue;
            }
            self.push(entry.file_name().to_bytes_with_nul(), entry.file_type(), found)?;
        }
        self.sort();
        Ok(())
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.names.clear();
        self.stamps.clear();
    }

    /// Adds a name that a listing would show, or would not any more. Names must come in order.
    pub(super) fn add(&mut self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Stop> {
        let terminated = [name, b"\0"].concat();
        let named = Named::new(&terminated, FileType::Unknown, Err(Errno::NOENT));
        let found = read::stamp_at(directory, named.terminated());
        self.push(&terminated, FileType::Unknown, found)
    }

    fn push(&mut self, terminated: &[u8], kind: FileType, found: rustix::io::Result<Stamp>) -> Result<(), Stop> {
        let length = u16::try_from(terminated.len() - 1).map_err(|_| Stop::Unreadable(Errno::NAMETOOLONG))?;
        let stamp = u32::try_from(self.stamps.len()).map_err(|_| Stop::Unreadable(Errno::OVERFLOW))?;
        self.names.push(Name { key: 0, start: self.arena.len(), stamp, length, kind });
        self.arena.extend_from_slice(terminated);
        self.stamps.push(found);
        Ok(())
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        let Some(mut common) = self.names.first().map(|name| name.bytes(arena)) else { return };
        for name in &self.names {
            let name = name.bytes(arena);
            if !name.starts_with(common) {
                let length = common.iter().zip(name).take_while(|(left, right)| left == right).count();
                common = &common[..length];
            }
        }
        let common = common.len();
        for name in &mut self.names {
            let rest = &name.bytes(arena)[common..];
            name.key = match rest.first_chunk::<8>() {
                Some(bytes) => u64::from_be_bytes(*bytes),
                None => rest.iter().fold(0, |key, &byte| key << 8 | u64::from(byte)) << (8 * (8 - rest.len()) % 64),
            };
        }
        let order = |left: &Name, right: &Name| {
            left.key.cmp(&right.key).then_with(|| left.bytes(arena).cmp(right.bytes(arena)))
        };
        self.names.sort_unstable_by(order);
        // A rename during the listing can show a name twice.
        self.names.dedup_by(|left, right| left.key == right.key && left.bytes(arena) == right.bytes(arena));
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn get(&self, index: usize) -> Named<'_> {
        let name = &self.names[index];
        let terminated = &self.arena[name.start..=name.start + usize::from(name.length)];
        Named { terminated, kind: name.kind, stamp: self.stamps[name.stamp as usize] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_sorted_as_bytes(prefix in "[ab]{0,9}", names in proptest::collection::vec("[\\x01ab\u{80}]{1,12}", 0..40)) {
            let mut listing = Listing::default();
            let mut expected: Vec<Vec<u8>> = Vec::new();
            for name in names {
                let name = format!("{prefix}{name}").into_bytes();
                let length = u16::try_from(name.len()).expect("short");
                listing.names.push(Name { key: 0, start: listing.arena.len(), stamp: 0, length, kind: FileType::Unknown });
                listing.stamps.push(Err(Errno::NOENT));
                listing.arena.extend_from_slice(&name);
                listing.arena.push(0);
                expected.push(name);
            }
            expected.sort();
            expected.dedup();
            listing.sort();
            let sorted: Vec<Vec<u8>> = (0..listing.len()).map(|index| listing.get(index).bytes().to_vec()).collect();
            prop_assert_eq!(sorted, expected);
        }
    }
}
