//! A hub and all its deployments, for one process that serves many of them: one connection, and one question for all.
//!
//! Behind a directory the storage is opened once, and every deployment's transport works over it: one ssh connection, whoever
//! asks. A Subversion repository has no connection that stays; its deployments are told apart by `{tenant}` in the
//! address.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::estate::Registry;
use depsync_engine::name::{DeploymentName, Revision};
use depsync_engine::transport::Ledger;

use crate::endpoint::Endpoint;
use crate::hub::{HubTransport, Marks};
use crate::mount::MountStorage;
use crate::ssh::SshStorage;
use crate::storage::Storage;
use crate::svn::{SvnAddress, SvnClient, SvnMarks, SvnTransport};
use crate::tally::{Counted, Tally};
use crate::{Access, Hub};

/// A repository, and how it is reached.
struct Repository {
    address: SvnAddress,
    access: Access,
    marks: SvnMarks,
}

/// See the module.
pub struct House {
    kind: Kind,
    tally: Tally,
}

enum Kind {
    Ours { storage: Arc<dyn Storage>, marks: Marks<Arc<dyn Storage>> },
    Svn(Box<Repository>),
}

impl House {
    /// The hub at `address`. Touches nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an address of a repository that has no single part for the deployment's name.
    pub fn new(address: &str, access: &Access) -> Result<Self> {
        let tally = Tally::default();
        let storage: Arc<dyn Storage> = match Endpoint::parse(address)? {
            Endpoint::Mount { path, network } => {
                Arc::new(Counted::new(MountStorage::new(path, network)?, tally.clone()))
            }
            Endpoint::Ssh(address) => {
                Arc::new(Counted::new(SshStorage::new(address, access.ssh.clone())?, tally.clone()))
            }
            Endpoint::Svn(address) => {
                let above = address.above_deployments().ok_or_else(|| {
                    Error::new(ErrorKind::Usage, "its path has no part that is told apart by the tenant")
                        .at(address.to_string())
                        .hint("put `{tenant}` in one part of the path, as in svn://host/repos/{tenant}")
                })?;
                let marks = SvnMarks::new(SvnClient::new(above.url.clone(), access.svn.clone())?, above);
                let repository = Repository { address, access: access.clone(), marks };
                return Ok(Self { kind: Kind::Svn(Box::new(repository)), tally });
            }
        };
        Ok(Self { kind: Kind::Ours { marks: Marks::new(Arc::clone(&storage)), storage }, tally })
    }

    /// The transport of one of its deployments; see [`crate::open`].
    pub fn hub(&self, deployment: &DeploymentName, ledger: Arc<dyn Ledger>, room: &Path) -> Result<Hub> {
        match &self.kind {
            Kind::Ours { storage, .. } => {
                let hub = HubTransport::new(Arc::clone(storage), deployment.clone(), ledger);
                Ok(Hub::Ours(Arc::new(hub), self.tally.clone()))
            }
            Kind::Svn(repository) => {
                let url = repository.address.url(deployment);
                let client = SvnClient::new(url, repository.access.svn.clone())?;
                Ok(Hub::Svn(Arc::new(SvnTransport::new(client, ledger, room.to_owned()))))
            }
        }
    }

    /// What it was asked for so far, for all of them; a repository's programs are not counted here.
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

impl Registry for House {
    fn marks(&self, cx: &Context) -> Result<Option<BTreeMap<DeploymentName, String>>> {
        match &self.kind {
            Kind::Ours { marks, .. } => marks.read(cx),
            Kind::Svn(repository) => repository.marks.read(cx),
        }
    }

    fn mark(&self, revision: Revision) -> String {
        match &self.kind {
            Kind::Ours { .. } => crate::hub::mark_of(revision),
            Kind::Svn(_) => revision.number.to_string(),
        }
    }

    fn mend(&self, cx: &Context, name: &DeploymentName, revision: Revision) -> Result<()> {
        match &self.kind {
            Kind::Ours { marks, .. } => marks.mend(cx, name, revision),
            Kind::Svn(_) => Ok(()),
        }
    }
}
