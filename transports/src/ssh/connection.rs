//! One connection to the hub's host, which everything goes through.
//!
//! `ssh` is started as a ControlMaster, with a shell on the far side that reads requests; rsync uses the same
//! connection through the control socket. The user's own configuration, agent and keys apply. Host keys are always
//! checked, and nobody is asked for anything: what would need an answer is an error.
//!
//! The answers of one call come in the order of its requests. A call whose answers did not arrive whole leaves a
//! connection that nobody can use any more: it is dropped, and the next call makes a new one.

use std::path::PathBuf;
use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, Result};
use tempfile::TempDir;

use super::address::{SshAddress, SshSettings};
use super::failure;
use super::wire::{self, FarShell, Inbox, READY, Reply, Request};
use crate::child::{Program, Running};

/// How long connecting may take where the caller has no deadline of its own, in seconds.
const CONNECT: u64 = 30;
/// ssh's status when it has failed itself.
const FAILED: i32 = 255;
/// How often ssh asks whether the far side is alive, and how many answers may be missing, where nothing else is said.
const ALIVE: [&str; 2] = ["ServerAliveInterval=15", "ServerAliveCountMax=3"];

/// How to start ssh for a place.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) address: SshAddress,
    /// The place for people.
    pub(crate) shown: String,
    pub(crate) settings: SshSettings,
    pub(crate) far: FarShell,
}

impl Route {
    /// An ssh that others reach the host through, by the socket in `control`.
    pub(super) fn master(&self, cx: &Context, control: &TempDir) -> Program {
        let patience = cx.time_left().map_or(CONNECT, |left| left.as_secs().clamp(1, CONNECT));
        Program::new("ssh", "openssh-client")
            .args(self.options())
            .args(["-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-o"])
            .arg(format!("ControlPath={}", socket(control).display()))
            .args(["-o", &format!("ConnectTimeout={patience}")])
    }

    fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = ["-T", "-a", "-x"].map(str::to_owned).into();
        let fixed = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ClearAllForwardings=yes", "LogLevel=ERROR"];
        for option in fixed.into_iter().chain(ALIVE) {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        if let Some(port) = self.address.port.or(self.settings.port) {
            options.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(identity) = &self.settings.identity {
            options.extend([
                "-o".to_owned(),
                "IdentitiesOnly=yes".to_owned(),
                "-i".to_owned(),
                identity.display().to_string(),
            ]);
        }
        if let Some(known_hosts) = &self.settings.known_hosts {
            options.extend(["-o".to_owned(), format!("UserKnownHostsFile=\"{}\"", known_hosts.display())]);
        }
        if self.settings.compress {
            options.push("-C".to_owned());
        }
        options
    }
}

/// A directory for a control socket.
pub(super) fn control_directory() -> Result<TempDir> {
    let control = tempfile::Builder::new().prefix("depsync-").tempdir();
    control.map_err(|source| Error::io("make", "a directory for ssh's control socket", source))
}

/// Where a master listens.
pub(super) fn socket(control: &TempDir) -> PathBuf {
    control.path().join("ssh")
}

/// rsync's remote shell: through a master, and never past it.
pub(super) fn through(control: &TempDir) -> String {
    let socket = socket(control);
    format!("ssh -S {} -o ControlMaster=no -o ProxyCommand=false -o BatchMode=yes -T -x", socket.display())
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    ssh: Running,
    inbox: Inbox,
    shown: String,
    control: TempDir,
    host: String,
    root: String,
    trips: u64,
}

impl Connection {
    /// Connects. The far side's shell is ready when this returns.
    pub(crate) fn open(cx: &Context, route: &Route) -> Result<Self> {
        Self::try_open(cx, route)?
    }

    /// The same; what is wrong where the account lets us in and does not run a shell.
    pub(super) fn try_open(cx: &Context, route: &Route) -> Result<Result<Self>> {
        let shown = route.shown.clone();
        let control = control_directory()?;
        let host = route.address.rsync_host();
        let ssh = route.master(cx, &control).operand(route.address.destination()).operand(wire::START).start()?;
        ssh.tell(wire::greeting(&route.far)?);
        let root = route.address.path.clone();
        let mut connection = Self { ssh, inbox: Inbox::default(), shown, control, host, root, trips: 0 };
        while connection.inbox.line(READY).map_err(|error| error.op("connect").at(&connection.shown))?.is_none() {
            if let Err(error) = connection.receive(cx) {
                // ssh's own status is that of the far side's command; its own errors are another.
                let status = connection.ssh.status()?.and_then(|status| status.code());
                return if status.is_some_and(|status| status != FAILED) { Ok(Err(error)) } else { Err(error) };
            }
        }
        Ok(Ok(connection))
    }

    /// How rsync reaches the same connection: the program, and the host.
    pub(super) fn shell(&self) -> (String, String) {
        (through(&self.control), self.host.clone())
    }

    /// The hub's directory on the far side.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// How often something was sent and answered.
    pub(super) fn trips(&self) -> u64 {
        self.trips
    }

    /// Sends all `requests` at once and reads their answers.
    pub(crate) fn ask(&mut self, cx: &Context, requests: &[Request]) -> Result<Vec<Reply>> {
        let mut lines = Vec::new();
        let sent: Vec<_> = requests.iter().map(|request| wire::write(&mut lines, request)).collect::<Result<_>>()?;
        self.trips += 1;
        self.ssh.stderr().clear();
        self.ssh.tell(lines);
        let mut answers = Vec::with_capacity(sent.len());
        for sent in &sent {
            loop {
                if let Some(answer) = self.inbox.answer(sent)? {
                    answers.push(answer);
                    break;
                }
                self.receive(cx)?;
            }
        }
        Ok(answers)
    }

    fn receive(&mut self, cx: &Context) -> Result<()> {
        if let Some(bytes) = self.ssh.read(cx).map_err(|error| error.at(&self.shown))? {
            self.inbox.put(&bytes);
            return Ok(());
        }
        // What it said may still be on its way.
        let brief = cx.clone().with_deadline(std::time::Instant::now() + Duration::from_secs(1));
        let said = self.ssh.wait(&brief).map_or_else(|_| self.ssh.stderr().text(), |(_, said)| said);
        Err(failure::of_ssh(&said, &self.shown))
    }
}
