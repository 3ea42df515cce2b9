//! What this node has done: one row for each publish and update that changed something or failed half way.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::RevDb;
use crate::error::Result;
use crate::hash::Digest;

/// What sort of work a row of the history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A publish or a rollback.
    Publish,
    /// An update or a repair.
    Update,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Update => "update",
        }
    }
}

/// One row of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// When it ended.
    pub at: Timestamp,
    /// What it was.
    pub work: Work,
    /// The revision before.
    pub from: Option<u64>,
    /// The revision after.
    pub to: Option<u64>,
    /// The root of the agreement after it.
    pub root: Digest,
    /// Entries changed.
    pub entries: u64,
    /// Bytes sent or fetched.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// How it ended: `applied`, `partial`, `recovered`.
    pub outcome: String,
    /// What else there is to say.
    pub detail: Option<String>,
}

pub(super) fn append(db: &RevDb, connection: &Connection, row: &Applied) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO history (at, work, from_number, to_number, root, entries, bytes, millis, outcome, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                row.at.to_string(),
                row.work.name(),
                row.from.map(u64::cast_signed),
                row.to.map(u64::cast_signed),
                &row.root.as_bytes()[..],
                row.entries.cast_signed(),
                row.bytes.cast_signed(),
                row.millis.cast_signed(),
                row.outcome,
                row.detail,
            ])
        })
        .map_err(db.failed("write the history to the database"))?;
    Ok(())
}

impl RevDb {
    /// The newest rows of the history, newest first.
    pub fn history(&self, limit: u32) -> Result<Vec<Applied>> {
        let connection = self.state();
        let failed = self.failed("read the history from the database");
        let mut statement = connection
            .prepare_cached(
                "SELECT at, work, from_number, to_number, root, entries, bytes, millis, outcome, detail
                 FROM history ORDER BY id DESC LIMIT ?1",
            )
            .map_err(&failed)?;
        let rows = statement
            .query_map([limit], |row| {
                let at: String = row.get(0)?;
                let work: String = row.get(1)?;
                let root: [u8; 32] = row.get(4)?;
                Ok(Applied {
                    at: at.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                    work: if work == "publish" { Work::Publish } else { Work::Update },
                    from: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
                    to: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
                    root: Digest::from_bytes(root),
                    entries: row.get::<_, i64>(5)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(6)?.cast_unsigned(),
                    millis: row.get::<_, i64>(7)?.cast_unsigned(),
                    outcome: row.get(8)?,
                    detail: row.get(9)?,
                })
            })
            .map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(&failed)
    }
}
