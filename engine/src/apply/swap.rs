//! Exchanging a unit: the live directory and its shadow change names in one call, or one of them takes or gives up the
//! name where the other is nothing.
//!
//! Order, each arrow a point where the process may die: make the shadow right once more -> exchange -> the old unit gets
//! the name of one (`unit-N-was`) -> what in it was here alone is kept aside, what came to it in the last moment moves
//! along -> it is put away for a while. Whoever comes after a crash sees by the name how far it went; between the exchange
//! and that name, by looking ([`sort`]).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::fs::{self, AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use super::Stage;
use super::commit::{CHANGED, LOST, OnDrift, Taken, Work, failed, same_file};
use super::design::{Changes, Changing, Design, there, walk};
use super::live::{Found, entry_at, look};
use super::step::{Step, Swap};
use super::sweep::sweep;
use crate::beneath::{Root, stamp_at};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::patterns::Patterns;
use crate::stamp::Stamp;
use crate::tree::{Entry, Mode};

const CANNOT: &str = "this file system cannot exchange it as one";
const BUSY: &str = "it cannot be renamed: something is mounted there";

impl Work<'_> {
    /// Takes the step that exchanges a unit; `within` are the steps that change with it.
    pub(super) fn swap(&mut self, step: &Step, swap: &Swap, within: &[Step]) -> Result<Taken> {
        let was = self.stage.old_unit_name(swap.slot);
        if stamp_at(self.stage.directory(), was.as_bytes()).map_err(failed(step))?.is_none()
            && let Some(reason) = self.bring(step, swap, within)?
        {
            return Ok(Taken::Left(reason));
        }
        self.look_through(step, swap, within)?;
        Ok(Taken::Done)
    }

    /// Exchanges; says why not, if it has to be left.
    fn bring(&mut self, step: &Step, swap: &Swap, within: &[Step]) -> Result<Option<Cow<'static, str>>> {
        let parent = match self.parents.of(&step.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && step.want.is_none() => return Ok(None),
            parent => parent?,
        };
        let (at, name) = (parent.as_fd(), step.path.name());
        let staged = self.stage.unit_name(swap.slot);
        let live = stamp_at(at, name).map_err(failed(step))?;
        let waiting = stamp_at(self.stage.directory(), staged.as_bytes()).map_err(failed(step))?;
        if waiting.is_none() && swap.staged {
            let done = shows(self.root, &step.path, &step.path, within, |step| &step.want)?;
            return Ok((!done).then_some(LOST.into()));
        }
        let is_directory = |stamp: &Stamp| stamp.file_type() == FileType::Directory;
        let had_directory = step.have.as_ref().is_some_and(Entry::is_directory);
        // A file that somebody has put in the place of a unit that goes: it is nobody's.
        if waiting.is_none() && !live.as_ref().is_some_and(is_directory) && had_directory {
            return Ok(None);
        }
        if self.on_drift == OnDrift::Leave && self.differs(at, step, live.as_ref(), within)? {
            return Ok(Some(CHANGED.into()));
        }
        if live.as_ref().is_some_and(is_directory) {
            self.cx.step("apply.refresh-unit");
            let changes = changes(within);
            let is_tracked = |_: &RelPath| false;
            let (root, unit, carry) = (self.root, &step.path, swap.carry.as_slice());
            let design = Design { root, unit, changes: &changes, carry, is_tracked: &is_tracked };
            if let Some(objection) = design.refresh(self.stage, swap.slot)? {
                return Ok(Some(objection.into()));
            }
            // Who renames a directory must be able to write in it.
            let locked = live.filter(|live| live.permissions() & 0o200 == 0);
            if let Some(live) = locked.filter(|_| !rustix::process::geteuid().is_root()) {
                let opened = Step { want: Some(Entry::Directory { mode: Mode::new(0o700) }), ..step.clone() };
                self.change_mode(at, Mode::new(u32::from(live.permissions()) | 0o700), &opened)?;
            }
        }
        self.parents.forget();
        self.rename(at, step, swap, live.is_some(), waiting.is_some())
    }

    /// The one call that changes what is live. The live name goes first, so that whoever watches is told that the old
    /// directory goes before the new one comes.
    fn rename(
        &self,
        at: BorrowedFd<'_>,
        step: &Step,
        swap: &Swap,
        is_live: bool,
        is_staged: bool,
    ) -> Result<Option<Cow<'static, str>>> {
        let (area, name) = (self.stage.directory(), step.path.name());
        let (staged, was) = (self.stage.unit_name(swap.slot), self.stage.old_unit_name(swap.slot));
        let renamed = match (is_live, is_staged) {
            (true, true) => {
                self.cx.step("apply.exchange-unit");
                let exchanged = fs::renameat_with(at, name, &area, &staged, RenameFlags::EXCHANGE);
                if exchanged.is_ok() {
                    self.cx.step("apply.name-old-unit");
                    fs::renameat(&area, &staged, &area, &was).map_err(failed(step))?;
                }
                exchanged
            }
            (false, true) => {
                self.cx.step("apply.place-unit");
                fs::renameat_with(&area, &staged, at, name, RenameFlags::NOREPLACE)
            }
            (true, false) => {
                self.cx.step("apply.remove-unit");
                fs::renameat(at, name, &area, &was)
            }
            (false, false) => Ok(()),
        };
        match renamed {
            Ok(()) => Ok(None),
            Err(Errno::EXIST | Errno::NOENT) => Ok(Some(CHANGED.into())),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV) => Ok(Some(CANNOT.into())),
            Err(Errno::BUSY) => Ok(Some(BUSY.into())),
            Err(errno) => Err(failed(step)(errno)),
        }
    }

    /// Whether anything is not as the plan saw it.
    fn differs(&self, at: BorrowedFd<'_>, step: &Step, live: Option<&Stamp>, within: &[Step]) -> Result<bool> {
        let have_directory = step.have.as_ref().is_some_and(Entry::is_directory);
        if have_directory != live.is_some_and(|live| live.file_type() == FileType::Directory) {
            return Ok(true);
        }
        if !have_directory {
            let (found, _) = look(at, step.path.name(), step.have.as_ref(), None, step.stamp.as_ref())?;
            return Ok(!matches!(found, Found::Old));
        }
        for step in within.iter().filter(|step| !step.have.as_ref().is_some_and(Entry::is_directory)) {
            let parent = match self.root.parent(&step.path) {
                // Nothing is beneath what is a file until now.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => {
                    if step.have.is_some() {
                        return Ok(true);
                    }
                    continue;
                }
                parent => parent?,
            };
            let (found, _) = look(&parent, step.path.name(), step.have.as_ref(), None, step.stamp.as_ref())?;
            if found != Found::Old {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps aside what is in the old unit alone, and puts it away. What is there already is not done twice.
    fn look_through(&mut self, step: &Step, swap: &Swap, within: &[Step]) -> Result<()> {
        self.lock_again(step)?;
        for step in within.iter().filter(|step| step.want.is_none()) {
            let live = there(self.root, &step.path)?;
            if live.is_some_and(|live| live.file_type() == FileType::Directory) {
                self.done.occupied.insert(step.path.clone());
            }
        }
        let was = self.stage.old_unit_name(swap.slot);
        let Some(old) = stamp_at(self.stage.directory(), was.as_bytes()).map_err(failed(step))? else {
            return Ok(());
        };
        self.cx.step("apply.look-through-unit");
        let of_path: BTreeMap<&RelPath, &Step> = within.iter().map(|step| (&step.path, step)).collect();
        if old.file_type() != FileType::Directory {
            self.note_time(step, &old);
            return match of_path.get(&step.path) {
                Some(itself) => self.drop_or_keep(&was, itself, false),
                None => self.keep_slot(&was, step),
            };
        }
        let area = Root::open(self.stage.shown())?;
        let top = RelPath::new(was.into_bytes())?;
        let carry = Patterns::new(&swap.carry)?;
        walk(&area, &top, &mut |found, parent, stamp| {
            let inner = found.as_bytes().get(top.as_bytes().len() + 1..).unwrap_or_default();
            let path = step.path.join(inner)?;
            let is_directory = stamp.file_type() == FileType::Directory;
            match of_path.get(&path) {
                _ if is_directory => {}
                Some(changed) => self.judge(parent, stamp, changed)?,
                None => self.rescue(parent, stamp, &path, carry.cover(inner, false))?,
            }
            Ok(is_directory)
        })?;
        self.cx.step("apply.put-unit-away");
        let until = self.cx.now().checked_add(Duration::from_secs(swap.keep));
        match until {
            Ok(until) if swap.keep > 0 => self.stage.retire(swap.slot, until),
            // It goes with the staging area.
            _ => Ok(()),
        }
    }

    /// An old file that was changed or removed: kept aside unless it is what the plan saw and the hub has.
    fn judge(&mut self, parent: BorrowedFd<'_>, stamp: &Stamp, step: &Step) -> Result<()> {
        self.note_time(step, stamp);
        let as_seen = step.stamp.is_some_and(|seen| same_file(&seen, stamp));
        let known = as_seen || {
            let entry = entry_at(parent, step.path.name(), stamp)?;
            entry.is_some() && entry == step.have
        };
        if known && !step.keep { Ok(()) } else { self.keep_copy(parent, &step.path) }
    }

    /// An old file that was to stay: nothing, unless it came or was replaced in the last moment.
    fn rescue(&mut self, parent: BorrowedFd<'_>, stamp: &Stamp, path: &RelPath, carried: bool) -> Result<()> {
        let live = match self.parents.of(path) {
            Ok(live) => live,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => {
                return self.keep_copy(parent, path);
            }
            Err(error) => return Err(error),
        };
        let name = path.name();
        let there = stamp_at(&live, name).map_err(|errno| Error::io("look at", path, errno))?;
        if there.is_some_and(|there| there.inode == stamp.inode) {
            return Ok(());
        }
        if there.is_none() && carried {
            match fs::linkat(parent, name, &live, name, AtFlags::empty()) {
                Err(Errno::EXIST | Errno::PERM | Errno::ACCESS) => {}
                linked => return linked.map_err(|errno| Error::io("move along", path, errno)),
            }
        }
        self.keep_copy(parent, path)
    }

    fn keep_copy(&mut self, parent: BorrowedFd<'_>, path: &RelPath) -> Result<()> {
        self.recovery.copy(parent, path.name(), path)?;
        self.done.kept.push(path.clone());
        Ok(())
    }

    fn note_time(&mut self, step: &Step, stamp: &Stamp) {
        self.done.replaced_times.insert(step.path.clone(), stamp.mtime_seconds());
    }

    /// Gives the unit the permissions that it could not be renamed with.
    fn lock_again(&mut self, step: &Step) -> Result<()> {
        let Some(mode) = step.want.as_ref().filter(|want| want.is_directory()).and_then(Entry::mode) else {
            return Ok(());
        };
        let parent = match self.parents.of(&step.path) {
            // Somebody has removed what it is in.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => return Ok(()),
            parent => parent?,
        };
        let live = stamp_at(&parent, step.path.name()).map_err(failed(step))?;
        let opened = u32::from(mode.bits() as u16 | 0o700);
        if mode.bits() & 0o700 != 0o700 && live.is_some_and(|live| u32::from(live.permissions()) == opened) {
            self.change_mode(parent.as_fd(), mode, step)?;
        }
        Ok(())
    }
}

/// What a killed process left of a unit: if it was exchanged, the old one gets the name of one; if what is staged is
/// damaged, it goes.
pub(super) fn sort(cx: &Context, root: &Root, stage: &Stage, step: &Step, swap: &Swap, within: &[Step]) -> Result<()> {
    let (staged, was) = (stage.unit_name(swap.slot), stage.old_unit_name(swap.slot));
    let look = |name: &str| stamp_at(stage.directory(), name.as_bytes()).map_err(failed(step));
    if look(&staged)?.is_none() || look(&was)?.is_some() {
        return Ok(());
    }
    let area = Root::open(stage.shown())?;
    let waiting = RelPath::new(staged.clone().into_bytes())?;
    if shows(&area, &waiting, &step.path, within, |step| &step.want)? {
        return Ok(());
    }
    let is_live = |which: fn(&Step) -> &Option<Entry>| shows(root, &step.path, &step.path, within, which);
    if is_live(|step| &step.have)? && !is_live(|step| &step.want)? {
        cx.step("recover.drop-damaged-unit");
        return sweep(&stage.shown().join(&staged))
            .map_err(|source| Error::io("remove", stage.shown().display(), source));
    }
    cx.step("recover.name-old-unit");
    fs::renameat(stage.directory(), &staged, stage.directory(), &was).map_err(failed(step))
}

/// Whether all that changes in a unit looks as one of its sides, at `top`. A directory that goes may have stayed.
fn shows(
    root: &Root,
    top: &RelPath,
    unit: &RelPath,
    within: &[Step],
    side: impl Fn(&Step) -> &Option<Entry>,
) -> Result<bool> {
    for step in within {
        let path = RelPath::new([top.as_bytes(), &step.path.as_bytes()[unit.as_bytes().len()..]].concat())?;
        let found = match there(root, &path)? {
            Some(stamp) => entry_at(root.parent(&path)?, path.name(), &stamp)?,
            None => None,
        };
        let same = match (side(step), &found) {
            (None, Some(found)) => found.is_directory() && step.have.as_ref().is_some_and(Entry::is_directory),
            // The top can be open until it has its place.
            (Some(Entry::Directory { mode }), Some(Entry::Directory { mode: now })) => {
                mode == now || (step.path == *unit && mode.bits() | 0o700 == now.bits())
            }
            (side, found) => side == found,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn changes(within: &[Step]) -> Changes {
    let change = |step: &Step| Changing { have: step.have.clone(), want: step.want.clone(), number: 0 };
    within.iter().map(|step| (step.path.clone(), change(step))).collect()
}
