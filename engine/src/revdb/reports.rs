//! What the nodes of this deployment have reported: the last of each, and what each said before.
//!
//! Laws:
//! - of two reports of one node the one with the later time counts, by that node's clock: one that comes late, or twice,
//!   changes nothing. A time that is well ahead of ours does not count against others;
//! - a node that was taken off the list comes back when it says something later than what was known of it;
//! - a report that says nothing new moves the time at which the node was heard, and is no history.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::RevDb;
use crate::error::{Error, ErrorKind, Result};
use crate::name::NodeId;
use crate::transport::NodeReport;

/// The most nodes that are on the list.
const MOST_NODES: i64 = 1 << 17;
/// The most rows of the history of one node.
const MOST_ROWS: i64 = 256;
/// How far the clock of a node may be ahead of ours, for its reports to be told apart by their times.
const AHEAD: SignedDuration = SignedDuration::from_secs(300);

/// A node's last report, and when it was heard of last, by this node's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// What it said.
    #[serde(flatten)]
    pub report: NodeReport,
    /// When. None where it is not known: the report's own time is as good as it gets.
    #[serde(rename = "heard")]
    pub at: Option<Timestamp>,
}

impl RevDb {
    /// Puts reports on the list, with the time at which each was heard. Gives how many of them said something new.
    pub fn file_reports<'a>(&self, reports: impl IntoIterator<Item = (&'a NodeReport, Timestamp)>) -> Result<usize> {
        let mut reports = reports.into_iter().peekable();
        if reports.peek().is_none() {
            return Ok(0);
        }
        let mut connection = self.state();
        let failed = self.failed("write reports to the database");
        let transaction = connection.transaction().map_err(&failed)?;
        let (mut new, mut room) = (0, None);
        for (report, at) in reports {
            new += usize::from(file(self, &transaction, report, at, &mut room)?);
        }
        transaction.commit().map_err(&failed)?;
        Ok(new)
    }

    /// The last report of each node, by its name.
    pub fn reports(&self) -> Result<BTreeMap<NodeId, Heard>> {
        let connection = self.state();
        let failed = self.failed("read reports from the database");
        let mut statement = connection.prepare_cached("SELECT bytes, heard FROM report").map_err(&failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(&failed)?;
        let mut reports = BTreeMap::new();
        for row in rows {
            let heard = heard(row.map_err(&failed)?)?;
            reports.insert(heard.report.node.clone(), heard);
        }
        Ok(reports)
    }

    /// What `node` has reported, newest first.
    pub fn report_history(&self, node: &NodeId, limit: u32) -> Result<Vec<Heard>> {
        let connection = self.state();
        let failed = self.failed("read reports from the database");
        let mut statement = connection
            .prepare_cached("SELECT bytes, heard FROM report_history WHERE node = ?1 ORDER BY id DESC LIMIT ?2")
            .map_err(&failed)?;
        let rows =
            statement.query_map((node.as_str(), limit), |row| Ok((row.get(0)?, row.get(1)?))).map_err(&failed)?;
        rows.map(|row| heard(row.map_err(&failed)?)).collect()
    }

    /// Takes `node` off the list, with its history, until it reports again. Says whether it was on it.
    pub fn forget_reports(&self, node: &NodeId) -> Result<bool> {
        let mut connection = self.state();
        let failed = self.failed("remove reports from the database");
        let transaction = connection.transaction().map_err(&failed)?;
        let known = known(&transaction, node).map_err(&failed)?;
        if let Some(known) = &known {
            let time = known.report.time.to_string();
            transaction
                .execute(
                    "INSERT INTO forgotten VALUES (?1, ?2) ON CONFLICT DO UPDATE SET time = excluded.time",
                    (node.as_str(), time),
                )
                .map_err(&failed)?;
        }
        for table in ["report", "report_history"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE node = ?1"), [node.as_str()]).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;
        Ok(known.is_some())
    }
}

/// Puts one report on the list, where there is `room` for so many nodes more. Says whether it said something new.
fn file(
    db: &RevDb,
    connection: &Connection,
    report: &NodeReport,
    at: Timestamp,
    room: &mut Option<i64>,
) -> Result<bool> {
    let failed = db.failed("write a report to the database");
    let known = known(connection, &report.node).map_err(&failed)?;
    if known.as_ref().is_some_and(|known| report.time < known.report.time && known.report.time <= at + AHEAD) {
        return Ok(false);
    }
    if known.is_none() {
        let left = match room.take() {
            Some(left) => left,
            None => MOST_NODES - count(connection).map_err(&failed)?,
        };
        if left <= 0 {
            return Err(Error::new(ErrorKind::Refused, format!("more than {MOST_NODES} nodes report"))
                .at(db.shown.display())
                .hint("take those that are gone off the list: `depsync status --forget NODE`"));
        }
        if !is_back(connection, report).map_err(&failed)? {
            return Ok(false);
        }
        *room = Some(left - 1);
    }
    let is_new = known.as_ref().is_none_or(|known| !report.says_the_same_as(&known.report));
    // What was known is heard again without any change where the same report is read twice.
    let at =
        known.filter(|known| known.report == *report).and_then(|known| known.at).map_or(at, |before| before.max(at));
    let bytes = report.to_bytes()?;
    connection
        .prepare_cached(
            "INSERT INTO report (node, bytes, heard) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET bytes = excluded.bytes, heard = excluded.heard",
        )
        .and_then(|mut statement| statement.execute(params![report.node.as_str(), bytes, at.to_string()]))
        .map_err(&failed)?;
    if is_new {
        connection
            .prepare_cached("INSERT INTO report_history (node, heard, bytes) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute(params![report.node.as_str(), at.to_string(), bytes]))
            .map_err(&failed)?;
        connection
            .prepare_cached(
                "DELETE FROM report_history WHERE node = ?1 AND id <= (
                     SELECT id FROM report_history WHERE node = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )
            .and_then(|mut statement| statement.execute((report.node.as_str(), MOST_ROWS)))
            .map_err(&failed)?;
    }
    Ok(is_new)
}

/// What is known of a node. A row that does not read any more is as good as none.
fn known(connection: &Connection, node: &NodeId) -> rusqlite::Result<Option<Heard>> {
    let mut statement = connection.prepare_cached("SELECT bytes, heard FROM report WHERE node = ?1")?;
    let row = statement.query_row([node.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(row.and_then(|row| heard(row).ok()))
}

/// Whether a node that is not on the list comes (back) to it by what it says.
fn is_back(connection: &Connection, report: &NodeReport) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT time FROM forgotten WHERE node = ?1")?;
    let time: Option<String> = statement.query_row([report.node.as_str()], |row| row.get(0)).optional()?;
    let Some(time) = time else { return Ok(true) };
    let is_back = time.parse().is_ok_and(|time: Timestamp| report.time > time);
    if is_back {
        connection.execute("DELETE FROM forgotten WHERE node = ?1", [report.node.as_str()])?;
    }
    Ok(is_back)
}

fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT count(*) FROM report")?.query_row([], |row| row.get(0))
}

fn heard((bytes, at): (Vec<u8>, Option<String>)) -> Result<Heard> {
    Ok(Heard { report: NodeReport::parse(&bytes)?, at: at.and_then(|at| at.parse().ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Revision;
    use crate::transport::Outcome;

    fn open() -> (tempfile::TempDir, RevDb) {
        let dir = tempfile::tempdir().expect("tempdir");
        let db = RevDb::open(dir.path()).expect("opens");
        (dir, db)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn report(node: &str, number: u64, time: i64) -> NodeReport {
        NodeReport {
            schema: 1,
            node: node.parse().expect("an id"),
            nonce: "00".into(),
            writes: false,
            applied: Some(Revision { number, record: crate::hash::Digest::of(b"record") }),
            root: None,
            measured: None,
            time: at(time),
            full_scan: None,
            pinned: false,
            outcome: Outcome::Applied,
            problem: None,
            version: "1".into(),
            since: None,
            duration_ms: None,
            bytes: None,
            beat_s: None,
        }
    }

    fn number(db: &RevDb, node: &str) -> Option<u64> {
        let node = node.parse().expect("an id");
        db.reports().expect("reads").get(&node).and_then(|heard| heard.report.applied).map(|applied| applied.number)
    }

    fn history(db: &RevDb, node: &str) -> Vec<u64> {
        let heard = db.report_history(&node.parse().expect("an id"), u32::MAX).expect("reads");
        heard.into_iter().filter_map(|heard| heard.report.applied).map(|applied| applied.number).collect()
    }

    #[test]
    fn the_latest_counts_whatever_comes_when() {
        let (_dir, db) = open();
        let file = |report: NodeReport, now: i64| db.file_reports([(&report, at(now))]).expect("files");
        assert_eq!(file(report("a", 1, 0), 0), 1);
        assert_eq!(file(report("a", 2, 10), 11), 1);
        assert_eq!(file(report("a", 1, 0), 12), 0, "an old one");
        assert_eq!(file(report("a", 2, 10), 13), 0, "the same one");
        assert_eq!((number(&db, "a"), history(&db, "a")), (Some(2), vec![2, 1]));
        // A heartbeat is no history, and is heard.
        assert_eq!(file(report("a", 2, 40), 41), 0);
        let heard = &db.reports().expect("reads")[&"a".parse().expect("an id")];
        assert_eq!((heard.report.time, heard.at, history(&db, "a").len()), (at(40), Some(at(41)), 2));
        // One whose clock was far ahead is not silenced by it.
        assert_eq!(file(report("b", 1, 1_000_000), 0), 1);
        assert_eq!(file(report("b", 2, 50), 50), 1);
        assert_eq!((number(&db, "b"), number(&db, "c")), (Some(2), None));
    }

    #[test]
    fn who_is_forgotten_comes_back_when_he_speaks() {
        let (_dir, db) = open();
        let node = "a".parse().expect("an id");
        let file = |report: NodeReport| db.file_reports([(&report, at(100))]).expect("files");
        assert!(!db.forget_reports(&node).expect("forgets"));
        file(report("a", 1, 10));
        file(report("b", 1, 10));
        assert!(db.forget_reports(&node).expect("forgets"));
        assert_eq!((number(&db, "a"), history(&db, "a"), number(&db, "b")), (None, vec![], Some(1)));
        // What lies in the hub of him still says what it said.
        assert_eq!((file(report("a", 1, 10)), number(&db, "a")), (0, None));
        assert_eq!((file(report("a", 1, 11)), number(&db, "a")), (1, Some(1)));
        assert_eq!(file(report("a", 2, 12)), 1);
    }

    #[test]
    fn the_history_of_a_node_has_an_end() {
        let (_dir, db) = open();
        let reports: Vec<NodeReport> = (0..300).map(|number| report("a", number, number as i64)).collect();
        assert_eq!(db.file_reports(reports.iter().map(|report| (report, at(400)))).expect("files"), 300);
        let history = history(&db, "a");
        assert_eq!((history.len() as i64, history[0], history.last()), (MOST_ROWS, 299, Some(&44)));
    }
}
