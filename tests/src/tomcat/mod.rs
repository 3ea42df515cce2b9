//! A real Tomcat on loopback, which deploys what it finds in a directory, and somebody who asks it without pause.
//!
//! Nothing of the machine's own is used or changed: `CATALINA_BASE` is a temporary directory of each server, and its
//! programs come from unpacked packages, so that no service has to be installed and none starts. Only Java is installed.
//! It looks at its directory once a second, as fast as Tomcat can be told to; a server out there does so every ten.
//!
//! | file | is |
//! |---|---|
//! | `base` | its settings and its command line |
//! | `http` | pages by HTTP |
//! | `visitor` | [`Visitor`]: asks for one page again and again; what he was answered |
//! | `war` | [`War`]: an application as an archive, whose page says its version |
//!
//! What was seen of Tomcat 10, and is not what one expects:
//! - a change is a modification time that differs from the one at the deployment, however; one of the last second, or of
//!   the future, is none yet. So a file that is written on and on is left alone until it rests for a second;
//! - what was not there before is deployed at once, also if it is written on;
//! - a round goes through all applications, and deploys what is new after that: an application that goes and comes in
//!   one round is away in between.
//!
//! What differs from a server out there: there is no compiler for JSP, and jars are not searched for tags and
//! annotations, so that an application starts in some hundredths of a second instead of a whole one or many.

mod base;
mod http;
mod visitor;
mod war;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use http::Http;
pub use visitor::{Answer, Visit, Visitor, longest_absence, pages};
pub use war::{PAGE, War};

use crate::listener::Listener;
use crate::sshd::HOST;

/// A server. It ends when it is dropped, and with the thread that has started it.
pub struct Tomcat {
    listener: Listener,
    webapps: PathBuf,
    rounds: AtomicUsize,
}

impl Tomcat {
    /// A server that deploys what is in `webapps` and has done so with what is there.
    ///
    /// # Panics
    /// If it does not answer in time; with what it says.
    pub fn serve(webapps: &Path) -> Self {
        let prepare = |place: &Path, port| {
            base::write(place, port, webapps);
            base::command(place)
        };
        Self {
            listener: Listener::start(prepare, answers),
            webapps: webapps.to_owned(),
            rounds: AtomicUsize::default(),
        }
    }

    /// Ends it, as a machine that goes down.
    pub fn stop(&self) {
        self.listener.stop();
    }

    /// Starts a stopped server on the same port.
    ///
    /// # Panics
    /// If it does not answer in time, or the port is taken.
    pub fn start_again(&self) {
        self.listener.start_again(base::command(self.listener.place()), answers);
    }

    /// Somebody who asks for the page at `path` from now on.
    pub fn visitor(&self, path: &str) -> Visitor {
        Visitor::come(Http::to(self.listener.port()), path)
    }

    /// What it answers for `path`: status and content.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        let (status, content) = Http::to(self.listener.port()).get(path).expect("it answers");
        (status, String::from_utf8_lossy(&content).into_owned())
    }

    /// What it says.
    pub fn log(&self) -> String {
        self.listener.log()
    }

    /// How often it has deployed what is called `name` in its directory, and was done with that, however it went.
    pub fn deployments(&self, name: &str) -> usize {
        self.lines(&["Deployment of web application ", &format!("/{name}] has finished")])
    }

    /// How often it has begun to.
    pub fn attempts(&self, name: &str) -> usize {
        self.lines(&["Deploying web application ", &format!("/{name}]")])
    }

    /// How often that failed: it was no whole archive.
    pub fn failures(&self, name: &str) -> usize {
        self.lines(&["Error deploying web application ", &format!("/{name}]")])
    }

    /// How often it has taken the application at `path` away.
    pub fn removals(&self, path: &str) -> usize {
        self.lines(&[&format!("Undeploying context [{path}]")])
    }

    /// How often it has started the application at `path` anew, without a deployment.
    pub fn reloads(&self, path: &str) -> usize {
        self.lines(&[&format!("Reloading Context with name [{path}] is completed")])
    }

    /// What went wrong: archives that were no whole ones, applications that did not start.
    pub fn complaints(&self) -> Vec<String> {
        let is_one = |line: &&str| line.starts_with("SEVERE") || line.contains("Exception");
        self.log().lines().filter(is_one).map(str::to_owned).collect()
    }

    /// Waits until it has looked at all its applications twice, a second apart, from now on: what it has not noticed by
    /// then, it never does. It may deploy what it has noticed after what else is new, so it gets a round for that, too.
    /// A small application of the kit's own comes for each round; the last one stays.
    ///
    /// # Panics
    /// If it does not look any more.
    pub fn look_around(&self) {
        for _ in 0..3 {
            let number = self.rounds.fetch_add(1, Ordering::SeqCst);
            let [old, new] = [number, number + 1].map(|number| format!("round-{number}.war"));
            let _ = std::fs::remove_file(self.webapps.join(old));
            // Made beside the directory: what is in it may be deployed.
            let fresh = self.webapps.with_extension("round");
            War::new(0).write(&fresh);
            std::fs::rename(&fresh, self.webapps.join(&new)).expect("a rename");
            self.wait_for(|server| server.deployments(&new) == 1, "it deploys what is new");
        }
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If it is not so in time; with the log.
    pub fn wait_for(&self, is_so: impl Fn(&Self) -> bool, what: &str) {
        self.listener.wait_for(|| is_so(self), what);
    }

    fn lines(&self, words: &[&str]) -> usize {
        self.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

/// Whether it has deployed what it found, and takes connections.
fn answers(listener: &Listener, _id: u32, said: &str) -> bool {
    said.contains("Server startup in") && TcpStream::connect((HOST, listener.port())).is_ok()
}
