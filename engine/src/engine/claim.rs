//! A publish whose answer never arrived: it was killed, or the connection broke, around the compare-and-swap.
//!
//! The revision may stand in the hub without this node knowing that it is its own. Taken for somebody else's, every
//! path that was edited here since would be in conflict with itself, and a first publish would be refused as a first
//! contact. So what is sent is written down before, and claimed by the next command that looks at the hub, by the
//! nonce of the record. What was published had been measured on this disk, so the agreement may take it in.

use super::Node;
use super::agree::agree;
use super::hub::Hub;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::packed::Packed;
use crate::plan::Agreed;
use crate::revdb::{Applied, Position, Proposed, Work};
use crate::tree::{Change, Overlay, Tree};

impl Node {
    /// Moves the agreement on by a publish of this node that came through without its knowing. Needs the lock.
    pub(super) fn claim_lost_publish(&self, cx: &Context, position: &mut Position, hub: &Hub) -> Result<()> {
        let Some(proposed) = self.db.proposed()? else { return Ok(()) };
        let Some(head) = hub.head.as_ref().filter(|head| head.revision.number >= proposed.number) else {
            return Ok(());
        };
        let records = self.since(cx, proposed.number - 1, head.revision.number)?;
        let ours = records.into_iter().find(|record| record.nonce.as_deref() == Some(&*proposed.nonce));
        let Some(ours) = ours.map(|record| record.revision) else {
            cx.step("claim.forget");
            return self.db.forget_proposed();
        };
        let Proposed { base, root, .. } = proposed;
        // Another root than the proposed one: the hub has merged what somebody else did in the same moment.
        let there = self.root_at(cx, ours)?;
        match self.ensure_tree(cx, head.revision, base) {
            // What it was made on top of was collected since. The paths edited here since are conflicts, then.
            Err(error) if error.kind() == ErrorKind::Damaged => {
                tracing::warn!(%error, revision = ours.number, "a publish of this node is taken for another one's");
                cx.step("claim.forget");
                return self.db.forget_proposed();
            }
            ensured => ensured?,
        };
        self.ensure_tree(cx, ours, there)?;
        let changes: Packed<Change> = match self.ensure_tree(cx, ours, root) {
            Ok(_) => Tree::new(&*self.db, base).diff(&Tree::new(&*self.db, root)).collect::<Result<_>>()?,
            // Only the merged tree can be read: what it has as the disk had it is found by the next look.
            Err(error) if there != root && error.kind() == ErrorKind::Damaged => Packed::new(),
            Err(error) => return Err(error),
        };
        let hub = Tree::new(&*self.db, there);
        let moved = changes.iter().filter_map(|change| match hub.get(&change.path) {
            Ok(entry) => (entry == change.after).then_some(Ok((change.path, change.after))),
            Err(error) => Some(Err(error)),
        });
        let mut pages = Overlay::new(&*self.db);
        let moved: Packed<Agreed> = moved.collect::<Result<_>>()?;
        agree(position, &moved, &mut pages)?;
        position.seen = Some((ours, there));
        let from = position.applied.map(|(revision, _)| revision.number);
        if position.known() == there {
            position.applied = position.seen;
            position.whole = true;
        }
        let row = Applied {
            at: cx.now(),
            work: Work::Publish,
            from,
            to: Some(ours.number),
            root: position.known(),
            entries: 0,
            bytes: 0,
            millis: 0,
            outcome: "recovered".to_owned(),
            detail: None,
        };
        cx.step("claim.settle");
        self.settle(position, &pages, Some(&row), &[], &[])
    }
}
