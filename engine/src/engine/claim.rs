//! A publish whose answer never arrived: it was killed, or the connection broke, around the compare-and-swap.
//!
//! The revision may stand in the hub without this node knowing that it is its own. Taken for somebody else's, every
//! path that was edited here since would be in conflict with itself, and a first publish would be refused as a first
//! contact. So what is sent is written down before, and claimed by the next command that looks at the hub, by the
//! nonce of the record. What was published had been measured on this disk, so the agreement may take it in.

use super::Node;
use super::hub::Hub;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::revdb::{Applied, Position, Proposed, Work};
use crate::tree::{self, Overlay, Tree};

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
        if self.root_at(cx, ours)? != root {
            cx.step("claim.forget");
            return self.db.forget_proposed();
        }
        match self.ensure_tree(cx, head.revision, base) {
            // What it was made on top of was collected since. The paths edited here since are conflicts, then.
            Err(error) if error.kind() == ErrorKind::Damaged => {
                tracing::warn!(%error, revision = ours.number, "a publish of this node is taken for another one's");
                cx.step("claim.forget");
                return self.db.forget_proposed();
            }
            ensured => ensured?,
        };
        self.ensure_tree(cx, ours, root)?;
        let changes = Tree::new(&*self.db, base).diff(&Tree::new(&*self.db, root));
        let moved = changes.map(|change| change.map(|change| (change.path, change.after)));
        let mut pages = Overlay::new(&*self.db);
        position.agreement = tree::edit(Tree::new(&*self.db, position.agreement), moved, &mut pages)?;
        position.seen = Some((ours, root));
        let from = position.applied.map(|(revision, _)| revision.number);
        if position.agreement == root {
            position.applied = position.seen;
            position.whole = true;
        }
        let row = Applied {
            at: cx.now(),
            work: Work::Publish,
            from,
            to: Some(ours.number),
            root: position.agreement,
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
