//! `svnserve` in front of a repository: `svn://`, with passwords.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Account, HOST, NAME, PACKAGE, Person, Repository};
use crate::listener::{self, Listener};
use crate::sshd::{program, session};

/// A server on loopback, which ends with all its connections when it is dropped. It starts a process for each of them.
pub struct Svnserve {
    root: PathBuf,
    listener: Listener,
}

impl Svnserve {
    /// A server that answers.
    ///
    /// # Panics
    /// If it does not in time; with what it says.
    pub fn start(repository: &Repository) -> Self {
        let root = repository.path().parent().expect("a directory around it").to_owned();
        let listener = Listener::start(|place, port| command(&root, place, port), answers);
        let server = Self { root, listener };
        server.let_go();
        server
    }

    /// Ends listener and connections, as a machine that goes down.
    pub fn stop(&self) {
        self.listener.stop();
    }

    /// Starts a stopped server on the same port.
    ///
    /// # Panics
    /// If it does not answer in time, or the port is taken.
    pub fn start_again(&self) {
        self.listener.start_again(command(&self.root, self.listener.place(), self.port()), answers);
        self.let_go();
    }

    /// Cuts every connection. The listener stays.
    pub fn cut(&self) {
        self.listener.cut();
    }

    /// How many connections there are now.
    pub fn connections(&self) -> usize {
        self.listener.children()
    }

    /// Seconds of processor time that it has taken for connections, which have ended, in hundredths.
    pub fn spent(&self) -> f64 {
        self.let_go();
        self.listener.spent()
    }

    /// The same with what runs.
    pub fn spent_so_far(&self) -> f64 {
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
        format!("svn://{HOST}:{port}/{NAME}")
    }

    /// Somebody who comes this way.
    pub fn person(&self, account: Account) -> Person {
        Person::at(&self.url()).having(account)
    }

    /// What clients have done: a line each time somebody opens the repository, and for every request that reads or
    /// commits.
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

    /// Waits until nobody is served: the question whether it answers is over too.
    fn let_go(&self) {
        self.wait_for(|server| server.connections() == 0, "the last connection ends");
    }
}

fn command(root: &Path, place: &Path, port: u16) -> Command {
    let mut command = Command::new(program("svnserve", PACKAGE));
    command.args(["--daemon", "--foreground", "--listen-host", HOST, "--listen-port", &port.to_string(), "--root"]);
    command.arg(root).arg("--log-file").arg(listener::log(place));
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// Whether the process `id` greets whoever comes to its port. Somebody else's greeting does not count: it starts a
/// process for the connection.
fn answers(listener: &Listener, id: u32, _said: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect((HOST, listener.port())) else { return false };
    let mut start = [0; 9];
    let greets = stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok() && stream.read_exact(&mut start).is_ok();
    greets && start == *b"( success" && session::connections(id) > 0
}
