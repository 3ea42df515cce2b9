//! Pages of Merkle indexes: the agreement's in `state.db`, and those of what is known where there are ghosts; everything
//! else in `cache.db`.
//!
//! Law: the cache holds a page only together with all pages beneath it. Whoever writes trees there writes the lowest
//! pages first, and the sweep removes whole trees.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::RevDb;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::tree::{KeptPages, PageSink, Pages};

impl Pages for RevDb {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        match self.agreed_page(id)? {
            Some(bytes) => Ok(bytes),
            None => self.cached_page(id),
        }
    }

    fn has(&self, id: &Digest) -> Result<bool> {
        for shelf in [Shelf::Agreement, Shelf::Known] {
            if has(self, &self.state(), shelf, id)? {
                return Ok(true);
            }
        }
        has(self, &self.cache(), CACHED, id)
    }

    fn kept(&self, _id: &Digest) -> Option<&KeptPages> {
        Some(&self.kept)
    }
}

impl RevDb {
    /// The page, if the cache has it; otherwise [`ErrorKind::NotFound`].
    pub(super) fn cached_page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        read(self, &self.cache(), CACHED, id)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the page {} is not known here", id.short()))
                .at(self.shown.display())
        })
    }

    /// Whether the cache has the page, and with it everything beneath it.
    pub fn has_cached_page(&self, id: &Digest) -> Result<bool> {
        has(self, &self.cache(), CACHED, id)
    }

    /// The page, if the agreement has it, or what is known.
    pub fn agreed_page(&self, id: &Digest) -> Result<Option<Arc<[u8]>>> {
        read_any(self, &self.state(), id)
    }

    /// Remembers pages in the cache, all or none.
    pub fn cache_pages(&self, pages: impl IntoIterator<Item = (Digest, impl AsRef<[u8]>)>) -> Result<()> {
        let mut connection = self.cache();
        let transaction = connection.transaction().map_err(self.failed("write the cache"))?;
        for (id, bytes) in pages {
            write(self, &transaction, CACHED, &id, bytes.as_ref())?;
        }
        transaction.commit().map_err(self.failed("write the cache"))
    }

    /// A sink that writes pages to the cache as they come, in transactions of a few mebibytes.
    pub(crate) fn cache_sink(&self) -> CacheSink<'_> {
        CacheSink { db: self, waiting: Vec::new(), bytes: 0 }
    }
}

/// Collects pages and writes them to the cache in transactions of a few mebibytes.
pub(crate) struct CacheSink<'a> {
    db: &'a RevDb,
    waiting: Vec<(Digest, Vec<u8>)>,
    bytes: usize,
}

const BATCH: usize = 4 << 20;

impl CacheSink<'_> {
    /// Writes what is left.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        self.db.cache_pages(self.waiting.drain(..))
    }
}

impl PageSink for CacheSink<'_> {
    fn put(&mut self, id: Digest, bytes: Vec<u8>) -> Result<()> {
        self.bytes += bytes.len();
        self.waiting.push((id, bytes));
        if self.bytes > BATCH { self.flush() } else { Ok(()) }
    }
}

/// A table of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    /// Those of the agreement; in `cache.db` all.
    Agreement,
    /// Those of what is known, if that is not the agreement.
    Known,
}

/// The table of `cache.db`.
const CACHED: Shelf = Shelf::Agreement;

impl Shelf {
    fn statement(self, agreement: &'static str, known: &'static str) -> &'static str {
        match self {
            Self::Agreement => agreement,
            Self::Known => known,
        }
    }
}

fn has(db: &RevDb, connection: &Connection, shelf: Shelf, id: &Digest) -> Result<bool> {
    connection
        .prepare_cached(shelf.statement("SELECT 1 FROM page WHERE id = ?1", "SELECT 1 FROM known_page WHERE id = ?1"))
        .and_then(|mut statement| statement.exists([&id.as_bytes()[..]]))
        .map_err(db.failed("look for a page in the database"))
}

fn read(db: &RevDb, connection: &Connection, shelf: Shelf, id: &Digest) -> Result<Option<Arc<[u8]>>> {
    let statement =
        shelf.statement("SELECT bytes FROM page WHERE id = ?1", "SELECT bytes FROM known_page WHERE id = ?1");
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| {
            statement.query_row([&id.as_bytes()[..]], |row| Ok(Arc::from(row.get_ref(0)?.as_blob()?))).optional()
        })
        .map_err(db.failed("read a page from the database"))
}

/// The page of `state.db`, whichever tree it is of.
pub(super) fn read_any(db: &RevDb, connection: &Connection, id: &Digest) -> Result<Option<Arc<[u8]>>> {
    match read(db, connection, Shelf::Agreement, id)? {
        Some(bytes) => Ok(Some(bytes)),
        None => read(db, connection, Shelf::Known, id),
    }
}

pub(super) fn write(db: &RevDb, connection: &Connection, shelf: Shelf, id: &Digest, bytes: &[u8]) -> Result<()> {
    let statement = shelf.statement(
        "INSERT INTO page VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        "INSERT INTO known_page VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    );
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute(params![&id.as_bytes()[..], bytes]))
        .map_err(db.failed("write a page to the database"))?;
    Ok(())
}

/// Removes a page of `cache.db`.
pub(super) fn uncache(db: &RevDb, connection: &Connection, id: &Digest) -> Result<()> {
    remove(db, connection, CACHED, id)
}

pub(super) fn remove(db: &RevDb, connection: &Connection, shelf: Shelf, id: &Digest) -> Result<()> {
    let statement = shelf.statement("DELETE FROM page WHERE id = ?1", "DELETE FROM known_page WHERE id = ?1");
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute([&id.as_bytes()[..]]))
        .map_err(db.failed("remove a page from the database"))?;
    Ok(())
}
