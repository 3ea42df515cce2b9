//! From three trees to what is to be done. Pure: no input, no output, no clock.
//!
//! The trees are the **agreement** (what this disk and the hub last agreed on, path by path), **local** (what is on
//! this disk) and **wanted** (what the hub says). A path differs from the agreement on one side, on both or on none;
//! everything the engine does is a case of that:
//!
//! | local | wanted | on a manager | on a worker, or at first contact |
//! |---|---|---|---|
//! | same | same | nothing | nothing |
//! | changed | same | publish it | drift: bring the agreement back, keep the local content aside |
//! | same | changed | apply it | apply it |
//! | both alike | | agree | agree |
//! | both, differently | | conflict: leave both alone | apply the hub's, keep the local content aside |
//!
//! Laws:
//! - the agreement never claims an entry that was not measured on this disk: unreadable, ignored, held and
//!   conflicted paths are *unsettled* or in conflict and keep their old entry;
//! - conflicts are closed under parents: removing `a` against adding `a/b` is a conflict of both paths, so that what
//!   goes through is a well-formed tree on both sides;
//! - a path that the agreement does not know is never removed (pruning is asked for explicitly);
//! - an ignored path is never touched: what of it leaves the hub leaves the agreement, and stays on the disk. Where a
//!   rule tells directories from files, neither what it hides is brought, nor anything in the place of what it hides.
//!
//! What is [`Lazy`] and not here is a *ghost*. A fourth tree has it, **known**: the agreement and the ghosts. The hub's side
//! is compared with what is known, this disk's with the agreement, so that both differences are as small as what has
//! changed. Laws of ghosts:
//! - a ghost moves with the hub, and nothing is fetched; what is brought brings the directories that it is in;
//! - what is here stays here and moves by the table above, lazy or not;
//! - a file in the place of a ghost is the ghost, fetched, if it is just as the ghost; otherwise it is a local change of
//!   what the ghost stands for;
//! - a directory that a manager has removed went with the ghosts in it.

mod closure;
mod guard;
mod lazy;
mod unsettled;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use itertools::{EitherOrBoth, Itertools};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::packed::{self, Packed};
use crate::path::RelPath;
use crate::tree::{Change, Entry, Tree};

pub use guard::{Guard, Place, check_place, check_removal};
pub use lazy::{Lazy, ghosts_beneath};
use unsettled::Met;
pub use unsettled::Unsettled;

/// Who wins where both sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nobody: local changes are published, a path changed on both sides is a conflict.
    ThreeWay,
    /// The hub: local changes of tracked paths are drift.
    HubWins,
    /// The hub, for the paths that it has; a path only found here is left alone. The first contact of a manager.
    Adopt,
}

/// The three trees.
#[derive(Clone, Copy)]
pub struct Trees<'a> {
    /// What this disk and the hub last agreed on.
    pub agreement: Tree<'a>,
    /// The agreement and the ghosts: what the hub had when this node last followed it.
    pub known: Tree<'a>,
    /// What is on this disk.
    pub local: Tree<'a>,
    /// What the hub says.
    pub wanted: Tree<'a>,
}

impl Trees<'_> {
    fn has_ghosts(&self) -> bool {
        self.known.root() != self.agreement.root()
    }

    /// What is known of a path of which the agreement has nothing.
    fn ghost(&self, path: &RelPath) -> Result<Option<Entry>> {
        if self.has_ghosts() { self.known.get(path) } else { Ok(None) }
    }

    /// What is another on this disk than is known: of what was agreed, and of what stands in the place of a ghost.
    pub fn differing(&self) -> impl Iterator<Item = Result<Change>> + '_ {
        self.agreement.diff(&self.local).filter_map(|change| {
            let mut change = match change {
                Ok(change) => change,
                Err(error) => return Some(Err(error)),
            };
            if change.before.is_none() {
                match self.ghost(&change.path) {
                    Ok(ghost) => change.before = ghost,
                    Err(error) => return Some(Err(error)),
                }
            }
            (change.before.is_some() && change.before != change.after).then_some(Ok(change))
        })
    }
}

/// A path that is to be changed on this disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The path.
    pub path: RelPath,
    /// What is there now.
    pub have: Option<Entry>,
    /// What is to be there.
    pub want: Option<Entry>,
    /// Whether what is there now is unknown to the hub and must be kept aside.
    pub keep: bool,
}

