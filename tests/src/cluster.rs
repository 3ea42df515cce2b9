//! A cluster on one machine: nodes with real directories and real state over one hub directory.
//!
//! A [`Site`] owns a temporary place (on tmpfs where there is one); [`Site::node`] opens an engine node in it, as often
//! as a test likes: opening again is what the next process does. What changes as one ([`Site::name_unit`]) is written down
//! in the place, so that every process and every copy knows it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use depsync_engine::apply::Places;
use depsync_engine::context::{Clock, Context};
use depsync_engine::engine::{
    Node, Options, PublishOptions, PublishOutcome, Role, StatePlace, Stub, Stubs, UnitRule, UpdateOptions,
    UpdateOutcome,
};
use depsync_engine::error::Result;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Ledger, Transport};
use depsync_engine::tree::Entry;
use depsync_transports::{HubTransport, MountStorage};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::recording::Recording;

/// The file that names what changes as one.
const UNITS: &str = "units";
/// The file that names what is lazy, and with `!` before it what is eager.
const LAZY: &str = "lazy";
/// Where it is, what is not here has a sign that says so.
const SIGNS: &str = "signs";

/// `signs/NAME` for every file that is not here, with its path in it.
#[derive(Debug)]
struct Signs;

impl Stubs for Signs {
    fn of(&self, path: &RelPath, entry: &Entry) -> Option<Stub> {
        let place = [b"signs/", path.name()].concat();
        let stub = Stub { path: RelPath::new(place).ok()?, content: [path.as_bytes(), b" is not here"].concat() };
        (!entry.is_directory()).then_some(stub)
    }

    fn means(&self, content: &[u8], path: &RelPath) -> bool {
        content.starts_with(path.as_bytes())
    }
}

/// A place for a hub and nodes.
pub struct Site {
    top: Top,
    clock: Arc<TestClock>,
}

enum Top {
    /// Removed with the site.
    Own(TempDir),
    /// Somebody else's: a mount, or the site that a child process was sent to.
    Given(PathBuf),
}

