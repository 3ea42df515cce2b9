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
        let path = path.display().to_string();
        let host = HOST.to_owned();
        let address = SshAddress { user: Some(self.user().to_owned()), host, port: Some(port), path };
        SshStorage::new(address, self.access().ssh).expect("a storage")
    }

    /// What the product must be told to get in.
    pub fn access(&self) -> Access {
        let (identity, known_hosts) = (Some(self.identity().to_owned()), Some(self.known_hosts()));
        Access { ssh: SshSettings { identity, known_hosts, ..SshSettings::default() } }
    }
}
