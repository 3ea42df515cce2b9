//! The transport of every hub that is a directory: mounted, behind ssh, later an object store.
//!
//! [`HubTransport`] implements the engine's seam once, over the small trait [`Storage`]. One file per subject:
//! [`layout`] the names, `format` and `identity` who the hub is, `chain` the records, `head` the hints, `marks` those of all deployments, `catalog`, `known` and
//! `index` which pack holds what, `fetch`, `publish`, `report`, and `gc` with `condemned` and `walk`.
//!
//! What has been learnt of the hub is kept between calls (`Memory`), and taken out while a call works: a second call
//! at the same time starts with nothing instead of waiting, since waiting could outlast its deadline.

mod based;
mod bases;
mod beside;
mod catalog;
mod chain;
mod condemned;
mod fetch;
mod format;
mod gc;
mod head;
mod identity;
mod index;
mod known;
pub mod layout;
mod marks;
mod publish;
mod reading;
mod renew;
mod report;
mod turn;
mod walk;
mod weigh;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use depsync_engine::content::pack::{PackNames, PackRef};
use depsync_engine::content::{Freight, LocalContent, Recipe};
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::{DeploymentName, Revision};
use depsync_engine::packed::Packed;
use depsync_engine::record::Envelope;
use depsync_engine::transport::{
    Capabilities, Deliver, Fetched, HubFacts, Ledger, Look, Names, NodeReport, OpenMode, Proposal, Published,
    Statement, Transport, Want, Weight,
};
use depsync_engine::tree::Change;

use crate::storage::Storage;
use catalog::Catalog;
use chain::Chain;
use condemned::Condemned;
pub use format::Format;
pub use gc::{Collected, Retention};
pub use marks::Marks;
pub(crate) use marks::mark_of;
use reading::Reading;

/// One deployment of one hub, over a storage.
pub struct HubTransport<S> {
    storage: S,
    deployment: DeploymentName,
    ledger: Arc<dyn Ledger>,
    format: Mutex<Option<Format>>,
    memory: Mutex<Memory>,
}

/// What has been learnt. All of it can be learnt again.
#[derive(Debug, Default)]
struct Memory {
    chain: Chain,
    catalog: Catalog,
    /// What gc said when we last looked; none before the first look.
    condemned: Option<Condemned>,
    /// Packs that this process uploaded and that no record lists yet: the publish was raced or broken off.
    mine: Vec<(PackRef, Arc<PackNames>)>,
}

impl<S: Storage> HubTransport<S> {
    /// The deployment `deployment` of the hub at `storage`. Touches nothing.
    pub fn new(storage: S, deployment: DeploymentName, ledger: Arc<dyn Ledger>) -> Self {
        Self { storage, deployment, ledger, format: Mutex::default(), memory: Mutex::default() }
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The heads of all deployments as one read of the hub tells: hints, to be confirmed by [`Transport::head`].
    pub fn heads(&self, cx: &Context) -> Result<Vec<(DeploymentName, Revision)>> {
        self.with(cx, "read the heads", |hub, _, _| head::heads(hub))
    }

    /// The deployments of the hub.
    pub fn deployments(&self, cx: &Context) -> Result<Vec<DeploymentName>> {
        self.with(cx, "list the deployments", |hub, _, _| gc::deployments(hub))
    }

    /// The records numbered `first..=last`, in order, as they were written. A missing one is [`ErrorKind::NotFound`].
    pub fn envelopes(&self, cx: &Context, first: u64, last: u64) -> Result<Vec<Envelope>> {
        self.with(cx, "read records", |hub, memory, _| memory.chain.range(hub, first, last))
    }

    /// Collects garbage: sweeps what was condemned long enough ago, or else condemns. To be run now and then.
    pub fn gc(&self, cx: &Context, retention: &Retention) -> Result<Collected> {
        self.with(cx, "collect garbage", |hub, memory, format| {
            if let Some(why) = format.publish_refused() {
                return Err(Error::new(ErrorKind::Unsupported, why).hint("upgrade depsync on this node"));
            }
            identity::confirm(hub.cx, hub.storage, hub.hub)?;
            let collected = gc::run(hub, retention);
            *memory = Memory::default();
            hub.storage.prefetch(hub.cx, &[]);
            collected
        })
    }

    /// The features of a new hub that this one lacks, as it says now.
    pub fn lacks(&self, cx: &Context) -> Result<Vec<String>> {
        self.with(cx, "look what the hub lacks", |hub, _, _| {
            Ok(identity::confirm(hub.cx, hub.storage, hub.hub)?.lacks())
        })
    }

    /// Gives the hub the features that it lacks, and names them. Versions that do not know them can neither read it nor
    /// publish to it from then on; there is no way back.
    pub fn upgrade(&self, cx: &Context) -> Result<Vec<String>> {
        let upgraded = self.with(cx, "upgrade the hub", |hub, _, format| {
            if let Some(why) = format.publish_refused() {
                return Err(Error::new(ErrorKind::Unsupported, why).hint("upgrade depsync on this node"));
            }
            identity::upgrade(hub.cx, hub.storage, hub.hub)
        });
        // Whatever came of it: it is read again.
        *self.format.lock().unwrap_or_else(PoisonError::into_inner) = None;
        upgraded
    }

    /// Runs one call with everything it needs.
    fn with<T>(
        &self,
        cx: &Context,
        op: &str,
        call: impl FnOnce(&Reading<'_>, &mut Memory, &Format) -> Result<T>,
    ) -> Result<T> {
        cx.check()?;
        let format = self.format(cx)?;
        let reading = Reading::new(cx, &self.storage, &*self.ledger, &self.deployment, format.hub);
        let mut memory = std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner));
        let done = call(&reading, &mut memory, &format);
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = memory;
        done.map_err(|error| error.op(op).at(self.storage.endpoint()))
    }

