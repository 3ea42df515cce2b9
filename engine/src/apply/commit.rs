//! Taking the steps of a journal, path by path, in order. Taking them again after a crash changes nothing twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, FileType, Mode as FsMode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::live::{Found, Parents, entry_at, look};
use super::{Action, Recovery, Stage, Step};
use crate::beneath::{Root, stamp_at};
use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::{Entry, Mode};

/// What to do with a path that is neither as the plan saw it nor as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrift {
    /// Keep it aside and go on: a worker, and every recovery.
    KeepAside,
    /// Leave it alone: a manager's own edit between plan and commit.
    Leave,
}

/// What became of the steps.
#[derive(Debug, Default)]
pub struct Committed {
    /// Paths that were left as they are, and why. All others are as wanted.
    pub left: BTreeMap<RelPath, String>,
    /// Units that were left as they are, with all that was to change in them, and why.
    pub refused: BTreeMap<RelPath, String>,
    /// Directories that were to go, and stayed because something that nobody tracks is in them.
    pub occupied: BTreeSet<RelPath>,
    /// Paths whose content was kept aside.
    pub kept: Vec<RelPath>,
    /// Modification times, in whole seconds, of what was replaced.
    pub replaced_times: BTreeMap<RelPath, i64>,
}

impl Committed {
    /// The unit that was left and that `path` is or is in.
    pub fn refused_with(&self, path: &RelPath) -> Option<&RelPath> {
        let (unit, _) = self.refused.range(..=path).next_back()?;
        path.is_within(unit).then_some(unit)
    }
}

/// Takes `steps`. A problem of one path is listed in [`Committed::left`]; an `Err` means that the journal must stay.
pub fn commit(
    cx: &Context,
    root: &Root,
    stage: &Stage,
    recovery: &Recovery,
    steps: &Packed<Step>,
    on_drift: OnDrift,
) -> Result<Committed> {
    let mut work =
        Work { cx, root, stage, recovery, on_drift, parents: Parents::new(root), done: Committed::default() };
    let total = steps.len() as u64;
    let mut rest = steps.iter().enumerate().peekable();
    while let Some((number, step)) = rest.next() {
        let step = &step;
        cx.progress(Phase::Commit, number as u64, Some(total));
        if work.done.left.contains_key(&step.path) {
            continue;
        }
        let taken = if let Action::Swap(swap) = &step.action {
            let within = std::iter::from_fn(|| rest.next_if(|(_, step)| step.action == Action::Within));
            let within: Vec<Step> = within.map(|(_, step)| step).collect();
            work.swap(step, swap, &within)
        } else {
            work.take(number, step)
        };
        let mut leave = |why: String| {
            let unit = matches!(step.action, Action::Swap(_));
            if unit { &mut work.done.refused } else { &mut work.done.left }.insert(step.path.clone(), why)
        };
        match taken {
            Ok(Taken::Done) => {}
            Ok(Taken::Occupied) => {
                work.done.occupied.insert(step.path.clone());
            }
            Ok(Taken::Left(why)) => drop(leave(why.into_owned())),
            Err(error) if concerns_path_only(error.kind()) => drop(leave(error.to_string())),
            Err(mut error) => {
                if error.place() == Some(step.path.to_string().as_str()) {
                    error = error.found_at(root.display(&step.path));
                }
                return Err(error.op("bring the directory up to date").hint(
                    "the update is journalled: mend the cause and run the command again, it goes on where it stopped",
                ));
            }
        }
    }
    cx.progress(Phase::Commit, total, Some(total));
    Ok(work.done)
}

fn concerns_path_only(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::AlreadyExists)
}

/// How a step ended.
pub(super) enum Taken {
    Done,
    Left(Cow<'static, str>),
    Occupied,
}

pub(super) const CHANGED: &str = "it was changed here while the update ran";
pub(super) const LOST: &str = "its staged content is gone; the next update fetches it again";

const HOLDS_UNIT: &str = "a unit in it was left as it is";

pub(super) struct Work<'a> {
    pub(super) cx: &'a Context,
    pub(super) root: &'a Root,
    pub(super) stage: &'a Stage,
    pub(super) recovery: &'a Recovery,
    pub(super) on_drift: OnDrift,
    pub(super) parents: Parents<'a>,
    pub(super) done: Committed,
}

