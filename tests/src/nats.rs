//! A real NATS server on loopback, and somebody who speaks its protocol by hand.
//!
//! The program comes from the unpacked package `nats-server`; its settings and its log lie in a temporary directory.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::debian::unpacked;
use crate::listener::{self, Listener};
use crate::svn::Certificate;

/// Where it listens.
const HOST: &str = "127.0.0.1";
/// What everybody has to know.
pub const TOKEN: &str = "the-token-of-the-tests";

/// A server. It ends with its value.
pub struct NatsServer {
    settings: String,
    listener: Listener,
}

impl NatsServer {
    /// One that lets in who knows the token.
    pub fn start() -> Self {
        Self::with(&format!("authorization {{ token: \"{TOKEN}\" }}"))
    }

    /// The same behind TLS.
    pub fn behind_tls(certificate: &Certificate) -> Self {
        let (file, key) = (certificate.path(), certificate.key());
        let tls = format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", file.display(), key.display());
        Self::with(&format!("authorization {{ token: \"{TOKEN}\" }}\n{tls}"))
    }

    /// One with these settings, beside where it listens.
    ///
    /// # Panics
    /// If it does not start in time; with what it says.
    pub fn with(settings: &str) -> Self {
        let listener = Listener::start(|place, port| command(settings, place, port), answers);
        Self { settings: settings.to_owned(), listener }
    }

    /// Kills it.
    pub fn stop(&self) {
        self.listener.stop();
    }

    /// Starts it again, in the same place.
    pub fn start_again(&self) {
        self.listener.start_again(command(&self.settings, self.listener.place(), self.listener.port()), answers);
    }

    /// Stops it where it is: connections stay, and nobody is answered.
    pub fn freeze(&self) {
        self.listener.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.listener.thaw();
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://{HOST}:{}", self.port())
    }

    /// How often somebody was not let in.
    pub fn refused(&self) -> usize {
        self.log().matches("authentication error").count()
    }

    /// What it says.
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

    /// Somebody who knows the token.
    pub fn stranger(&self) -> Stranger {
        let stream = TcpStream::connect((HOST, self.port())).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        let mut stranger = Stranger(BufReader::new(stream));
        assert!(stranger.line().starts_with("INFO "), "a server greets");
        let login = format!("CONNECT {{\"verbose\":false,\"auth_token\":\"{TOKEN}\"}}\r\n");
        stranger.0.get_mut().write_all(login.as_bytes()).expect("writes");
        stranger.is_heard();
        stranger
    }
}

/// Somebody who says what he likes.
pub struct Stranger(BufReader<TcpStream>);

impl Stranger {
    /// Says something, this often.
    pub fn say(&mut self, subject: &str, text: &str, times: usize) {
        let message = format!("PUB {subject} {}\r\n{text}\r\n", text.len());
        self.0.get_mut().write_all(message.repeat(times).as_bytes()).expect("writes");
        self.is_heard();
    }

    /// Waits until the server has taken all that was said.
    fn is_heard(&mut self) {
        self.0.get_mut().write_all(b"PING\r\n").expect("writes");
        loop {
            match self.line().as_str() {
                "PONG" => return,
                "PING" => self.0.get_mut().write_all(b"PONG\r\n").expect("writes"),
                other => panic!("the server says {other}"),
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the server says something");
        line.trim_end().to_owned()
    }
}

fn command(settings: &str, place: &Path, port: u16) -> Command {
    let file = place.join("nats.conf");
    let log = listener::log(place);
    let text = format!("listen: \"{HOST}:{port}\"\nlog_file: \"{}\"\nmax_payload: 128KB\n{settings}\n", log.display());
    std::fs::write(&file, text).expect("a file");
    let mut command = Command::new(unpacked("nats-server").join("usr/sbin/nats-server"));
    command.arg("--config").arg(file);
    command
}

fn answers(_: &Listener, _: u32, said: &str) -> bool {
    said.contains("Server is ready")
}
