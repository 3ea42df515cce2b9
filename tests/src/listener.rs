//! The process of a server, and those that it has started: one for each connection, or a few for all of them.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::processes;
use crate::sshd::{HOST, free_port, session};

/// How long starting and ending may take on a busy machine. A Java machine alone takes half of it then.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server says when somebody else has its port.
const TAKEN: &str = "address already in use";

/// The process that listens, and the directory where the server has its settings and its log. It ends with its value.
pub(crate) struct Listener {
    place: TempDir,
    port: u16,
    child: Mutex<Option<Child>>,
}

impl Listener {
    /// Starts a server on a port that is free: the one that `prepare` made a command for.
    pub(crate) fn start(prepare: impl Fn(&Path, u16) -> Command, answers: impl Fn(&Self, u32, &str) -> bool) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        let mut listener = Self { place, port: 0, child: Mutex::new(None) };
        for _ in 0..10 {
            listener.port = free_port();
            if listener.launch(prepare(listener.place(), listener.port), &answers) {
                return listener;
            }
        }
        panic!("no port is free for long enough: {}", listener.log());
    }

    /// Starts it again, on its port.
    pub(crate) fn start_again(&self, command: Command, answers: impl Fn(&Self, u32, &str) -> bool) {
        assert!(self.child().is_none(), "the server was stopped");
        assert!(self.launch(command, &answers), "the port is still free: {}", self.log());
    }

    /// Starts the process, and waits until it `answers`, which is told its id and what it has said by now. Says no if
    /// somebody else has the port.
    fn launch(&self, mut command: Command, answers: &impl Fn(&Self, u32, &str) -> bool) -> bool {
        let logged = self.log().len();
        let complaints = File::create(self.complaints()).expect("a file");
        command.env(session::MARK, self.place());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        let mut child = command.spawn().expect("the server starts");
        let begun = Instant::now();
        loop {
            let ended = child.try_wait().expect("a child");
            let mut said = std::fs::read_to_string(self.complaints()).unwrap_or_default();
            said.push_str(&self.log().split_off(logged));
            if ended.is_some() && said.to_lowercase().contains(TAKEN) {
                return false;
            }
            if ended.is_none() && answers(self, child.id(), &said) {
                break;
            }
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let _ = child.kill().and_then(|()| child.wait());
                panic!("{command:?} does not answer ({ended:?}): {said}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        *self.child() = Some(child);
        true
    }

    /// Ends it and all that it has started, as a machine that goes down.
    pub(crate) fn stop(&self) {
        if let Some(mut child) = self.child().take() {
            session::freeze(child.id());
            session::end(child.id(), self.place());
            let _ = child.kill();
            let _ = child.wait();
            self.wait_until_free();
        }
    }

    /// Waits until nobody has the port: a killed process with many threads looks dead before the last of them is.
    fn wait_until_free(&self) {
        let begun = Instant::now();
        while TcpListener::bind((HOST, self.port)).is_err() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops it where it is: nobody is answered.
    pub(crate) fn freeze(&self) {
        if let Some(child) = &*self.child() {
            session::freeze(child.id());
        }
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        if let Some(child) = &*self.child() {
            session::thaw(child.id());
        }
    }

    /// Ends all that it has started. It stays.
    pub(crate) fn cut(&self) {
        if let Some(child) = &*self.child() {
            session::freeze(child.id());
            session::end(child.id(), self.place());
            session::thaw(child.id());
        }
    }

    /// How many processes it has started that run now.
    pub(crate) fn children(&self) -> usize {
        self.child().as_ref().map_or(0, |child| session::connections(child.id()))
    }

    /// Seconds of processor time that it has taken with all that it has started, in hundredths.
    pub(crate) fn spent(&self) -> f64 {
        self.child().as_ref().map_or(0.0, |child| processes::spent(child.id()))
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If it is not so in time; with the log.
    pub(crate) fn wait_for(&self, is_so: impl Fn() -> bool, what: &str) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}; the server's log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    /// What the server says.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(log(self.place())).unwrap_or_default()).into_owned()
    }

    fn complaints(&self) -> PathBuf {
        self.place().join("complaints")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the server with the directory `place` is to write what it says.
pub(crate) fn log(place: &Path) -> PathBuf {
    place.join("log")
}
