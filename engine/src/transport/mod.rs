//! The seam between the engine and whatever carries revisions.
//!
//! A [`Transport`] talks to one deployment of one hub. Its level is revisions, not files: open, head, records, fetch,
//! publish, report. It is a blocking face; implementations are child processes and file calls. What every
//! implementation must do is written as a conformance suite (crate `depsync-tests`), one function per behaviour.
//!
//! Laws:
//! - a call that finds its context cancelled does nothing; after a cancelled call the hub is as before or as after;
//! - `publish` is a compare-and-swap on the head: it answers [`Published::Raced`] when somebody else was first, and
//!   readers see the old revision or the new one, never anything between;
//! - what `fetch` delivers is verified against the name it is delivered under;
//! - nothing that a hub says is believed without a check: sizes are bounded before anything is allocated.
//!
//! What the engine knows about a hub from earlier calls is kept in a [`Ledger`] (the revision database implements
//! it): records and pack indexes are immutable, so a copy never goes stale.

mod ledger;
mod report;
mod statement;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::content::{Effort, Freight, LocalContent, ObjectId, Piece, Recipe};
use crate::context::Context;
use crate::error::Result;
use crate::hash::Digest;
use crate::name::{HubId, Revision};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::record::Draft;
use crate::tree::{Change, Pages};

pub use ledger::{Ledger, MemoryLedger};
pub use report::{MAX_REPORT, NodeReport, Outcome, REPORT_SCHEMA};
pub use statement::Statement;

/// What a hub can do: plain data, measured when it is opened. A field exists only if the engine branches on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Whether node reports can be written. A read-only hub cannot take them; that is a warning, not an error.
    pub reports: bool,
    /// Which names the hub can hold.
    pub names: Names,
    /// Whether symbolic links can be held.
    pub symlinks: bool,
    /// Why this hub cannot be published to, if it cannot.
    pub publish_refused: Option<String>,
}

/// The names that a hub can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Names {
    /// Any bytes that a path can hold.
    Bytes,
    /// UTF-8 without control characters.
    PrintableUtf8,
}

impl Capabilities {
    /// Whether the hub can hold an entry of this name.
    pub fn holds_name(&self, path: &RelPath) -> bool {
        match self.names {
            Names::Bytes => true,
            Names::PrintableUtf8 => {
                std::str::from_utf8(path.as_bytes()).is_ok_and(|text| !text.chars().any(char::is_control))
            }
        }
    }
}

/// What opening a hub found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFacts {
    /// Its identity.
    pub id: HubId,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Whether this very call made it.
    pub created: bool,
}

/// Whether opening may make a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The hub exists; an empty or missing place is [`crate::error::ErrorKind::NotFound`].
    Existing,
    /// The same, but the place of a single deployment in it is made, where a hub has one for each.
    Deployment,
    /// An empty place becomes a hub. Only an explicit `init` or first `publish` says so.
    Create,
}

/// How carefully to look for the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// One read of what the hub says is its head.
    Glance,
    /// Also look for records beyond it, and heal the hint (a publisher may have died between the two writes).
    Heal,
}

/// Content wanted by [`Transport::fetch`]: a file's hash and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WantedContent {
    /// Plain BLAKE3 of the file.
    pub hash: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What a fetch is for.
