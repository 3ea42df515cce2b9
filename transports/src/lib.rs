//! The ways to carry revisions: mounted directories, and whatever else can hold a hub.
//!
//! Nothing here knows how a delta is computed. [`open`] reads an address and gives the transport for it.

mod awaited;
pub mod batch;
mod child;
pub mod endpoint;
pub mod hub;
pub mod mount;
pub mod nodes;
pub mod push;
pub mod ssh;
pub mod storage;

use std::sync::Arc;

use depsync_engine::error::Result;
use depsync_engine::name::DeploymentName;
use depsync_engine::transport::Ledger;

pub use endpoint::Endpoint;
pub use hub::HubTransport;
pub use mount::MountStorage;
pub use push::SshDestination;
pub use ssh::{SshAddress, SshSettings, SshStorage};
pub use storage::Storage;

/// Whether a process that uses the hub at `address` may be unable to end while the hub's server is gone, because a thread
/// of it waits in the kernel. Touches nothing that may hang.
pub fn may_hang(address: &str) -> bool {
    match Endpoint::parse(address) {
        Ok(Endpoint::Mount { path, network }) => network || mount::lies_on_network(&path),
        Ok(Endpoint::Ssh(_)) | Err(_) => false,
    }
}

/// How hubs are reached, beside what their addresses say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Hubs behind ssh.
    pub ssh: SshSettings,
}

/// The transport for the deployment `deployment` of the hub at `address`. Touches nothing yet.
pub fn open(
    address: &str,
    access: &Access,
    deployment: DeploymentName,
    ledger: Arc<dyn Ledger>,
) -> Result<HubTransport<Arc<dyn Storage>>> {
    let storage: Arc<dyn Storage> = match Endpoint::parse(address)? {
        Endpoint::Mount { path, network } => Arc::new(MountStorage::new(path, network)?),
        Endpoint::Ssh(address) => Arc::new(SshStorage::new(address, access.ssh.clone())?),
    };
    Ok(HubTransport::new(storage, deployment, ledger))
}
