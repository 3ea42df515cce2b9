//! Looking at the hub: is it ours, what is its head, does its history continue ours.

use std::fs::File;
use std::sync::OnceLock;

use jiff::SignedDuration;

use super::Node;
use super::lazy::Laziness;
use crate::beneath::Root;
use crate::content::LocalContent;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::path::RelPath;
use crate::record::Acceptance;
use crate::revdb::Position;
use crate::transport::{HubFacts, Look, OpenMode, Statement};

/// The hub as it was found.
pub(super) struct Hub {
    /// What opening it told; none where the head alone told that it is the hub this node knows.
    pub(super) facts: Option<HubFacts>,
    /// The newest revision and its record's root.
    pub(super) head: Option<Head>,
}

/// The newest revision of a deployment.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) revision: Revision,
    pub(super) root: Digest,
    /// Whether a record between the one applied here and this one confirms a mass removal.
    pub(super) accepts_mass_delete: bool,
}

/// What an update would be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Everything is here.
    Nothing,
    /// The revision that is here is not here as a whole.
    Rest,
    /// There is another revision.
    Revision,
}

/// What the deployment directory holds, opened when it is first asked for.
struct Live<'a> {
    node: &'a Node,
    root: OnceLock<Root>,
    /// What is fetched on demand only; none where everything is wanted.
    laziness: Option<Laziness<'a>>,
}

impl LocalContent for Live<'_> {
    fn open(&self, path: &RelPath) -> Result<File> {
        if let Some(root) = self.root.get() {
            return root.read(path);
        }
        let root = Root::open(&self.node.places.dir)?;
        self.root.get_or_init(|| root).read(path)
    }

    fn wants_all(&self) -> bool {
        self.laziness.is_none()
    }

    fn wants(&self, path: &RelPath) -> bool {
        self.laziness.as_ref().is_none_or(|laziness| !laziness.leaves(path))
    }
}

/// How long a glance at the head is enough, before records beyond it are looked for.
const GLANCES: SignedDuration = SignedDuration::from_secs(60);

impl Node {
    /// Opens the hub and checks that it is the one this node knows.
    pub(super) fn open_hub(&self, cx: &Context, mode: OpenMode) -> Result<HubFacts> {
        let known = self.identity().hub_id;
        // A node that has known a hub here never makes another one: what is missing is a mount, not a hub.
        let mode = if known.is_some() { OpenMode::Existing } else { mode };
        let facts = self.transport.open(cx, mode).map_err(|error| match (error.kind(), known) {
            (ErrorKind::NotFound, Some(_)) => error
                .with_kind(ErrorKind::Refused)
                .hint_instead("this node has known a hub there: mount or restore it; nothing was changed"),
            (ErrorKind::NotFound, None) => error
                .with_kind(ErrorKind::Unreachable)
                .hint("there is no hub yet: `depsync publish` or `depsync init` on a manager makes one"),
            _ => error,
        })?;
        match known {
            Some(known) if known != facts.id => Err(Error::new(
                ErrorKind::Refused,
                format!("it is another hub ({}) than the one this node knows ({known})", facts.id),
            )
            .at(self.transport.endpoint())
            .hint("mount the right hub; to follow this one from now on, start with a new --state")),
            _ => Ok(facts),
        }
    }

