//! Joining one directory's sorted names with its sorted records. What the listing marked on the roll is not among the
//! names: it is unchanged.
//!
//! A [`Segment`] is what came of a run of names: the pieces that the directory's new records are made of, its own
//! changes, and the *branches*, where a subtree hangs below. Unchanged records are not copied: neighbours become one
//! piece that points into the old block, and only a directory in which something changed is ever put together anew.
//!
//! A directory's own record is settled later, by `assemble`: only when the directory itself has been read is it known
//! whether its new record may stand.

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::Errno;

use super::block::{self, Marks, Record};
use super::cache::Located;
use super::listing::Named;
use super::read::{self, Reading};
use super::roll::Roll;
use super::walk::{Inventory, Stop, Survey, Task};
use super::{Change, Counts, Problem, SpecialKind};
use crate::error::{Error, Result};
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::{Entry, LinkTarget, Mode};

/// What came of a run of names in one directory.
#[derive(Default)]
pub(super) struct Segment {
    pub(super) pieces: Vec<Piece>,
    /// New records.
    pub(super) fresh: Vec<u8>,
    /// Whether the pieces are anything but all the old records.
    pub(super) dirty: bool,
    pub(super) changes: Vec<Change>,
    pub(super) branches: Vec<Branch>,
    pub(super) problems: Vec<Problem>,
    pub(super) skipped: Vec<(RelPath, SpecialKind)>,
    pub(super) unsettled: Vec<RelPath>,
    pub(super) counts: Counts,
}

impl Segment {
    /// Whether all its records are new, and one block holds them.
    pub(super) fn is_one_block(&self) -> bool {
        let [Piece::Fresh(range)] = &self.pieces[..] else { return false };
        let mut later = block::records(&self.fresh).enumerate().skip(1);
        *range == (0..self.fresh.len())
            && later.all(|(number, record)| number < block::MAX_RECORDS && !block::starts_block(record.name))
    }
}

/// Where the next records of a directory come from.
pub(super) enum Piece {
    /// Records of an old block.
    Old(OldBytes),
    /// New records.
    Fresh(Range<usize>),
    /// The record of a directory that is walked: see the branch of this index.
    Branch(usize),
}

/// A range of an old block's body.
#[derive(Clone)]
pub(super) struct OldBytes {
    pub(super) block: usize,
    pub(super) range: Range<usize>,
}

/// A place where a subtree hangs.
pub(super) struct Branch {
    /// How many of the segment's changes come before it.
    pub(super) at: usize,
    pub(super) path: RelPath,
    pub(super) fate: Fate,
}

/// What becomes of a subtree.
pub(super) enum Fate {
    /// It is walked, as the directory of this number.
    Walk(Walk),
    /// It was there and is not any more.
    Gone,
    /// It cannot be read: all that was observed stays.
    Kept,
}

/// A directory on its way.
pub(super) struct Walk {
    pub(super) id: usize,
    /// The old record, whatever it is of.
    pub(super) old: Option<OldBytes>,
    /// The new record, where it differs.
    pub(super) fresh: Option<Range<usize>>,
    /// The new entry, where it differs.
    pub(super) change: Option<Entry>,
    /// Whether the contents of the directory are part of the observed tree.
    pub(super) observed: bool,
}

/// How many entries may pass between two looks at the context.
const CHECK_EVERY: u64 = 512;

/// Joins names with records.
pub(super) struct Merge<'a, 'b> {
    pub(super) survey: &'a Survey<'a>,
    /// The directory; `None` is the root.
    pub(super) path: Option<&'b RelPath>,
    pub(super) handle: BorrowedFd<'b>,
    /// Whether the directory's records are part of the observed tree.
    pub(super) observed: bool,
    /// A buffer for file contents.
    pub(super) buffer: &'b mut Vec<u8>,
    /// Directories to walk next.
    pub(super) tasks: Vec<Task>,
    pub(super) segment: Segment,
}

