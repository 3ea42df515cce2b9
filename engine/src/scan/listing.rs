//! The names in one directory, sorted as bytes.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::ignore::Ignore;

/// Bytes for one `getdents` call.
const BUFFER: usize = 64 << 10;

/// The names in a directory, without those that are ignored by name alone.
#[derive(Default)]
pub(super) struct Listing {
    /// The names, each with its terminator.
    arena: Vec<u8>,
    names: Vec<Name>,
}

struct Name {
    /// Eight bytes of the name, behind what all names have in common: decides most comparisons.
    key: u64,
    start: usize,
    length: u16,
    kind: FileType,
}

impl Name {
    fn bytes<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        &arena[self.start..][..usize::from(self.length)]
    }
}

impl Listing {
    /// Reads the directory from its beginning. The handle must be freshly opened.
    pub(super) fn fill(
        &mut self,
        directory: BorrowedFd<'_>,
        ignore: &Ignore,
        buffer: &mut Vec<u8>,
    ) -> rustix::io::Result<()> {
        self.arena.clear();
        self.names.clear();
        buffer.clear();
        buffer.reserve(BUFFER);
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || ignore.hides_name(name) {
                continue;
            }
            let length = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
            self.names.push(Name { key: 0, start: self.arena.len(), length, kind: entry.file_type() });
            self.arena.extend_from_slice(entry.file_name().to_bytes_with_nul());
        }
        self.sort();
        Ok(())
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        let Some(first) = self.names.first().map(|name| name.bytes(arena)) else { return };
        let common = self.names.iter().fold(first.len(), |common, name| {
            let pairs = first[..common].iter().zip(name.bytes(arena));
            pairs.take_while(|(left, right)| left == right).count()
        });
        for name in &mut self.names {
            let rest = &name.bytes(arena)[common..];
            let mut key = [0; 8];
            let length = rest.len().min(8);
            key[..length].copy_from_slice(&rest[..length]);
            name.key = u64::from_be_bytes(key);
        }
        let order = |left: &Name, right: &Name| {
            left.key.cmp(&right.key).then_with(|| left.bytes(arena).cmp(right.bytes(arena)))
        };
        self.names.sort_unstable_by(order);
        // A rename during the listing can show a name twice.
        self.names.dedup_by(|left, right| left.bytes(arena) == right.bytes(arena));
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name at `index` and what the listing says it is; that may be unknown or out of date.
    pub(super) fn get(&self, index: usize) -> (&CStr, FileType) {
        let name = &self.names[index];
        let bytes = &self.arena[name.start..=name.start + usize::from(name.length)];
        (CStr::from_bytes_with_nul(bytes).expect("because it was copied from a C string"), name.kind)
    }

    /// The name at `index`.
    pub(super) fn name(&self, index: usize) -> &[u8] {
        self.names[index].bytes(&self.arena)
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
                listing.names.push(Name { key: 0, start: listing.arena.len(), length, kind: FileType::Unknown });
                listing.arena.extend_from_slice(&name);
                listing.arena.push(0);
                expected.push(name);
            }
            expected.sort();
            expected.dedup();
            listing.sort();
            let sorted: Vec<Vec<u8>> = (0..listing.len()).map(|index| listing.get(index).0.to_bytes().to_vec()).collect();
            prop_assert_eq!(sorted, expected);
        }
    }
}
