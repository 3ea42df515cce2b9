//! Packs on their way to us: brought together by one rsync, before they are read, into a directory of this process.
//!
//! Laws:
//! - only packs are brought ahead: those that were announced ([`crate::Storage::prefetch`]), and where parts of files
//!   cannot be read, those that a part is wanted of;
//! - at most so many bytes lie here at a time ([`FULL`], and half of what is free): the next ones are brought when the
//!   first of them is asked for, in the order in which they were announced, and then those before it go;
//! - a transfer that fails is no error: what did not arrive is read where it lies. Its whole files are used, and what
//!   has arrived of others is where the next transfer goes on;
//! - nothing that lies here is believed: whoever reads a pack checks it by its name.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use depsync_engine::path::RelPath;
use tempfile::TempDir;

use crate::hub::layout::Place;

/// The most bytes that lie here at a time.
const FULL: u64 = 1 << 30;

/// What was announced, and what of it is here.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    directory: Option<TempDir>,
    here: HashSet<RelPath>,
    /// What has not been brought, in the order in which it will be read.
    queue: VecDeque<(RelPath, u64)>,
    /// Whether there is no rsync to bring anything.
    never: bool,
}

impl Ahead {
    /// Takes an announcement, which takes the place of the one before. An empty one drops what is here.
    pub(super) fn announce(&mut self, packs: &[(RelPath, u64)]) {
        if packs.is_empty() {
            self.here.clear();
            self.directory = None;
        }
        let new = |(name, _): &&(RelPath, u64)| is_pack(name) && !self.here.contains(name);
        self.queue = if self.never { VecDeque::new() } else { packs.iter().filter(new).cloned().collect() };
    }

    /// Whether `name` was announced and is not here.
    pub(super) fn is_awaited(&self, name: &RelPath) -> bool {
        self.queue.iter().any(|(queued, _)| queued == name)
    }

