//! What is done about a damaged file: the cache is made anew, the state is for a person to decide on.

use std::path::Path;

use rusqlite::Connection;

use super::{CACHE, CACHE_PAGE, RevDb, STATE, open_file, remove_database, schema};
use crate::error::{Error, ErrorKind, Result};

/// What was found, and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Both files are sound: what is damaged is something else.
    Nothing,
    /// The cache was damaged. It is empty now: whatever failed is worth another try.
    Cache,
    /// The state is damaged.
    State,
}

/// What to do about a damaged state.
pub(super) const AFRESH: &str = "move the state directory aside and run `depsync update`: it adopts the files that are equal \
                                 and keeps the others aside";

impl RevDb {
    /// Says what helps, if what failed is that the state is damaged.
    pub fn advise(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Damaged && !is_sound(&self.state()) { error.hint(AFRESH) } else { error }
    }

    /// Finds out which file is damaged, after something was found to be, and makes a damaged cache anew.
    pub fn mend(&self) -> Result<Mended> {
        if !is_sound(&self.state()) {
            return Ok(Mended::State);
        }
        let mut cache = self.cache();
        if is_sound(&cache) {
            return Ok(Mended::Nothing);
        }
        let path = self.shown.join(CACHE);
        tracing::warn!(path = %path.display(), "the cache is damaged and made anew");
        // Nothing may hold the files that go.
        *cache = Connection::open_in_memory().map_err(self.failed("close the cache"))?;
        *cache = renew(&path)?;
        Ok(Mended::Cache)
    }
}

/// Opens the cache; a damaged one is made anew.
pub(super) fn open_cache(path: &Path) -> Result<Connection> {
    match open_file(path, &schema::CACHE, "OFF", Some(CACHE_PAGE)) {
        Err(error) if error.kind() == ErrorKind::Damaged => {
            tracing::warn!(path = %path.display(), %error, "the cache is damaged and made anew");
            renew(path)
        }
        opened => opened,
    }
}

fn renew(path: &Path) -> Result<Connection> {
    remove_database(path)?;
    open_file(path, &schema::CACHE, "OFF", Some(CACHE_PAGE))
}

pub(super) fn is_sound(connection: &Connection) -> bool {
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    said.is_ok_and(|said| said == "ok")
}

/// What helps where the state cannot be opened.
pub(super) fn advise(error: Error, directory: &Path) -> Error {
    match error.kind() {
        ErrorKind::Damaged => error.hint(AFRESH),
        ErrorKind::PermissionDenied => {
            let file = directory.join(STATE);
            error.found_at(file.display()).hint(FORBIDDEN)
        }
        _ => error,
    }
}

/// What to do about a state of somebody else's.
pub(super) const FORBIDDEN: &str = "run depsync as the user whom the state directory belongs to, or give that user back the \
                                    right to write there";
