//! What is known of the deployment's revisions: what the repository says of them, and the trees that were measured.
//!
//! Numbers are Subversion's and leave some out. A revision's hash is that of the repository's UUID, the deployment's
//! path, the number and the date: what a repository that was rewound, restored or replaced cannot have the same. Author
//! and message are not in it, because people correct them.
//!
//! What was measured is remembered in the ledger, under the number of its revision, as JSON, and pages as trees.

use std::sync::Arc;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::name::{HubId, NodeId, Revision};
use depsync_engine::path::RelPath;
use depsync_engine::record::{Acceptance, Draft};
use depsync_engine::transport::{Ledger, Statement};
use depsync_engine::tree::{Pages, empty_root};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::info::Info;
use super::log::{Action, ChangedPath, LogEntry};
use super::measure::Measured;
use super::properties::Properties;

/// The revision property with what a publisher of ours says.
pub(super) const RECORD: &str = "depsync:record";
/// The schema of what is remembered and of the revision property.
const SCHEMA: u32 = 1;

/// Where the deployment is: what a repository is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Where {
    pub(super) uuid: String,
    /// The deployment's path in it, without a slash at the beginning.
    pub(super) path: String,
}

impl Where {
    pub(super) fn of(info: &Info) -> Self {
        Self { uuid: info.uuid.clone(), path: info.path.clone() }
    }

    /// The repository's identity: its UUID, or a hash of it if somebody has set one that is none.
    pub(super) fn hub(&self) -> Result<HubId> {
        let digits: String = self.uuid.chars().filter(|digit| *digit != '-').collect();
        let digits = digits.to_ascii_lowercase();
        digits.parse().or_else(|_| Digest::of(self.uuid.as_bytes()).to_string()[..32].parse())
    }

    /// The revision `number` of `date`.
    pub(super) fn revision(&self, number: u64, date: Option<Timestamp>) -> Revision {
        let date = date.map(|date| date.to_string()).unwrap_or_default();
        let text = format!("svn\0{}\0{}\0{number}\0{date}", self.uuid, self.path);
        Revision { number, record: Domain::Record.digest(text.as_bytes()) }
    }

    /// Whether a commit has only made the deployment's directory, or one above it: it is no revision.
    pub(super) fn is_creation(&self, entry: &LogEntry) -> bool {
        let place = format!("/{}", self.path);
        let made =
            |path: &ChangedPath| path.path == place && path.action == Action::Added && path.copied_from.is_none();
        let beneath = format!("{}/", place.trim_end_matches('/'));
        entry.paths.iter().any(made) && !entry.paths.iter().any(|path| path.path.starts_with(&beneath))
    }

    /// The revision that the deployment was brought back from, if this entry brings back what was removed: it, or a
    /// directory above it, is a copy of what was at the same path.
    pub(super) fn before_it_came_back(&self, entry: &LogEntry) -> Option<u64> {
        let place = format!("/{}", self.path);
        let holds = |path: &str| place.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let back = entry.paths.iter().filter(|path| path.action == Action::Added && holds(&path.path));
        let mut from = back.filter_map(|path| {
            let (source, number) = path.copied_from.as_ref()?;
            (*source == path.path && *number < entry.revision).then_some(*number)
        });
        from.next()
    }

    /// What is said of a revision by its entry in the log.
    pub(super) fn statement(&self, entry: LogEntry, parent: Option<Revision>, root: Option<Digest>) -> Statement {
        let said = said(&entry).unwrap_or_default();
        Statement {
            revision: self.revision(entry.revision, entry.date),
            parent: parent.map(|parent| parent.record),
            root,
            author: said.author.or(entry.author).unwrap_or_else(|| "nobody".to_owned()),
            node: said.node,
            nonce: said.nonce,
            time: entry.date.unwrap_or(Timestamp::UNIX_EPOCH),
            message: entry.message.map(|message| message.trim_end_matches('\n').to_owned()).unwrap_or_default(),
            accepts: said.accepts,
            bytes: None,
        }
    }
}

/// Whether a publisher of ours has made the commit.
pub(super) fn is_ours(entry: &LogEntry) -> bool {
    said(entry).is_some()
}

fn said(entry: &LogEntry) -> Option<Said> {
    entry.properties.get(RECORD).and_then(|bytes| Said::read(bytes))
}

/// The root that a publisher of ours has written down, if the commit followed the one that it was made on: the revision
/// `before` it is another one where somebody has committed in the same moment, and Subversion has merged both.
pub(super) fn recorded_root(entry: &LogEntry, before: Option<u64>) -> Option<Digest> {
    let said = said(entry)?;
    said.root.filter(|_| said.base.is_none() || said.base == before)
}

