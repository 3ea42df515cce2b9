//! Looking at a node without touching it, for whoever wants to know what is wrong.
//!
//! The node works with a copy of its state ([`RevDb::copied_from`]): whatever is called, the state on the disk stays as it
//! is. In the hub nothing is written but the trial that opening it makes.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::desk::Desk;
use super::lazy::Rules;
use super::standing::Standing;
use super::{HeldRevision, Node, Options, identify};
use crate::apply::{Places, Units};
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::name::{HubId, Revision};
use crate::revdb::{RevDb, has_state};
use crate::transport::{Ledger, Look, OpenMode, Transport};
use crate::tree::Tree;

/// What a node knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The revision applied last.
    pub applied: Option<u64>,
    /// How many entries were agreed on with the hub, directories among them.
    pub entries: u64,
    /// How many of them are directories.
    pub directories: u64,
    /// The sum of the sizes of the files.
    pub bytes: u64,
    /// Device and inode of the directory as the last command found it.
    pub place: Option<(u64, u64)>,
    /// Whether an update was interrupted: the next command finishes it.
    pub interrupted: bool,
    /// How often in a row a daemon has failed.
    pub setbacks: u32,
    /// The revision that this node was not well with.
    pub held: Option<HeldRevision>,
    /// When it last said how it stands.
    pub spoke: Option<Timestamp>,
    /// Within what time it was to say so again to the hub: only a daemon promises that.
    pub beat: Option<Duration>,
}

/// What the hub says to a node that it may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Which hub it is.
    pub id: HubId,
    /// Why it cannot be published to from here, if it cannot.
    pub publish_refused: Option<String>,
    /// Whether it takes reports from here; none where hubs of its kind have no place for them.
    pub reports: Option<bool>,
}

/// The newest revision of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Which, and when it was published by its publisher's clock; none if there is none yet.
    pub head: Option<(Revision, Timestamp)>,
    /// Whether the hub's hint at it is behind: the next command that looks puts it right.
    pub lags: bool,
}

impl Node {
    /// Opens a node to look at it; one without a state remembers nothing. Nothing is made, and no lock is taken.
    pub fn examine(
        options: Options,
        connect: impl FnOnce(&Places, Arc<dyn Ledger>) -> Result<Arc<dyn Transport>>,
    ) -> Result<Self> {
        let places = Places::look(&options.dir, options.wishes())?;
        let db = if has_state(&places.state) { RevDb::copied_from(&places.state)? } else { RevDb::blank()? };
        Self::with_copy(options, places, db, connect)
    }

    /// The same without what is in the state: it may be damaged, and the hub is to be looked at all the same.
    pub fn examine_without_state(
        options: Options,
        connect: impl FnOnce(&Places, Arc<dyn Ledger>) -> Result<Arc<dyn Transport>>,
    ) -> Result<Self> {
        let places = Places::look(&options.dir, options.wishes())?;
        Self::with_copy(options, places, RevDb::blank()?, connect)
    }

    fn with_copy(
        options: Options,
        places: Places,
        db: RevDb,
        connect: impl FnOnce(&Places, Arc<dyn Ledger>) -> Result<Arc<dyn Transport>>,
    ) -> Result<Self> {
        let units = Units::new(&options.units)?;
        let rules = Rules::new(&options)?;
        let db = Arc::new(db);
        let transport = connect(&places, Arc::clone(&db) as Arc<dyn Ledger>)?;
        let identity = identify(&db, &options, &transport.endpoint().to_string())?;
        let (desk, identity, beat) = (Desk::default(), Mutex::new(identity), AtomicU64::new(0));
        Ok(Self { options, units, rules, desk, places, db, transport, identity, beat })
    }

    /// What this node knows of itself.
    pub fn findings(&self) -> Result<Findings> {
        let position = self.db.position()?;
        let known = Tree::new(&*self.db, position.known());
        let totals = known.totals()?;
        let mut directories = 0;
        for entry in known.iter() {
            directories += u64::from(entry?.1.is_directory());
        }
        let told = self.db.last_report()?;
        let spoke = self.db.said()?.iter().chain(&told).map(|report| report.time).max();
        Ok(Findings {
            applied: position.applied.map(|(revision, _)| revision.number),
            entries: totals.entries,
            directories,
            bytes: totals.bytes,
            place: position.place,
            interrupted: self.db.journal()?.is_some(),
            setbacks: self.db.setbacks()?,
            held: position.held_revision.map(HeldRevision::from),
            spoke,
            beat: told.and_then(|told| told.beat_s).map(Duration::from_secs),
        })
    }

    /// Opens the hub: whether it is the one that this node knows, and what it lets us do, which takes a trial write.
    pub fn greet(&self, cx: &Context) -> Result<Greeting> {
        let facts = self.open_hub(cx, OpenMode::Existing)?;
        Ok(Greeting {
            id: facts.id,
            publish_refused: facts.capabilities.publish_refused,
            reports: self.transport.has_reports().then_some(facts.capabilities.reports),
        })
    }

    /// The newest revision as the hub has it, whose history has to continue what is applied here. Heals nothing.
    pub fn glance(&self, cx: &Context) -> Result<Newest> {
        let applied = self.db.position()?.applied.map(|(revision, _)| revision);
        let hint = self.transport.head(cx, Look::Glance)?;
        let mut head = hint;
        if let Some(applied) = applied.filter(|applied| hint.is_none_or(|hint| hint.number < applied.number)) {
            // A lower hint alone means nothing: the record tells.
            head = match self.transport.record(cx, applied.number) {
                Ok(record) if record.revision == applied => Some(applied),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => return Err(self.rewound(&format!("revision {applied}, applied here, is not in it any more"))),
            };
        }
        if let (Some(applied), Some(head)) = (applied, head)
            && applied != head
        {
            self.check_descent(cx, applied, head)?;
        }
        let lags = hint != head;
        let Some(head) = head else { return Ok(Newest { head: None, lags }) };
        let record = self.record_number(cx, head.number)?;
        if record.revision != head {
            return Err(self.another_record(head));
        }
        Ok(Newest { head: Some((head, record.time)), lags })
    }

    /// Every node that has reported, over the channel or to the hub, as it stands now.
    pub fn company(&self, cx: &Context, head: Option<Revision>) -> Result<Vec<Standing>> {
        if self.transport.has_reports() {
            self.collect_reports(cx)?;
        }
        self.roster(cx, head)
    }
}
