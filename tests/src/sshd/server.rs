//! A server: started, stopped and cut; whom it lets in, and what it has seen.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::settings::{self, AUTHORIZED, COMPLAINTS, HOST_KEY, LOG, Manner};
use super::{HOST, Key, session};
use crate::processes;

/// How long starting and ending may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on loopback, which ends with all its sessions when it is dropped.
pub struct Sshd {
    place: TempDir,
    user: String,
    port: u16,
    host: Key,
    key: Key,
    recording: bool,
    listener: Mutex<Option<Child>>,
}

impl Sshd {
    /// A server that answers.
    pub fn start() -> Self {
        Self::start_with(&Manner::default())
    }

    /// One that writes down the commands that clients ask for.
    pub fn start_logging() -> Self {
        Self::start_with(&Manner { recording: true, ..Manner::default() })
    }

    /// One whose sessions have this `PATH`.
    pub fn with_path(path: &str) -> Self {
        Self::start_with(&Manner { path: Some(path.to_owned()), ..Manner::default() })
    }

    /// A server in this manner.
    ///
    /// # Panics
    /// If it does not answer in time; with its log.
    pub fn start_with(manner: &Manner) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        let key = Key::make(place.path().join("key"));
        let host = Key::make(place.path().join(HOST_KEY));
        let listener = Mutex::new(None);
        let mut server =
            Self { place, user: settings::user(), port: 0, host, key, recording: manner.recording, listener };
        server.authorize(&server.key, "");
        server.trust();
        for _ in 0..10 {
            server.port = free_port();
            settings::write(server.place.path(), server.port, manner);
            if server.launch() {
                return server;
            }
        }
        panic!("no port is free for long enough: {}", server.log());
    }

    /// Starts the listener. Says no if somebody else has the port.
    fn launch(&self) -> bool {
        let logged = self.log().len();
        let complaints = File::create(self.file(COMPLAINTS)).expect("a file");
        let mut command = settings::command(self.place.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        let mut child = command.spawn().expect("sshd starts");
        let begun = Instant::now();
        let listening = format!("Server listening on {HOST} port {}.", self.port);
        loop {
            let log = self.log().split_off(logged);
            // Asked for both, for it might be somebody else who answers.
            if log.contains(&listening) && answers(self.port) {
                break;
            }
            let ended = child.try_wait().expect("a child");
            if ended.is_some() && log.contains("Address already in use") {
                return false;
            }
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let _ = child.kill().and_then(|()| child.wait());
                let complaints = std::fs::read_to_string(self.file(COMPLAINTS)).unwrap_or_default();
                panic!("sshd does not answer ({ended:?}): {complaints}{log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        *self.child() = Some(child);
        // Let go of the question whether it answers.
        self.wait_for(|server| server.sessions() == 0, "the first connection ends");
        true
    }

    /// Ends listener and sessions, as a machine that goes down.
    pub fn stop(&self) {
        if let Some(mut child) = self.child().take() {
            session::freeze(child.id());
            session::end(child.id(), self.place.path());
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a stopped server on the same port with the same host key.
    ///
    /// # Panics
    /// If it does not answer in time, or the port is taken.
    pub fn start_again(&self) {
        assert!(self.child().is_none(), "the server was stopped");
        assert!(self.launch(), "the port is still free: {}", self.log());
    }

    /// Starts it again with another host key. `known_hosts` stays as it is: [`Self::trust`] brings it up to date.
    pub fn change_host_key(&self) {
        self.stop();
        self.host.replace();
        self.start_again();
    }

    /// Cuts every connection: ends all processes of all sessions. The listener stays.
    pub fn cut(&self) {
        if let Some(child) = &*self.child() {
            session::freeze(child.id());
            session::end(child.id(), self.place.path());
            session::thaw(child.id());
        }
    }

    /// How many connections there are now, logged in or not.
    pub fn sessions(&self) -> usize {
        self.child().as_ref().map_or(0, |child| session::connections(child.id()))
    }

    /// Seconds of processor time of all sessions that have ended, in hundredths.
    pub fn spent(&self) -> f64 {
        self.wait_for(|server| server.sessions() == 0, "all sessions end");
        self.child().as_ref().map_or(0.0, |child| processes::spent_by_children(child.id()))
    }

    /// Seconds of processor time of the server and of all sessions, ended or not, in hundredths for each.
    pub fn spent_so_far(&self) -> f64 {
        self.child().as_ref().map_or(0.0, |child| processes::spent(child.id()))
    }

    /// How many connections have logged in so far.
    pub fn accepted(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("Accepted publickey for ")).count()
    }

    /// The commands that clients have asked for so far, in order.
    ///
    /// # Panics
    /// If the server does not write them down: [`Self::start_logging`].
    pub fn commands(&self) -> Vec<String> {
        assert!(self.recording, "this server does not write commands down");
        let text = std::fs::read(self.commands_file()).unwrap_or_default();
        let commands = text.split_inclusive(|byte| *byte == 0);
        commands.map(|text| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()).collect()
    }

    /// What it says.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file(LOG)).unwrap_or_default()).into_owned()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whom it lets in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The private key of somebody whom it lets in without restrictions.
    pub fn identity(&self) -> &Path {
        self.key.path()
    }

    /// A `known_hosts` that knows this server, whatever the port: relays in front of it too.
    pub fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// Its public host key: type and key.
    pub fn host_key(&self) -> String {
        self.host.public()
    }

    /// Writes `known_hosts` for the host key that it has now.
    pub fn trust(&self) {
        std::fs::write(self.known_hosts(), format!("[{HOST}]:* {}\n", self.host_key())).expect("known_hosts");
    }

    /// A key that it does not let in.
    pub fn new_key(&self) -> Key {
        let taken = std::fs::read_dir(self.place.path()).expect("a directory").count();
        Key::make(self.file(&format!("key-{taken}")))
    }

    /// Lets a key in with options of `authorized_keys`, such as `command="rrsync -ro /dir",restrict`.
    pub fn authorize(&self, key: &Key, options: &str) {
        let record = self.recording.then(|| self.commands_file());
        let mut file = OpenOptions::new().append(true).create(true).open(self.file(AUTHORIZED)).expect("a file");
        file.write_all(key.line(options, record.as_deref()).as_bytes()).expect("authorized_keys");
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If it is not so in time; with the log.
    pub fn wait_for(&self, is_so: impl Fn(&Self) -> bool, what: &str) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}; the server's log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn commands_file(&self) -> PathBuf {
        self.file("commands")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether an ssh server says its name at `port`.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((HOST, port)) else { return false };
    let mut start = [0; 4];
    stream.set_read_timeout(Some(PATIENCE)).is_ok() && stream.read_exact(&mut start).is_ok() && start == *b"SSH-"
}

/// A port that nobody listens on now. Not one of those that the kernel gives to clients: it must still be free when the
/// server starts again.
pub fn free_port() -> u16 {
    free_ports(1)[0]
}

/// So many of them, each another.
pub fn free_ports(count: usize) -> Vec<u16> {
    // Held until all are found.
    let mut found = Vec::new();
    while found.len() < count {
        let number = RandomState::new().hash_one(std::process::id()) % 12_000;
        let port = 20_000 + u16::try_from(number).expect("a small number");
        found.extend(TcpListener::bind((HOST, port)).ok().map(|listener| (port, listener)));
    }
    found.into_iter().map(|(port, _)| port).collect()
}
