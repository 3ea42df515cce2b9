//! Who this node is and where it stands.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RevDb;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{DeploymentName, HubId, NodeId, Revision};
use crate::path::RelPath;
use crate::transport::NodeReport;

/// Who this node is: made with the state, then kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The node's id.
    pub node: NodeId,
    /// Drawn with the state: tells clones apart.
    pub nonce: String,
    /// The hub's address when the state was made.
    pub hub: String,
    /// The deployment.
    pub deployment: DeploymentName,
    /// The hub's identity, once it was seen.
    pub hub_id: Option<HubId>,
    /// Whether this node publishes; none until the first publish or update decides.
    pub writes: Option<bool>,
}

/// Where this node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The root of the agreement.
    pub agreement: Digest,
    /// The root of what is known: the agreement and the ghosts. None where there are no ghosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Digest>,
    /// The rules of what is fetched on demand, by which the ghosts became ghosts; none where everything is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lazy: Option<Digest>,
    /// The revision applied (or published) last, and its root.
    pub applied: Option<(Revision, Digest)>,
    /// Whether every path of that revision is in place.
    pub whole: bool,
    /// The revision this node is pinned to.
    pub pinned: Option<u64>,
    /// Device and inode of the directory.
    pub place: Option<(u64, u64)>,
    /// When every file was last read.
    pub full_scan: Option<Timestamp>,
    /// When the hub's head was last looked for beyond its hint.
    pub healed: Option<Timestamp>,
    /// The newest head that was planned against, and its root: what conflicts are shown from.
    pub seen: Option<(Revision, Digest)>,
    /// What the last publish held back: path for people, reason.
    pub held: Vec<(String, String)>,
    /// What the hooks have not been told of yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
    /// The revision that this node was not well with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_revision: Option<Held>,
}

/// What the hooks are to be told of: the way from this revision to the one that is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The revision that they were told of last, and its root; none at first.
    pub from: Option<(Revision, Digest)>,
}

/// A revision that a node does not go to again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which.
    pub revision: Revision,
    /// Where it is instead: the revision before, and its root.
    pub back: (Revision, Digest),
    /// Why, for people.
    pub reason: String,
}

/// A publish that was sent to the hub and whose answer is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// The root of the revision that it was made on top of.
    pub base: Digest,
    /// The number that its record has if it came through.
    pub number: u64,
    /// The nonce of that record.
    pub nonce: String,
    /// The root of that record.
    pub root: Digest,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            agreement: crate::tree::empty_root(),
            known: None,
            lazy: None,
            applied: None,
            whole: false,
            pinned: None,
            place: None,
            full_scan: None,
            healed: None,
            seen: None,
            held: Vec::new(),
            owed: None,
            held_revision: None,
        }
    }
}

impl Position {
    /// The root of the agreement and the ghosts.
    pub fn known(&self) -> Digest {
        self.known.unwrap_or(self.agreement)
    }

    /// Moves the agreement, and what is known.
    pub fn agree(&mut self, agreement: Digest, known: Digest) {
        self.agreement = agreement;
        self.known = Some(known).filter(|known| *known != agreement);
    }
}

impl RevDb {
    /// Who this node is; none in a new state.
    pub fn identity(&self) -> Result<Option<Identity>> {
        get(self, &self.state(), "identity")
    }

    /// Writes down who this node is.
    pub fn set_identity(&self, identity: &Identity) -> Result<()> {
        put(self, &self.state(), "identity", identity)
    }

    /// Where this node stands.
    pub fn position(&self) -> Result<Position> {
        Ok(get(self, &self.state(), "position")?.unwrap_or_default())
    }

    /// The publish whose answer is not known, if there is one.
    pub fn proposed(&self) -> Result<Option<Proposed>> {
        get(self, &self.state(), "proposed")
    }

    /// Writes down what is about to be sent to the hub. The next settlement, of whatever kind, forgets it.
    pub fn set_proposed(&self, proposed: &Proposed) -> Result<()> {
        put(self, &self.state(), "proposed", proposed)
    }

    /// Forgets what was sent: it did not come through.
    pub fn forget_proposed(&self) -> Result<()> {
        remove(self, &self.state(), "proposed")
    }

    /// What this node would say of itself at the moment.
    pub fn said(&self) -> Result<Option<NodeReport>> {
        get(self, &self.state(), "said")
    }

    /// Remembers that.
    pub fn set_said(&self, report: &NodeReport) -> Result<()> {
        put(self, &self.state(), "said", report)
    }

    /// The report that was written to the hub last.
    pub fn last_report(&self) -> Result<Option<NodeReport>> {
        get(self, &self.state(), "reported")
    }

    /// Remembers the report that was written.
    pub fn set_last_report(&self, report: &NodeReport) -> Result<()> {
        put(self, &self.state(), "reported", report)
    }

    /// How often in a row a daemon has failed.
    pub fn setbacks(&self) -> Result<u32> {
        Ok(get(self, &self.state(), "setbacks")?.unwrap_or(0))
    }

    /// Writes that down.
    pub fn set_setbacks(&self, count: u32) -> Result<()> {
        put(self, &self.state(), "setbacks", &count)
    }

    /// Directories that were fetched by name: what comes into them is fetched, too.
    pub fn fetched(&self) -> Result<BTreeSet<RelPath>> {
        let fetched: Option<Vec<String>> = get(self, &self.state(), "fetched")?;
        let fetched = fetched.unwrap_or_default();
        let read = |text: String| {
            let bytes = HEXLOWER.decode(text.as_bytes()).ok();
            bytes.and_then(|bytes| RelPath::new(bytes).ok()).ok_or_else(|| {
                Error::damaged(self.shown.display(), "the database's list of what was fetched does not read")
            })
        };
        fetched.into_iter().map(read).collect()
    }

    /// Writes these down.
    pub fn set_fetched(&self, directories: &BTreeSet<RelPath>) -> Result<()> {
        let text: Vec<String> = directories.iter().map(|path| HEXLOWER.encode(path.as_bytes())).collect();
        put(self, &self.state(), "fetched", &text)
    }

    /// Writes down where this node stands. The agreement itself moves through [`RevDb::settle`] only.
    pub fn set_position(&self, position: &Position) -> Result<()> {
        put(self, &self.state(), "position", position)
    }
}

pub(super) fn get<T: DeserializeOwned>(db: &RevDb, connection: &Connection, name: &str) -> Result<Option<T>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT value FROM fact WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(db.failed("read the database"))?;
    text.map(|text| {
        serde_json::from_str(&text).map_err(|source| {
            Error::damaged(db.shown.display(), format!("the database's `{name}` does not read")).because(source)
        })
    })
    .transpose()
}

pub(super) fn put<T: Serialize>(db: &RevDb, connection: &Connection, name: &str, value: &T) -> Result<()> {
    let text = serde_json::to_string(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "a fact cannot be encoded").because(source))?;
    connection
        .prepare_cached("INSERT INTO fact VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")
        .and_then(|mut statement| statement.execute((name, text)))
        .map_err(db.failed("write the database"))?;
    Ok(())
}

pub(super) fn remove(db: &RevDb, connection: &Connection, name: &str) -> Result<()> {
    connection.execute("DELETE FROM fact WHERE name = ?1", [name]).map_err(db.failed("write the database"))?;
    Ok(())
}
