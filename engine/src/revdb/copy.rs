//! A copy of the database, to look at: the files stay as they are, whatever is done with the copy.
//!
//! It goes with the process. A small one is in memory, a large one in a temporary file without a name. An older database
//! is brought to this version in the copy only. The cache of a copy is empty.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{CACHE, RevDb, STATE, mend, refuse_network, schema, sql_error};
use crate::error::{Error, Result};
use crate::tree::KeptPages;

/// How many KiB of a copy are kept in memory.
const IN_MEMORY: i64 = 64 << 10;

impl RevDb {
    /// Copies the database in `directory`, which is there, after SQLite has checked it.
    ///
    /// # Errors
    /// Where commands would fail, too: it is damaged, of a newer program, or may not be read. Not where it may not be
    /// written.
    pub fn copied_from(directory: &Path) -> Result<Self> {
        refuse_network(directory)?;
        let path = directory.join(STATE);
        let copied = copy(&path).map_err(|error| mend::advise(error, directory))?;
        Self::of(copied, directory)
    }

    /// A database in which nothing is, and that is nowhere.
    pub fn blank() -> Result<Self> {
        let nowhere = Path::new("(memory)");
        Self::of(temporary(nowhere)?, nowhere)
    }

    fn of(mut state: Connection, shown: &Path) -> Result<Self> {
        schema::migrate(&mut state, &schema::STATE, shown)?;
        let mut cache = temporary(shown)?;
        schema::migrate(&mut cache, &schema::CACHE, shown)?;
        Ok(Self { state: state.into(), cache: cache.into(), shown: shown.to_owned(), kept: KeptPages::default() })
    }
}

fn temporary(shown: &Path) -> Result<Connection> {
    let failed = |source| sql_error("copy the database", shown, source);
    // The empty name is that of a temporary file.
    let connection = Connection::open("").map_err(failed)?;
    connection.pragma_update(None, "cache_size", -IN_MEMORY).map_err(failed)?;
    Ok(connection)
}

/// Whether the cache in `directory` is sound, or not there: one that is not is made anew by the next command.
pub fn cache_is_sound(directory: &Path) -> bool {
    let path = directory.join(CACHE);
    !path.exists() || open(&path).is_ok_and(|cache| mend::is_sound(&cache))
}

/// Opens a database that is there. Nothing can be written through it but what SQLite itself does to find the end of its log.
fn open(path: &Path) -> Result<Connection> {
    let failed = |source| sql_error("open the database", path, source);
    let connection = if is_closed(path) && !may_write(path) {
        // SQLite would make a log beside it, with the rights that this file has, and could not remove it again.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(as_it_is(path), flags)
    } else {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags)
    };
    let connection = connection.map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(connection)
}

/// Whether nobody has it open, and nobody who had it was killed: then there is no log beside it.
fn is_closed(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    !Path::new(&log).exists()
}

/// Whether this user may write the database, and make a log beside it.
fn may_write(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    let beside = path.parent().unwrap_or(path);
    access(path, Access::WRITE_OK).is_ok() && access(beside, Access::WRITE_OK).is_ok()
}

/// The file as it is, without a look for a log: as an address, in which most bytes have to be written as `%` and two digits.
pub(super) fn as_it_is(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let escape = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") };
    let path: String = path.as_os_str().as_encoded_bytes().iter().map(escape).collect();
    format!("file:{path}?immutable=1")
}

fn copy(path: &Path) -> Result<Connection> {
    let failed = |source| sql_error("read the database", path, source);
    let source = open(path)?;
    // Where it cannot be read at all, that is another failure than damage.
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
    if !mend::is_sound(&source) {
        return Err(Error::damaged(path.display(), "the database is damaged"));
    }
    let mut copied = temporary(path)?;
    rusqlite::backup::Backup::new(&source, &mut copied)
        .and_then(|backup| backup.run_to_completion(i32::MAX, Duration::from_millis(10), None))
        .map_err(failed)?;
    // What was copied says that it has a log beside it, which a file without a name cannot have.
    copied.pragma_update(None, "journal_mode", "MEMORY").map_err(failed)?;
    copied.pragma_update(None, "synchronous", "OFF").map_err(failed)?;
    Ok(copied)
}
