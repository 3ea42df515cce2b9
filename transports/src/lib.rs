//! The ways to carry revisions: mounted directories, and whatever else can hold a hub.
//!
//! Nothing here knows how a delta is computed. [`open`] reads an address and gives the transport for it.

pub mod endpoint;
pub mod hub;
pub mod mount;
pub mod storage;

use std::sync::Arc;

use depsync_engine::error::Result;
use depsync_engine::name::DeploymentName;
use depsync_engine::transport::Ledger;

pub use endpoint::Endpoint;
pub use hub::HubTransport;
pub use mount::MountStorage;
pub use storage::Storage;

/// Whether a process that uses the hub at `address` may be unable to end while the hub's server is gone, because a thread
/// of it waits in the kernel. Touches nothing that may hang.
pub fn may_hang(address: &str) -> bool {
    Endpoint::parse(address).is_ok_and(|Endpoint::Mount { path, network }| network || mount::lies_on_network(&path))
}

/// The transport for the deployment `deployment` of the hub at `address`. Touches nothing yet.
pub fn open(address: &str, deployment: DeploymentName, ledger: Arc<dyn Ledger>) -> Result<HubTransport<MountStorage>> {
    let Endpoint::Mount { path, network } = Endpoint::parse(address)?;
    Ok(HubTransport::new(MountStorage::new(path, network)?, deployment, ledger))
}
