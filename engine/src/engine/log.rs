//! `log`, `diff` and `init`: looking at history, comparing trees, making a hub.

use super::disk::{Gaze, Remember};
use super::outcome::{Counts, Stat};
use super::{DiffOutcome, DiffSide, InitOutcome, LogEntry, Node, PublishOptions, Role};
use crate::content::Freight;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::packed::Packed;
use crate::scan::Everything;
use crate::transport::{Look, OpenMode};
use crate::tree::{Change, Overlay, Tree, empty_root};

impl Node {
    /// The newest revisions, newest first, at most `limit`.
    pub fn log(&self, cx: &Context, limit: usize) -> Result<Vec<LogEntry>> {
        self.soundly(|| self.log_once(cx, limit))
    }

    /// The same, with what each has brought: which compares the trees of all of them.
    pub fn log_with_stat(&self, cx: &Context, limit: usize) -> Result<Vec<LogEntry>> {
        self.soundly(|| {
            // One more, for what the last of them is compared with.
            let mut entries = self.log_once(cx, limit.saturating_add(1))?;
            for at in 0..entries.len().min(limit) {
                let before = entries.get(at + 1).map(|entry| (entry.revision, entry.root));
                let entry = &entries[at];
                let changes = self.changes_between(cx, before, (entry.revision, entry.root))?;
                let bytes_changed = changes.map(|changes| Counts::of(&changes).bytes);
                let bytes_sent = self.transport.record(cx, entry.revision.number)?.bytes;
                entries[at].stat = Some(Stat { bytes_sent, bytes_changed });
            }
            entries.truncate(limit);
            Ok(entries)
        })
    }

    /// What is another in a revision than in the one before; none where that cannot be known any more.
    pub(super) fn changes_between(
        &self,
        cx: &Context,
        before: Option<(Revision, Option<Digest>)>,
        (revision, root): (Revision, Option<Digest>),
    ) -> Result<Option<Packed<Change>>> {
        let old = match before {
            // The first of all, or one whose predecessor is not told.
            None if revision.number > 1 => return Ok(None),
            None => Some(empty_root()),
            Some((at, Some(root))) => self.tree_or_none(cx, at, root)?,
            Some((_, None)) => None,
        };
        let new = root.map(|root| self.tree_or_none(cx, revision, root)).transpose()?.flatten();
        let (Some(old), Some(new)) = (old, new) else { return Ok(None) };
        let changes: Packed<Change> =
            Tree::new(&*self.db, old).diff(&Tree::new(&*self.db, new)).collect::<Result<_>>()?;
        Ok(Some(changes))
    }

    /// Brings a tree here; none if gc has taken it.
    fn tree_or_none(&self, cx: &Context, at: Revision, root: Digest) -> Result<Option<Digest>> {
        match self.ensure_tree(cx, at, root) {
            Ok(_) => Ok(Some(root)),
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(None),
            Err(error) => Err(error),
        }
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
            stat: None,
        });
        Ok(entries.collect())
    }

    /// What changes from `older` to `newer`.
    pub fn diff(&self, cx: &Context, older: DiffSide, newer: DiffSide) -> Result<DiffOutcome> {
        self.soundly(|| self.diff_once(cx, older, newer))
    }

    /// The same, with what of it would travel: to the hub, if `newer` is the disk; to a node that has `older`, if it is a
    /// revision.
    pub fn diff_with_bytes(&self, cx: &Context, older: DiffSide, newer: DiffSide) -> Result<DiffOutcome> {
        let at = match newer {
            DiffSide::Disk if older == DiffSide::Agreement => {
                let publish = self.publish(cx, &PublishOptions { dry_run: true, ..PublishOptions::default() })?;
                return self.known_freight(publish.changes, publish.freight);
            }
            DiffSide::Head => None,
            DiffSide::Revision(number) => Some(number),
            DiffSide::Disk | DiffSide::Agreement => {
                return Err(Error::new(ErrorKind::Usage, "what travels is known towards a revision, or of a publish")
                    .hint("`depsync diff --bytes`, or `depsync diff --bytes A B` with a revision as B"));
            }
        };
        self.soundly(|| {
            let outcome = self.diff_once(cx, older, newer)?;
            let head = match at {
                Some(number) => self.transport.record(cx, number)?.revision,
                None => self.transport.head(cx, Look::Glance)?.ok_or_else(|| self.no_revision())?,
            };
            let recipes = |content: &Digest| self.db.recipe(content);
            let freight = self.transport.weigh_fetch(cx, head, &outcome.changes, &recipes)?;
            self.known_freight(outcome.changes, freight)
        })
    }

    fn known_freight(&self, changes: Packed<Change>, freight: Option<Vec<Freight>>) -> Result<DiffOutcome> {
        if freight.is_none() && !changes.is_empty() {
            let what = "what travels to or from a hub of this kind is not known beforehand";
            return Err(Error::new(ErrorKind::Unsupported, what).at(self.transport.endpoint()));
        }
        Ok(DiffOutcome { changes, freight: Some(freight.unwrap_or_default()) })
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
        Ok(DiffOutcome { changes, freight: None })
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
        let head = head.ok_or_else(|| self.no_revision())?;
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

    fn no_revision(&self) -> Error {
        Error::new(ErrorKind::Usage, "the deployment has no revision yet").at(self.transport.endpoint())
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
