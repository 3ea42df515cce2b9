//! Hooks: what is run on this node around an update, and what comes of it.
//!
//! Order: everything is staged, `before-update`, the journal, the files, the settlement, `after-update`, `health`, the report.
//! - `before-update` fails: nothing was changed, and nothing is;
//! - `after-update` fails, or the process dies before it: it is owed, and run again by the next command, until it succeeds.
//!   What it is told then is the way from the last revision that it was told of;
//! - `health` fails: this node *holds* the revision. It goes back to the one before, hooks included, says so in its report,
//!   and does not try that revision again until there is another one, or somebody asks for it.
//!
//! What is to be done is written down before it is done: whatever kills the process, the next command goes on from there.

use std::fmt;

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::Node;
use super::update::{Manner, Progressed, Target};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{DeploymentName, NodeId, Revision};
use crate::packed::Packed;
use crate::revdb::{Held, Owed, Position};
use crate::tree::{Change, Entry, Tree, empty_root};

/// When something is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before anything live is changed.
    BeforeUpdate,
    /// After everything is in place.
    AfterUpdate,
    /// To find out whether this node is well with another revision.
    Health,
}

impl Moment {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeUpdate => "before-update",
            Self::AfterUpdate => "after-update",
            Self::Health => "health",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is run around updates.
pub trait Hooks: fmt::Debug + Send + Sync {
    /// Whether there is anything to run at this moment.
    fn has(&self, moment: Moment) -> bool;

    /// Runs it, and waits for its end. An error is a no.
    fn run(&self, cx: &Context, moment: Moment, delta: &Delta<'_>) -> Result<()>;
}

/// What an update changes, as hooks are told it: as JSON an object with `schema`, `deployment`, `node`, `dir`, `from`, `to`
/// and `changes`, each of them with `path`, `change` (`added`, `modified` or `removed`), `type` and, of a file, `size`.
#[derive(Debug)]
pub struct Delta<'a> {
    /// The deployment.
    pub deployment: &'a DeploymentName,
    /// This node.
    pub node: &'a NodeId,
    /// The deployment directory.
    pub dir: &'a str,
    /// The number of the revision before; none at first, and the same as `to` where drift is brought back.
    pub from: Option<u64>,
    /// The number of the revision.
    pub to: u64,
    /// What is changed, path by path.
    pub changes: &'a Packed<Change>,
}

impl Serialize for Delta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut delta = serializer.serialize_struct("Delta", 7)?;
        delta.serialize_field("schema", &1)?;
        delta.serialize_field("deployment", self.deployment)?;
        delta.serialize_field("node", self.node)?;
        delta.serialize_field("dir", self.dir)?;
        delta.serialize_field("from", &self.from)?;
        delta.serialize_field("to", &self.to)?;
        delta.serialize_field("changes", &Changes(self.changes))?;
        delta.end()
    }
}

struct Changes<'a>(&'a Packed<Change>);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut changes = serializer.serialize_seq(Some(self.0.len()))?;
        for change in self.0.iter() {
            changes.serialize_element(&Changed::from(&change))?;
        }
        changes.end()
    }
}

#[derive(Serialize)]
struct Changed {
    path: String,
    change: &'static str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl From<&Change> for Changed {
    fn from(change: &Change) -> Self {
        let name = match (&change.before, &change.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "modified",
        };
        let (kind, size) = match change.after.as_ref().or(change.before.as_ref()) {
            Some(Entry::File { size, .. }) => ("file", change.after.is_some().then_some(*size)),
            Some(Entry::Symlink { .. }) => ("symlink", None),
            _ => ("directory", None),
        };
        Self { path: change.path.to_string(), change: name, r#type: kind, size }
    }
}

/// What came of the hooks after an update.
enum Verdict {
    /// This node has what it should.
    Well,
    /// It is to go back to this one.
    Back(Target),
}

impl Node {
    /// Runs what is run before anything is changed.
    pub(super) fn before_update(
        &self,
        cx: &Context,
        from: Option<u64>,
        to: u64,
        changes: &Packed<Change>,
    ) -> Result<()> {
        self.run_hook(cx, Moment::BeforeUpdate, from, to, changes).map_err(|error| match error.kind() {
            ErrorKind::Cancelled => error,
            // Nothing was changed.
            _ => error.with_kind(ErrorKind::Refused),
        })
    }

