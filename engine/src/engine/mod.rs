//! The face: one [`Node`] keeps one directory in sync with one deployment of a hub.
//!
//! Every command is: take the lock, finish what was interrupted, look at the hub, look at the disk, plan, halt if it
//! looks like an accident, do it, settle, report. The parts are the rooms below; this room only puts them in order.
//!
//! The engine does not print, reads no environment and starts no thread that outlives a call, but for
//! rayon's pool, which is the process's.

mod agree;
mod bring;
mod carry;
mod claim;
mod desk;
mod disk;
mod ensure;
mod evict;
mod examine;
mod fetch;
mod habits;
mod hooks;
mod hub;
mod inventory;
mod lazy;
mod log;
mod options;
mod outcome;
mod publish;
mod push;
mod race;
mod recover;
mod relics;
mod report;
mod resolve;
mod rollback;
mod roster;
mod seed;
mod stage;
mod standing;
mod status;
mod stubs;
mod tracked;
mod units;
mod update;
mod verify;
mod wait;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::desk::Desk;
use self::lazy::Rules;
use crate::apply::{Lock, Places, Units};
use crate::channel::Announcement;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{NodeId, random_bytes};
use crate::plan::Policy;
use crate::revdb::{Identity, Mended, RevDb};
use crate::transport::{Ledger, Transport};

pub use crate::apply::UnitRule;
pub use evict::{EvictOptions, EvictOutcome};
pub use examine::{Findings, Greeting, Newest};
pub use fetch::FetchOutcome;
pub use habits::Habits;
pub use hooks::{Delta, Hooks, Moment};
pub use hub::Due;
pub use inventory::{Ghosts, Item, Summary};
pub use options::{
    DiffSide, Founding, Heal, Options, PublishOptions, RecoveryBounds, Role, Scope, Side, StatePlace, UpdateOptions,
};
pub use outcome::{
    Conflict, DiffOutcome, HeldRevision, InitOutcome, LogEntry, PublishOutcome, Remark, Stat, StatusOutcome,
    UpdateOutcome, VerifyOutcome,
};
pub use push::{Addressed, Delivery, PushOptions, PushOutcome};
pub use standing::{Standing, State};
pub use stubs::{Stub, Stubs};
pub use wait::WaitOutcome;

/// A deployment directory on this node, and the hub it follows.
pub struct Node {
    options: Options,
    units: Units,
    rules: Rules,
    desk: Desk,
    places: Places,
    db: Arc<RevDb>,
    transport: Arc<dyn Transport>,
    identity: Mutex<Identity>,
    /// Within how many seconds it says again to the hub how it stands; 0 if nobody has promised that.
    beat: AtomicU64,
}

impl Node {
    /// Opens the state of `options.dir`, making it if there is none, and connects. The hub is not asked yet.
    pub fn open(
        cx: &Context,
        options: Options,
        connect: impl FnOnce(&Places, Arc<dyn Ledger>) -> Result<Arc<dyn Transport>>,
    ) -> Result<Self> {
        cx.check()?;
        let units = Units::new(&options.units)?;
        let rules = Rules::new(&options)?;
        let places = Places::find(&options.dir, options.wishes())?;
        let db = Arc::new(RevDb::open(&places.state)?);
        let transport = connect(&places, Arc::clone(&db) as Arc<dyn Ledger>)?;
        cx.step("state.identity");
        let identity = identify(&db, &options, &transport.endpoint().to_string()).map_err(|error| db.advise(error))?;
        let (desk, identity, beat) = (Desk::default(), Mutex::new(identity), AtomicU64::new(0));
        Ok(Self { options, units, rules, desk, places, db, transport, identity, beat })
    }

