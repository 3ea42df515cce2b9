//! The ways to carry revisions: mounted directories, and whatever else can hold a hub.
//!
//! Nothing here knows how a delta is computed. [`open`] reads an address and gives the transport for it.

mod awaited;
pub mod batch;
pub mod certificate;
pub mod channel;
mod child;
pub mod endpoint;
pub mod healthz;
pub mod hooks;
pub mod house;
pub mod hub;
pub mod mount;
pub mod nodes;
pub mod programs;
pub mod push;
pub mod ssh;
pub mod storage;
pub mod svn;
mod tally;

use std::path::Path;
use std::sync::Arc;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;
use depsync_engine::transport::{Ledger, Transport};
use jiff::Timestamp;

use self::tally::Counted;

pub use endpoint::Endpoint;
pub use hooks::HookPrograms;
pub use house::House;
pub use hub::{Collected, HubTransport, Retention};
pub use mount::MountStorage;
pub use push::SshDestination;
pub use ssh::{SshAddress, SshSettings, SshStorage};
pub use storage::Storage;
pub use svn::{SvnAddress, SvnClient, SvnSettings, SvnTransport};
pub use tally::Tally;

/// Whether a process that uses the hub at `address` may be unable to end while the hub's server is gone, because a thread
/// of it waits in the kernel. Touches nothing that may hang.
pub fn may_hang(address: &str) -> bool {
    match Endpoint::parse(address) {
        Ok(Endpoint::Mount { path, network }) => network || mount::lies_on_network(&path),
        Ok(Endpoint::Ssh(_) | Endpoint::Svn(_)) | Err(_) => false,
    }
}

/// How hubs are reached, beside what their addresses say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Hubs behind ssh.
    pub ssh: SshSettings,
    /// Hubs in Subversion repositories.
    pub svn: SvnSettings,
}

/// A hub, of either kind.
#[derive(Clone)]
pub enum Hub {
    /// A directory of ours, and what it was asked for.
    Ours(Arc<HubTransport<Arc<dyn Storage>>>, Tally),
    /// A directory in a Subversion repository.
    Svn(Arc<SvnTransport>),
}

impl Hub {
    /// The transport.
    pub fn transport(&self) -> Arc<dyn Transport> {
        match self {
            Self::Ours(hub, _) => Arc::clone(hub) as _,
            Self::Svn(hub) => Arc::clone(hub) as _,
        }
    }

    /// What it was asked for so far.
    pub fn tally(&self) -> Tally {
        match self {
            Self::Ours(_, tally) => tally.clone(),
            Self::Svn(hub) => hub.tally(),
        }
    }

    /// What the hub's own clock says, where it can be told: by something that is written there for a moment. A repository's
    /// cannot.
    pub fn clock(&self, cx: &Context) -> Result<Option<Timestamp>> {
        match self {
            Self::Ours(hub, _) => Ok(hub.storage().probe(cx)?.now),
            Self::Svn(_) => Ok(None),
        }
    }

    /// Collects garbage. A repository keeps its history: there it is [`ErrorKind::Unsupported`].
    pub fn gc(&self, cx: &Context, retention: &Retention) -> Result<Collected> {
        match self {
            Self::Ours(hub, _) => hub.gc(cx, retention),
            Self::Svn(hub) => {
                Err(Error::new(ErrorKind::Unsupported, "a Subversion repository keeps all its revisions")
                    .op("collect garbage")
                    .at(hub.endpoint())
                    .hint("its administrator can thin it out with `svnadmin`"))
            }
        }
    }

    /// The features of a new hub that this one lacks. A repository has none: it holds the files themselves, as Subversion
    /// stores them.
    pub fn lacks(&self, cx: &Context) -> Result<Vec<String>> {
        match self {
            Self::Ours(hub, _) => hub.lacks(cx),
            Self::Svn(_) => Ok(Vec::new()),
        }
    }

    /// Gives the hub what it [lacks](Self::lacks), for ever, and names it.
    pub fn upgrade(&self, cx: &Context) -> Result<Vec<String>> {
        match self {
            Self::Ours(hub, _) => hub.upgrade(cx),
            Self::Svn(_) => Ok(Vec::new()),
        }
    }
}

/// The transport for the deployment `deployment` of the hub at `address`. Touches nothing yet. `room` is a directory for
/// what is on its way; it need not exist, and belongs to this transport alone.
pub fn open(
    address: &str,
    access: &Access,
    deployment: DeploymentName,
    ledger: Arc<dyn Ledger>,
    room: &Path,
) -> Result<Hub> {
    let tally = Tally::default();
    let storage: Arc<dyn Storage> = match Endpoint::parse(address)? {
        Endpoint::Mount { path, network } => Arc::new(Counted::new(MountStorage::new(path, network)?, tally.clone())),
        Endpoint::Ssh(address) => Arc::new(Counted::new(SshStorage::new(address, access.ssh.clone())?, tally.clone())),
        Endpoint::Svn(address) => {
            let client = SvnClient::new(address.url(&deployment), access.svn.clone())?;
            return Ok(Hub::Svn(Arc::new(SvnTransport::new(client, ledger, room.to_owned()))));
        }
    };
    Ok(Hub::Ours(Arc::new(HubTransport::new(storage, deployment, ledger)), tally))
}