/// A clock that runs with the system's, some time ahead.
#[derive(Debug, Default)]
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// A new, empty place.
    pub fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let top = if shm.is_dir() { TempDir::new_in(shm) } else { TempDir::new() };
        Self { top: Top::Own(top.expect("a temporary directory")), clock: Arc::default() }
    }

    /// The place `top`, which stays when the site is dropped.
    pub fn at(top: impl Into<PathBuf>) -> Self {
        Self { top: Top::Given(top.into()), clock: Arc::default() }
    }

    /// Another place with everything that is in this one: modes, links and modification times included.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_tree(self.path(), copy.path());
        copy
    }

    /// The place itself.
    pub fn path(&self) -> &Path {
        match &self.top {
            Top::Own(top) => top.path(),
            Top::Given(top) => top,
        }
    }

    /// The hub's directory; it need not exist.
    pub fn hub(&self) -> PathBuf {
        self.path().join("hub")
    }

    /// The directory of node `name`; with slashes in it, it lies deeper.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A context on this site's clock.
    pub fn context(&self) -> Context {
        Context::new().with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    /// Lets `seconds` pass for every node.
    pub fn pass(&self, seconds: u32) {
        self.clock.0.fetch_add(i64::from(seconds), Ordering::SeqCst);
    }

    /// The options of node `name`.
    pub fn options(&self, name: &str) -> Options {
        let id = name.rsplit('/').next().unwrap_or(name);
        let state = self.path().join("state");
        // The fallback is named after the whole path, which is another one in a copy of the site.
        let state = if id == name { StatePlace::BesideOr(state) } else { StatePlace::At(state.join(id)) };
        let mut options = Options::new(self.dir(name), self.hub().display().to_string(), state);
        options.node = Some(id.parse().expect("a node id"));
        options.author = "tester".to_owned();
        options.units = self.units();
        let lazy = std::fs::read_to_string(self.path().join(LAZY)).unwrap_or_default();
        let lines = lazy.lines().filter(|_| !name.starts_with('m'));
        let (eager, lazy): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('!'));
        options.lazy = lazy.into_iter().map(str::to_owned).collect();
        options.eager = eager.into_iter().map(|line| line[1..].to_owned()).collect();
        options.stubs = self.path().join(SIGNS).exists().then(|| Arc::new(Signs) as _);
        options
    }

    /// Lets `directory` of every node change as one; `carry` moves along.
    pub fn name_unit(&self, directory: &str, carry: &[&str]) {
        let line = [&[directory], carry].concat().join("\t");
        let known = std::fs::read_to_string(self.path().join(UNITS)).unwrap_or_default();
        std::fs::write(self.path().join(UNITS), format!("{known}{line}\n")).expect("a file");
    }

    /// Lets every node, but those whose name begins with `m`, fetch these on demand only; `!` before a pattern makes it eager.
    pub fn make_lazy(&self, patterns: &[&str]) {
        std::fs::write(self.path().join(LAZY), patterns.join("\n")).expect("a file");
    }

    /// Lets a sign stand for whatever is fetched on demand only and is not here.
    pub fn put_signs(&self) {
        std::fs::write(self.path().join(SIGNS), "").expect("a file");
    }

    fn units(&self) -> Vec<UnitRule> {
        let rule = |line: &str| {
            let mut words = line.split('\t').map(str::to_owned);
            UnitRule { directory: words.next().unwrap_or_default(), carry: words.collect(), keep: UnitRule::KEEP }
        };
        std::fs::read_to_string(self.path().join(UNITS)).unwrap_or_default().lines().map(rule).collect()
    }

    /// Opens node `name` as its next process would.
    pub fn node(&self, name: &str) -> Node {
        self.open(self.options(name))
    }

    /// Opens node `name` in a fixed role.
    pub fn node_as(&self, name: &str, role: Role) -> Node {
        self.open(Options { role: Some(role), ..self.options(name) })
    }

    /// Opens a node.
    pub fn open(&self, options: Options) -> Node {
        self.open_with(options, |transport| transport)
    }

    /// Opens node `name` under another context than this site's.
    pub fn node_under(&self, cx: &Context, name: &str) -> Result<Node> {
        self.try_open(cx, self.options(name), |transport| transport)
    }

    /// Opens a node whose transport is wrapped.
    pub fn open_with(&self, options: Options, wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>) -> Node {
        self.try_open(&self.context(), options, wrap).expect("the node opens")
    }

    /// Opens a node under `cx`, or fails.
    pub fn try_open(
        &self,
        cx: &Context,
        options: Options,
        wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) -> Result<Node> {
        let (hub, deployment) = (options.hub.clone(), options.deployment.clone());
        let connect = |places: &Places, ledger: Arc<dyn Ledger>| -> Result<Arc<dyn Transport>> {
            let room = places.state.join("svn");
            Ok(wrap(depsync_transports::open(&hub, &Default::default(), deployment, ledger, &room)?.transport()))
        };
        Node::open(cx, options, connect)
    }

    /// Opens node `name` as its next process would, with a list of what it asks of the hub's storage.
    pub fn recorded(&self, name: &str) -> (Node, Arc<Recording<MountStorage>>) {
        let options = self.options(name);
        let storage = MountStorage::new(self.hub(), false).expect("a storage");
        let recording = Arc::new(Recording::new(storage));
        let (storage, deployment) = (Arc::clone(&recording), options.deployment.clone());
        let connect = |_: &Places, ledger: Arc<dyn Ledger>| -> Result<Arc<dyn Transport>> {
            Ok(Arc::new(HubTransport::new(storage, deployment, ledger)))
        };
        (Node::open(&self.context(), options, connect).expect("the node opens"), recording)
    }

    /// Publishes from node `name`.
    pub fn publish(&self, name: &str) -> Result<PublishOutcome> {
        self.node(name).publish(&self.context(), &PublishOptions::default())
    }

    /// Updates node `name`.
    pub fn update(&self, name: &str) -> Result<UpdateOutcome> {
        self.node(name).update(&self.context(), &UpdateOptions::default())
    }
}

/// Copies what is in `from` into the existing directory `to`, as `cp -a` does.
pub fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg("--").arg(from.join(".")).arg(to).status().expect("cp runs");
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}
