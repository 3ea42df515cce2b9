//! Where the tenants lie, and how each is opened: over one connection to the hub.

use std::path::PathBuf;

use depsync_engine::context::Context;
use depsync_engine::engine::{Node, Options, Role};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::estate::Household;
use depsync_engine::name::DeploymentName;
use depsync_engine::path::RelPath;

use super::{MAIN, Tenancy};

/// See the module.
pub(crate) struct House {
    /// Who they are.
    pub(crate) tenancy: Tenancy,
    /// The options of all of them, without what is one's own.
    pub(crate) options: Options,
    /// Their hub.
    pub(crate) hub: depsync_transports::House,
}

impl Household for House {
    fn open(&self, cx: &Context, name: &DeploymentName) -> Result<Node> {
        let options = self.tenancy.options(&self.options, name);
        if options.role != Some(Role::ReadWrite) {
            self.tenancy.make_room(name)?;
        }
        Node::open(cx, options, |places, ledger| Ok(self.hub.hub(name, ledger, &places.state.join("svn"))?.transport()))
    }

    fn here(&self) -> Result<Vec<DeploymentName>> {
        let above = &self.tenancy.dir.above;
        let failed = |source| Error::io("list the tenants", above.display(), source);
        let mut names = Vec::new();
        match std::fs::read_dir(above) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            listing => {
                for entry in listing.map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    let name = entry.file_name().to_str().and_then(|part| self.tenancy.dir.name(part));
                    if let Some(name) = name.filter(|name| self.tenancy.place(name).is_dir()) {
                        names.push(name);
                    }
                }
            }
        }
        let apart = self.apart().into_iter().filter(|(_, directory)| directory.is_dir());
        names.extend(apart.map(|(name, _)| name));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn names(&self, name: &DeploymentName) -> Vec<String> {
        let domain = self.tenancy.domains.of(name).map(str::to_owned);
        std::iter::once(name.to_string()).chain(domain).collect()
    }

    fn grounds(&self) -> Option<PathBuf> {
        Some(self.tenancy.dir.above.clone())
    }

    fn apart(&self) -> Vec<(DeploymentName, PathBuf)> {
        let named = |directory| Some((MAIN.parse().ok()?, directory));
        self.tenancy.main.clone().and_then(named).into_iter().collect()
    }

    fn owner(&self, path: &RelPath) -> Option<(DeploymentName, Option<RelPath>)> {
        self.tenancy.dir.owner(path)
    }
}

/// What a command needs that was told no tenant.
pub(crate) fn unnamed() -> Error {
    Error::new(ErrorKind::Usage, "which tenant? There is one configuration for many")
        .hint("name it with --tenant; `depsync tenants` lists them, and `depsync run` keeps all of them in step")
}
