//! What is remembered of the hub, for the transport.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::RevDb;
use crate::error::Result;
use crate::hash::Digest;
use crate::transport::Ledger;
use crate::tree::{Pages, Step, Tree};

impl Ledger for RevDb {
    fn record(&self, number: u64) -> Result<Option<Vec<u8>>> {
        self.state()
            .prepare_cached("SELECT bytes FROM record WHERE number = ?1")
            .and_then(|mut statement| statement.query_row([number.cast_signed()], |row| row.get(0)).optional())
            .map_err(self.failed("read a record from the database"))
    }

    fn remember_record(&self, number: u64, bytes: &[u8]) -> Result<()> {
        self.state()
            .prepare_cached("INSERT INTO record VALUES (?1, ?2) ON CONFLICT DO UPDATE SET bytes = excluded.bytes")
            .and_then(|mut statement| statement.execute(params![number.cast_signed(), bytes]))
            .map_err(self.failed("write a record to the database"))?;
        Ok(())
    }

    fn pack_tail(&self, name: &Digest) -> Result<Option<Vec<u8>>> {
        self.cache()
            .prepare_cached("SELECT bytes FROM pack_tail WHERE name = ?1")
            .and_then(|mut statement| statement.query_row([&name.as_bytes()[..]], |row| row.get(0)).optional())
            .map_err(self.failed("read the cache"))
    }

    fn remember_pack_tail(&self, name: &Digest, tail: &[u8]) -> Result<()> {
        self.cache()
            .prepare_cached("INSERT INTO pack_tail VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .and_then(|mut statement| statement.execute(params![&name.as_bytes()[..], tail]))
            .map_err(self.failed("write the cache"))?;
        Ok(())
    }

    fn hub_index(&self, hash: &Digest) -> Result<Option<Vec<u8>>> {
        self.cache()
            .prepare_cached("SELECT bytes FROM hub_index WHERE hash = ?1")
            .and_then(|mut statement| statement.query_row([&hash.as_bytes()[..]], |row| row.get(0)).optional())
            .map_err(self.failed("read the cache"))
    }

    fn remember_hub_index(&self, hash: &Digest, bytes: &[u8]) -> Result<()> {
        self.cache()
            .prepare_cached("INSERT OR REPLACE INTO hub_index VALUES (1, ?1, ?2)")
            .and_then(|mut statement| statement.execute(params![&hash.as_bytes()[..], bytes]))
            .map_err(self.failed("write the cache"))?;
        Ok(())
    }

    fn remember_tree(&self, root: &Digest, pages: &dyn Pages) -> Result<()> {
        let mut found = Vec::new();
        Tree::new(pages, *root).walk_pages(|id, step| match step {
            // What the cache has it has with all that is beneath it.
            Step::Found => Ok(!self.has_cached_page(id)?),
            Step::Read { bytes, .. } => {
                found.push((*id, Arc::clone(bytes)));
                Ok(true)
            }
        })?;
        self.cache_pages(found.into_iter().rev())
    }
}
