//! The transports that are compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What carries revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A directory on a mount that all nodes share: NFS.
    Mount,
    /// A directory behind ssh.
    Ssh,
    /// A Subversion repository behind svnserve.
    Svn,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mount, Self::Ssh, Self::Svn];

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mount => "NFS mount",
            Self::Ssh => "rsync+ssh",
            Self::Svn => "svn",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
