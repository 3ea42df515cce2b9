//! The journal of a running update: written whole before anything live changes, cleared with the settlement.
//!
//! The steps are opaque here: the `apply` room encodes them.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::RevDb;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::packed::Packed;

/// What an interrupted update was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHead {
    /// The name of its staging area.
    pub run: String,
    /// The revision it goes to, and its root.
    pub target: (Revision, Digest),
    /// Whether the plan leaves nothing of that revision out.
    pub whole: bool,
    /// The revision it comes from.
    pub from: Option<u64>,
    /// The rules by which it makes ghosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lazy: Option<Digest>,
    /// Whether what goes stays known: it becomes ghosts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evicts: bool,
}

/// A journal as it was found.
#[derive(Clone, Debug)]
pub struct Journal {
    /// What it was about.
    pub head: JournalHead,
    /// The steps, in order, as they were written.
    pub steps: Packed<Vec<u8>>,
}

impl RevDb {
    /// Writes the journal: from here on the update is going to be finished.
    pub fn write_journal(&self, head: &JournalHead, steps: impl IntoIterator<Item = Result<Vec<u8>>>) -> Result<()> {
        let failed = self.failed("write the journal");
        let head = serde_json::to_string(head)
            .map_err(|source| Error::new(ErrorKind::Internal, "a journal cannot be encoded").because(source))?;
        let mut connection = self.state();
        let transaction = connection.transaction().map_err(&failed)?;
        transaction.execute("INSERT INTO journal VALUES (1, ?1)", [head]).map_err(&failed)?;
        for (number, step) in steps.into_iter().enumerate() {
            let step = step?;
            transaction
                .prepare_cached("INSERT INTO journal_step VALUES (?1, ?2)")
                .and_then(|mut statement| statement.execute(params![number as i64, step]))
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// The journal of an interrupted update, if there is one.
    pub fn journal(&self) -> Result<Option<Journal>> {
        let failed = self.failed("read the journal");
        let connection = self.state();
        let head: Option<String> = connection
            .prepare_cached("SELECT head FROM journal WHERE id = 1")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
            .map_err(&failed)?;
        let Some(head) = head else { return Ok(None) };
        let head = serde_json::from_str(&head)
            .map_err(|source| Error::damaged(self.shown.display(), "the journal does not read").because(source))?;
        let mut statement =
            connection.prepare_cached("SELECT bytes FROM journal_step ORDER BY number").map_err(&failed)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(&failed)?;
        let steps = rows.collect::<Result<_, _>>().map_err(&failed)?;
        Ok(Some(Journal { head, steps }))
    }
}

pub(super) fn clear(db: &RevDb, connection: &Connection) -> Result<()> {
    connection.execute_batch("DELETE FROM journal; DELETE FROM journal_step;").map_err(db.failed("clear the journal"))
}