impl<'a> Merge<'a, '_> {
    /// Joins the names in `range` of the listing with the records that lie between them.
    pub(super) fn run(&mut self, inventory: &Inventory, range: Range<usize>) -> std::result::Result<(), Stop> {
        let Inventory { listing, roll } = inventory;
        let cache = self.survey.cache;
        let border = |index: usize| roll.lower_bound(cache, 0, listing.get(index).bytes());
        let mut at = if range.start > 0 { border(range.start) } else { 0 };
        let end = if range.end < listing.len() { border(range.end) } else { roll.len() };
        for index in range {
            let found = listing.get(index);
            let next = roll.lower_bound(cache, at, found.bytes());
            self.pass(roll, at..next)?;
            let old = roll.record(cache, next).filter(|old| old.record.name == found.bytes());
            self.entry(&found, old.as_ref())?;
            at = next + usize::from(old.is_some());
        }
        self.pass(roll, at..end)
    }

    /// Records that no name of the listing stands for: those with a mark are unchanged.
    fn pass(&mut self, roll: &Roll, numbers: Range<usize>) -> std::result::Result<(), Stop> {
        let cache = self.survey.cache;
        let mut at = numbers.start;
        while at < numbers.end {
            let marked = at..roll.marked_until(at, numbers.end);
            at = marked.end;
            self.segment.counts.entries += marked.len() as u64;
            for (block, indexes) in roll.parts(cache, marked) {
                self.keep_bytes(OldBytes { block, range: cache.extent(block, indexes) });
            }
            if at < numbers.end {
                self.unlisted(roll.record(cache, at))?;
                at += 1;
            }
        }
        Ok(())
    }

    /// A record whose name the listing does not show. A listing may leave out what is renamed meanwhile, so the name
    /// is looked up before it counts as removed.
    fn unlisted(&mut self, old: Option<Located<'a>>) -> std::result::Result<(), Stop> {
        let Some(old) = old else { return Ok(()) };
        if self.survey.ignore.hides_name(old.record.name) {
            self.drop_old(Some(&old));
            return Ok(());
        }
        let terminated = [old.record.name, b"\0"].concat();
        let mut name = Named::new(&terminated, FileType::Unknown, Err(Errno::NOENT));
        name.stamp = read::stamp_at(self.handle, name.terminated());
        self.entry(&name, Some(&old))
    }

    fn entry(&mut self, found: &Named<'_>, old: Option<&Located<'a>>) -> std::result::Result<(), Stop> {
        let by_name = self.survey.ignore.is_by_name_alone();
        if let (Ok(stamp), Some(old), true) = (&found.stamp, old, by_name)
            && !self.survey.options.full
            && old.record.vouches_for(stamp)
        {
            self.segment.counts.entries += 1;
            self.keep_record(old);
            return Ok(());
        }
        if found.stamp == Err(Errno::NOENT) || (!by_name && self.hides(found, old)) {
            self.drop_old(old);
            return Ok(());
        }
        self.segment.counts.entries += 1;
        if self.segment.counts.entries.is_multiple_of(CHECK_EVERY) {
            self.survey.cx.check()?;
        }
        let stamp = match found.stamp {
            Ok(stamp) => stamp,
            Err(errno) => return self.unreadable_name(found, old, errno),
        };
        if let Some(old) = old
            && !self.survey.options.full
            && old.record.vouches_for(&stamp)
        {
            self.keep_record(old);
            return Ok(());
        }
        let is_directory = stamp.file_type() == FileType::Directory;
        let path = match RelPath::child_of(self.path, found.bytes()) {
            Ok(path) => path,
            Err(error) => {
                self.segment.problems.push(Problem { path: None, error: error.op("scan"), subtree: is_directory });
                return Ok(());
            }
        };
        if old.is_none() && !self.survey.options.interest.wants(&path, is_directory) {
            return Ok(());
        }
        match stamp.file_type() {
            FileType::RegularFile => self.file(found.terminated(), path, stamp, old)?,
            FileType::Directory => self.directory(path, &stamp, old),
            FileType::Symlink => self.symlink(found.terminated(), path, &stamp, old),
            special => {
                self.drop_old(old);
                self.segment.skipped.push((path, special_kind(special)));
            }
        }
        Ok(())
    }

    fn hides(&self, found: &Named<'_>, old: Option<&Located<'a>>) -> bool {
        let is_directory = match &found.stamp {
            Ok(stamp) => stamp.file_type() == FileType::Directory,
            Err(_) => found.kind == FileType::Directory || old.is_some_and(|old| old.record.is_directory()),
        };
        self.survey.ignore.hides_in(self.path, found.bytes(), is_directory)
    }

    fn file(&mut self, name: &CStr, path: RelPath, stamp: Stamp, old: Option<&Located<'a>>) -> Result<()> {
        match read::read(&self.survey.cx, self.handle, name, stamp, self.buffer)? {
            Reading::Settled { stamp, marks, hash, size } => {
                self.segment.counts.hashed += 1;
                self.segment.counts.hashed_bytes += size;
                let entry = Entry::File { mode: Mode::new(stamp.mode), size, hash };
                self.leaf(path, &stamp, marks, entry, old);
            }
            Reading::Unsettled => {
                self.segment.unsettled.push(path);
                self.keep_entry(old);
            }
            Reading::Absent => self.drop_old(old),
            Reading::Failed(errno) => self.unreadable(path, false, old, errno),
        }
        Ok(())
    }

    fn symlink(&mut self, name: &CStr, path: RelPath, stamp: &Stamp, old: Option<&Located<'a>>) {
        let began = self.survey.cx.now();
        let target = match rustix::fs::readlinkat(self.handle, name, Vec::new()) {
            Ok(target) => LinkTarget::new(target.into_bytes()),
            Err(Errno::NOENT) => return self.drop_old(old),
            Err(Errno::INVAL) => {
                // Something else stands there by now.
                self.segment.unsettled.push(path);
                return self.keep_entry(old);
            }
            Err(errno) => return self.unreadable(path, false, old, errno),
        };
        match target {
            Ok(target) => {
                let marks = Marks { trusted: read::is_quiet(stamp, began), archive: false };
                self.leaf(path, stamp, marks, Entry::Symlink { target }, old);
            }
            Err(error) => {
                let error = error.op("scan").at(self.survey.root.display(&path));
                self.segment.problems.push(Problem { path: Some(path), error, subtree: false });
                self.keep_entry(old);
            }
        }
    }

    /// A file or link as it is now.
    fn leaf(&mut self, path: RelPath, stamp: &Stamp, marks: Marks, entry: Entry, old: Option<&Located<'a>>) {
        let start = self.segment.fresh.len();
        block::write(&mut self.segment.fresh, path.name(), stamp, marks, &entry);
        if let Some(old) = old
            && self.same_bytes(old, start)
        {
            self.segment.fresh.truncate(start);
            self.keep_record(old);
            return;
        }
        self.segment.dirty = true;
        let end = self.segment.fresh.len();
        match self.segment.pieces.last_mut() {
            Some(Piece::Fresh(range)) if range.end == start => range.end = end,
            _ => self.segment.pieces.push(Piece::Fresh(start..end)),
        }
        let before = old.map(|old| old.record.entry());
        let was_directory = before.as_ref().is_some_and(Entry::is_directory);
        if !self.observed || before.as_ref() != Some(&entry) {
            self.change(&path, Some(entry));
        }
        if was_directory {
            self.branch(path, Fate::Gone);
        }
    }

    fn directory(&mut self, path: RelPath, stamp: &Stamp, old: Option<&Located<'a>>) {
        let entry = Entry::Directory { mode: Mode::new(stamp.mode) };
        let start = self.segment.fresh.len();
        // Nothing is ever believed on the word of a directory's stamp: trust means nothing here.
        block::write(&mut self.segment.fresh, path.name(), stamp, Marks::TRUSTED, &entry);
        let fresh = if old.is_some_and(|old| self.same_bytes(old, start)) {
            self.segment.fresh.truncate(start);
            None
        } else {
            Some(start..self.segment.fresh.len())
        };
        let unchanged = self.observed && old.is_some_and(|old| old.record.entry() == entry);
        let observed = self.observed && old.is_some_and(|old| old.record.is_directory());
        let id = self.survey.next_id();
        self.tasks.push(Task::directory(id, Some(path.clone()), observed));
        self.segment.pieces.push(Piece::Branch(self.segment.branches.len()));
        let old = old.map(old_bytes);
        self.branch(path, Fate::Walk(Walk { id, old, fresh, change: (!unchanged).then_some(entry), observed }));
    }

    fn same_bytes(&self, old: &Located<'_>, start: usize) -> bool {
        let Record { start: from, end: to, .. } = old.record;
        self.survey.cache.body(old.block)[from..to] == self.segment.fresh[start..]
    }

    fn change(&mut self, path: &RelPath, entry: Option<Entry>) {
        if self.survey.differs {
            self.segment.changes.push((path.clone(), entry));
        }
    }

    fn branch(&mut self, path: RelPath, fate: Fate) {
        self.segment.branches.push(Branch { at: self.segment.changes.len(), path, fate });
    }

    /// The record stays as it is, and so does the entry.
    fn keep_record(&mut self, old: &Located<'a>) {
        self.keep_bytes(old_bytes(old));
        if !self.observed && self.survey.differs {
            let path = self.path_of(&old.record);
            self.change(&path, Some(old.record.entry()));
        }
    }

    fn keep_bytes(&mut self, bytes: OldBytes) {
        match self.segment.pieces.last_mut() {
            Some(Piece::Old(last)) if last.block == bytes.block && last.range.end == bytes.range.start => {
                last.range.end = bytes.range.end;
            }
            _ => self.segment.pieces.push(Piece::Old(bytes)),
        }
    }

    /// What is there now is unknown: what was observed stays, with everything beneath it.
    fn keep_entry(&mut self, old: Option<&Located<'a>>) {
        let Some(old) = old else { return };
        self.keep_record(old);
        if old.record.is_directory() {
            let path = self.path_of(&old.record);
            self.branch(path, Fate::Kept);
        }
    }

    /// The entry has left the observed tree, if it was in it.
    fn drop_old(&mut self, old: Option<&Located<'a>>) {
        let Some(old) = old else { return };
        self.segment.dirty = true;
        if self.observed {
            let path = self.path_of(&old.record);
            self.change(&path, None);
            if old.record.is_directory() {
                self.branch(path, Fate::Gone);
            }
        }
    }

    fn path_of(&self, record: &Record<'_>) -> RelPath {
        RelPath::child_of(self.path, record.name).expect("because the block was checked")
    }

    /// An entry whose stamp cannot be had.
    fn unreadable_name(
        &mut self,
        found: &Named<'_>,
        old: Option<&Located<'a>>,
        errno: Errno,
    ) -> std::result::Result<(), Stop> {
        if errno == Errno::ACCESS {
            // Without search permission on the directory every name fails: one problem, not one per name.
            let own = rustix::fs::statx(self.handle, c".", AtFlags::empty(), StatxFlags::TYPE);
            if own.is_err() {
                return Err(Stop::Unreadable(errno));
            }
        }
        let is_directory = found.kind == FileType::Directory || old.is_some_and(|old| old.record.is_directory());
        match RelPath::child_of(self.path, found.bytes()) {
            Ok(path) if old.is_none() && !self.survey.options.interest.wants(&path, is_directory) => {}
            Ok(path) => self.unreadable(path, is_directory || found.kind == FileType::Unknown, old, errno),
            Err(error) => self.segment.problems.push(Problem { path: None, error, subtree: is_directory }),
        }
        Ok(())
    }

    fn unreadable(&mut self, path: RelPath, subtree: bool, old: Option<&Located<'a>>, errno: Errno) {
        let error = Error::io("read", self.survey.root.display(&path), errno);
        let subtree = subtree || old.is_some_and(|old| old.record.is_directory());
        self.segment.problems.push(Problem { path: Some(path), error, subtree });
        self.keep_entry(old);
    }
}

fn old_bytes(old: &Located<'_>) -> OldBytes {
    OldBytes { block: old.block, range: old.record.start..old.record.end }
}

fn special_kind(kind: FileType) -> SpecialKind {
    match kind {
        FileType::Fifo => SpecialKind::Fifo,
        FileType::Socket => SpecialKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => SpecialKind::Device,
        _ => SpecialKind::Unknown,
    }
}
