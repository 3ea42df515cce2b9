//! `log`, `diff` and `init`: looking at history, comparing trees, making a hub.

use super::disk::{Gaze, Remember};
use super::{DiffOutcome, DiffSide, InitOutcome, LogEntry, Node, Role};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::scan::Everything;
use crate::transport::{Look, OpenMode};
use crate::tree::{Overlay, Tree, empty_root};

impl Node {
    /// The newest revisions, newest first, at most `limit`.
    pub fn log(&self, cx: &Context, limit: usize) -> Result<Vec<LogEntry>> {
        self.soundly(|| self.log_once(cx, limit))
    }

    fn log_once(&self, cx: &Context, limit: usize) -> Result<Vec<LogEntry>> {
        cx.check()?;
        let mut position = self.db.position()?;
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
        let Some(head) = hub.head else { return Ok(Vec::new()) };
        let records = self.transport.history(cx, head.revision.number, limit as u64)?;
        let applied = position.applied.map(|(revision, _)| revision);
        let entries = records.into_iter().rev().map(|record| LogEntry {
            applied: applied == Some(record.revision),
            revision: record.revision,
            root: record.root,
            author: record.author,
            node: record.node,
            time: record.time,
            message: record.message,
        });
        Ok(entries.collect())
    }

    /// What changes from `older` to `newer`.
    pub fn diff(&self, cx: &Context, older: DiffSide, newer: DiffSide) -> Result<DiffOutcome> {
        self.soundly(|| self.diff_once(cx, older, newer))
    }

    fn diff_once(&self, cx: &Context, older: DiffSide, newer: DiffSide) -> Result<DiffOutcome> {
        cx.check()?;
        let position = self.db.position()?;
        let mut overlay = Overlay::new(&*self.db);
        let mut observed = empty_root();
        if older == DiffSide::Disk || newer == DiffSide::Disk {
            let dir = self.open_dir(&position)?;
            let disk = self.look(cx, dir, Gaze::new(&Everything, Remember::No))?;
            observed = disk.observed;
            overlay = Overlay::with(disk.pages(&*self.db).into_fresh(), &*self.db);
        }
        let root = |side| self.root_of(cx, side, observed, position.agreement);
        let (older, newer) = (root(older)?, root(newer)?);
        let changes = Tree::new(&overlay, older).diff(&Tree::new(&overlay, newer)).collect::<Result<_>>()?;
        Ok(DiffOutcome { changes })
    }

    fn root_of(&self, cx: &Context, side: DiffSide, observed: Digest, agreement: Digest) -> Result<Digest> {
        let mut position = self.db.position()?;
        let head = match side {
            DiffSide::Disk => return Ok(observed),
            DiffSide::Agreement => return Ok(agreement),
            DiffSide::Head | DiffSide::Revision(_) => {
                self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?.head
            }
        };
        let Some(head) = head else {
            return Err(
                Error::new(ErrorKind::Usage, "the deployment has no revision yet").at(self.transport.endpoint())
            );
        };
        let (revision, root) = match side {
            DiffSide::Revision(number) if number != head.revision.number => {
                let revision = self.record_number(cx, number)?.revision;
                (revision, self.root_at(cx, revision)?)
            }
            _ => (head.revision, head.root),
        };
        self.ensure_tree(cx, revision, root)?;
        Ok(root)
    }

    /// Makes the state of this node and, where there is none, the hub. Accepts the place where the directory is now.
    pub fn init(&self, cx: &Context, role: Option<Role>) -> Result<InitOutcome> {
        cx.check()?;
        let _lock = self.lock(cx)?;
        let writes = role.or(self.options.role).map(|role| role == Role::ReadWrite);
        // A worker waits for a hub, it does not make one.
        let mode = if writes == Some(false) { OpenMode::Existing } else { OpenMode::Create };
        let facts = self.open_hub(cx, mode)?;
        self.adopt_hub(cx, Some(&facts))?;
        if writes.is_some() {
            self.set_identity(|identity| identity.writes = writes)?;
        }
        let mut position = self.db.position()?;
        position.place = None;
        cx.step("state.forget-place");
        self.db.set_position(&position)?;
        Ok(InitOutcome {
            node: self.identity().node,
            hub_id: facts.id,
            created: facts.created,
            state: self.places.state.display().to_string(),
        })
    }
}