    /// Takes note of what hooks are to be told of, before it is settled.
    pub(super) fn owe(&self, position: &mut Position) {
        let Some(hooks) = &self.options.hooks else { return };
        if hooks.has(Moment::AfterUpdate) || hooks.has(Moment::Health) {
            let from = position.applied;
            position.owed.get_or_insert(Owed { from });
        }
    }

    /// Brings the directory to `target`, and tells the hooks; back to where it was, if this node is not well with it.
    pub(super) fn bring_and_tell(
        &self,
        cx: &Context,
        position: &mut Position,
        before: &Position,
        target: Target,
        manner: &Manner<'_>,
    ) -> Result<Progressed> {
        let mut done = self.bring_whole_to(cx, position, before, target, manner)?;
        if manner.dry_run {
            return Ok(done);
        }
        let Verdict::Back(back) = self.after_update(cx, position, &mut done)? else { return Ok(done) };
        let before = position.clone();
        // It was here a moment ago.
        let manner = Manner { allow_mass_delete: true, first_contact: None, ..*manner };
        let mut again = self.bring_whole_to(cx, position, &before, back, &manner)?;
        self.after_update(cx, position, &mut again)?;
        again.kept.append(&mut done.kept);
        again.warnings.append(&mut done.warnings);
        again.fetched += done.fetched;
        Ok(again)
    }

    /// Runs what is run after an update, if it is owed, and says how that ended.
    fn after_update(&self, cx: &Context, position: &mut Position, done: &mut Progressed) -> Result<Verdict> {
        let (Some(owed), Some((applied, root))) = (position.owed, position.applied) else { return Ok(Verdict::Well) };
        if self.options.hooks.is_some() {
            let from = owed.from.map(|(revision, _)| revision.number);
            let since = if done.owed_before || done.applied.is_empty() {
                Some(self.changes_since(cx, owed, (applied, root))?)
            } else {
                None
            };
            let changes = since.as_ref().unwrap_or(&done.applied);
            self.run_hook(cx, Moment::AfterUpdate, from, applied.number, changes)?;
            let is_new = owed.from.is_none_or(|(revision, _)| revision != applied);
            if is_new
                && position.held_revision.is_none()
                && let Err(error) = self.run_hook(cx, Moment::Health, from, applied.number, changes)
            {
                return self.hold(cx, position, owed, (applied, root), error);
            }
        }
        position.owed = None;
        cx.step("hook.done");
        self.db.set_position(position)?;
        if let Some(report) = done.unsent.take() {
            self.send_report(cx, &report, &mut done.warnings)?;
        }
        Ok(Verdict::Well)
    }

    /// Holds the revision that is here: writes down that it is not wanted, and what is.
    fn hold(
        &self,
        cx: &Context,
        position: &mut Position,
        owed: Owed,
        (revision, root): (Revision, Digest),
        error: Error,
    ) -> Result<Verdict> {
        if error.kind() == ErrorKind::Cancelled {
            return Err(error);
        }
        let Some(back) = owed.from else {
            return Err(error.hint("it is the first revision here, so there is none to go back to; it is asked again"));
        };
        position.held_revision = Some(Held { revision, back, reason: error.to_string() });
        // They were told of it, so they have to hear that it is gone.
        position.owed = Some(Owed { from: Some((revision, root)) });
        cx.step("hook.hold");
        self.db.set_position(position)?;
        Ok(Verdict::Back(Target { revision: back.0, root: back.1 }))
    }

    /// All that has changed since the revision that the hooks were told of last.
    fn changes_since(&self, cx: &Context, owed: Owed, now: (Revision, Digest)) -> Result<Packed<Change>> {
        let before = match owed.from {
            Some((revision, root)) => {
                self.ensure_tree(cx, revision, root)?;
                root
            }
            None => empty_root(),
        };
        self.ensure_tree(cx, now.0, now.1)?;
        Tree::new(&*self.db, before).diff(&Tree::new(&*self.db, now.1)).collect()
    }

    fn run_hook(
        &self,
        cx: &Context,
        moment: Moment,
        from: Option<u64>,
        to: u64,
        changes: &Packed<Change>,
    ) -> Result<()> {
        let Some(hooks) = self.options.hooks.as_ref().filter(|hooks| hooks.has(moment)) else { return Ok(()) };
        let identity = self.identity();
        let dir = self.places.dir.display().to_string();
        let delta = Delta { deployment: &identity.deployment, node: &identity.node, dir: &dir, from, to, changes };
        cx.step("hook.run");
        hooks.run(cx, moment, &delta).map_err(|error| error.op(format!("run the hook {moment}")))
    }
}
