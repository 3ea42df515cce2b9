//! The stub files that this node has written, and the hash of what was written into each: only what is still so is ever
//! replaced or removed.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::RevDb;
use super::position::{get, put};
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::path::RelPath;

/// The name of the fact.
const FACT: &str = "stubs";

/// The roots of the agreement and of what was known, for which all stubs are written; none while some may not be.
pub type StubsOf = Option<(Digest, Digest)>;

impl RevDb {
    /// The stub files that may have been written here, and what for.
    pub fn stubs(&self) -> Result<(StubsOf, BTreeMap<RelPath, Digest>)> {
        let connection = self.state();
        let of: Option<StubsOf> = get(self, &connection, FACT)?;
        let failed = self.failed("read the list of stub files");
        let mut statement = connection.prepare_cached("SELECT path, hash FROM stub").map_err(&failed)?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .map_err(&failed)?;
        let mut files = BTreeMap::new();
        for row in rows {
            let (path, hash) = row.map_err(&failed)?;
            let read = RelPath::new(path).ok().zip(Digest::from_slice(&hash));
            files.extend([read.ok_or_else(|| {
                Error::damaged(self.shown.display(), "the database's list of stub files does not read")
            })?]);
        }
        Ok((of.flatten(), files))
    }

    /// The stubs are those of `of` now, without `gone` and with `new`.
    pub fn set_stubs(&self, of: StubsOf, gone: &[RelPath], new: &BTreeMap<RelPath, Digest>) -> Result<()> {
        let mut connection = self.state();
        let failed = self.failed("write the list of stub files");
        let transaction = connection.transaction().map_err(&failed)?;
        write(&transaction, gone, new).map_err(&failed)?;
        put(self, &transaction, FACT, &of)?;
        transaction.commit().map_err(&failed)
    }
}

fn write(connection: &Connection, gone: &[RelPath], new: &BTreeMap<RelPath, Digest>) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM stub WHERE path = ?1")?;
    for path in gone {
        forget.execute([path.as_bytes()])?;
    }
    let mut note = connection.prepare_cached("INSERT OR REPLACE INTO stub VALUES (?1, ?2)")?;
    for (path, hash) in new {
        note.execute((path.as_bytes(), hash.as_bytes()))?;
    }
    Ok(())
}
