//! A repository, the server that it is reached through, and what counts before it.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use depsync_tests::sshd::{Relay, Way};
use depsync_tests::svn::{Apache, Repository, Svnserve};
use serde::Serialize;

use crate::kit::written::Snapshot;

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// `file://`, without a server
    File,
    /// `svn://`: svnserve, with a password
    Svn,
    /// `http://`: Apache with mod_dav_svn, with a password
    Http,
}

impl Access {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Svn => "svn",
            Self::Http => "http",
        }
    }
}

/// The server; it ends before the repository goes.
enum Server {
    None,
    Svnserve(Svnserve, Relay),
    Apache(Apache, Relay),
}

/// A repository behind a server.
pub(crate) struct Shelf {
    server: Server,
    pub(crate) repository: Repository,
}

impl Shelf {
    /// A new one, whose repository lies in `place`.
    pub(crate) fn open(access: Access, place: &Path) -> Result<Self> {
        // A server that is nobody's comes to it.
        let repository = Repository::create_in(place);
        let server = match access {
            Access::File => Server::None,
            Access::Svn => {
                let server = Svnserve::start(&repository);
                let relay = Relay::to(server.port());
                Server::Svnserve(server, relay)
            }
            Access::Http => {
                let server = Apache::start(&repository);
                let relay = Relay::to(server.port());
                Server::Apache(server, relay)
            }
        };
        Ok(Self { server, repository })
    }

    /// The address that `svn` is given.
    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::None => self.repository.url(),
            Server::Svnserve(server, relay) => server.url_at(relay.port()),
            Server::Apache(server, relay) => server.url_at(relay.port()),
        }
    }

    /// The address that depsync is given.
    pub(crate) fn address(&self) -> String {
        let url = self.url();
        if url.starts_with("svn://") { url } else { format!("svn+{url}") }
    }

    /// Processor seconds of the server, and bytes to it and from it.
    pub(crate) fn passed(&self) -> (f64, u64, u64) {
        let (spent, relay) = match &self.server {
            Server::None => return (0.0, 0, 0),
            Server::Svnserve(server, relay) => (server.spent(), relay),
            Server::Apache(server, relay) => (server.spent(), relay),
        };
        (spent, relay.passed(Way::Up), relay.passed(Way::Down))
    }

    /// Bytes of all files of the repository.
    pub(crate) fn size(&self) -> Result<u64> {
        Ok(Snapshot::of(&self.repository.path())?.size())
    }
}
