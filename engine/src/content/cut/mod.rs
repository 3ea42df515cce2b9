//! The publisher's side: cut what is new and bundle what the hub does not have.
//!
//! Files are taken in path order. Small ones are read whole, many at a time and in parallel; larger ones are streamed.
//! What the hub lacks is compressed in parallel and added to the pack in order, so that the same job makes the same
//! packs whatever the number of threads. New pieces of archives, and recipes, are held against those of the revision before
//! (`archive`, [`Bases`]). A file's recipe follows its pieces. Pages come last, together: whoever needs
//! the tree and no content reads them in one run. A small publish is one pack.
//!
//! Laws:
//! - each distinct content is read once, and not at all when the hub has it; of archives, new pieces are read twice;
//! - a file that does not hash to what the scan measured changed meanwhile: it is reported, and no recipe is made of it.
//!   Pieces of it that were streamed into a pack are waste, never wrong: each has its own name;
//! - at most about 8 MiB of content, its compressed form and one pack are in memory, beside some 40 bytes for each object
//!   packed; of archives their headers, and of one long deflated piece what it is made of, before and now.

mod archive;
mod bases;
mod bundle;
mod files;
mod kinship;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::tree::{Change, Pages, Tree};

use super::cutter::Cutter;
use super::effort::Effort;
use super::local::LocalContent;
use super::object::ObjectId;
use super::pack::{Pack, PackRef};
use super::recipe::Recipe;

pub use bases::{Bases, NoBases};

/// What to publish.
pub struct Job<'a> {
    /// What is new, in path order. Only files whose content has changed are of interest here.
    pub changes: &'a Packed<Change>,
    /// The new pages of the Merkle index.
    pub new_pages: &'a [Digest],
    /// Where these pages are read.
    pub pages: &'a dyn Pages,
    /// Where the files are read.
    pub local: &'a dyn LocalContent,
    /// What the hub has already. Asked from one thread only.
    pub holds: &'a dyn Fn(&ObjectId) -> bool,
    /// The new tree.
    pub tree: Tree<'a>,
    /// What the hub has of before.
    pub bases: &'a dyn Bases,
    /// How the hub wants files cut.
    pub cutter: Cutter,
    /// How much is done to make small what is sent.
    pub effort: Effort,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Cutting {
    /// The packs, in the order in which the sink got them.
    pub packs: Vec<PackRef>,
    /// The recipes of the files of more than one piece that were read, by content hash.
    pub recipes: Vec<(Digest, Recipe)>,
    /// Files that were read and are not what the scan saw.
    pub changed_meanwhile: Vec<RelPath>,
    /// Files that could not be read.
    pub unreadable: Vec<(RelPath, Error)>,
    /// How many bytes the objects in the packs have when unpacked.
    pub raw_bytes: u64,
    /// How many bytes the packs have.
    pub packed_bytes: u64,
}

/// Cuts and bundles what `job` needs and the hub lacks; `sink` gets each finished pack.
///
/// Errors are those of the sink, cancellation, and broken laws; a file that cannot be published is part of the result.
pub fn pack_new(cx: &Context, job: &Job<'_>, sink: &mut dyn FnMut(Pack) -> Result<()>) -> Result<Cutting> {
    cx.check()?;
    let mut bundle = bundle::Bundle::new(cx, job.holds, sink);
    let mut outcome = files::cut_files(cx, job, &mut bundle)?;
    bundle.add_pages(job)?;
    let totals = bundle.finish()?;
    outcome.packs = totals.packs;
    outcome.raw_bytes = totals.raw_bytes;
    outcome.packed_bytes = totals.packed_bytes;
    Ok(outcome)
}