/// A path changed on both sides, differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The path.
    pub path: RelPath,
    /// What both sides agreed on.
    pub agreed: Option<Entry>,
    /// What is on this disk.
    pub mine: Option<Entry>,
    /// What the hub says.
    pub theirs: Option<Entry>,
}

/// What is to be done, each list in path order, no path in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be published: from what the agreement has to what is here.
    pub publish: Packed<Change>,
    /// To be changed on this disk.
    pub apply: Packed<Application>,
    /// The agreement moves without any work: alike on both sides, or ignored here and gone from the hub.
    pub agree: Packed<Agreed>,
    /// What is known moves, and nothing is fetched.
    pub ghosts: Packed<Agreed>,
    /// Left alone on both sides.
    pub conflicts: Vec<Clash>,
    /// To be brought, but unreadable, ignored or unsettled here, or in the place of something ignored: left alone.
    pub blocked: Vec<RelPath>,
}

/// A path, and what both sides have there now.
pub type Agreed = (RelPath, Option<Entry>);

/// Plans. `unsettled` tells which paths were not measured, `lazy` what is fetched on demand only.
pub fn plan(trees: Trees<'_>, policy: Policy, unsettled: &Unsettled<'_>, lazy: &Lazy<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    let (mine, mut landed) = changed_here(&trees, policy, unsettled)?;
    let mut theirs: Packed<Change> = Packed::new();
    let mut released: Packed<Agreed> = Packed::new();
    let mut gone = Gone::default();
    let mut passing = mine.iter().peekable();
    let has_ghosts = trees.has_ghosts();
    for change in changed_there(&trees, lazy) {
        let mut change = change?;
        while let Some(passed) = passing.next_if(|passed| passed.path < change.path) {
            gone.pass(&passed);
        }
        let both = passing.peek().is_some_and(|mine| mine.path == change.path);
        let is_here = both || landed.remove(&change.path).is_some();
        if !is_here {
            let is_ghost = has_ghosts && change.before.is_some() && trees.agreement.get(&change.path)?.is_none();
            let stays = match &change.after {
                None => is_ghost,
                Some(after) => (is_ghost || change.before.is_none()) && lazy.covers(&change.path, after),
            };
            if stays {
                plan.ghosts.push(&(change.path, change.after));
                continue;
            }
            if is_ghost {
                change.before = None;
            }
        }
        let met = unsettled.meets(&change);
        match met {
            _ if gone.covers(&change.path) => theirs.push(&change),
            Met::Nothing => theirs.push(&change),
            // What is here was measured and is no longer what was agreed: nothing is published over the hub's change.
            Met::Unwelcome if both && policy == Policy::ThreeWay => theirs.push(&change),
            // It left the deployment; what is here under its name is nobody's business any more.
            Met::Hidden if change.after.is_none() => released.push(&(change.path, None)),
            Met::Hidden | Met::Unwelcome | Met::Listed => plan.blocked.push(change.path),
        }
    }
    drop(passing);
    let clashes = match policy {
        Policy::ThreeWay => closure::clashing(&mine, &theirs),
        Policy::HubWins | Policy::Adopt => Vec::new(),
    };
    let mut clashes = clashes.into_iter().peekable();
    let mut door = Door { unsettled, occupied: None };
    for side in Merged::new(mine, theirs) {
        let path = side.path();
        let clashed = clashes.next_if(|clash| clash == path).is_some();
        if let Some(application) = plan.settle(side, policy, clashed) {
            match door.admits(&application) {
                true => plan.apply.push(&application),
                false => plan.blocked.push(application.path),
            }
        }
    }
    plan.blocked.sort_unstable();
    plan.blocked.dedup();
    let landed = landed.into_iter().map(|(path, entry)| (path, Some(entry))).collect();
    for more in [released, landed].into_iter().filter(|more: &Packed<Agreed>| !more.is_empty()) {
        plan.agree = merge(std::mem::take(&mut plan.agree), more).collect();
    }
    plan.bring_parents(&trees)?;
    Ok(plan)
}

