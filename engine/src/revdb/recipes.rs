//! Recipes of files on this disk, under zstd, and the modification times that paths had lately.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::RevDb;
use crate::content::{ObjectKind, Recipe};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;

/// The level of zstd: the headers of an archive come to a tenth of their length.
const LEVEL: i32 = 1;
/// How many modification times are remembered of a path.
const LATELY: usize = 8;

impl RevDb {
    /// The recipe of the content `hash`, if this node has cut or rebuilt it.
    pub fn recipe(&self, hash: &Digest) -> Result<Option<Recipe>> {
        let bytes: Option<Vec<u8>> = self
            .state()
            .prepare_cached("SELECT bytes FROM recipe WHERE content = ?1")
            .and_then(|mut statement| statement.query_row([&hash.as_bytes()[..]], |row| row.get(0)).optional())
            .map_err(self.failed("read a recipe from the database"))?;
        // A recipe that does not read is a recipe that is not known: it can be cut again from the file.
        let raw = bytes.and_then(|bytes| zstd::bulk::decompress(&bytes, ObjectKind::Recipe.max_raw()).ok());
        Ok(raw.and_then(|raw| Recipe::decode(&raw).ok()))
    }

    /// Whether [`RevDb::lately`] has anything to say of any path: not before the first change, which may be large.
    pub fn remembers_times(&self) -> Result<bool> {
        self.state()
            .prepare_cached("SELECT 1 FROM lately LIMIT 1")
            .and_then(|mut statement| statement.exists([]))
            .map_err(self.failed("read the database"))
    }

    /// Modification times, in whole seconds, that `path` had lately.
    pub fn lately(&self, path: &RelPath) -> Result<Vec<i64>> {
        let text: Option<String> = self
            .state()
            .prepare_cached("SELECT seconds FROM lately WHERE path = ?1")
            .and_then(|mut statement| statement.query_row([path.as_bytes()], |row| row.get(0)).optional())
            .map_err(self.failed("read the database"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }
}

pub(super) fn remember(db: &RevDb, connection: &Connection, recipes: &[(Digest, Recipe)]) -> Result<()> {
    for (hash, recipe) in recipes {
        let bytes = zstd::bulk::compress(&recipe.encode()?, LEVEL)
            .map_err(|source| Error::new(ErrorKind::Internal, "zstd cannot compress").because(source))?;
        connection
            .prepare_cached("INSERT INTO recipe VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .and_then(|mut statement| statement.execute(params![&hash.as_bytes()[..], bytes]))
            .map_err(db.failed("write a recipe to the database"))?;
    }
    Ok(())
}

pub(super) fn forget(db: &RevDb, connection: &Connection, contents: &[Digest]) -> Result<()> {
    for hash in contents {
        connection
            .prepare_cached("DELETE FROM recipe WHERE content = ?1")
            .and_then(|mut statement| statement.execute([&hash.as_bytes()[..]]))
            .map_err(db.failed("remove a recipe from the database"))?;
    }
    Ok(())
}

pub(super) fn remember_times(db: &RevDb, connection: &Connection, times: &BTreeMap<RelPath, Vec<i64>>) -> Result<()> {
    for (path, seconds) in times {
        let newest = &seconds[seconds.len().saturating_sub(LATELY)..];
        let text = serde_json::to_string(newest).unwrap_or_else(|_| "[]".to_owned());
        connection
            .prepare_cached("INSERT INTO lately VALUES (?1, ?2) ON CONFLICT DO UPDATE SET seconds = excluded.seconds")
            .and_then(|mut statement| statement.execute(params![path.as_bytes(), text]))
            .map_err(db.failed("write the database"))?;
    }
    Ok(())
}
