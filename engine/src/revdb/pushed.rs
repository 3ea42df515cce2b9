//! What was pushed to plain directories on other machines: a row for each, written when its state was confirmed; and
//! which SHA-256 belongs to which content, since that is what such a machine can compute.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::RevDb;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{NodeId, Revision};
use crate::transport::NodeReport;

/// What is known of a directory that is pushed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Where it is: under one name there may be another one later.
    pub address: String,
    /// What was confirmed last.
    pub applied: Option<(Revision, Digest)>,
    /// Its device and inode.
    pub place: Option<(u64, u64)>,
    /// Pushes that were begun and not confirmed since.
    pub busy: Option<Busy>,
    /// When everything there was last looked at.
    pub checked: Option<Timestamp>,
    /// What the hub was told of it.
    pub reported: Option<NodeReport>,
}

/// Pushes whose end is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// What the mark of the last one says.
    pub nonce: String,
    /// What they were bringing, the last one at the end.
    pub bringing: Vec<(Revision, Digest)>,
}

impl Pushed {
    /// A directory of which nothing is known.
    pub fn new(address: String) -> Self {
        Self { address, applied: None, place: None, busy: None, checked: None, reported: None }
    }
}

impl RevDb {
    /// What is known of `node`.
    pub fn pushed(&self, node: &NodeId) -> Result<Option<Pushed>> {
        let text: Option<String> = self
            .state()
            .prepare_cached("SELECT value FROM pushed WHERE node = ?1")
            .and_then(|mut statement| statement.query_row([node.as_str()], |row| row.get(0)).optional())
            .map_err(self.failed("read what was pushed from the database"))?;
        // A row that does not read is as good as none: everything there is looked at again.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Writes down what is known of `node`.
    pub fn set_pushed(&self, node: &NodeId, pushed: &Pushed) -> Result<()> {
        let text = serde_json::to_string(pushed)
            .map_err(|source| Error::new(ErrorKind::Internal, "a fact cannot be encoded").because(source))?;
        self.state()
            .prepare_cached("INSERT INTO pushed VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")
            .and_then(|mut statement| statement.execute((node.as_str(), text)))
            .map_err(self.failed("write what was pushed to the database"))?;
        Ok(())
    }

    /// The SHA-256 of the content `hash`, if it was ever learnt.
    pub fn sum(&self, hash: &Digest) -> Result<Option<[u8; 32]>> {
        self.cache()
            .prepare_cached("SELECT sha256 FROM sum WHERE content = ?1")
            .and_then(|mut statement| statement.query_row([&hash.as_bytes()[..]], |row| row.get(0)).optional())
            .map_err(self.failed("read the cache"))
    }

    /// Remembers sums.
    pub fn remember_sums(&self, sums: impl IntoIterator<Item = (Digest, [u8; 32])>) -> Result<()> {
        let mut connection = self.cache();
        let failed = self.failed("write the cache");
        let transaction = connection.transaction().map_err(&failed)?;
        for (hash, sum) in sums {
            transaction
                .prepare_cached("INSERT INTO sum VALUES (?1, ?2) ON CONFLICT DO NOTHING")
                .and_then(|mut statement| statement.execute(params![&hash.as_bytes()[..], sum]))
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }
}
