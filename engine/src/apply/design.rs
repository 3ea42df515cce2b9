//! What is to become of a unit: which of its paths change, what of the rest stays, and what refuses the exchange.
//!
//! Untracked files move along if the operator says so; otherwise they are *foreign*, and the unit stays as it is: a server
//! that writes into it may be writing the next file into the old directory while the new one comes. Untracked directories
//! move along with what is in them.
//!
//! One walk through the live unit serves three times: it says what is foreign before anything is fetched, makes the
//! shadow, and makes it right once more just before the exchange, which may be long after a crash.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::FileType;

use super::Stage;
use super::live::names;
use super::shadow::Shadow;
use crate::beneath::{Root, stamp_at};
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::patterns::Patterns;
use crate::stamp::Stamp;
use crate::tree::Entry;

/// How a path of a unit changes.
#[derive(Clone, Debug)]
pub struct Changing {
    /// What is there.
    pub have: Option<Entry>,
    /// What is to be there.
    pub want: Option<Entry>,
    /// The number that its content was staged under.
    pub number: u64,
}

/// What changes in a unit, itself included.
pub type Changes = BTreeMap<RelPath, Changing>;

/// A unit, and what is to become of it.
#[derive(Clone, Copy)]
pub struct Design<'a> {
    /// The deployment directory.
    pub root: &'a Root,
    /// The unit.
    pub unit: &'a RelPath,
    /// What changes.
    pub changes: &'a Changes,
    /// What of the untracked files moves along.
    pub carry: &'a [String],
    /// Whether a path that does not change is tracked.
    pub is_tracked: &'a dyn Fn(&RelPath) -> bool,
}

impl Design<'_> {
    /// Why the unit has to be left, if something in it is foreign.
    pub fn objection(&self) -> Result<Option<String>> {
        Ok(self.weave(self.is_tracked, None)?.objection())
    }

    /// Makes the shadow, of what is staged under the numbers of the changes and what is live, as unit `slot` of `stage`.
    /// Says why the unit has to be left, if it has; or else whether anything is staged: nothing is where nothing stays.
    pub fn make(&self, stage: &Stage, slot: u64) -> Result<std::result::Result<bool, String>> {
        let area = Root::open(stage.shown())?;
        let mut shadow = Shadow::of(self, &area, stage.unit_name(slot))?;
        if !self.changes.contains_key(self.unit) {
            // It stays, be it empty.
            shadow.make(self.unit)?;
        }
        for (path, change) in self.changes {
            match &change.want {
                Some(Entry::Directory { .. }) => shadow.make(path)?,
                Some(want) => shadow.place(stage, path, change, want)?,
                None => {}
            }
        }
        if let Some(objection) = self.weave(self.is_tracked, Some(&mut shadow))?.objection() {
            return Ok(Err(objection));
        }
        shadow.finish(self)?;
        Ok(Ok(shadow.kind()?.is_some()))
    }

    /// Makes the shadow right once more: what came since it was made, if it may, and what went. Says why the unit has to
    /// be left, if it has.
    pub(super) fn refresh(&self, stage: &Stage, slot: u64) -> Result<Option<String>> {
        let area = Root::open(stage.shown())?;
        let mut shadow = Shadow::of(self, &area, stage.unit_name(slot))?;
        let staged = shadow.kind()?;
        if staged.is_some_and(|kind| kind != FileType::Directory) {
            return self.objection();
        }
        let there = Shadow::of(self, &area, stage.unit_name(slot))?;
        let is_tracked = |path: &RelPath| there.stamp(path).is_ok_and(|stamp| stamp.is_some());
        let woven = self.weave(&is_tracked, Some(&mut shadow))?;
        if let Some(objection) = woven.objection() {
            return Ok(Some(objection));
        }
        if staged.is_none() && shadow.kind()?.is_some() {
            return Ok(Some("something came into it that moves along; the next update takes it".to_owned()));
        }
        if shadow.drop_gone(self)? || woven.linked {
            shadow.finish(self)?;
        }
        Ok(None)
    }

    fn weave(&self, is_tracked: &dyn Fn(&RelPath) -> bool, mut shadow: Option<&mut Shadow<'_>>) -> Result<Woven> {
        let mut woven = Woven::default();
        if !is_directory(there(self.root, self.unit)?) {
            return Ok(woven);
        }
        let carry = Patterns::new(self.carry)?;
        let gives_way = |(_, change): &(&RelPath, &Changing)| {
            let (have, want) = (change.have.as_ref(), change.want.as_ref());
            have.is_some_and(Entry::is_directory) && want.is_some_and(|want| !want.is_directory())
        };
        // What moves along beneath these has no place any more: it is kept aside after the exchange.
        let ways: Vec<&RelPath> = self.changes.iter().filter(gives_way).map(|(path, _)| path).collect();
        walk(self.root, self.unit, &mut |path, parent, stamp| {
            let is_directory = stamp.file_type() == FileType::Directory;
            if self.changes.contains_key(path) {
                return Ok(is_directory);
            }
            let has_place = !ways.iter().any(|way| path.is_beneath(way));
            let shadow = shadow.as_mut().filter(|_| has_place);
            if is_directory {
                shadow.map_or(Ok(()), |shadow| shadow.make(path))?;
            } else if (has_place && is_tracked(path)) || carry.cover(self.inner(path), false) {
                woven.linked |= shadow.map_or(Ok(false), |shadow| shadow.link(parent, stamp, path))?;
            } else {
                woven.note(path);
            }
            Ok(is_directory)
        })?;
        Ok(woven)
    }

    /// A path as it is seen from the unit.
    pub(super) fn inner<'b>(&self, path: &'b RelPath) -> &'b [u8] {
        path.as_bytes().get(self.unit.as_bytes().len() + 1..).unwrap_or_default()
    }
}

