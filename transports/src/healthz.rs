//! Whether the server of a channel answers: `GET /healthz`, and whether it lets us in; or the greeting of a NATS server.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use reqwest::{Client, StatusCode};

use crate::channel::{self, Token};

/// How long it may take, if the context has more time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a NATS server listens, if nobody says.
const NATS: u16 = 4222;

/// Asks the server at `url`, with the token if there is one; `authorities` are trusted beside the system's. Whether a NATS
/// server would let us in is not asked.
///
/// # Errors
/// [`ErrorKind::Unreachable`] if it does not answer, [`ErrorKind::Refused`] if it does not let us in.
pub fn ask(cx: &Context, url: &str, token: Option<&Token>, authorities: Option<&Path>) -> Result<()> {
    cx.check()?;
    if channel::is_of_nats(url) {
        return greeted(cx, url);
    }
    if token.is_some() {
        channel::unseen(url)?;
    }
    // Somebody else in this process may have chosen one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities = authorities.map(channel::authorities).transpose()?.unwrap_or_default();
    let client = channel::client(authorities)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::io("start", "what asks the channel's server", source))?;
    runtime.block_on(asked(&client, time(cx), url.trim_end_matches('/'), token))
}

/// How long an answer may take.
fn time(cx: &Context) -> Duration {
    cx.time_left().map_or(PATIENCE, |left| left.min(PATIENCE))
}

/// Waits for the greeting of the NATS server at `url`; [`ErrorKind::Unreachable`] if it does not greet.
fn greeted(cx: &Context, url: &str) -> Result<()> {
    let time = time(cx);
    let place = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let place = if has_port { place.to_owned() } else { format!("{place}:{NATS}") };
    let hear = || -> std::io::Result<[u8; 5]> {
        let address = place.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, time)?;
        stream.set_read_timeout(Some(time))?;
        let mut word = [0; 5];
        stream.read_exact(&mut word)?;
        Ok(word)
    };
    let silent = |why: &str| Error::new(ErrorKind::Unreachable, why.to_owned()).at(url);
    match hear() {
        Ok(word) if &word == b"INFO " => Ok(()),
        Ok(_) => Err(silent("something else than a NATS server answers there")),
        Err(source) => Err(silent("the NATS server does not answer").because(source)),
    }
}

async fn asked(client: &Client, time: Duration, url: &str, token: Option<&Token>) -> Result<()> {
    let silent = |source: reqwest::Error| {
        let cause = innermost(&source);
        Error::new(ErrorKind::Unreachable, "the channel's server does not answer").at(url).because(cause)
    };
    let health = client.get(format!("{url}/healthz")).timeout(time).send().await.map_err(silent)?.status();
    if !health.is_success() {
        return Err(Error::new(ErrorKind::Unreachable, format!("it says {health}: no channel of ours")).at(url));
    }
    let mut request = client.get(format!("{url}/v1/announcements")).timeout(time);
    if let Some(token) = token {
        request = request.header(reqwest::header::AUTHORIZATION, token.header());
    }
    // The answer has no end: its beginning tells.
    match request.send().await.map_err(silent)?.status() {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED => {
            Err(Error::new(ErrorKind::Refused, "it does not let us in: the token is missing, or another one")
                .at(url)
                .hint("put the server's token into this node's `token-file`"))
        }
        status => Err(Error::new(ErrorKind::Refused, format!("it says {status}")).at(url)),
    }
}

/// What lies beneath: the layers above it only say that something was sent.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;

    /// A server that says `word` to the first who comes.
    fn says(word: &'static str) -> (String, std::thread::JoinHandle<()>) {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = server.local_addr().expect("an address").to_string();
        let said = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().expect("somebody");
            stream.write_all(word.as_bytes()).expect("said");
        });
        (place, said)
    }

    #[test]
    fn a_token_is_not_told_where_it_would_be_seen() {
        for (url, seen) in [
            ("http://manager:7070", true),
            ("http://127.0.0.1.example:1", true),
            ("http://10.0.0.1", true),
            ("nonsense", true),
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1/x", false),
            ("http://localhost", false),
            ("https://manager", false),
        ] {
            assert_eq!(channel::unseen(url).is_err(), seen, "{url}");
        }
        let error = ask(
            &Context::new(),
            "http://manager:7070",
            Some(&Token::new("the-token-of-the-tests").expect("a token")),
            None,
        );
        assert_eq!(error.expect_err("refused").kind(), ErrorKind::Usage);
    }

    #[test]
    fn a_nats_server_is_known_by_its_greeting() {
        for (word, is_nats) in [("INFO {}\r\n", true), ("HTTP/1.1 400 no\r\n", false), ("", false)] {
            let (place, said) = says(word);
            let found = greeted(&Context::new(), &format!("nats://{place}/"));
            assert_eq!(found.is_ok(), is_nats, "{word:?}: {found:?}");
            said.join().expect("it has said so");
            let gone = greeted(&Context::new(), &format!("tls://{place}")).expect_err("it is gone");
            assert_eq!(gone.kind(), ErrorKind::Unreachable);
        }
    }
}