/// What is another on this disk than was agreed, and the ghosts that are here after all, just as they are known.
fn changed_here(
    trees: &Trees<'_>,
    policy: Policy,
    unsettled: &Unsettled<'_>,
) -> Result<(Packed<Change>, BTreeMap<RelPath, Entry>)> {
    let mut mine: Packed<Change> = Packed::new();
    let (mut went, mut landed) = (Packed::new(), BTreeMap::new());
    // What is beneath a removed directory is gone, whether or not anybody could have looked at it.
    let mut gone = Gone::default();
    for change in trees.agreement.diff(&trees.local) {
        let mut change = change?;
        let beneath_gone = gone.covers(&change.path);
        if !beneath_gone && unsettled.covers(&change) {
            continue;
        }
        if change.before.is_none() {
            change.before = trees.ghost(&change.path)?;
            if let Some(entry) = change.after.as_ref().filter(|_| change.before == change.after) {
                landed.insert(change.path, entry.clone());
                continue;
            }
        } else if policy == Policy::ThreeWay && !beneath_gone && leaves_directory(&change) {
            for (path, ghost) in ghosts_beneath(&trees.agreement, &trees.known, &change.path)? {
                went.push(&Change { path, before: Some(ghost), after: None });
            }
        }
        gone.pass(&change);
        mine.push(&change);
    }
    if !went.is_empty() {
        mine = mine.into_iter().merge_by(went, |left: &Change, right| left.path <= right.path).collect();
    }
    Ok((mine, landed))
}

/// Whether what was a directory is none any more.
fn leaves_directory(change: &Change) -> bool {
    let is_directory = |entry: &Option<Entry>| entry.as_ref().is_some_and(Entry::is_directory);
    is_directory(&change.before) && !is_directory(&change.after)
}

/// What is another in the hub than is known, and the ghosts that are summoned, as changes to what they are.
fn changed_there<'a>(trees: &'a Trees<'a>, lazy: &'a Lazy<'_>) -> impl Iterator<Item = Result<Change>> + 'a {
    let order = |change: &Result<Change>, summoned: &&RelPath| {
        change.as_ref().map_or(Ordering::Less, |change| change.path.cmp(summoned))
    };
    trees.known.diff(&trees.wanted).merge_join_by(lazy.summoned(), order).filter_map(|either| match either {
        EitherOrBoth::Left(change) | EitherOrBoth::Both(change, _) => Some(change),
        EitherOrBoth::Right(path) => match trees.known.get(path) {
            Err(error) => Some(Err(error)),
            Ok(None) => None,
            Ok(entry) => Some(Ok(Change { path: path.clone(), before: entry.clone(), after: entry })),
        },
    })
}

/// Two ascending lists of what is agreed as one.
pub fn merge(
    left: impl IntoIterator<Item = Agreed>,
    right: impl IntoIterator<Item = Agreed>,
) -> impl Iterator<Item = Agreed> {
    left.into_iter().merge_by(right, |left, right| left.0 <= right.0)
}

/// The last path passed that ended without being a directory, unless it lies beneath one before it.
#[derive(Default)]
struct Gone(Option<RelPath>);

impl Gone {
    /// Whether `path` lies beneath it.
    fn covers(&self, path: &RelPath) -> bool {
        self.0.as_ref().is_some_and(|gone| path.is_beneath(gone))
    }

    /// Passes a local change, in path order.
    fn pass(&mut self, change: &Change) {
        if !change.after.as_ref().is_some_and(Entry::is_directory) && !self.covers(&change.path) {
            self.0 = Some(change.path.clone());
        }
    }
}

/// Lets nothing in where something ignored stands, nor beneath it; asked in path order.
struct Door<'a> {
    unsettled: &'a Unsettled<'a>,
    occupied: Option<RelPath>,
}

impl Door<'_> {
    fn admits(&mut self, application: &Application) -> bool {
        if application.have.is_some() || application.want.is_none() {
            return true;
        }
        let path = &application.path;
        if self.occupied.as_ref().is_some_and(|occupied| path.is_beneath(occupied)) {
            return false;
        }
        let occupied = self.unsettled.occupies(path);
        if occupied {
            self.occupied = Some(path.clone());
        }
        !occupied
    }
}

impl Plan {
    /// Brings the directories that are ghosts, and that something else to be brought is in.
    fn bring_parents(&mut self, trees: &Trees<'_>) -> Result<()> {
        if self.ghosts.is_empty() && !trees.has_ghosts() {
            return Ok(());
        }
        let mut wanted: BTreeSet<RelPath> = BTreeSet::new();
        for application in self.apply.iter().filter(|application| application.want.is_some()) {
            for above in application.path.ancestors() {
                if trees.local.get(&above)?.is_none() {
                    wanted.insert(above);
                }
            }
        }
        let mut brought: Packed<Application> = Packed::new();
        for path in &wanted {
            if let Some(want) = trees.wanted.get(path)? {
                brought.push(&Application { path: path.clone(), have: None, want: Some(want), keep: false });
            }
        }
        if !brought.is_empty() {
            self.ghosts =
                std::mem::take(&mut self.ghosts).into_iter().filter(|(path, _)| !wanted.contains(path)).collect();
            self.also_apply(brought);
        }
        Ok(())
    }