/// What a walk through a unit has come to.
#[derive(Default)]
struct Woven {
    foreign: Option<RelPath>,
    others: usize,
    linked: bool,
}

impl Woven {
    fn note(&mut self, path: &RelPath) {
        match &mut self.foreign {
            None => self.foreign = Some(path.clone()),
            Some(first) => {
                self.others += 1;
                if path < first {
                    first.clone_from(path);
                }
            }
        }
    }

    fn objection(&self) -> Option<String> {
        let first = self.foreign.as_ref()?;
        let others = match self.others {
            0 => String::new(),
            1 => " and another one".to_owned(),
            others => format!(" and {others} others"),
        };
        Some(format!(
            "it changes as one, and is left as it is: {first}{others} would stay behind, as nobody tracks it; remove it, \
             or name it in `carry`"
        ))
    }
}

/// Goes through what is beneath the directory `top`, each directory before what is in it; the answer says whether to go
/// into it.
pub(super) fn walk(
    root: &Root,
    top: &RelPath,
    visit: &mut dyn FnMut(&RelPath, BorrowedFd<'_>, &Stamp) -> Result<bool>,
) -> Result<()> {
    let device = root.stamp(top)?.map(|top| top.device);
    let mut left = vec![top.clone()];
    while let Some(directory) = left.pop() {
        let failed = |errno| Error::io("look through", root.display(&directory), errno);
        let handle = root.directory(Some(&directory))?;
        for name in names(&handle).map_err(failed)? {
            let path = directory.join(&name)?;
            let Some(stamp) = stamp_at(&handle, &name).map_err(failed)? else { continue };
            if Some(stamp.device) != device {
                return Err(Error::new(ErrorKind::Refused, "another file system is mounted there").at(path));
            }
            if visit(&path, handle.as_fd(), &stamp)? && stamp.file_type() == FileType::Directory {
                left.push(path);
            }
        }
    }
    Ok(())
}

/// What is at `path`; nothing is beneath a file or a link.
pub(super) fn there(root: &Root, path: &RelPath) -> Result<Option<Stamp>> {
    match root.stamp(path) {
        Err(error) if error.kind() == ErrorKind::Refused => Ok(None),
        stamp => stamp,
    }
}

pub(super) fn is_directory(stamp: Option<Stamp>) -> bool {
    stamp.is_some_and(|stamp| stamp.file_type() == FileType::Directory)
}