    /// Finds the head and checks that its history continues what was applied here; opens the hub where that is needed.
    ///
    /// A history that continues ours by hash is our hub's: each record's hash covers the hub's id. So the common look of
    /// a node that knows its hub is one read. Opening it as well would tell more (can it be written to?), but finds
    /// that out by writing, which nobody wants of every node every minute.
    pub(super) fn look_at_hub(&self, cx: &Context, position: &mut Position, mode: OpenMode, look: Look) -> Result<Hub> {
        let mut look = look;
        if self.identity().hub_id.is_some() && position.applied.is_some() {
            match self.find_head(cx, position, look) {
                Ok(head) => return Ok(Hub { facts: None, head }),
                // It may be another hub, or none: opening it tells which. Or a hint that is wrong: the records tell.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::Damaged) => {
                    look = Look::Heal;
                }
                Err(error) => return Err(error),
            }
        }
        let facts = self.open_hub(cx, mode)?;
        let head = self.find_head(cx, position, look)?;
        Ok(Hub { facts: Some(facts), head })
    }

    /// What an update would be for; where the hub cannot continue what is here, it says why not. One look at the hub, none at
    /// the disk, and no lock.
    pub fn due(&self, cx: &Context) -> Result<Due> {
        let mut position = self.db.position()?;
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
        let wanted = hub.head.map(|head| head.revision);
        let here = position.applied.map(|(revision, _)| revision);
        let held = position.held_revision.as_ref().filter(|held| Some(held.revision) == wanted);
        let wanted = held.map(|held| held.back.0).or(wanted);
        Ok(match wanted {
            Some(wanted) if position.pinned.is_none() && here != Some(wanted) => Due::Revision,
            _ if position.owed.is_some() || self.has_other_rules(&position) => Due::Rest,
            Some(_) if position.pinned.is_none() && !position.whole => Due::Rest,
            _ => Due::Nothing,
        })
    }

    fn find_head(&self, cx: &Context, position: &mut Position, look: Look) -> Result<Option<Head>> {
        let applied = position.applied.map(|(revision, _)| revision);
        let mut look = look;
        if applied.is_none() || position.healed.is_none_or(|healed| cx.now().duration_since(healed).abs() > GLANCES) {
            look = Look::Heal;
        }
        let mut head = self.transport.head(cx, look)?;
        // A lower hint alone means nothing: a publisher may have died before it moved the hint.
        if look == Look::Glance && head.map(|head| head.number) < applied.map(|applied| applied.number) {
            look = Look::Heal;
            head = self.transport.head(cx, look)?;
        }
        if look == Look::Heal {
            position.healed = Some(cx.now());
        }
        let head = head.map(|head| self.follow(cx, position, head)).transpose()?;
        if head.is_none() && applied.is_some() {
            return Err(self.rewound("it has no revision of this deployment any more"));
        }
        Ok(head)
    }

    /// Checks that `head` descends from what was applied here, and reads its root.
    fn follow(&self, cx: &Context, position: &Position, head: Revision) -> Result<Head> {
        let Some((applied, root)) = position.applied else {
            if self.record_number(cx, head.number)?.revision != head {
                return Err(self.another_record(head));
            }
            return Ok(Head { revision: head, root: self.root_at(cx, head)?, accepts_mass_delete: false });
        };
        if head == applied {
            return Ok(Head { revision: head, root, accepts_mass_delete: false });
        }
        let accepts_mass_delete = self.check_descent(cx, applied, head)?;
        Ok(Head { revision: head, root: self.root_at(cx, head)?, accepts_mass_delete })
    }

    /// Checks that `head`, which is another revision than `applied`, descends from it. Says whether a record between them
    /// confirms a mass removal.
    pub(super) fn check_descent(&self, cx: &Context, applied: Revision, head: Revision) -> Result<bool> {
        if head.number <= applied.number {
            return Err(self.rewound(&format!("revision {applied}, applied here, is not in it any more")));
        }
        let records = self.since(cx, applied.number, head.number);
        let records = records.map_err(|error| match error.kind() {
            ErrorKind::NotFound => error
                .with_kind(ErrorKind::Damaged)
                .hint("the hub lacks a record that its head or a later record names: restore it; nothing was changed"),
            _ => error,
        })?;
        let mut last = applied;
        for record in &records {
            if !record.follows(Some(last)) {
                return Err(self.rewound(&format!("revision {} does not descend from {applied}", record.revision)));
            }
            last = record.revision;
        }
        if last != head {
            return Err(self.another_record(head));
        }
        Ok(records.iter().any(|record| record.accepts(&Acceptance::MassDelete)))
    }

    pub(super) fn another_record(&self, head: Revision) -> Error {
        let what = format!("the record of revision {} is not the one that the head names", head.number);
        Error::damaged(self.transport.endpoint(), what)
    }

    /// What is said of revision `number`.
    pub(super) fn record_number(&self, cx: &Context, number: u64) -> Result<Statement> {
        self.transport.record(cx, number).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(ErrorKind::Usage, format!("there is no revision {number}"))
                .at(self.transport.endpoint())
                .hint("`depsync log` lists the revisions of the deployment"),
            _ => error,
        })
    }

    /// What is said of the revisions after number `after`, up to `last`.
    pub(super) fn since(&self, cx: &Context, after: u64, last: u64) -> Result<Vec<Statement>> {
        if last <= after {
            return Ok(Vec::new());
        }
        let mut records = self.transport.history(cx, last, last - after)?;
        // Where numbers are left out, some are older.
        records.retain(|record| record.revision.number > after);
        Ok(records)
    }

    /// The root of a revision's tree.
    pub(super) fn root_at(&self, cx: &Context, revision: Revision) -> Result<Digest> {
        let laziness = match self.rules.fingerprint() {
            Some(_) => Some(self.laziness(&self.db.position()?)?),
            None => None,
        };
        self.transport.root(cx, revision, &Live { node: self, root: OnceLock::new(), laziness })
    }

    pub(super) fn rewound(&self, why: &str) -> Error {
        Error::new(ErrorKind::Refused, format!("the hub was rewound or replaced: {why}; nothing was changed"))
            .at(self.transport.endpoint())
            .hint(
                "restore the newer hub; to follow this one from here, move the state directory aside and run \
                 `depsync update`, which adopts what is equal",
            )
    }

    /// Remembers a hub that was seen for the first time.
    pub(super) fn adopt_hub(&self, cx: &Context, facts: Option<&HubFacts>) -> Result<()> {
        let Some(facts) = facts else { return Ok(()) };
        cx.step("state.adopt-hub");
        self.set_identity(|identity| identity.hub_id = Some(facts.id))
    }
}
