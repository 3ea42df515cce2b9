//! What the caller says: who this node is, where its things are, what a command is to do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::hooks::Hooks;
use super::stubs::Stubs;
use crate::apply::{UnitRule, Wishes};
use crate::content::Effort;
use crate::name::{DeploymentName, NodeId};
use crate::path::RelPath;
use crate::scan::Part;

/// Whether a node may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A manager: local changes are three-way business.
    ReadWrite,
    /// A worker: local changes of tracked paths are drift.
    ReadOnly,
}

/// Where a deployment's state lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// In `.NAME.depsync/` beside the directory; where no sibling can be, beneath the given directory.
    BesideOr(PathBuf),
    /// Exactly here.
    At(PathBuf),
}

/// How a node is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The deployment directory.
    pub dir: PathBuf,
    /// The hub's address as the operator wrote it; remembered for messages. Which hub it is, its id tells.
    pub hub: String,
    /// The deployment in the hub.
    pub deployment: DeploymentName,
    /// Where the state lies.
    pub state: StatePlace,
    /// Where files are staged and kept aside, if not in the state's directory. It must be on the directory's file system.
    pub staging: Option<PathBuf>,
    /// Whether the state must be there already: true for commands that only look, so that a mistyped path leaves no
    /// trace.
    pub must_exist: bool,
    /// The role, if the configuration fixes it. Otherwise the first `publish` makes a manager of a node.
    pub role: Option<Role>,
    /// The node's id; otherwise `<hostname>-<8 hex>`, made with the state.
    pub node: Option<NodeId>,
    /// Who publishes, for the record.
    pub author: String,
    /// Patterns in gitignore syntax, beside the default list and the directory's `.depsyncignore`.
    pub ignore: Vec<String>,
    /// Extensions of archives, without dot: what is held back while it has no valid end.
    pub archives: Vec<String>,
    /// How long to wait for another process that works on this deployment.
    pub lock_wait: Duration,
    /// How long and how much to keep in the recovery area.
    pub recovery: RecoveryBounds,
    /// How much is done to make small what is published.
    pub effort: Effort,
    /// What is run around updates.
    pub hooks: Option<Arc<dyn Hooks>>,
    /// Directories that change as one.
    pub units: Vec<UnitRule>,
    /// Directories that are left out where an archive of the same name lies beside, unless this is a worker: patterns in
    /// gitignore syntax.
    pub exploded: Vec<String>,
    /// What is fetched on demand only: patterns in gitignore syntax.
    pub lazy: Vec<String>,
    /// What of that is fetched at once all the same.
    pub eager: Vec<String>,
    /// The form of files that stand for what is not here; none: there are none.
    pub stubs: Option<Arc<dyn Stubs>>,
}

impl Options {
    /// The options of a node that keeps `dir` in sync with `hub`, everything else by default.
    pub fn new(dir: impl Into<PathBuf>, hub: impl Into<String>, state: StatePlace) -> Self {
        Self {
            dir: dir.into(),
            hub: hub.into(),
            deployment: DeploymentName::default(),
            state,
            staging: None,
            must_exist: false,
            role: None,
            node: None,
            author: String::new(),
            ignore: Vec::new(),
            archives: ["war", "car", "jar", "aar", "ear", "zip"].map(str::to_owned).to_vec(),
            lock_wait: Duration::from_secs(10),
            recovery: RecoveryBounds::default(),
            effort: Effort::default(),
            hooks: None,
            units: Vec::new(),
            exploded: Vec::new(),
            lazy: Vec::new(),
            eager: Vec::new(),
            stubs: None,
        }
    }

    /// What is said about places.
    pub fn wishes(&self) -> Wishes<'_> {
        let (state, fallback) = match &self.state {
            StatePlace::At(state) => (Some(state.as_path()), Path::new("")),
            StatePlace::BesideOr(fallback) => (None, fallback.as_path()),
        };
        Wishes { state, fallback, staging: self.staging.as_deref(), must_exist: self.must_exist }
    }
}

/// What the recovery area may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryBounds {
    /// Older files are removed.
    pub age: Duration,
    /// Beyond this many bytes the oldest are removed.
    pub bytes: u64,
}

impl Default for RecoveryBounds {
    fn default() -> Self {
        Self { age: Duration::from_secs(30 * 24 * 3600), bytes: 1 << 30 }
    }
}

/// What a publish may make that is not there yet: what is here, or the place that is taken for the hub, may be a mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Founding {
    /// The hub, and the first revision in it.
    #[default]
    Hub,
    /// The first revision of the deployment, in a hub that is there.
    Deployment,
    /// Nothing: a directory with something in it is refused where the hub has no revision.
    Nothing,
}

/// What `publish` is to do.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Why, for people.
    pub message: String,
    /// Say what would be published, change nothing.
    pub dry_run: bool,
    /// Go on although fewer than half of the entries remain; written into the record.
    pub allow_mass_delete: bool,
    /// Publish files that look half-copied, too.
    pub no_hold: bool,
    /// What may be made that is not there yet.
    pub founds: Founding,
    /// Tracked paths that are ignored now and are to leave the deployment.
    pub forget: Vec<RelPath>,
    /// What is looked at on the disk.
    pub scope: Scope,
    /// How much is done to make small what is sent, if not as [`Options::effort`] says.
    pub effort: Option<Effort>,
}

/// What of the directory is looked at. All else counts as the last look found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    #[default]
    Whole,
    /// What may have changed since the last look of whoever says so, and whatever the command itself wants to change.
    /// Where that look was of another directory, or nothing is remembered of it, it is everything after all.
    Part(Part),
}

/// What an update does with drift: tracked paths of a worker that somebody has changed, and the hub has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Heal {
    /// It brings them back, and keeps aside what was there.
    #[default]
    All,
    /// It brings back all but these.
    AllBut(BTreeSet<RelPath>),
    /// It brings back these.
    Only(BTreeSet<RelPath>),
    /// It leaves them, and says so.
    Nothing,
}

impl Heal {
    /// Whether this path is brought back.
    pub fn heals(&self, path: &RelPath) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(others) => !others.contains(path),
            Self::Only(these) => these.contains(path),
            Self::Nothing => false,
        }
    }
}

/// What `update` is to do.
#[derive(Clone, Debug, Default)]
pub struct UpdateOptions {
    /// Go to this revision and stay there.
    pub to: Option<u64>,
    /// Follow the head again.
    pub unpin: bool,
    /// Try a revision again that this node holds.
    pub retry: bool,
    /// Say what would be done, change nothing.
    pub dry_run: bool,
    /// Remove untracked entries too (kept aside).
    pub prune: bool,
    /// Go on although fewer than half of the entries remain.
    pub allow_mass_delete: bool,
    /// What is looked at on the disk.
    pub scope: Scope,
    /// Which drift is brought back.
    pub heal: Heal,
}

/// Which side of a conflict wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is on this disk: the next `publish` publishes it.
    Mine,
    /// What the hub has: the next `update` brings it, and mine is kept aside.
    Theirs,
}

/// One side of a `diff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffSide {
    /// The directory as it is now.
    Disk,
    /// What this node last agreed on with the hub.
    Agreement,
    /// The newest revision.
    Head,
    /// A revision by number.
    Revision(u64),
}
