//! A server as the product reaches it.

use std::path::Path;

use depsync_transports::{Access, SshAddress, SshSettings, SshStorage};

use super::{HOST, Sshd};

impl Sshd {
    /// The directory `path` behind this server, as the product reaches it.
    pub fn storage(&self, path: &Path) -> SshStorage {
        self.storage_through(path, self.port())
    }

    /// The same through whatever stands in front of it at `port`.
    pub fn storage_through(&self, path: &Path, port: u16) -> SshStorage {
        SshStorage::new(self.address(path, port), self.access().ssh).expect("a storage")
    }

    /// The same with other settings.
    pub fn storage_with(&self, path: &Path, settings: SshSettings) -> SshStorage {
        SshStorage::new(self.address(path, self.port()), settings).expect("a storage")
    }

    fn address(&self, path: &Path, port: u16) -> SshAddress {
        let (user, host) = (Some(self.user().to_owned()), HOST.to_owned());
        SshAddress { user, host, port: Some(port), path: path.display().to_string() }
    }

    /// The address of the directory `path`, for the program.
    pub fn url(&self, path: &Path, port: u16) -> String {
        self.address(path, port).to_string().replace(' ', "%20")
    }

    /// The part of a `depsync.toml` that lets the program in with the private key `identity`.
    pub fn config(&self, identity: &Path) -> String {
        format!("[ssh]\nidentity = {identity:?}\nknown-hosts = {:?}\n", self.known_hosts())
    }

    /// What the product must be told to get in.
    pub fn access(&self) -> Access {
        let (identity, known_hosts) = (Some(self.identity().to_owned()), Some(self.known_hosts()));
        Access { ssh: SshSettings { identity, known_hosts, ..SshSettings::default() }, ..Access::default() }
    }
}
