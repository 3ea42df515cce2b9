//! The tables, as append-only migrations counted by `user_version`.
//!
//! A migration that was ever released is never edited: a new one follows it. `engine/doc/format.md` describes the
//! tables.

use std::path::Path;

use rusqlite::Connection;

use super::sql_error;
use crate::error::{Error, ErrorKind, Result};

/// `state.db`.
pub(super) const STATE: [&str; 5] = [
    "
    CREATE TABLE fact (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL CHECK (json_valid(value))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE page (
        id    BLOB PRIMARY KEY CHECK (length(id) = 32),
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE record (
        number INTEGER PRIMARY KEY CHECK (number > 0),
        bytes  BLOB NOT NULL
    ) STRICT;
    CREATE TABLE history (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        at          TEXT NOT NULL,
        work        TEXT NOT NULL CHECK (work IN ('publish', 'update')),
        from_number INTEGER,
        to_number   INTEGER,
        root        BLOB NOT NULL CHECK (length(root) = 32),
        entries     INTEGER NOT NULL CHECK (entries >= 0),
        bytes       INTEGER NOT NULL CHECK (bytes >= 0),
        millis      INTEGER NOT NULL CHECK (millis >= 0),
        outcome     TEXT NOT NULL,
        detail      TEXT
    ) STRICT;
    CREATE TABLE recipe (
        content BLOB PRIMARY KEY CHECK (length(content) = 32),
        bytes   BLOB NOT NULL
    ) STRICT;
    CREATE TABLE journal (
        id   INTEGER PRIMARY KEY CHECK (id = 1),
        head TEXT NOT NULL CHECK (json_valid(head))
    ) STRICT;
    CREATE TABLE journal_step (
        number INTEGER PRIMARY KEY CHECK (number >= 0),
        bytes  BLOB NOT NULL
    ) STRICT;
    CREATE TABLE lately (
        path    BLOB PRIMARY KEY,
        seconds TEXT NOT NULL CHECK (json_valid(seconds))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE report (
        node  TEXT PRIMARY KEY,
        bytes BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE pushed (
        node  TEXT PRIMARY KEY,
        value TEXT NOT NULL CHECK (json_valid(value))
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE report ADD COLUMN heard TEXT;
    CREATE TABLE report_history (
        id    INTEGER PRIMARY KEY,
        node  TEXT NOT NULL,
        heard TEXT NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE forgotten (
        node TEXT PRIMARY KEY,
        time TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX report_history_by_node ON report_history (node, id);
",
    "
    CREATE TABLE known_page (
        id    BLOB PRIMARY KEY CHECK (length(id) = 32),
        bytes BLOB NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE stub (
        path BLOB PRIMARY KEY,
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT, WITHOUT ROWID;
",
];

/// `cache.db`.
pub(super) const CACHE: [&str; 4] = [
    "
    CREATE TABLE fact (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL CHECK (json_valid(value))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE page (
        id    BLOB PRIMARY KEY CHECK (length(id) = 32),
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE stat_block (
        directory BLOB NOT NULL,
        first     BLOB NOT NULL,
        bytes     BLOB NOT NULL,
        PRIMARY KEY (directory, first)
    ) STRICT;
    CREATE TABLE pack_tail (
        name  BLOB PRIMARY KEY CHECK (length(name) = 32),
        bytes BLOB NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE hub_index (
        id    INTEGER PRIMARY KEY CHECK (id = 1),
        hash  BLOB NOT NULL CHECK (length(hash) = 32),
        bytes BLOB NOT NULL
    ) STRICT;
",
    // The records of the stat cache are written in another way now: what is there is forgotten, and every file read.
    "
    DELETE FROM stat_block;
    DELETE FROM fact WHERE name = 'observed';
",
    "
    CREATE TABLE sum (
        content BLOB PRIMARY KEY CHECK (length(content) = 32),
        sha256  BLOB NOT NULL CHECK (length(sha256) = 32)
    ) STRICT, WITHOUT ROWID;
",
];

/// `register.db`.
pub(super) const REGISTER: [&str; 1] = ["
    CREATE TABLE deployment (
        name     TEXT PRIMARY KEY,
        loaded   INTEGER NOT NULL CHECK (loaded IN (0, 1)),
        mark     TEXT,
        applied  INTEGER,
        ghosts   INTEGER,
        used     INTEGER,
        checked  INTEGER,
        failures INTEGER NOT NULL CHECK (failures >= 0),
        problem  TEXT
    ) STRICT, WITHOUT ROWID;
"];

/// Brings a database to the newest version, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str], path: &Path) -> Result<()> {
    let failed = |source| sql_error("migrate the database", path, source);
    loop {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let version: usize = transaction
            .query_row("SELECT user_version FROM pragma_user_version", [], |row| row.get::<_, i64>(0))
            .map_err(failed)
            .map(|version| usize::try_from(version).unwrap_or(usize::MAX))?;
        if version > migrations.len() {
            return Err(Error::new(ErrorKind::Unsupported, "the database was written by a newer depsync")
                .at(path.display())
                .hint("upgrade depsync on this node"));
        }
        let Some(next) = migrations.get(version) else { return Ok(()) };
        transaction.execute_batch(next).map_err(failed)?;
        transaction.pragma_update(None, "user_version", (version + 1) as i64).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
}
