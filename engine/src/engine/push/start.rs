//! Where a push to a node begins: what is known to be there, and how much of it must be looked at.

use super::super::Node;
use super::Load;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{NodeId, Revision};
use crate::plan::{self, Guard};
use crate::push::{Arrival, Mark};
use crate::record::Acceptance;
use crate::revdb::Pushed;
use crate::tree::{Tree, empty_root};

/// Where a push begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// What was there, as far as anybody has confirmed it.
    pub(super) base: Option<(Revision, Digest)>,
    /// The roots that broken-off pushes were bringing.
    pub(super) doubtful: Vec<Digest>,
    /// Whether everything must be looked at.
    pub(super) everything: bool,
}

impl Start {
    /// The root of the base.
    pub(super) fn base_root(&self) -> Digest {
        self.base.map_or(empty_root(), |(_, root)| root)
    }
}

impl Node {
    /// What is known of a node; nothing of one that is somewhere else now.
    pub(super) fn known_of(&self, node: &NodeId, address: &str) -> Result<Pushed> {
        let known = self.db.pushed(node)?.filter(|known| known.address == address);
        Ok(known.unwrap_or_else(|| Pushed::new(address.to_owned())))
    }

    /// Compares what is known with what was found on arrival.
    pub(super) fn start(&self, cx: &Context, load: &Load<'_>, known: &Pushed, arrival: &Arrival) -> Result<Start> {
        let settled = |at: Option<(Revision, Digest)>| match (&arrival.mark, at) {
            (Some(Mark::Settled { number, root }), Some((revision, known))) => {
                *number == revision.number && *root == known
            }
            _ => false,
        };
        let begun = match (&arrival.mark, &known.busy) {
            (Some(Mark::Busy { nonce }), Some(busy)) => *nonce == busy.nonce,
            _ => false,
        };
        let bringing = known.busy.as_ref().map_or(&[][..], |busy| &busy.bringing);
        let mut start = if settled(known.applied) {
            // A push that was broken off before it changed anything.
            Start { base: known.applied, doubtful: Vec::new(), everything: false }
        } else if begun || settled(bringing.last().copied()) {
            let everything = known.applied.is_none();
            Start { base: known.applied, doubtful: bringing.iter().map(|(_, root)| *root).collect(), everything }
        } else {
            // Somebody else was here, or nobody ever. A revision of ours is a base all the same.
            let base = self.marked(cx, arrival).or(known.applied);
            Start { base, doubtful: bringing.iter().map(|(_, root)| *root).collect(), everything: true }
        };
        let device = |place: Option<(u64, u64)>| place.map(|(device, _)| device);
        let moved = known.place.is_some() && device(known.place) != device(arrival.place);
        start.everything |= load.options.check || load.options.prune || start.base.is_none() || moved;
        if let Some((revision, root)) = start.base
            && !self.can_be_read(cx, revision, root)?
        {
            start.base = None;
            start.everything = true;
        }
        let doubtful = std::mem::take(&mut start.doubtful);
        for root in doubtful {
            if self.can_be_read(cx, load.revision, root)? {
                start.doubtful.push(root);
            } else {
                start.everything = true;
            }
        }
        Ok(start)
    }

    /// Whether a tree is still in the hub, or here.
    pub(super) fn can_be_read(&self, cx: &Context, at: Revision, root: Digest) -> Result<bool> {
        match self.ensure_tree(cx, at, root) {
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(false),
            ensured => ensured.map(|_| true),
        }
    }

    /// The revision that the mark names, if it is one of this hub.
    fn marked(&self, cx: &Context, arrival: &Arrival) -> Option<(Revision, Digest)> {
        let Some(Mark::Settled { number, root }) = arrival.mark else { return None };
        let revision = self.record_number(cx, number).ok()?.revision;
        (self.root_at(cx, revision).ok()? == root).then_some((revision, root))
    }

    /// Halts where it looks like an accident: of the revision, or of the directory.
    pub(super) fn guard_start(
        &self,
        cx: &Context,
        load: &Load<'_>,
        start: &Start,
        arrival: &Arrival,
        address: &str,
    ) -> Result<()> {
        let base = Tree::new(&*self.db, start.base_root()).totals()?;
        let wanted = Tree::new(&*self.db, load.root).totals()?;
        if !load.options.publish.allow_mass_delete && load.options.to.is_none() && !self.confirmed(cx, load, start)? {
            plan::check_removal(Guard::Revision, base, wanted).map_err(|error| error.at(address))?;
        }
        if base.entries > 0 && (arrival.empty || arrival.place.is_none()) && !load.options.check {
            let what = if arrival.place.is_none() { "does not exist" } else { "is empty" };
            return Err(Error::new(
                ErrorKind::Refused,
                format!("the directory {what}, but {} entries were pushed there", base.entries),
            )
            .at(address)
            .hint("mount what belongs there; if it was emptied on purpose, `--check` brings everything back"));
        }
        Ok(())
    }

    /// Whether a record between what is there and what comes confirms a mass removal.
    fn confirmed(&self, cx: &Context, load: &Load<'_>, start: &Start) -> Result<bool> {
        let Some((base, _)) = start.base else { return Ok(false) };
        let records = self.since(cx, base.number, load.revision.number)?;
        Ok(records.iter().any(|record| record.accepts(&Acceptance::MassDelete)))
    }
}
