//! The register of an estate: what is known of each of its deployments, in one file, so that nobody has to open ten
//! thousand databases to find out which of them has something to do.
//!
//! It is a copy of what each deployment's own database says, and of when each was used. It can be removed at any time: then
//! every deployment counts as never looked at, and the next round looks at those that are to be here. Several processes
//! write it, each its own rows.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{mend, open_file, refuse_network, remove_database, schema, sql_error};
use crate::error::{Error, ErrorKind, Result};
use crate::name::DeploymentName;

/// The file's name.
const REGISTER: &str = "register.db";

/// What is known of a deployment of an estate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Which.
    pub name: DeploymentName,
    /// Whether it is kept in step on this node.
    pub loaded: bool,
    /// What the hub said of it when it was in step with it last; what it means is the hub's business.
    #[serde(skip)]
    pub mark: Option<String>,
    /// The revision that is here.
    pub applied: Option<u64>,
    /// How much of it is known and not here, in bytes.
    pub ghosts: Option<u64>,
    /// When somebody wanted something of it last.
    pub used: Option<Timestamp>,
    /// When everything in its directory was looked at last.
    pub checked: Option<Timestamp>,
    /// How often in a row it has failed.
    pub failures: u32,
    /// What went wrong last.
    pub problem: Option<String>,
}

impl Entry {
    /// One of which nothing is known.
    pub fn new(name: DeploymentName) -> Self {
        Self {
            name,
            loaded: false,
            mark: None,
            applied: None,
            ghosts: None,
            used: None,
            checked: None,
            failures: 0,
            problem: None,
        }
    }
}

/// See the module.
pub struct Register {
    connection: Mutex<Connection>,
    shown: PathBuf,
}

