//! A hub of each kind on this machine, and a line to it for each node.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use depsync_tests::dice::Dice;
use depsync_tests::sshd::{HOST, Line, Relay, Sshd, Way};
use depsync_tests::svn::{Repository, Svnserve, WRITER};
use depsync_transports::Endpoint;

use crate::model::{Link, Transport};

/// What serves it.
enum Server {
    None,
    /// Somebody else, at this address.
    Elsewhere(String),
    Sshd(Sshd),
    /// It ends before the repository goes.
    Svnserve(Svnserve, Repository),
}

/// See the module.
pub(super) struct LocalHub {
    server: Server,
    /// Where its bytes lie.
    place: PathBuf,
    /// The lines of all nodes, the manager's first.
    lines: Vec<Relay>,
}

impl LocalHub {
    /// A new, empty one beneath `place`, for so many nodes.
    pub(super) fn open(transport: Transport, place: &Path, nodes: usize) -> Result<Self> {
        let hub = place.join("hub");
        let (server, port) = match transport {
            Transport::Mount => {
                fs::create_dir(&hub)?;
                (Server::None, None)
            }
            Transport::Ssh => {
                fs::create_dir(&hub)?;
                let server = Sshd::start();
                let port = server.port();
                (Server::Sshd(server), Some(port))
            }
            Transport::Svn => {
                let repository = Repository::create_in(place);
                fs::write(place.join("password"), WRITER.password)?;
                let server = Svnserve::start(&repository);
                let port = server.port();
                (Server::Svnserve(server, repository), Some(port))
            }
        };
        let lines = port.map_or_else(Vec::new, |port| (0..nodes).map(|_| Relay::to(port)).collect());
        let place = match &server {
            Server::Svnserve(_, repository) => repository.path(),
            Server::None | Server::Elsewhere(_) | Server::Sshd(_) => hub,
        };
        Ok(Self { server, place, lines })
    }

    /// One that is there already, for a deployment that nobody has there. `access` is what configurations say of how it is
    /// reached.
    pub(super) fn elsewhere(address: &str, access: &str) -> Result<Self> {
        let drawn = Dice::new(
            u64::from(std::process::id())
                ^ u64::try_from(jiff::Timestamp::now().as_nanosecond() & i128::from(u32::MAX))?,
        )
        .roll();
        let deployment = format!("bench-{drawn:016x}");
        let hub = match transport_of(address)? {
            // A repository has a directory for each.
            Transport::Svn => format!("hub = '{address}/{deployment}'\n{access}\n"),
            Transport::Mount | Transport::Ssh => format!("hub = '{address}'\ndeployment = '{deployment}'\n{access}\n"),
        };
        let place = PathBuf::from(address.trim_start_matches("file://").trim_start_matches("nfs://"));
        Ok(Self { server: Server::Elsewhere(hub), place, lines: Vec::new() })
    }

    /// Whether it is a directory that stands for one on a mount.
    pub(super) fn is_stand_in(&self) -> bool {
        matches!(self.server, Server::None)
    }

    /// The configuration of the node with this number.
    pub(super) fn config(&self, node: usize) -> Result<String> {
        let mut text = String::new();
        let port = self.lines.get(node).map(Relay::port);
        match (&self.server, port) {
            (Server::Elsewhere(hub), _) => text.push_str(hub),
            (Server::Sshd(server), Some(port)) => {
                let (user, path) = (server.user(), self.place.display());
                writeln!(text, "hub = 'rsync+ssh://{user}@{HOST}:{port}{path}'")?;
                let (key, known) = (server.identity().display(), server.known_hosts());
                writeln!(text, "[ssh]\nidentity = '{key}'\nknown-hosts = '{}'", known.display())?;
            }
            (Server::Svnserve(server, repository), Some(port)) => {
                writeln!(text, "hub = '{}/main'", server.url_at(port))?;
                let password =
                    repository.path().parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("password");
                writeln!(text, "[svn]\nusername = '{}'\npassword-file = '{}'", WRITER.name, password.display())?;
            }
            _ => writeln!(text, "hub = '{}'", self.place.display())?,
        }
        Ok(text)
    }

    /// Makes all lines such ones. A directory has none: what such a line would cost is added by [`super::nfs`].
    pub(super) fn lay(&self, link: &Link, seed: u64) {
        for (number, relay) in self.lines.iter().enumerate() {
            relay.lay(line(link, seed.wrapping_mul(1000).wrapping_add(number as u64)));
        }
    }

    /// Bytes that have passed each line, both ways.
    pub(super) fn passed(&self) -> Vec<u64> {
        self.lines.iter().map(|relay| relay.passed(Way::Up) + relay.passed(Way::Down)).collect()
    }

    /// Processor seconds of the server.
    pub(super) fn spent(&self) -> f64 {
        match &self.server {
            Server::None | Server::Elsewhere(_) => 0.0,
            Server::Sshd(server) => server.spent_so_far(),
            Server::Svnserve(server, _) => server.spent_so_far(),
        }
    }

    /// The bytes of all its files.
    pub(super) fn size(&self) -> Result<u64> {
        size(&self.place)
    }
}

/// Which transport an address is of.
pub(super) fn transport_of(address: &str) -> Result<Transport> {
    Ok(match Endpoint::parse(address)? {
        Endpoint::Mount { .. } => Transport::Mount,
        Endpoint::Ssh(_) => Transport::Ssh,
        Endpoint::Svn(_) => Transport::Svn,
        _ => bail!("{address}: hubs of this kind cannot be measured yet"),
    })
}

/// The line that a link is.
pub(super) fn line(link: &Link, seed: u64) -> Line {
    Line { rtt: Duration::from_secs_f64(link.rtt_s), bandwidth: link.bandwidth, loss: link.loss, seed }
}

/// The bytes of all files there. What goes at any moment is nothing.
pub(super) fn size(place: &Path) -> Result<u64> {
    let mut sum = 0;
    let Ok(entries) = fs::read_dir(place) else { return Ok(0) };
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => sum += size(&entry.path())?,
            Ok(found) => sum += found.len(),
            Err(_) => {}
        }
    }
    Ok(sum)
}
