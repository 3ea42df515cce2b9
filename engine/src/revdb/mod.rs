//! The revision database: what this node knows and has done. The only room that knows SQL.
//!
//! Two SQLite files in the state directory:
//! - `state.db` (WAL, `synchronous=FULL`): who this node is, where it stands, the agreement's pages, the records it has
//!   seen, what it has applied, the journal of a running update, recipes of files on disk, the lately used
//!   modification times, what the nodes have reported, now and before, and what was pushed to nodes without a program of
//!   ours;
//! - `cache.db` (`synchronous=OFF`): the stat cache with the tree it stands for, pages and pack tails fetched from the
//!   hub. It can be deleted at any time: the next scan reads every file, the next fetch reads the hub. A damaged one
//!   is deleted and made anew.
//!
//! An estate of many deployments has a third one, `register.db`, in a directory of its own (`register`).
//!
//! Laws:
//! - migrations are append-only; a database of a newer program is refused;
//! - the agreement moves in one transaction together with its pages, the position, the history and the end of the
//!   journal ([`RevDb::settle`]): a crash leaves all of it as before or all of it as after;
//! - a network file system is refused: SQLite's locks and shared memory do not work there.

mod cache;
mod copy;
mod history;
mod journal;
mod ledger;
mod mend;
mod pages;
mod position;
mod pushed;
mod recipes;
mod register;
mod reports;
mod schema;
mod settle;
mod stubs;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::{Error, ErrorKind, Result};
use crate::tree::KeptPages;

pub use cache::Block;
pub use copy::cache_is_sound;
pub use history::{Applied, Work};
pub use journal::{Journal, JournalHead};
pub use mend::Mended;
pub(crate) use pages::CacheSink;
pub use position::{Held, Identity, Owed, Position, Proposed};
pub use pushed::{Busy, Pushed};
pub use register::{Entry as RegisterEntry, Register};
pub use reports::Heard;
pub use settle::Settlement;
pub use stubs::StubsOf;

/// The open revision database of one deployment on this node.
pub struct RevDb {
    state: Mutex<Connection>,
    cache: Mutex<Connection>,
    shown: PathBuf,
    kept: KeptPages,
}

/// Bytes of a page of `cache.db`, in a new one: the blocks of the stat cache, all read by each scan, have some
/// kilobytes, and what does not fit into one page costs a read for each further one.
const CACHE_PAGE: u32 = 16 << 10;

/// The file that cannot be made again.
const STATE: &str = "state.db";
/// The file that can.
const CACHE: &str = "cache.db";

/// File systems whose locks SQLite must not rely on: NFS, SMB, CIFS, SMB2, FUSE (sshfs), AFS, Ceph, 9p.
const NETWORK: [u64; 8] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x5346_414f, 0x00c3_6400, 0x0102_1997];

impl RevDb {
    /// Opens the database in `directory`, making it if there is none.
    pub fn open(directory: &Path) -> Result<Self> {
        refuse_network(directory)?;
        let opened = open_file(&directory.join(STATE), &schema::STATE, "FULL", None);
        let state = opened.map_err(|error| mend::advise(error, directory))?;
        let cache = mend::open_cache(&directory.join(CACHE))?;
        Ok(Self {
            state: Mutex::new(state),
            cache: Mutex::new(cache),
            shown: directory.to_owned(),
            kept: KeptPages::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Connection> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, Connection> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the pages go that are kept in memory and were of no use since the last time.
    pub fn rest(&self) {
        self.kept.rest();
    }

    /// Names the database in an error.
    fn failed(&self, op: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        move |source| sql_error(op, &self.shown, source)
    }
}

/// Whether there is a revision database in `directory`.
pub fn has_state(directory: &Path) -> bool {
    directory.join(STATE).exists()
}

fn refuse_network(directory: &Path) -> Result<()> {
    if on_network_file_system(directory)? {
        return Err(Error::new(ErrorKind::Unsupported, "the state directory is on a network file system")
            .at(directory.display())
            .hint("choose a local directory with --state"));
    }
    Ok(())
}

/// Whether `directory` lies on a network file system, where this database cannot be.
pub fn on_network_file_system(directory: &Path) -> Result<bool> {
    let found = rustix::fs::statfs(directory).map_err(|errno| Error::io("look at", directory.display(), errno))?;
    // The field's width and sign differ between platforms; the magic is its lower 32 bits.
    let magic = found.f_type as u64 & 0xffff_ffff;
    Ok(NETWORK.contains(&magic))
}

/// Opens the database; a new one gets pages of this size.
fn open_file(path: &Path, migrations: &[&str], synchronous: &str, page: Option<u32>) -> Result<Connection> {
    let failed = |source| sql_error("open the database", path, source);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    if let Some(page) = page {
        connection.pragma_update(None, "page_size", page).map_err(failed)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    schema::migrate(&mut connection, migrations, path)?;
    Ok(connection)
}

fn remove_database(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", path.display(), source));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a failure of SQLite its kind.
fn sql_error(op: &str, place: &Path, source: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let kind = match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Damaged,
        Some(ErrorCode::DiskFull) => ErrorKind::NoSpace,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Locked,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => ErrorKind::PermissionDenied,
        Some(ErrorCode::TypeMismatch) => ErrorKind::Damaged,
        // Where the shared memory beside the log, or a file's very first page, finds no room, SQLite speaks of a failed
        // input or output, or of a file that cannot be opened.
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if is_full(place) => ErrorKind::NoSpace,
        Some(ErrorCode::CannotOpen) if is_forbidden(place) => ErrorKind::PermissionDenied,
        _ => ErrorKind::Io,
    };
    let error = Error::new(kind, "").op(op).at(place.display()).because(source);
    match kind {
        ErrorKind::PermissionDenied => error.hint(mend::FORBIDDEN),
        ErrorKind::NoSpace => error.hint("make room on the file system of the state directory and run it again"),
        _ => error,
    }
}

/// Whether this user may not open `place`, or make it.
fn is_forbidden(place: &Path) -> bool {
    use rustix::fs::{Access, access};
    let asked = if place.exists() { place } else { place.parent().unwrap_or(place) };
    access(asked, Access::READ_OK | Access::WRITE_OK) == Err(rustix::io::Errno::ACCESS)
}

/// Whether the file system of `place` has no block or no file left for us.
fn is_full(place: &Path) -> bool {
    let directory = if place.is_dir() { place } else { place.parent().unwrap_or(place) };
    // What SQLite asks for at once: a page of the shared memory file is 32 KiB.
    const LEAST: u64 = 32 << 10;
    rustix::fs::statvfs(directory).is_ok_and(|found| {
        found.f_bavail.saturating_mul(found.f_frsize) < LEAST || (found.f_files > 0 && found.f_favail == 0)
    })
}

#[cfg(test)]
mod tests;