/// What a publisher of ours says in a commit, beside what every commit says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) schema: u32,
    pub(super) author: Option<String>,
    pub(super) node: Option<NodeId>,
    pub(super) nonce: Option<String>,
    /// What was measured counts; this is compared with it.
    pub(super) root: Option<Digest>,
    /// The revision that it was made on.
    #[serde(default)]
    pub(super) base: Option<u64>,
    #[serde(default)]
    pub(super) accepts: Vec<Acceptance>,
}

impl Said {
    /// The longest that is read.
    const MOST: usize = 64 << 10;

    /// What the property says; nothing, if it is not ours.
    fn read(bytes: &[u8]) -> Option<Self> {
        let said: Self = serde_json::from_slice(bytes.get(..bytes.len().min(Self::MOST))?).ok()?;
        (said.schema == SCHEMA).then_some(said)
    }

    /// The property.
    pub(super) fn text(draft: &Draft, base: Option<u64>) -> Result<String> {
        let said = Self {
            schema: SCHEMA,
            author: Some(draft.author.clone()),
            node: Some(draft.node.clone()),
            nonce: Some(draft.nonce.clone()),
            root: Some(draft.root),
            base,
            accepts: draft.accepts.clone(),
        };
        Ok(String::from_utf8_lossy(&json(&said)?).into_owned())
    }
}

/// A measured tree, as it is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    schema: u32,
    record: Digest,
    root: Digest,
    notable: Vec<(RelPath, Properties)>,
    #[serde(default)]
    externals: bool,
    #[serde(default)]
    told: Option<u32>,
}

/// The tree of `revision`, if it was measured and its pages are still here.
pub(super) fn measured(ledger: &dyn Ledger, revision: Revision) -> Result<Option<Measured>> {
    let Some(bytes) = ledger.record(revision.number)? else { return Ok(None) };
    // What does not read is as good as none.
    let Some(found) = serde_json::from_slice(&bytes).ok().filter(|found: &Remembered| found.record == revision.record)
    else {
        return Ok(None);
    };
    if found.schema != SCHEMA || (found.root != empty_root() && !ledger.has(&found.root)?) {
        return Ok(None);
    }
    let notable = Arc::new(found.notable.into_iter().collect());
    Ok(Some(Measured { root: found.root, notable, externals: found.externals, told: found.told }))
}

/// Remembers the tree of `revision`, whose pages are in `pages`.
pub(super) fn remember(ledger: &dyn Ledger, revision: Revision, measured: &Measured, pages: &dyn Pages) -> Result<()> {
    ledger.remember_tree(&measured.root, pages)?;
    let notable = measured.notable.iter().map(|(path, properties)| (path.clone(), properties.clone())).collect();
    let Measured { root, externals, told, .. } = *measured;
    let remembered = Remembered { schema: SCHEMA, record: revision.record, root, notable, externals, told };
    ledger.remember_record(revision.number, &json(&remembered)?)
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "what is known of a tree cannot be written").because(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_brought_back_goes_on_where_it_was() {
        let place = Where { uuid: "u".to_owned(), path: "apps/shop".to_owned() };
        let before = |action: Action, path: &str, from: Option<(&str, u64)>| {
            let copied_from = from.map(|(path, number)| (path.to_owned(), number));
            let changed = ChangedPath {
                path: path.to_owned(),
                action,
                kind: None,
                copied_from,
                content_changed: false,
                properties_changed: false,
            };
            place.before_it_came_back(&LogEntry { revision: 7, paths: vec![changed], ..LogEntry::default() })
        };
        let added = |path: &str, from: Option<(&str, u64)>| before(Action::Added, path, from);
        assert_eq!(added("/apps/shop", Some(("/apps/shop", 4))), Some(4));
        assert_eq!(added("/apps", Some(("/apps", 4))), Some(4));
        // Something else is put there, or something else is brought back.
        assert_eq!(added("/apps/shop", Some(("/apps/other", 4))), None);
        assert_eq!(added("/apps/shop", None), None);
        assert_eq!(added("/app", Some(("/app", 4))), None);
        assert_eq!(added("/apps/shop/a", Some(("/apps/shop/a", 4))), None);
        assert_eq!(before(Action::Replaced, "/apps/shop", Some(("/apps/shop", 4))), None);
        assert_eq!(added("/apps/shop", Some(("/apps/shop", 7))), None);
    }
}
