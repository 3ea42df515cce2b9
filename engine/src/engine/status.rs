//! `status`: what is here, what the hub has, who has reported what. Changes nothing.

use std::time::Instant;

use super::disk::{Disk, Gaze, Remember};
use super::tracked::Tracked;
use super::update::conflicts;
use super::{HeldRevision, Node, Remark, StatusOutcome};
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::path::RelPath;
use crate::plan::{self, Lazy, Plan, Policy, Trees, Unsettled};
use crate::revdb::Position;
use crate::scan::{Everything, Interest};
use crate::transport::{Look, NodeReport, OpenMode};
use crate::tree::Tree;

/// The same context with half the time: a hub that does not answer leaves the rest for what is known here.
fn half(cx: &Context) -> Context {
    match cx.time_left() {
        Some(left) => cx.clone().with_deadline(Instant::now() + left / 2),
        None => cx.clone(),
    }
}

/// A revision and its root.
type Seen = (Revision, Digest);

impl Node {
    /// Looks at everything. With the hub out of reach the local facts are given, and the reason.
    pub fn status(&self, cx: &Context) -> Result<StatusOutcome> {
        self.soundly(|| self.status_once(cx))
    }

    fn status_once(&self, cx: &Context) -> Result<StatusOutcome> {
        cx.check()?;
        let position = self.db.position()?;
        let identity = self.identity();
        let mut outcome = StatusOutcome {
            node: identity.node,
            dir: self.places.dir.display().to_string(),
            hub: self.transport.endpoint().to_string(),
            hub_id: identity.hub_id,
            deployment: identity.deployment,
            writes: self.writes(),
            applied: position.applied.map(|(revision, _)| revision.number),
            measured: None,
            pinned: position.pinned,
            ghosts: self.ghosts_of(&position)?,
            head: None,
            drift: Vec::new(),
            conflicts: Vec::new(),
            held: position.held.iter().map(|(path, reason)| Remark::from_pair(path, reason)).collect(),
            held_revision: position.held_revision.clone().map(HeldRevision::from),
            problems: Vec::new(),
            nodes: Vec::new(),
            has_reports: self.transport.has_reports(),
            hub_error: None,
            warnings: Vec::new(),
        };
        let mut seen = position.seen;
        match self.ask_hub(&half(cx), &position) {
            Ok((head, in_hub)) => {
                outcome.head = head.map(|(revision, _)| revision.number);
                seen = head.or(seen);
                self.warn_of_clones(&in_hub, &mut outcome)?;
            }
            Err(error) => outcome.hub_error = Some(error),
        }
        outcome.nodes = self.roster(cx, seen.map(|(revision, _)| revision).filter(|_| outcome.hub_error.is_none()))?;
        if let Some((revision, _)) = seen.filter(|_| outcome.hub_error.is_none()) {
            outcome.warnings.extend(self.transport.left_out(revision)?);
        }
        if self.db.journal()?.is_some() {
            outcome.warnings.push("an update was interrupted; the next command finishes it".to_owned());
        }
        self.look_at_differences(cx, &position, seen, &mut outcome)?;
        Ok(outcome)
    }

    fn ask_hub(&self, cx: &Context, position: &Position) -> Result<(Option<Seen>, Vec<NodeReport>)> {
        let mut position = position.clone();
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
        let nodes = self.collect_reports(cx)?;
        if let Some(head) = &hub.head {
            self.ensure_tree(cx, head.revision, head.root)?;
        }
        Ok((hub.head.map(|head| (head.revision, head.root)), nodes))
    }

    fn warn_of_clones(&self, in_hub: &[NodeReport], outcome: &mut StatusOutcome) -> Result<()> {
        let identity = self.identity();
        let Some(own) = in_hub.iter().find(|report| report.node == identity.node) else { return Ok(()) };
        let written = self.db.last_report()?;
        if own.nonce != identity.nonce {
            outcome.warnings.push(format!(
                "another state directory reports as node `{}`: give one of the two another --node",
                identity.node
            ));
        } else if written.is_some_and(|written| written != *own) {
            outcome.warnings.push(format!(
                "the hub's report of node `{}` was not written from this state: another node works with a copy of it \
                 (give that one a --state and a --node of its own), or this one was put back from an older copy",
                identity.node
            ));
        }
        Ok(())
    }

    fn look_at_differences(
        &self,
        cx: &Context,
        position: &Position,
        seen: Option<Seen>,
        outcome: &mut StatusOutcome,
    ) -> Result<()> {
        let root = match self.open_dir(position) {
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::NotFound) => {
                let reason = error.to_string();
                outcome.problems.push(Remark { path: None, reason });
                return Ok(());
            }
            root => root?,
        };
        let agreed = Tracked::new([Tree::new(&*self.db, position.known())]);
        let interest: &dyn Interest = if self.writes() { &Everything } else { &agreed };
        let disk = self.look(cx, root, Gaze::new(interest, Remember::No))?;
        outcome.problems = disk.problems();
        outcome.warnings.extend(disk.skipped());
        let pages = disk.pages(&*self.db);
        // Without the hub the wanted tree may not be readable here; then there is nothing to say about conflicts.
        let wanted = match seen {
            Some((revision, root)) if self.ensure_tree(cx, revision, root).is_ok() => root,
            _ => position.known(),
        };
        let trees = Trees {
            agreement: Tree::new(&pages, position.agreement),
            known: Tree::new(&pages, position.known()),
            local: Tree::new(&pages, disk.observed),
            wanted: Tree::new(&pages, wanted),
        };
        let plan = self.differences(&disk, trees, position)?;
        outcome.measured = Some(disk.measured(&trees)?);
        if self.writes() {
            outcome.conflicts = conflicts(&plan.conflicts, seen.map_or(0, |(revision, _)| revision.number));
            outcome.drift = plan.publish.into_iter().map(|change| change.path).collect();
        } else {
            outcome.drift =
                disk.differing(&trees).map(|change| change.map(|change| change.path)).collect::<Result<_>>()?;
        }
        Ok(())
    }

    fn differences(&self, disk: &Disk, trees: Trees<'_>, position: &Position) -> Result<Plan> {
        let hidden = |path: &RelPath, directory: bool| disk.ignore.matches(path, directory);
        let occupied = |path: &RelPath| disk.is_occupied(path);
        let unsettled = Unsettled::new(disk.unknown(), &hidden, &occupied);
        let laziness = self.laziness(position)?;
        let covers = |path: &RelPath, directory: bool| laziness.covers(path, directory);
        plan::plan(trees, Policy::ThreeWay, &unsettled, &Lazy::new(&covers, Vec::new()))
    }
}

impl Remark {
    fn from_pair(path: &str, reason: &str) -> Self {
        Self { path: RelPath::try_from(path).ok(), reason: reason.to_owned() }
    }
}