    /// The hint alone, before anybody asked who the hub is: a new process that finds its own revision there knows all
    /// it must, since a record's hash covers the hub's id. Whatever else is there is looked at with care.
    fn peek(&self, cx: &Context) -> Result<Option<Revision>> {
        cx.check()?;
        if self.format.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(None);
        }
        let failed = |error: Error| error.op("read the head").at(self.storage.endpoint());
        let peeked = head::peek(cx, &self.storage, &self.deployment).map_err(failed)?;
        if let Some(head) = peeked {
            self.memory.lock().unwrap_or_else(PoisonError::into_inner).chain.note_head(head);
        }
        Ok(peeked)
    }

    fn format(&self, cx: &Context) -> Result<Format> {
        if let Some(format) = &*self.format.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(format.clone());
        }
        let format = identity::read(cx, &self.storage)?;
        Ok(self.keep(format))
    }

    fn keep(&self, format: Format) -> Format {
        *self.format.lock().unwrap_or_else(PoisonError::into_inner) = Some(format.clone());
        format
    }

    fn facts(&self, cx: &Context, format: &Format, created: bool) -> Result<HubFacts> {
        let probe = self.storage.probe(cx)?;
        let refused = if probe.exclusive { format.publish_refused() } else { Some(identity::refused(&probe)) };
        let capabilities =
            Capabilities { reports: probe.writable, names: Names::Bytes, symlinks: true, publish_refused: refused };
        Ok(HubFacts { id: format.hub, capabilities, created })
    }
}

impl<S: Storage> Transport for HubTransport<S> {
    fn endpoint(&self) -> &dyn fmt::Display {
        self.storage.endpoint()
    }

    fn open(&self, cx: &Context, mode: OpenMode) -> Result<HubFacts> {
        cx.check()?;
        let (format, created) = match mode {
            OpenMode::Existing | OpenMode::Deployment => (identity::read(cx, &self.storage)?, false),
            OpenMode::Create => identity::create(cx, &self.storage)?,
        };
        // What was learnt of another hub is worth nothing here.
        let known = self.format.lock().unwrap_or_else(PoisonError::into_inner).take();
        if known.is_some_and(|known| known.hub != format.hub) {
            *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Memory::default();
        }
        let format = self.keep(format);
        self.facts(cx, &format, created).map_err(|error| error.op("open the hub").at(self.storage.endpoint()))
    }

    fn head(&self, cx: &Context, look: Look) -> Result<Option<Revision>> {
        if look == Look::Glance
            && let Some(head) = self.peek(cx)?
        {
            return Ok(Some(head));
        }
        self.with(cx, "read the head", |hub, memory, _| match look {
            Look::Glance => head::glance(hub, &mut memory.chain),
            Look::Heal => head::heal(hub, &mut memory.chain),
        })
    }

    fn record(&self, cx: &Context, number: u64) -> Result<Statement> {
        self.with(cx, "read a record", |hub, memory, _| Ok(Statement::from(&*memory.chain.record(hub, number, None)?)))
    }

    fn history(&self, cx: &Context, last: u64, count: u64) -> Result<Vec<Statement>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let first = last.saturating_sub(count).saturating_add(1);
        Ok(self.envelopes(cx, first, last)?.iter().map(Statement::from).collect())
    }

    fn root(&self, cx: &Context, of: Revision, _: &dyn LocalContent) -> Result<Digest> {
        self.with(cx, "read a record", |hub, memory, _| {
            let record = memory.chain.record(hub, of.number, Some(of.record))?;
            Ok(record.payload().root)
        })
    }

    fn fetch(&self, cx: &Context, at: Revision, want: Want<'_>, to: &mut dyn Deliver) -> Result<Fetched> {
        self.with(cx, "fetch", |hub, memory, _| {
            let few = to.wants_few().then(|| hub.of(hub.deployment, hub.ledger).for_few());
            let hub = few.as_ref().unwrap_or(hub);
            fetch::fetch(hub, memory, at, want, to)?;
            Ok(Fetched { bytes: hub.bytes() })
        })
    }

    fn publish(&self, cx: &Context, proposal: &Proposal<'_>) -> Result<Published> {
        self.with(cx, "publish", |hub, memory, format| {
            if let Some(why) = format.publish_refused() {
                return Err(Error::new(ErrorKind::Unsupported, why).hint("upgrade depsync on this node"));
            }
            publish::publish(hub, memory, format, proposal)
        })
    }

    fn weigh(&self, cx: &Context, proposal: &Proposal<'_>) -> Result<Option<Weight>> {
        self.with(cx, "look what is to be sent", |hub, memory, format| {
            weigh::publish(hub, memory, format, proposal).map(Some)
        })
    }

    fn weigh_fetch(
        &self,
        cx: &Context,
        at: Revision,
        changes: &Packed<Change>,
        recipes: &dyn Fn(&Digest) -> Result<Option<Recipe>>,
    ) -> Result<Option<Vec<Freight>>> {
        self.with(cx, "look what is to be fetched", |hub, memory, _| {
            weigh::fetch(hub, memory, at, changes, recipes).map(Some)
        })
    }

    fn report(&self, cx: &Context, report: &NodeReport) -> Result<()> {
        self.with(cx, "write the report", |hub, _, _| report::write(hub, report))
    }

    fn reports(&self, cx: &Context) -> Result<Vec<NodeReport>> {
        self.with(cx, "read the reports", |hub, _, _| report::read(hub))
    }

    fn rest(&self) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.chain.rest();
        memory.catalog.rest();
    }
}
