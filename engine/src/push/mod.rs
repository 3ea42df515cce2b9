//! Bringing a revision to a place where nothing of ours runs: a plain directory on another machine.
//!
//! A [`Destination`] is such a directory, with whatever carries words and bytes to it (ssh and rsync, in the crate
//! `depsync-transports`). It can do what a bare machine can: say what stands at which path, compute SHA-256, take files
//! into a place of its own beside the directory, rename. This room knows what its answers mean ([`Survey`]) and what is
//! left there for the next push ([`Mark`]); the plan is the one of every update, and the order of calls is
//! `engine/deliver.rs`.
//!
//! Laws:
//! - between [`Destination::begin`] and [`Destination::end`] nobody else pushes to that directory;
//! - nothing live changes before everything that is to come lies beside the directory, and was verified there;
//! - a file comes by a rename, so that whoever reads it reads the old one or the new one;
//! - only [`Destination::carry_out`] changes what is live, and only at the paths of its steps;
//! - what is there is believed as far as it concerns that directory alone: what it says is bounded and checked, and
//!   decides about nothing else.

mod found;
mod mark;
mod sum;
mod survey;

use std::collections::HashMap;
use std::path::Path;

use crate::apply::Step;
use crate::context::Context;
use crate::error::Result;
use crate::packed::Packed;
use crate::path::RelPath;

pub use found::Found;
pub use mark::Mark;
pub use sum::{Sum, SumAndHash};
pub use survey::{Survey, Tracked};

/// Who pushes, for whoever finds the directory locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The node that pushes.
    pub node: String,
    /// Drawn with its state: a lock of the same nonce is left over from an earlier push of ours, because two pushes from
    /// one state are never at work at once.
    pub nonce: String,
}

/// What is found on arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Device and inode of the directory; none if it does not exist.
    pub place: Option<(u64, u64)>,
    /// Whether there is nothing in it.
    pub empty: bool,
    /// What the last push left beside it.
    pub mark: Option<Mark>,
    /// Whether permissions of directories keep nobody out there: we are root.
    pub privileged: bool,
}

/// What is to be looked at.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// These paths.
    Paths(&'a [RelPath]),
    /// Everything that is there.
    Everything,
}

/// Where files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// In the directory.
    Live,
    /// Beside it, brought and not yet in place.
    Staged,
}

/// Files laid ready in a directory of this side, each under its path.
pub struct Laid<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// The files.
    pub files: &'a [RelPath],
    /// Whether they are all that lies there, so that they need not be named. More may come meanwhile, for other nodes.
    pub all: bool,
}

/// A plain directory on another machine. See the module for its laws.
pub trait Destination {
    /// Takes the directory for this push, and says what is there. Held by somebody else:
    /// [`crate::error::ErrorKind::Locked`].
    fn begin(&mut self, cx: &Context, holder: &Holder) -> Result<Arrival>;

    /// What stands at the paths of `scope`, in any order; what is not mentioned is not there.
    fn look(&mut self, cx: &Context, scope: Scope<'_>) -> Result<Vec<(RelPath, Found)>>;

    /// The SHA-256 of regular files. One that cannot be read is not mentioned.
    fn sums(&mut self, cx: &Context, area: Area, files: &[RelPath]) -> Result<HashMap<RelPath, Sum>>;

    /// Brings files beside the directory; gives the bytes sent.
    fn bring(&mut self, cx: &Context, laid: &Laid<'_>) -> Result<u64>;

    /// Leaves a mark for the next push.
    fn mark(&mut self, cx: &Context, mark: &Mark) -> Result<()>;

    /// Carries out `steps` with the files that were brought, makes the directory if it is missing, and sweeps what was
    /// brought. What is to be kept goes to a folder `aside`. Gives what was complained about: then some steps were not
    /// made.
    fn carry_out(&mut self, cx: &Context, steps: &Packed<Step>, aside: &str) -> Result<Option<String>>;

    /// Lets go of the directory.
    fn end(&mut self, cx: &Context) -> Result<()>;
}
