//! Apache with `mod_dav_svn` in front of a repository: `http://`, or `https://` with a certificate of its own.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::site::{self, Site};
use super::{Account, Certificate, HOST, NAME, Person, Repository};
use crate::debian::unpacked;
use crate::listener::Listener;
use crate::sshd::program;

/// A server on loopback, which ends when it is dropped.
pub struct Apache {
    certificate: Option<Certificate>,
    listener: Listener,
}

impl Apache {
    /// A server for `http://`.
    ///
    /// # Panics
    /// If it does not answer in time; with what it says.
    pub fn start(repository: &Repository) -> Self {
        Self::start_with(repository, None)
    }

    /// A server for `https://`, which shows this certificate.
    ///
    /// # Panics
    /// If it does not answer in time; with what it says.
    pub fn start_secure(repository: &Repository, certificate: Certificate) -> Self {
        Self::start_with(repository, Some(certificate))
    }

    fn start_with(repository: &Repository, certificate: Option<Certificate>) -> Self {
        let repository = repository.path();
        let prepare = |place: &Path, port| {
            site::write(place, &Site { port, repository: &repository, certificate: certificate.as_ref() });
            command(place)
        };
        let listener = Listener::start(prepare, answers);
        Self { certificate, listener }
    }

    /// Ends it and all its connections, as a machine that goes down.
    pub fn stop(&self) {
        self.listener.stop();
    }

    /// Starts a stopped server on the same port.
    ///
    /// # Panics
    /// If it does not answer in time, or the port is taken.
    pub fn start_again(&self) {
        self.listener.start_again(command(self.listener.place()), answers);
    }

    /// Cuts every connection: the processes that serve end, whatever they are doing. New ones are there within a
    /// second or two; whoever comes earlier waits.
    pub fn cut(&self) {
        self.listener.cut();
    }

    /// Seconds of processor time that it has taken, in hundredths.
    pub fn spent(&self) -> f64 {
        self.listener.spent()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// Its address through whatever stands in front of the server at `port`.
    pub fn url_at(&self, port: u16) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{HOST}:{port}/{NAME}")
    }

    /// Somebody who comes this way, and trusts the certificate if there is one.
    pub fn person(&self, account: Account) -> Person {
        let person = Person::at(&self.url()).having(account);
        match &self.certificate {
            Some(certificate) => person.trusting(&certificate.path()),
            None => person,
        }
    }

    /// The requests so far: account, method, path and status of each.
    pub fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.listener.place().join(site::REQUESTS)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What it complains about.
    pub fn log(&self) -> String {
        self.listener.log()
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If it is not so in time; with the log.
    pub fn wait_for(&self, is_so: impl Fn(&Self) -> bool, what: &str) {
        self.listener.wait_for(|| is_so(self), what);
    }
}

/// What starts the server in the foreground. It does not serve as root: where root runs the tests, it is nobody, who
/// may do with root's files what root may.
fn command(place: &Path) -> Command {
    let apache: PathBuf = unpacked("apache2-bin").join("usr/sbin/apache2");
    let mut command = Command::new(&apache);
    if rustix::process::geteuid().is_root() {
        command = Command::new(program("setpriv", "util-linux"));
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.args(["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]).arg(&apache);
    }
    command.arg("-f").arg(place.join(site::CONFIG)).arg("-DFOREGROUND").env("LC_ALL", "C.UTF-8");
    command
}

/// Whether it has said that it has the port, and takes connections there.
fn answers(listener: &Listener, _id: u32, said: &str) -> bool {
    said.contains("resuming normal operations") && TcpStream::connect((HOST, listener.port())).is_ok()
}
