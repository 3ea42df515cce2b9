//! Places to make a hub in, each with any number of clients and a way to tamper with what is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depsync_engine::name::DeploymentName;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Ledger, MemoryLedger};
use depsync_transports::{HubTransport, MountStorage, SshStorage, Storage};

use crate::faults::Faulty;
use crate::recording::Recording;
use crate::sshd::Sshd;
use crate::storage_memory::MemoryStorage;

/// A transport of the suite.
pub type Hub = HubTransport<Arc<dyn Storage>>;

/// A storage that records and can fail, around a client of a place.
pub type Probed = Recording<Arc<Faults>>;

/// The faulty storage inside it, where faults are set.
pub type Faults = Faulty<Arc<dyn Storage>>;

enum Kind {
    Memory(MemoryStorage),
    Mount(Arc<tempfile::TempDir>),
    Shared(Shared),
    Ssh(Arc<Behind>),
}

/// A directory, and the server that it is behind.
struct Behind {
    directory: tempfile::TempDir,
    /// Clients take turns: to connect takes a third of a second, and there are hundreds of them.
    clients: [Arc<SshStorage>; 2],
    next: AtomicUsize,
    _sshd: Sshd,
}

/// A directory that several mounts show.
#[derive(Clone)]
struct Shared {
    /// The directory above it, as each mount shows it.
    mounts: Vec<PathBuf>,
    /// The same where peeking and tampering happens.
    behind: PathBuf,
    name: String,
    /// Counts clients: each gets the next mount.
    next: Arc<AtomicUsize>,
}

impl Shared {
    fn at(&self, number: usize) -> PathBuf {
        self.mounts[number % self.mounts.len()].join(&self.name)
    }
}

impl Behind {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("tempdir");
        let sshd = Sshd::start();
        let clients = [(); 2].map(|()| Arc::new(sshd.storage(directory.path())));
        Self { directory, clients, next: AtomicUsize::default(), _sshd: sshd }
    }

    fn client(&self) -> Arc<SshStorage> {
        Arc::clone(&self.clients[self.next.fetch_add(1, Ordering::SeqCst) % self.clients.len()])
    }
}

/// How clients reach the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapper {
    /// As it is.
    Bare,
    /// Through [`Faulty`], without faults.
    Faulty,
    /// Through [`Recording`].
    Recording,
}

/// An empty place for a hub.
pub struct Place {
    kind: Kind,
    wrapper: Wrapper,
}

impl Place {
    /// In memory, and strict.
    pub fn memory(wrapper: Wrapper) -> Self {
        Self { kind: Kind::Memory(MemoryStorage::new()), wrapper }
    }