impl Work<'_> {
    fn take(&mut self, number: usize, step: &Step) -> Result<Taken> {
        let parent = match self.parents.of(&step.path) {
            // What is to go went with its directory.
            Err(error) if error.kind() == ErrorKind::NotFound && step.want.is_none() => return Ok(Taken::Done),
            parent => parent?,
        };
        let at = parent.as_fd();
        match &step.action {
            Action::MakeDirectory => self.make_directory(at, number, step),
            Action::Place(slot) => self.place(at, *slot, step),
            Action::SetMode(mode) => self.set_mode(at, *mode, step),
            Action::Remove => self.remove(at, number, step),
            Action::RemoveDirectory => self.remove_directory(at, step),
            Action::GiveWay => self.give_way(at, step),
            // Done with the unit.
            Action::Swap(_) | Action::Within => Ok(Taken::Done),
        }
    }

    fn place(&mut self, at: BorrowedFd<'_>, slot: u64, step: &Step) -> Result<Taken> {
        let name = step.path.name();
        let staged = self.stage.name(slot);
        if step.have.is_none() && self.stage.is_private() && self.place_at_once(at, &staged, step)? {
            return Ok(Taken::Done);
        }
        let (found, live) = look(at, name, step.have.as_ref(), step.want.as_ref(), step.stamp.as_ref())?;
        if found == Found::New {
            self.clear_slot(slot, step)?;
            return Ok(Taken::Done);
        }
        if self.forbids(found) {
            return Ok(Taken::Left(CHANGED.into()));
        }
        let waiting = stamp_at(self.stage.directory(), staged.as_bytes()).map_err(failed(step))?;
        let kind =
            if step.want.as_ref().is_some_and(Entry::is_file) { FileType::RegularFile } else { FileType::Symlink };
        if waiting.is_none_or(|waiting| waiting.file_type() != kind) {
            return Ok(Taken::Left(LOST.into()));
        }
        match live {
            Some(live) if live.file_type() == FileType::Directory => {
                // Whatever was known in it is gone by now, so what is left is nobody's but this node's.
                self.keep_aside(at, name, step)?;
                self.place_new(at, &staged, step)
            }
            Some(live) => self.exchange(at, slot, step, found, live),
            None => self.place_new(at, &staged, step),
        }
    }

    /// Gives a staged file its name, if nothing has that name: the common case, without a look. `false` when something
    /// stands in the way, or the staged file is gone, or the file system cannot tell.
    fn place_at_once(&self, at: BorrowedFd<'_>, staged: &str, step: &Step) -> Result<bool> {
        self.cx.step("apply.place-new");
        match fs::renameat_with(self.stage.directory(), staged, at, step.path.name(), RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOENT | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(errno) => Err(failed(step)(errno)),
        }
    }

    /// Gives a staged file a name that nothing has.
    fn place_new(&mut self, at: BorrowedFd<'_>, staged: &str, step: &Step) -> Result<Taken> {
        let (from, name) = (self.stage.directory(), step.path.name());
        self.cx.step("apply.place-new");
        let renamed = match fs::renameat_with(&from, staged, at, name, RenameFlags::NOREPLACE) {
            // A network file system: a hard link is exclusive there, too.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::linkat(&from, staged, at, name, AtFlags::empty()).and_then(|()| {
                    self.cx.step("apply.unlink-staged");
                    fs::unlinkat(&from, staged, AtFlags::empty())
                })
            }
            renamed => renamed,
        };
        match (renamed, self.on_drift) {
            (Ok(()), _) => Ok(Taken::Done),
            (Err(Errno::EXIST), OnDrift::Leave) => Ok(Taken::Left(CHANGED.into())),
            (Err(Errno::EXIST), OnDrift::KeepAside) => {
                self.keep_aside(at, name, step)?;
                fs::renameat(&from, staged, at, name).map_err(failed(step))?;
                Ok(Taken::Done)
            }
            (Err(errno), _) => Err(failed(step)(errno)),
        }
    }

    /// Swaps a staged file with the live one, then looks at what came out.
    fn exchange(&mut self, at: BorrowedFd<'_>, slot: u64, step: &Step, found: Found, live: Stamp) -> Result<Taken> {
        let (from, name) = (self.stage.directory(), step.path.name());
        let staged = self.stage.name(slot);
        self.done.replaced_times.insert(step.path.clone(), live.mtime_seconds());
        self.cx.step("apply.exchange");
        match fs::renameat_with(&from, &staged, at, name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return self.replace(at, slot, step, found, live),
            Err(errno) => return Err(failed(step)(errno)),
        }
        self.cx.step("apply.drop-displaced");
        let out = stamp_at(&from, staged.as_bytes()).map_err(failed(step))?;
        let as_seen = found == Found::Old && out.is_some_and(|out| same_file(&out, &live));
        self.drop_or_keep(&staged, step, as_seen)?;
        Ok(Taken::Done)
    }

    /// Replaces by rename where the file system cannot exchange; a hard link holds what was there until it was seen.
    fn replace(&mut self, at: BorrowedFd<'_>, slot: u64, step: &Step, found: Found, live: Stamp) -> Result<Taken> {
        let (from, name) = (self.stage.directory(), step.path.name());
        let (staged, held) = (self.stage.name(slot), self.stage.displaced_name(slot));
        match fs::linkat(at, name, &from, &held, AtFlags::empty()) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(step)(errno)),
        }
        self.cx.step("apply.rename-over");
        fs::renameat(&from, &staged, at, name).map_err(failed(step))?;
        self.cx.step("apply.drop-displaced");
        let out = stamp_at(&from, held.as_bytes()).map_err(failed(step))?;
        let as_seen = found == Found::Old && out.is_some_and(|out| same_file(&out, &live));
        self.drop_or_keep(&held, step, as_seen)?;
        Ok(Taken::Done)
    }

    /// The live path is as wanted: what is left in its slot is the wanted content once more, or what was displaced
    /// before a crash.
    fn clear_slot(&mut self, slot: u64, step: &Step) -> Result<()> {
        for name in [self.stage.name(slot), self.stage.displaced_name(slot)] {
            let from = self.stage.directory();
            let Some(stamp) = stamp_at(&from, name.as_bytes()).map_err(failed(step))? else { continue };
            let entry = entry_at(&from, name.as_bytes(), &stamp)?;
            // A staged file gets its mode before it is placed, so an equal entry is the staged one.
            let known = entry == step.want || (entry == step.have && !step.keep);
            drop(from);
            if known {
                fs::unlinkat(self.stage.directory(), &name, AtFlags::empty()).map_err(failed(step))?;
            } else {
                self.keep_slot(&name, step)?;
            }
        }
        Ok(())
    }

    /// Drops what a rename brought into the staging area, unless it must be kept.
    pub(super) fn drop_or_keep(&mut self, name: &str, step: &Step, as_seen: bool) -> Result<()> {
        let from = self.stage.directory();
        let known = as_seen || {
            let stamp = stamp_at(&from, name.as_bytes()).map_err(failed(step))?;
            let entry = stamp.map(|stamp| entry_at(&from, name.as_bytes(), &stamp)).transpose()?.flatten();
            entry.is_some() && entry == step.have
        };
        drop(from);
        if known && !step.keep {
            return fs::unlinkat(self.stage.directory(), name, AtFlags::empty()).map_err(failed(step));
        }
        self.keep_slot(name, step)
    }

    pub(super) fn keep_slot(&mut self, name: &str, step: &Step) -> Result<()> {
        self.recovery.keep(self.cx, self.stage.directory(), name.as_bytes(), &step.path)?;
        self.done.kept.push(step.path.clone());
        Ok(())
    }

    fn keep_aside(&mut self, at: BorrowedFd<'_>, name: &[u8], step: &Step) -> Result<()> {
        self.recovery.keep(self.cx, at, name, &step.path)?;
        self.done.kept.push(step.path.clone());
        self.parents.forget();
        Ok(())
    }

    /// Whether what was found must be left alone.
    fn forbids(&self, found: Found) -> bool {
        self.on_drift == OnDrift::Leave && matches!(found, Found::Other | Found::Gone)
    }

    fn remove(&mut self, at: BorrowedFd<'_>, number: usize, step: &Step) -> Result<Taken> {
        let name = step.path.name();
        let gone = self.stage.removed_name(number);
        let (found, live) = look(at, name, step.have.as_ref(), None, step.stamp.as_ref())?;
        // What a crash left between the rename and the look is dropped or kept now.
        if stamp_at(self.stage.directory(), gone.as_bytes()).map_err(failed(step))?.is_some() {
            self.drop_or_keep(&gone, step, false)?;
        }
        if found == Found::New {
            return Ok(Taken::Done);
        }
        if self.forbids(found) {
            return Ok(Taken::Left(CHANGED.into()));
        }
        let Some(live) = live else { return Ok(Taken::Done) };
        if live.file_type() == FileType::Directory {
            // A directory in place of a tracked file: what was tracked is gone, the directory is not ours.
            return Ok(Taken::Done);
        }
        self.done.replaced_times.insert(step.path.clone(), live.mtime_seconds());
        self.cx.step("apply.remove");
        fs::renameat(at, name, self.stage.directory(), &gone).map_err(failed(step))?;
        self.cx.step("apply.drop-removed");
        let out = stamp_at(self.stage.directory(), gone.as_bytes()).map_err(failed(step))?;
        let as_seen = found == Found::Old && out.is_some_and(|out| same_file(&out, &live));
        self.drop_or_keep(&gone, step, as_seen)?;
        Ok(Taken::Done)
    }

    fn remove_directory(&mut self, at: BorrowedFd<'_>, step: &Step) -> Result<Taken> {
        self.parents.forget();
        self.cx.step("apply.remove-directory");
        match fs::unlinkat(at, step.path.name(), AtFlags::REMOVEDIR) {
            // NOTDIR: a file took its place, which nobody tracks.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(Taken::Done),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(Taken::Occupied),
            Err(errno) => Err(failed(step)(errno)),
        }
    }

    fn give_way(&mut self, at: BorrowedFd<'_>, step: &Step) -> Result<Taken> {
        if self.done.refused.keys().any(|unit| unit.is_beneath(&step.path)) {
            return Ok(Taken::Left(HOLDS_UNIT.into()));
        }
        let found = stamp_at(at, step.path.name()).map_err(failed(step))?;
        if !found.is_some_and(|found| found.file_type() == FileType::Directory) {
            return Ok(Taken::Done);
        }
        match self.remove_directory(at, step)? {
            Taken::Occupied => {
                self.keep_aside(at, step.path.name(), step)?;
                Ok(Taken::Done)
            }
            done => Ok(done),
        }
    }

    fn make_directory(&mut self, at: BorrowedFd<'_>, number: usize, step: &Step) -> Result<Taken> {
        let name = step.path.name();
        self.parents.forget();
        if let Some(live) = stamp_at(at, name).map_err(failed(step))?
            && live.file_type() != FileType::Directory
        {
            let cleared = self.remove(at, number, &Step { want: None, ..step.clone() })?;
            if let Taken::Left(_) = cleared {
                return Ok(cleared);
            }
        }
        self.cx.step("apply.make-directory");
        match fs::mkdirat(at, name, FsMode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(step)(errno)),
        }
        let mode = step.want.as_ref().and_then(Entry::mode).unwrap_or(Mode::new(0o755));
        self.change_mode(at, Mode::new(mode.bits() | 0o700), step)
    }

    fn set_mode(&mut self, at: BorrowedFd<'_>, mode: Mode, step: &Step) -> Result<Taken> {
        if !step.want.as_ref().is_some_and(Entry::is_directory) {
            let (found, _) = look(at, step.path.name(), step.have.as_ref(), step.want.as_ref(), step.stamp.as_ref())?;
            match found {
                Found::New => return Ok(Taken::Done),
                // Other content, or none: not a matter of permissions any more. The next plan sees it.
                Found::Other | Found::Gone => return Ok(Taken::Left(CHANGED.into())),
                Found::Old => {}
            }
        }
        self.cx.step("apply.set-mode");
        self.change_mode(at, mode, step)
    }

    pub(super) fn change_mode(&self, at: BorrowedFd<'_>, mode: Mode, step: &Step) -> Result<Taken> {
        // Through a handle of the thing itself: `fchmodat` would follow a link planted a moment ago. O_PATH needs no
        // permission on it, and /proc/self/fd names exactly this inode.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = fs::openat(at, step.path.name(), flags, FsMode::empty()).map_err(failed(step))?;
        let stat = fs::fstat(&handle).map_err(failed(step))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let wanted = if step.want.as_ref().is_some_and(Entry::is_directory) {
            FileType::Directory
        } else {
            FileType::RegularFile
        };
        if kind != wanted {
            return Ok(Taken::Left(CHANGED.into()));
        }
        let magic = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle));
        fs::chmod(magic, FsMode::from_raw_mode(mode.bits())).map_err(failed(step))?;
        Ok(Taken::Done)
    }
}

/// Whether two looks saw one file that nobody wrote to in between. The change time moves with the rename itself.
pub(super) fn same_file(left: &Stamp, right: &Stamp) -> bool {
    (left.inode, left.size, left.mtime) == (right.inode, right.size, right.mtime)
}

pub(super) fn failed(step: &Step) -> impl Fn(Errno) -> Error + '_ {
    move |errno| Error::io("change", &step.path, errno)
}
