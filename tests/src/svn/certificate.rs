//! A certificate that nobody has signed but itself.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::HOST;
use super::person::done;
use crate::sshd::program;

/// A certificate with its key.
pub struct Certificate(TempDir);

impl Certificate {
    /// One for this machine.
    pub fn ours() -> Self {
        // Some clients compare an address only with addresses, some only with names: `svn` is of the latter.
        Self::make(HOST, &format!("IP:{HOST},DNS:{HOST}"))
    }

    /// One for the machine `host`.
    pub fn of(host: &str) -> Self {
        Self::make(host, &format!("DNS:{host}"))
    }

    /// One for this machine that is no authority: some clients take those for servers only.
    pub fn of_server() -> Self {
        Self::with("localhost", &["subjectAltName=DNS:localhost", "basicConstraints=critical,CA:FALSE"])
    }

    fn make(host: &str, names: &str) -> Self {
        Self::with(host, &[&format!("subjectAltName={names}")])
    }

    fn with(host: &str, extensions: &[&str]) -> Self {
        let certificate = Self(tempfile::tempdir().expect("a temporary directory"));
        let mut command = Command::new(program("openssl", "openssl"));
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]);
        command.args(["-days", "30", "-subj", &format!("/CN={host}")]);
        command.args(extensions.iter().flat_map(|extension| ["-addext", extension]));
        command.arg("-keyout").arg(certificate.key()).arg("-out").arg(certificate.path());
        done(command);
        certificate
    }

    /// Itself, for those who are to trust it.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}
