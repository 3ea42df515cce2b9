//! The stat cache: blocks of stamps, together with the root of the tree that they stand for.

use std::collections::HashSet;

use rusqlite::params;

use super::{RevDb, position};
use crate::error::Result;
use crate::hash::Digest;
use crate::tree::{Pages, Step, Tree};

/// One block of the stat cache: directory, first name, bytes.
pub type Block = (Vec<u8>, Vec<u8>, Vec<u8>);

/// The pages that SQLite keeps in memory, in KiB: its own default.
const PAGE_CACHE: i64 = 2000;
/// After how many scans with changes the cache is swept.
const SWEEP: u64 = 256;

impl RevDb {
    /// The observed tree's root and the blocks that belong to it, in any order; an empty cache stands for the empty
    /// tree.
    pub fn stat_cache(&self) -> Result<(Digest, Vec<Block>)> {
        let mut connection = self.cache();
        let failed = self.failed("read the stat cache");
        // One snapshot: another process may be writing.
        let connection = connection.transaction().map_err(&failed)?;
        let Some(root) = position::get::<Digest>(self, &connection, "observed")? else {
            return Ok((crate::tree::empty_root(), Vec::new()));
        };
        // Every page is read once: keeping them costs more than reading them did.
        let keep_pages = |kibibytes: i64| connection.pragma_update(None, "cache_size", -kibibytes).map_err(&failed);
        keep_pages(64)?;
        // As they lie in the file: by the index it would be a search a row.
        let mut statement =
            connection.prepare_cached("SELECT directory, first, bytes FROM stat_block NOT INDEXED").map_err(&failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(&failed)?;
        let blocks = rows.collect::<Result<_, _>>().map_err(&failed)?;
        keep_pages(PAGE_CACHE)?;
        Ok((root, blocks))
    }

    /// Moves the stat cache to the tree `root`, whose pages were cached before.
    pub fn set_stat_cache(
        &self,
        root: Digest,
        blocks: impl IntoIterator<Item = (Vec<u8>, Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<()> {
        let mut connection = self.cache();
        let failed = self.failed("write the stat cache");
        let transaction = connection.transaction().map_err(&failed)?;
        for (directory, first, bytes) in blocks {
            match bytes {
                Some(bytes) => transaction
                    .prepare_cached(
                        "INSERT INTO stat_block VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
                    )
                    .and_then(|mut statement| statement.execute(params![directory, first, bytes])),
                None => transaction
                    .prepare_cached("DELETE FROM stat_block WHERE directory = ?1 AND first = ?2")
                    .and_then(|mut statement| statement.execute(params![directory, first])),
            }
            .map_err(&failed)?;
        }
        position::put(self, &transaction, "observed", &root)?;
        transaction.commit().map_err(&failed)
    }

    /// Removes cached pages that none of `roots` needs, now and then. `roots` names every tree still of use.
    pub fn sweep_cache(&self, roots: &[Digest]) -> Result<()> {
        let count: u64 = position::get(self, &self.cache(), "unswept")?.unwrap_or(0) + 1;
        if count < SWEEP {
            return position::put(self, &self.cache(), "unswept", &count);
        }
        let mut live: HashSet<Digest> = HashSet::new();
        for root in roots {
            Tree::new(self as &dyn Pages, *root).walk_pages(|id, step| {
                Ok(match step {
                    Step::Found => live.insert(*id),
                    Step::Read { .. } => true,
                })
            })?;
        }
        let failed = self.failed("sweep the cache");
        let mut connection = self.cache();
        let transaction = connection.transaction().map_err(&failed)?;
        let known: Vec<[u8; 32]> = transaction
            .prepare("SELECT id FROM page")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .map_err(&failed)?;
        for id in known.into_iter().map(Digest::from_bytes).filter(|id| !live.contains(id)) {
            super::pages::uncache(self, &transaction, &id)?;
        }
        position::put(self, &transaction, "unswept", &0u64)?;
        transaction.commit().map_err(&failed)
    }
}