#[derive(Clone, Copy, Debug)]
pub enum Want<'a> {
    /// These pages of the Merkle index.
    Pages(&'a [Digest]),
    /// Whatever is needed to rebuild these contents: recipes first, then the pieces that [`Deliver::needed`] names.
    Contents(&'a [WantedContent]),
}

/// The receiving side of a fetch. Everything handed over was verified against its name, except that a recipe's file
/// hash is known only once the file is rebuilt.
pub trait Deliver {
    /// Takes a page.
    fn page(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()>;

    /// Takes the recipe of the content named `file`.
    fn recipe(&mut self, file: Digest, recipe: Recipe) -> Result<()>;

    /// The pieces still needed, now that every wanted content has a recipe or is one piece.
    fn needed(&mut self) -> Result<Vec<ObjectId>>;

    /// Whether most of what stands beside what is wanted is not wanted at all: then it is not worth reading it along.
    fn wants_few(&self) -> bool {
        false
    }

    /// Whether this node has the object, as far as is known without reading it.
    fn has_base(&self, _object: &ObjectId) -> bool {
        false
    }

    /// What this node has of the object, to make another of it that is stored against it.
    fn base(&mut self, _object: &ObjectId) -> Result<Option<Base>> {
        Ok(None)
    }

    /// Takes some pieces, a few mebibytes at a time and in the order that suits the hub.
    fn pieces(&mut self, pieces: &[Piece<'_>]) -> Result<()>;
}

/// What another object is stored against.
#[derive(Clone, Debug)]
pub enum Base {
    /// The bytes of a piece, verified.
    Piece(Vec<u8>),
    /// How a content is made.
    Recipe(Arc<Recipe>),
}

/// What a fetch cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes read from the hub.
    pub bytes: u64,
}

/// What is to be published.
pub struct Proposal<'a> {
    /// The head that this revision is to follow; none for the first.
    pub parent: Option<Revision>,
    /// What the record is to say.
    pub draft: Draft,
    /// The difference between the parent's tree and the new one, in path order.
    pub changes: &'a Packed<Change>,
    /// The pages of the new tree that the parent's tree does not have, each above those beneath it.
    pub new_pages: &'a [Digest],
    /// Where these pages are read.
    pub pages: &'a dyn Pages,
    /// The local files.
    pub content: &'a dyn LocalContent,
    /// The recipes of contents that this node remembers.
    pub recipes: &'a dyn Fn(&Digest) -> Result<Option<Recipe>>,
    /// How much is done to make small what is sent.
    pub effort: Effort,
    /// The earlier revision whose tree this is, if it is one: then its content is not in the local files, and the hub has
    /// it already.
    pub restores: Option<Revision>,
}

/// How a publish ended.
#[derive(Debug)]
pub enum Published {
    /// The revision stands.
    Done {
        /// Which it is.
        revision: Revision,
        /// The root of its tree: the proposed one, unless the hub has merged something disjoint that somebody else has
        /// committed in the same moment.
        root: Digest,
        /// Bytes written to the hub.
        sent: u64,
        /// The recipes of the files that were cut into several pieces.
        recipes: Vec<(Digest, Recipe)>,
    },
    /// Somebody else published first: re-plan against the new head and try again.
    Raced,
    /// These files changed between the scan and the upload: scan again and try again.
    Moved(Vec<RelPath>),
}

/// What a publish would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// All of it, in bytes: the index besides.
    pub bytes: u64,
    /// What of each file, in the order of their paths.
    pub freight: Vec<Freight>,
}

/// The code that talks to one deployment of one hub.
pub trait Transport: Send + Sync {
    /// The hub's address for people, without credentials.
    fn endpoint(&self) -> &dyn fmt::Display;

    /// Opens the hub: who it is and what it can do, which may take a trial write. The other calls work without it: a
    /// node that knows its hub opens it only before it publishes, or when something looks wrong.
    fn open(&self, cx: &Context, mode: OpenMode) -> Result<HubFacts>;

    /// The newest revision of the deployment, if it has one.
    fn head(&self, cx: &Context, look: Look) -> Result<Option<Revision>>;

    /// What is said of revision `number`. Where there is none it is [`crate::error::ErrorKind::NotFound`]: a hub may
    /// leave numbers out.
    fn record(&self, cx: &Context, number: u64) -> Result<Statement>;

    /// The same of the newest `count` revisions up to `last`, which must be one, or of as many as there are: in order,
    /// each following the one before it.
    fn history(&self, cx: &Context, last: u64, count: u64) -> Result<Vec<Statement>>;

    /// The root of a revision's tree. A hub of ours has it on record. One that holds plain files has it measured,
    /// which fetches what was not fetched before: `content` is what the deployment directory holds of other revisions.
    fn root(&self, cx: &Context, of: Revision, content: &dyn LocalContent) -> Result<Digest>;

    /// What a revision, whose root is known, holds beside what is deployed: lines for people. A hub of ours holds nothing
    /// else.
    fn left_out(&self, _of: Revision) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Where the `count` newest revisions up to number `last` have removed something: it was at one of these paths, or
    /// beneath one. A hub of ours need not be asked: it has the root of every revision on record, and the trees tell.
    fn removals(&self, _cx: &Context, _last: u64, _count: u64) -> Result<Vec<RelPath>> {
        Ok(Vec::new())
    }

    /// Those of `files`, none of which is in the deployment now, that one of these revisions had at this path with this
    /// very content. A hub of ours need not be asked this either.
    fn had(&self, _cx: &Context, _last: u64, _count: u64, _files: &[(RelPath, WantedContent)]) -> Result<Vec<RelPath>> {
        Ok(Vec::new())
    }

    /// Brings what `want` names, as of revision `at`.
    fn fetch(&self, cx: &Context, at: Revision, want: Want<'_>, to: &mut dyn Deliver) -> Result<Fetched>;

    /// Publishes a revision after `proposal.parent`, or answers that somebody else was first.
    fn publish(&self, cx: &Context, proposal: &Proposal<'_>) -> Result<Published>;

    /// What publishing this would send, without doing it; none where that is not known beforehand.
    fn weigh(&self, _cx: &Context, _proposal: &Proposal<'_>) -> Result<Option<Weight>> {
        Ok(None)
    }

    /// What of each file a node would fetch that has what these changes begin with, and wants revision `at`, which they
    /// lead to; none where that is not known beforehand. `recipes` are those that this node remembers.
    fn weigh_fetch(
        &self,
        _cx: &Context,
        _at: Revision,
        _changes: &Packed<Change>,
        _recipes: &dyn Fn(&Digest) -> Result<Option<Recipe>>,
    ) -> Result<Option<Vec<Freight>>> {
        Ok(None)
    }

    /// Whether hubs of this kind have a place for reports. (Whether this hub can be written to is found out by opening it.)
    fn has_reports(&self) -> bool {
        true
    }

    /// Writes this node's report.
    fn report(&self, cx: &Context, report: &NodeReport) -> Result<()>;

    /// Reads every node's report; none where a hub holds none.
    fn reports(&self, cx: &Context) -> Result<Vec<NodeReport>>;

    /// Nothing will be asked for a while: what is kept in memory of earlier answers, and can be had again from here, goes.
    fn rest(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_of_printable_names_refuses_the_others() {
        let mut capabilities =
            Capabilities { reports: true, names: Names::PrintableUtf8, symlinks: true, publish_refused: None };
        let path = |bytes: &[u8]| RelPath::new(bytes).expect("path");
        assert!(capabilities.holds_name(&path("caf\u{e9}/b c".as_bytes())));
        assert!(!capabilities.holds_name(&path(b"caf\xe9")) && !capabilities.holds_name(&path(b"a\nb")));
        capabilities.names = Names::Bytes;
        assert!(capabilities.holds_name(&path(b"caf\xe9")) && capabilities.holds_name(&path(b"a\nb")));
    }
}
