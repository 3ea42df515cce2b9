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

/// The transport for the deployment `deployment` of the hub at `address`. Touches nothing yet.
pub fn open(address: &str, deployment: DeploymentName, ledger: Arc<dyn Ledger>) -> Result<HubTransport<MountStorage>> {
    let Endpoint::Mount { path, network } = Endpoint::parse(address)?;
    Ok(HubTransport::new(MountStorage::new(path, network)?, deployment, ledger))
}
