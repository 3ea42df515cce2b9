//! The system's `ssh` and `rsync`, told about a server and nothing else: no agent, no configuration of the user's.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::program;
use super::{HOST, Key, Sshd};

/// How somebody reaches a server.
#[derive(Clone, Debug)]
pub struct Client {
    user: String,
    port: u16,
    identity: PathBuf,
    known_hosts: PathBuf,
    others: Vec<String>,
}

impl Client {
    /// With the key that the server lets in from the start, and knowing the server.
    pub fn of(server: &Sshd) -> Self {
        Self {
            user: server.user().to_owned(),
            port: server.port(),
            identity: server.identity().to_owned(),
            known_hosts: server.known_hosts(),
            others: Vec::new(),
        }
    }

    /// The same at another port: a relay's.
    #[must_use]
    pub fn at(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The same with another key.
    #[must_use]
    pub fn with_key(mut self, key: &Key) -> Self {
        key.path().clone_into(&mut self.identity);
        self
    }

    /// The same with other knowledge of hosts.
    #[must_use]
    pub fn knowing(mut self, known_hosts: &Path) -> Self {
        known_hosts.clone_into(&mut self.known_hosts);
        self
    }

    /// The same with an option of `ssh_config`: `Name=value`.
    #[must_use]
    pub fn with(mut self, option: &str) -> Self {
        self.others.push(option.to_owned());
        self
    }

    /// `ssh` that runs `command` over there.
    pub fn ssh(&self, command: &str) -> Command {
        let mut ssh = Command::new(program("ssh", "openssh-client"));
        ssh.args(self.options()).arg(format!("{}@{HOST}", self.user)).arg(command);
        ssh
    }

    /// `rsync` through that `ssh`, with everything but its own arguments.
    pub fn rsync(&self) -> Command {
        let ssh = program("ssh", "openssh-client");
        let words = self.options().into_iter().map(|option| format!(" '{option}'"));
        let mut rsync = Command::new(program("rsync", "rsync"));
        rsync.arg("-e").arg(format!("{}{}", ssh.display(), words.collect::<String>()));
        rsync
    }

    /// How `rsync` calls a path over there.
    pub fn remote(&self, path: &Path) -> String {
        format!("{}@{HOST}:{}", self.user, path.display())
    }

    fn options(&self) -> Vec<String> {
        let mut options = ["-F", "none", "-p", &self.port.to_string(), "-i"].map(str::to_owned).to_vec();
        options.push(self.identity.display().to_string());
        let known = format!("UserKnownHostsFile={}", self.known_hosts.display());
        let own = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "GlobalKnownHostsFile=/dev/null",
            "ConnectTimeout=10",
            &known,
        ];
        for option in self.others.iter().map(String::as_str).chain(own) {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        options
    }
}
