//! The kit for a real sshd ([`depsync_tests::sshd`]) does what it says, by the system's `ssh` and `rsync`.

mod far;
mod relay;
mod server;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use depsync_tests::sshd::{Client, Sshd};

/// What a program says, when it has ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a program to its end.
fn run(mut command: Command) -> Said {
    said(&command.stdin(Stdio::null()).output().expect("it starts"))
}

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Said {
    /// What it has printed, if it has gone well.
    fn well(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        &self.out
    }

    /// It has failed with this code, and says so.
    fn failed(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(self.err.contains(words), "`{words}` is not in: {}", self.err);
    }
}

/// A session that is held open.
struct Held {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Held {
    fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, to, from: BufReader::new(from) }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to, "{line}").expect("the session takes it");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("the session answers");
        line.trim_end().to_owned()
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    fn end(mut self) -> Option<i32> {
        drop(self.to);
        self.child.wait().expect("a child").code()
    }
}

/// `cat` over there: what is said is heard.
fn echo(client: &Client) -> Held {
    let mut held = Held::start(client.ssh("cat"));
    held.say("hello");
    assert_eq!(held.hear(), "hello");
    held
}

/// A server, and somebody who may log in.
fn scene() -> (Sshd, Client) {
    let server = Sshd::start();
    let client = Client::of(&server);
    (server, client)
}