impl Register {
    /// Opens the register in `directory`, making both. A damaged one is made anew.
    pub fn open(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|source| Error::io("make", directory.display(), source))?;
        refuse_network(directory)?;
        let path = directory.join(REGISTER);
        let opened = match open_file(&path, &schema::REGISTER, "OFF", None) {
            Ok(connection) if mend::is_sound(&connection) => connection,
            Err(error) if error.kind() != ErrorKind::Damaged => return Err(error),
            _ => {
                tracing::warn!(path = %path.display(), "the register is damaged and made anew");
                remove_database(&path)?;
                open_file(&path, &schema::REGISTER, "OFF", None)?
            }
        };
        Ok(Self { connection: Mutex::new(opened), shown: path })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, op: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        move |source| sql_error(op, &self.shown, source)
    }

    /// All of them, in the order of their names.
    pub fn all(&self) -> Result<Vec<Entry>> {
        let failed = self.failed("read the register");
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "SELECT name, loaded, mark, applied, ghosts, used, checked, failures, problem FROM deployment \
                 ORDER BY name",
            )
            .map_err(&failed)?;
        let rows = statement.query_map([], |row| Ok(read(row))).map_err(&failed)?;
        let mut entries = Vec::new();
        for row in rows {
            // One that does not read is as good as none.
            entries.extend(row.map_err(&failed)?.ok());
        }
        Ok(entries)
    }

    /// A number that is another one once another process has written.
    pub fn version(&self) -> Result<i64> {
        let connection = self.connection();
        connection
            .query_row("SELECT data_version FROM pragma_data_version", [], |row| row.get(0))
            .map_err(self.failed("read the register"))
    }

    /// Writes down how one of them is; when it was used stays as it was if that was later.
    pub fn put(&self, entry: &Entry) -> Result<()> {
        let Entry { name, loaded, mark, applied, ghosts, used, checked, failures, problem } = entry;
        let number = |number: &Option<u64>| number.and_then(|number| i64::try_from(number).ok());
        let second = |time: &Option<Timestamp>| time.map(Timestamp::as_second);
        self.connection()
            .prepare_cached(
                "INSERT INTO deployment VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET \
                 loaded = excluded.loaded, mark = excluded.mark, applied = excluded.applied, \
                 ghosts = excluded.ghosts, used = max(coalesce(used, 0), coalesce(excluded.used, 0)), \
                 checked = excluded.checked, failures = excluded.failures, problem = excluded.problem",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    name.as_str(),
                    loaded,
                    mark,
                    number(applied),
                    number(ghosts),
                    second(used),
                    second(checked),
                    failures,
                    problem
                ])
            })
            .map_err(self.failed("write the register"))?;
        Ok(())
    }

    /// Takes note that somebody wants something of one of them: from now on it is kept in step.
    pub fn used(&self, name: &DeploymentName, at: Timestamp) -> Result<()> {
        self.connection()
            .prepare_cached(
                "INSERT INTO deployment (name, loaded, used, failures) VALUES (?1, 1, ?2, 0) ON CONFLICT DO UPDATE SET \
                 loaded = 1, used = max(coalesce(used, 0), excluded.used)",
            )
            .and_then(|mut statement| statement.execute(params![name.as_str(), at.as_second()]))
            .map_err(self.failed("write the register"))?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> Result<Entry> {
    let failed = |source| sql_error("read the register", Path::new(REGISTER), source);
    let name: String = row.get(0).map_err(failed)?;
    let number = |at: usize| -> Result<Option<u64>> {
        let number: Option<i64> = row.get(at).map_err(failed)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    };
    let time = |at: usize| -> Result<Option<Timestamp>> {
        let second: Option<i64> = row.get(at).map_err(failed)?;
        Ok(second.filter(|second| *second > 0).and_then(|second| Timestamp::from_second(second).ok()))
    };
    Ok(Entry {
        name: name.parse()?,
        loaded: row.get(1).map_err(failed)?,
        mark: row.get(2).map_err(failed)?,
        applied: number(3)?,
        ghosts: number(4)?,
        used: time(5)?,
        checked: time(6)?,
        failures: row.get(7).map_err(failed)?,
        problem: row.get(8).map_err(failed)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DeploymentName {
        text.parse().expect("a name")
    }

    #[test]
    fn what_is_written_is_read_and_a_use_is_not_lost() {
        let place = tempfile::tempdir().expect("tempdir");
        let register = Register::open(&place.path().join("deep/er")).expect("opens");
        let at = |second| Some(Timestamp::from_second(second).expect("a time"));
        let one = Entry {
            loaded: true,
            mark: Some("7 ab".into()),
            applied: Some(7),
            ghosts: Some(1 << 40),
            used: at(100),
            checked: at(50),
            failures: 2,
            problem: Some("x".into()),
            ..Entry::new(name("one"))
        };
        register.put(&one).expect("writes");
        register.put(&Entry::new(name("-1234"))).expect("writes");
        assert_eq!(register.all().expect("reads"), [Entry::new(name("-1234")), one.clone()]);
        let other = Register::open(&place.path().join("deep/er")).expect("opens");
        let before = register.version().expect("a number");
        other.used(&name("one"), Timestamp::from_second(200).expect("a time")).expect("writes");
        other.used(&name("two"), Timestamp::from_second(300).expect("a time")).expect("writes");
        assert_ne!(register.version().expect("a number"), before);
        register.put(&one).expect("writes");
        let all = register.all().expect("reads");
        assert_eq!((all[1].used, all[2].used, all[2].loaded), (at(200), at(300), true));
    }

    #[test]
    fn a_damaged_one_is_made_anew() {
        let place = tempfile::tempdir().expect("tempdir");
        Register::open(place.path()).expect("opens").put(&Entry::new(name("one"))).expect("writes");
        std::fs::write(place.path().join(REGISTER), "not a database, and longer than a header of one: ".repeat(50))
            .expect("damaged");
        let _ = std::fs::remove_file(place.path().join("register.db-wal"));
        assert_eq!(Register::open(place.path()).expect("opens").all().expect("reads"), []);
    }
}