    /// Where things lie.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Who this node is.
    pub fn identity(&self) -> Identity {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What this node can say to others: the newest revision that it knows of.
    pub fn announcement(&self) -> Result<Option<Announcement>> {
        let (Some(hub), Some((revision, root))) = (self.identity().hub_id, self.db.position()?.seen) else {
            return Ok(None);
        };
        Ok(Some(Announcement::new(hub, self.options.deployment.clone(), revision, root)))
    }

    /// Whether an announcement is about this hub and deployment.
    pub fn concerns(&self, announcement: &Announcement) -> bool {
        self.identity().hub_id.is_none_or(|hub| hub == announcement.hub)
            && self.options.deployment == announcement.deployment
    }

    /// Whether any revision was ever applied or published here.
    pub fn has_applied(&self) -> Result<bool> {
        Ok(self.db.position()?.applied.is_some())
    }

    /// How often in a row a daemon of this node has failed.
    pub fn setbacks(&self) -> Result<u32> {
        self.db.setbacks()
    }

    /// Writes that down.
    pub fn set_setbacks(&self, count: u32) -> Result<()> {
        self.db.set_setbacks(count)
    }

    /// Promises that it says to the hub how it stands at least every `beat`, from its next report on: whoever reads that may
    /// take silence for trouble.
    pub fn promise(&self, beat: Duration) {
        self.beat.store(beat.as_secs().max(1), Ordering::Relaxed);
    }

    /// For a process that stays, between two commands: what was kept in memory for them goes, but for what the last one
    /// used of the tree.
    pub fn rest(&self) {
        self.db.rest();
        self.transport.rest();
    }

    /// Takes the deployment's lock.
    fn lock(&self, cx: &Context) -> Result<Lock> {
        Lock::take(cx, &self.places.state, self.options.lock_wait)
    }

    fn set_identity(&self, change: impl FnOnce(&mut Identity)) -> Result<()> {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let before = identity.clone();
        change(&mut identity);
        if *identity == before { Ok(()) } else { self.db.set_identity(&identity) }
    }

    /// Runs a command, and once more if the cache turned out to be damaged: it is made anew, and nothing is lost with it.
    fn soundly<T>(&self, run: impl Fn() -> Result<T>) -> Result<T> {
        match run() {
            Err(error) if error.kind() == ErrorKind::Damaged => {
                if self.db.mend()? == Mended::Cache {
                    run()
                } else {
                    Err(self.db.advise(error))
                }
            }
            done => done,
        }
    }

    /// Whether this node publishes, as far as that is decided.
    fn writes(&self) -> bool {
        match self.options.role {
            Some(role) => role == Role::ReadWrite,
            None => self.identity().writes.unwrap_or(false),
        }
    }

    /// Who wins where both sides differ, for an update.
    fn policy(&self, first_contact: bool) -> Policy {
        match (self.writes(), first_contact) {
            (false, _) => Policy::HubWins,
            (true, true) => Policy::Adopt,
            (true, false) => Policy::ThreeWay,
        }
    }
}

/// Reads who this node is, or makes it up.
fn identify(db: &RevDb, options: &Options, endpoint: &str) -> Result<Identity> {
    let known = db.identity()?;
    let mut identity = match &known {
        Some(known) if known.deployment != options.deployment => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("this directory follows deployment `{}`, not `{}`", known.deployment, options.deployment),
            )
            .at(options.dir.display())
            .hint("give each deployment a directory of its own, or another --state"));
        }
        Some(known) => known.clone(),
        None => {
            let nonce = data_encoding::HEXLOWER.encode(&random_bytes()?);
            Identity {
                node: default_node(&nonce)?,
                nonce,
                hub: String::new(),
                deployment: options.deployment.clone(),
                hub_id: None,
                writes: None,
            }
        }
    };
    endpoint.clone_into(&mut identity.hub);
    if let Some(node) = &options.node {
        identity.node.clone_from(node);
    }
    if known.as_ref() != Some(&identity) {
        db.set_identity(&identity)?;
    }
    Ok(identity)
}

/// `<hostname>-<8 hex>`, with what a node id cannot hold left out.
fn default_node(nonce: &str) -> Result<NodeId> {
    let name = rustix::system::uname();
    let host: String = name
        .nodename()
        .to_string_lossy()
        .to_lowercase()
        .chars()
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
        .take(50)
        .collect();
    let host = host.trim_start_matches('.');
    let host = if host.is_empty() { "node" } else { host };
    format!("{host}-{}", &nonce[..8]).parse()
}
