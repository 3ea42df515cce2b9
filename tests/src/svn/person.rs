//! The system's `svn`, `svnmucc` and `svnrdump`, told about one repository and one account, and nothing else of the
//! machine's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Account, PACKAGE};
use crate::sshd::program;

/// Somebody who uses a repository at an address.
pub struct Person {
    config: TempDir,
    url: String,
    account: Option<Account>,
    authority: Option<PathBuf>,
}

impl Person {
    /// Somebody without an account, who goes to the address `url` of a repository.
    pub fn at(url: &str) -> Self {
        let config = tempfile::tempdir().expect("a temporary directory");
        Self { config, url: url.to_owned(), account: None, authority: None }
    }

    /// The same with an account.
    #[must_use]
    pub fn having(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// The same who trusts a certificate.
    #[must_use]
    pub fn trusting(mut self, certificate: &Path) -> Self {
        self.authority = Some(certificate.to_owned());
        self
    }

    /// The address of `path` in the repository, as `svnmucc` takes it. What a URL cannot hold is escaped.
    pub fn address(&self, path: &str) -> String {
        let mut url = self.url.clone();
        for byte in format!("/{path}").trim_end_matches('/').bytes() {
            if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url
    }

    /// The same as `svn` takes it: for it, what follows the last `@` is a revision.
    pub fn url(&self, path: &str) -> String {
        let address = self.address(path);
        if address.contains('@') { address + "@" } else { address }
    }

    /// `svn` with these arguments.
    pub fn svn(&self, arguments: &[&str]) -> Command {
        self.program("svn", arguments)
    }

    /// `svn`, `svnmucc` or `svnrdump` with these arguments.
    pub fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program(name, PACKAGE));
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command.args(arguments).args(["--non-interactive", "--no-auth-cache", "--config-dir"]).arg(self.config.path());
        if let Some(account) = self.account {
            command.args(["--username", account.name, "--password", account.password]);
        }
        if let Some(authority) = &self.authority {
            let option = format!("servers:global:ssl-authority-files={}", authority.display());
            command.args(["--config-option", &option]);
        }
        command
    }

    /// Runs `svn` with these arguments, and gives what it prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn does(&self, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&done(self.svn(arguments))).into_owned()
    }

    /// Commits a file without a working copy.
    ///
    /// # Panics
    /// If that fails.
    pub fn puts(&self, path: &str, content: &[u8]) {
        let file = self.config.path().join("content");
        std::fs::write(&file, content).expect("a file is written");
        let file = file.to_str().expect("temporary directories are UTF-8");
        done(self.program("svnmucc", &["-m", "put", "put", file, &self.address(path)]));
    }

    /// A working copy of all in the new directory `to`.
    ///
    /// # Panics
    /// If that fails.
    pub fn checkout(&self, to: &Path) {
        let to = to.to_str().expect("a path in UTF-8");
        self.does(&["checkout", "-q", &self.url(""), to]);
    }
}

/// Runs a program to its end, and gives what it prints.
pub(super) fn done(mut command: Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {error}", output.status);
    output.stdout
}