    /// Adds to what is to be changed on this disk, in path order. A path that is in the plan stays as planned.
    pub fn also_apply(&mut self, more: impl IntoIterator<Item = Application>) {
        let planned = std::mem::take(&mut self.apply).into_iter();
        let merged = planned.merge_by(more, |left, right| left.path <= right.path);
        self.apply = merged.dedup_by(|left, right| left.path == right.path).collect();
    }

    /// Puts a difference into its list, unless it is to be changed on this disk.
    fn settle(&mut self, sides: Sides, policy: Policy, clashed: bool) -> Option<Application> {
        match (policy, sides) {
            (_, Sides::Both(mine, theirs)) if mine.after == theirs.after => self.agree.push(&(mine.path, mine.after)),
            (Policy::ThreeWay, sides) if clashed => self.conflicts.push(sides.into_clash()),
            (Policy::ThreeWay, Sides::Mine(change)) => self.publish.push(&change),
            (Policy::ThreeWay, Sides::Both(mine, theirs)) => {
                self.conflicts.push(Sides::Both(mine, theirs).into_clash());
            }
            (_, Sides::Theirs(change)) => {
                return Some(Application { path: change.path, have: change.before, want: change.after, keep: false });
            }
            (Policy::HubWins | Policy::Adopt, Sides::Both(mine, theirs)) => {
                return Some(Application {
                    keep: holds_content(mine.after.as_ref(), theirs.after.as_ref()),
                    path: mine.path,
                    have: mine.after,
                    want: theirs.after,
                });
            }
            // Only what the agreement knows is drift; anything else is the server's or, on a manager, not yet published.
            (Policy::HubWins | Policy::Adopt, Sides::Mine(change)) if change.before.is_some() => {
                return Some(Application {
                    keep: holds_content(change.after.as_ref(), change.before.as_ref()),
                    path: change.path,
                    have: change.after,
                    want: change.before,
                });
            }
            (Policy::HubWins | Policy::Adopt, Sides::Mine(_)) => {}
        }
        None
    }
}

/// Whether what is here has a content that would be gone with it. Where only permissions differ it stays in place: no
/// content is lost, and the file keeps its inode and modification time, so that no server deploys it again.
fn holds_content(here: Option<&Entry>, want: Option<&Entry>) -> bool {
    let Some(here) = here.filter(|here| !here.is_directory()) else { return false };
    !want.is_some_and(|want| here.differs_in_mode_only(want))
}

/// How a path differs from the agreement.
enum Sides {
    Mine(Change),
    Theirs(Change),
    Both(Change, Change),
}

impl Sides {
    fn path(&self) -> &RelPath {
        match self {
            Self::Mine(change) | Self::Theirs(change) | Self::Both(change, _) => &change.path,
        }
    }

    fn into_clash(self) -> Clash {
        match self {
            Self::Mine(mine) => {
                Clash { path: mine.path, theirs: mine.before.clone(), agreed: mine.before, mine: mine.after }
            }
            Self::Theirs(theirs) => {
                Clash { path: theirs.path, mine: theirs.before.clone(), agreed: theirs.before, theirs: theirs.after }
            }
            Self::Both(mine, theirs) => {
                Clash { path: mine.path, agreed: mine.before, mine: mine.after, theirs: theirs.after }
            }
        }
    }
}

/// Two ascending lists of changes as one.
struct Merged {
    mine: Peekable<packed::IntoIter<Change>>,
    theirs: Peekable<packed::IntoIter<Change>>,
}

impl Merged {
    fn new(mine: Packed<Change>, theirs: Packed<Change>) -> Self {
        Self { mine: mine.into_iter().peekable(), theirs: theirs.into_iter().peekable() }
    }
}

impl Iterator for Merged {
    type Item = Sides;

    fn next(&mut self) -> Option<Sides> {
        let order = match (self.mine.peek(), self.theirs.peek()) {
            (Some(mine), Some(theirs)) => mine.path.cmp(&theirs.path),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        match order {
            Ordering::Less => self.mine.next().map(Sides::Mine),
            Ordering::Greater => self.theirs.next().map(Sides::Theirs),
            Ordering::Equal => self.mine.next().zip(self.theirs.next()).map(|(mine, theirs)| Sides::Both(mine, theirs)),
        }
    }
}

#[cfg(test)]
mod tests;