    /// What is to be brought now that `name` is asked for (or the first of all): taken out of the queue. Those announced
    /// before it go.
    pub(super) fn next(&mut self, name: Option<&RelPath>) -> Vec<RelPath> {
        if self.queue.is_empty() {
            return Vec::new();
        }
        let room = self.directory().ok().and_then(|directory| rustix::fs::statvfs(directory).ok());
        let room = room.map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize) / 2);
        self.next_within(name, room.min(FULL))
    }

    fn next_within(&mut self, name: Option<&RelPath>, room: u64) -> Vec<RelPath> {
        if name.is_some() {
            self.make_room();
        }
        let mut left = room.saturating_sub(self.bytes());
        let mut batch = Vec::new();
        while let Some((next, length)) = self.queue.pop_front() {
            if batch.is_empty() && name.is_some_and(|name| *name != next) {
                continue;
            }
            if length > left {
                // One that never fits is read where it lies, or brought alone.
                if length <= room {
                    self.queue.push_front((next, length));
                    break;
                }
                continue;
            }
            left -= length;
            batch.push(next);
        }
        batch
    }

    /// Which of `names` are to be brought although nobody announced them: all that are packs and not here.
    pub(super) fn besides<'a>(&mut self, names: impl Iterator<Item = &'a RelPath>) -> Vec<RelPath> {
        let new: BTreeSet<&RelPath> = names.filter(|name| is_pack(name) && !self.here.contains(*name)).collect();
        if !new.is_empty() && self.bytes() > FULL / 2 {
            self.make_room();
        }
        new.into_iter().cloned().collect()
    }

    /// Nothing more is brought: `never` again, or of what was announced.
    pub(super) fn give_up(&mut self, never: bool) {
        self.never |= never;
        self.queue.clear();
    }

    /// Where they are brought to.
    pub(super) fn directory(&mut self) -> std::io::Result<&Path> {
        let directory = match &mut self.directory {
            Some(directory) => directory,
            none => none.insert(tempfile::Builder::new().prefix("depsync-").tempdir()?),
        };
        Ok(directory.path())
    }

    /// Takes note of those of `names` that have arrived whole.
    pub(super) fn note(&mut self, names: &[RelPath]) {
        for name in names {
            if self.path(name).is_some_and(|path| path.symlink_metadata().is_ok_and(|found| found.is_file())) {
                self.here.insert(name.clone());
            }
        }
    }

    /// A part of a file that is here; none of one that ends before.
    pub(super) fn part(&self, name: &RelPath, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut file = self.open(name)?;
        file.seek(SeekFrom::Start(offset)).ok()?;
        let mut bytes = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut bytes).ok()?;
        (bytes.len() == length).then_some(bytes)
    }

    /// A whole file that is here and not longer than `limit`.
    pub(super) fn whole(&self, name: &RelPath, limit: usize) -> Option<Vec<u8>> {
        let length = usize::try_from(self.open(name)?.metadata().ok()?.len()).ok()?;
        if length <= limit { self.part(name, 0, length) } else { None }
    }

    fn open(&self, name: &RelPath) -> Option<File> {
        if self.here.contains(name) { File::open(self.path(name)?).ok() } else { None }
    }

    fn path(&self, name: &RelPath) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.path().join(name.as_path()))
    }

    fn bytes(&self) -> u64 {
        let length = |name: &RelPath| self.path(name)?.symlink_metadata().ok().map(|found| found.len());
        self.here.iter().filter_map(length).sum()
    }

    fn make_room(&mut self) {
        for name in std::mem::take(&mut self.here) {
            if let Some(path) = self.path(&name) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Whether the bytes under a name can be checked by it.
fn is_pack(name: &RelPath) -> bool {
    matches!(Place::of(name), Some(Place::Pack(_)))
}

#[cfg(test)]
mod tests {
    use depsync_engine::hash::Digest;

    use super::*;
    use crate::hub::layout;

    fn packs(lengths: &[u64]) -> Vec<(RelPath, u64)> {
        let name = |number: usize| layout::pack(&Digest::of(&number.to_le_bytes()));
        lengths.iter().enumerate().map(|(number, length)| (name(number), *length)).collect()
    }

    fn arrive(ahead: &mut Ahead, names: &[RelPath], bytes: &[u8]) {
        for name in names {
            let path = ahead.directory().expect("a directory").join(name.as_path());
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            std::fs::write(path, bytes).expect("a file");
        }
        ahead.note(names);
    }

    #[test]
    fn they_come_in_order_and_no_more_than_there_is_room_for() {
        let mut ahead = Ahead::default();
        let all = packs(&[4, 4, 99, 4, 4, 4]);
        let names: Vec<RelPath> = all.iter().map(|(name, _)| name.clone()).collect();
        ahead.announce(&all);
        let first = ahead.next_within(None, 10);
        assert_eq!(first, names[..2]);
        arrive(&mut ahead, &first, b"four");
        assert_eq!(ahead.part(&names[1], 1, 2).expect("here"), b"ou");
        assert!(ahead.is_awaited(&names[3]) && !ahead.is_awaited(&names[0]));
        // The long one never comes. Somebody asks for the second of the rest.
        let second = ahead.next_within(Some(&names[4]), 10);
        assert_eq!(second, names[4..]);
        assert_eq!(ahead.part(&names[1], 1, 2), None, "it has served");
        assert!(!ahead.is_awaited(&names[2]) && ahead.queue.is_empty());
    }

    #[test]
    fn what_is_here_is_not_brought_again_and_the_end_drops_all() {
        let mut ahead = Ahead::default();
        let all = packs(&[4, 4, 4]);
        ahead.announce(&all[..2]);
        let batch = ahead.next_within(None, 100);
        arrive(&mut ahead, &batch, b"four");
        assert_eq!(ahead.besides(all.iter().map(|(name, _)| name)), [all[2].0.clone()]);
        ahead.announce(&all[1..]);
        assert_eq!(ahead.whole(&all[1].0, 4).expect("here"), b"four");
        assert_eq!((ahead.whole(&all[1].0, 3), ahead.part(&all[1].0, 2, 3)), (None, None));
        assert_eq!(ahead.next_within(None, 100), [all[2].0.clone()]);
        ahead.announce(&[]);
        assert!(ahead.here.is_empty() && ahead.directory.is_none());
        ahead.announce(&[("d/main/HEAD".try_into().expect("a path"), 9)]);
        assert_eq!(ahead.next_within(None, 100), [], "only packs");
    }
}
