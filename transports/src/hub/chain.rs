//! The records of a deployment: a chain by hash.
//!
//! A record that is read is checked before anybody sees it: it parses, it is of this hub, this deployment and this
//! number, and where its hash is known (the head said it, or the record after it) it has that hash. What the ledger
//! remembers is believed only where such a hash confirms it: a hub that was put back from a backup may have other
//! records under the same numbers, and a remembered copy must not hide that.

use std::collections::BTreeMap;
use std::sync::Arc;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::{MAX_REVISION, Revision};
use depsync_engine::record::{Envelope, MAX_RECORD};

use super::layout;
use super::reading::Reading;

/// How many bytes of parsed records are kept: those of some ten thousand ordinary ones.
const KEPT: usize = 16 << 20;

/// What is known of the chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    parsed: BTreeMap<u64, Arc<Envelope>>,
    /// How many bytes they have.
    bytes: usize,
    /// The newest revision that the hub's own hint named.
    said: Option<Revision>,
}

impl Chain {
    /// Notes what the hub says is its head.
    pub(super) fn note_head(&mut self, head: Revision) {
        self.said = Some(head);
    }

    /// Lets the records go: the ledger has them.
    pub(super) fn rest(&mut self) {
        (self.parsed, self.bytes) = (BTreeMap::new(), 0);
    }

    /// Reads the record `number` from the hub itself, if it exists.
    pub(super) fn look(&mut self, hub: &Reading<'_>, number: u64) -> Result<Option<Arc<Envelope>>> {
        let name = layout::record(hub.deployment, number);
        let Some(bytes) = hub.find(&name, MAX_RECORD)? else { return Ok(None) };
        let record = check(hub, number, bytes)?;
        self.keep(hub, &record)?;
        Ok(Some(record))
    }

    /// The record `number`; its hash must be `expected` where that is known.
    pub(super) fn record(&mut self, hub: &Reading<'_>, number: u64, expected: Option<Digest>) -> Result<Arc<Envelope>> {
        let said = self.said.filter(|said| said.number == number).map(|said| said.record);
        if let Some(hash) = expected.or(said)
            && let Some(record) = self.remembered(hub, number, hash)?
        {
            return Ok(record);
        }
        if !(1..=MAX_REVISION).contains(&number) {
            return Err(Error::new(ErrorKind::NotFound, format!("no revision is numbered {number}")));
        }
        let name = layout::record(hub.deployment, number);
        let bytes =
            hub.get(&name, MAX_RECORD).map_err(|error| error.op(format!("read the record of revision {number}")))?;
        let record = check(hub, number, bytes)?;
        if expected.is_some_and(|expected| expected != record.revision().record) {
            return Err(hub.damaged(&name, "it is not the record that the one after it, or the head, names"));
        }
        self.keep(hub, &record)?;
        Ok(record)
    }

    fn remembered(&mut self, hub: &Reading<'_>, number: u64, hash: Digest) -> Result<Option<Arc<Envelope>>> {
        if let Some(record) = self.parsed.get(&number).filter(|record| record.revision().record == hash) {
            return Ok(Some(Arc::clone(record)));
        }
        let Some(bytes) = hub.ledger.record(number)? else { return Ok(None) };
        // A copy that does not check out is as good as none.
        let record = check(hub, number, bytes).ok().filter(|record| record.revision().record == hash);
        if let Some(record) = &record {
            self.take_up(number, record);
        }
        Ok(record)
    }

    /// Takes a record that was read or written just now.
    pub(super) fn keep(&mut self, hub: &Reading<'_>, record: &Arc<Envelope>) -> Result<()> {
        let number = record.revision().number;
        if self.parsed.get(&number).is_some_and(|known| known.bytes() == record.bytes()) {
            return Ok(());
        }
        hub.ledger.remember_record(number, record.bytes())?;
        self.take_up(number, record);
        Ok(())
    }

    fn take_up(&mut self, number: u64, record: &Arc<Envelope>) {
        if self.bytes + record.bytes().len() > KEPT {
            self.parsed.clear();
            self.bytes = 0;
        }
        let before = self.parsed.insert(number, Arc::clone(record));
        self.bytes += record.bytes().len();
        self.bytes -= before.map_or(0, |before| before.bytes().len());
    }

    /// The records `first..=last`, each following the one before it.
    pub(super) fn range(&mut self, hub: &Reading<'_>, first: u64, last: u64) -> Result<Vec<Envelope>> {
        if first == 0 || first > last {
            return Err(Error::new(ErrorKind::Usage, format!("no revisions are numbered {first} to {last}")));
        }
        let mut records = Vec::new();
        let mut expected = None;
        for number in (first..=last).rev() {
            hub.cx.check()?;
            let record = self.record(hub, number, expected)?;
            expected = record.payload().parent;
            records.push(Envelope::clone(&record));
        }
        records.reverse();
        Ok(records)
    }
}

fn check(hub: &Reading<'_>, number: u64, bytes: Vec<u8>) -> Result<Arc<Envelope>> {
    let name = layout::record(hub.deployment, number);
    let record = Envelope::parse(bytes).map_err(|error| error.at(format!("{}/{name}", hub.storage.endpoint())))?;
    let payload = record.payload();
    let flaw = if payload.hub != hub.hub {
        "it is a record of another hub"
    } else if payload.deployment != *hub.deployment {
        "it is a record of another deployment"
    } else if payload.number != number {
        "it is a record of another number"
    } else {
        return Ok(Arc::new(record));
    };
    Err(hub.damaged(&name, flaw))
}