    /// In a temporary directory; in memory where there is a file system for that, since flushing is what takes time.
    pub fn mount(wrapper: Wrapper) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { kind: Kind::Mount(Arc::new(directory.expect("tempdir"))), wrapper }
    }

    /// The same place, for somebody else.
    pub fn same(&self) -> Self {
        let kind = match &self.kind {
            Kind::Memory(storage) => Kind::Memory(storage.clone()),
            Kind::Mount(directory) => Kind::Mount(Arc::clone(directory)),
            Kind::Shared(shared) => Kind::Shared(shared.clone()),
            Kind::Ssh(behind) => Kind::Ssh(Arc::clone(behind)),
        };
        Self { kind, wrapper: self.wrapper }
    }

    /// In a new directory of a share that is mounted several times: clients take the mounts in turn, so that two of
    /// them are on different ones. `behind` shows the same share: what is there is peeked at and tampered with there.
    pub fn shared(mounts: &[PathBuf], behind: &Path, wrapper: Wrapper) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("place-{}", MADE.fetch_add(1, Ordering::SeqCst));
        let (mounts, behind) = (mounts.to_vec(), behind.to_owned());
        let shared = Shared { mounts, behind, name, next: Arc::default() };
        std::fs::create_dir(shared.at(0)).expect("a directory on the share");
        Self { kind: Kind::Shared(shared), wrapper }
    }

    /// In a temporary directory behind a server of its own.
    pub fn ssh(wrapper: Wrapper) -> Self {
        Self { kind: Kind::Ssh(Arc::new(Behind::new())), wrapper }
    }

    /// Another place of the same kind.
    pub fn another(&self) -> Self {
        match &self.kind {
            Kind::Memory(_) => Self::memory(self.wrapper),
            Kind::Mount(_) => Self::mount(self.wrapper),
            Kind::Shared(shared) => Self::shared(&shared.mounts, &shared.behind, self.wrapper),
            Kind::Ssh(_) => Self::ssh(self.wrapper),
        }
    }

    /// Whether every call is a round trip, and another place takes a server of its own.
    pub fn is_far(&self) -> bool {
        matches!(self.kind, Kind::Ssh(_))
    }

    /// A client of the place that shares nothing with others but the place.
    pub fn client(&self) -> Arc<dyn Storage> {
        let bare: Arc<dyn Storage> = match &self.kind {
            Kind::Memory(storage) => Arc::new(storage.clone()),
            Kind::Mount(directory) => Arc::new(MountStorage::new(directory.path(), false).expect("storage")),
            Kind::Shared(shared) => {
                let mount = shared.at(shared.next.fetch_add(1, Ordering::SeqCst));
                Arc::new(MountStorage::new(mount, true).expect("storage"))
            }
            Kind::Ssh(behind) => behind.client(),
        };
        match self.wrapper {
            Wrapper::Bare => bare,
            Wrapper::Faulty => Arc::new(Faulty::new(bare)),
            Wrapper::Recording => Arc::new(Recording::new(bare)),
        }
    }

    /// A transport without memory.
    pub fn transport(&self, deployment: &str) -> Hub {
        self.transport_with(deployment, Arc::new(MemoryLedger::default()))
    }

    /// A transport over `ledger`.
    pub fn transport_with(&self, deployment: &str, ledger: Arc<dyn Ledger>) -> Hub {
        HubTransport::new(self.client(), name(deployment), ledger)
    }

    /// A transport whose storage is recorded and can fail.
    pub fn probed(&self, deployment: &str) -> (HubTransport<Arc<Probed>>, Arc<Faults>) {
        let faulty = Arc::new(Faulty::new(self.client()));
        let recording = Arc::new(Recording::new(Arc::clone(&faulty)));
        (HubTransport::new(recording, name(deployment), Arc::new(MemoryLedger::default())), faulty)
    }

    fn path(&self, name: &RelPath) -> Option<PathBuf> {
        match &self.kind {
            Kind::Memory(_) => None,
            Kind::Mount(directory) => Some(directory.path().join(name.as_path())),
            Kind::Shared(shared) => Some(shared.behind.join(&shared.name).join(name.as_path())),
            Kind::Ssh(behind) => Some(behind.directory.path().join(name.as_path())),
        }
    }

    /// Reads a file past the transport.
    pub fn peek(&self, name: &RelPath) -> Option<Vec<u8>> {
        match &self.kind {
            Kind::Memory(storage) => storage.peek(name),
            Kind::Mount(_) | Kind::Shared(_) | Kind::Ssh(_) => std::fs::read(self.path(name)?).ok(),
        }
    }

    /// Lets a file be `span` older than it is.
    pub fn age(&self, name: &RelPath, span: Duration) {
        match (&self.kind, self.path(name)) {
            (Kind::Memory(storage), _) => storage.age(name, span),
            (Kind::Mount(_) | Kind::Shared(_) | Kind::Ssh(_), path) => {
                let file = std::fs::File::open(path.expect("a mount has paths")).expect("open");
                let time = file.metadata().and_then(|found| found.modified()).expect("a time");
                file.set_modified(time - span).expect("a time");
            }
        }
    }

    /// Writes or removes a file past the transport.
    pub fn tamper(&self, name: &RelPath, bytes: Option<Vec<u8>>) {
        match (&self.kind, self.path(name), bytes) {
            (Kind::Memory(storage), _, bytes) => storage.tamper(name, bytes),
            (_, Some(path), Some(bytes)) => std::fs::write(path, bytes).expect("write"),
            (_, path, None) => std::fs::remove_file(path.expect("a mount has paths")).expect("remove"),
            (_, None, _) => unreachable!("a mount has paths"),
        }
    }
}

fn name(deployment: &str) -> DeploymentName {
    deployment.parse().expect("a deployment name")
}
