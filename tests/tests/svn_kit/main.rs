//! The kit for Subversion ([`depsync_tests::svn`]) does what it says, by the system's `svn` and its like.

mod apache;
mod repository;
mod server;
mod svnserve;

use std::process::{Command, Stdio};

use depsync_tests::svn::{Account, Apache, Person, Repository, Svnserve};

/// A program fails, and says these words: one of them, where `|` is between them.
fn fails(mut command: Command, words: &str) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let is_said = words.split('|').any(|word| error.contains(word));
    assert!(is_said, "`{words}` is not in: {error}");
}

/// What the servers have in common.
trait Server {
    /// What a client says when a password is wrong.
    const WRONG_PASSWORD: &str;
    /// What a client says when it may not read or write something.
    const FORBIDDEN: &str;
    /// How a client ends that is cut once in the middle of the first commit, and the revision then. Over http it sends
    /// the request again, so that there is a commit.
    const AFTER_CUT: (i32, u64);
    fn start(repository: &Repository) -> Self;
    fn person(&self, account: Account) -> Person;
    fn url_at(&self, port: u16) -> String;
    fn port(&self) -> u16;
    fn stop(&self);
    fn start_again(&self);
    fn cut(&self);
}

/// Hands on to what a server has of itself.
macro_rules! server {
    ($name:ident, $wrong:literal, $forbidden:literal, $cut:expr) => {
        impl Server for $name {
            const WRONG_PASSWORD: &str = $wrong;
            const FORBIDDEN: &str = $forbidden;
            const AFTER_CUT: (i32, u64) = $cut;
            fn start(repository: &Repository) -> Self {
                $name::start(repository)
            }
            fn person(&self, account: Account) -> Person {
                $name::person(self, account)
            }
            fn url_at(&self, port: u16) -> String {
                $name::url_at(self, port)
            }
            fn port(&self) -> u16 {
                $name::port(self)
            }
            fn stop(&self) {
                $name::stop(self);
            }
            fn start_again(&self) {
                $name::start_again(self);
            }
            fn cut(&self) {
                $name::cut(self);
            }
        }
    };
}

server!(Svnserve, "E170001", "E170001|E220004", (1, 0));
server!(Apache, "E215004", "E175013", (0, 1));
