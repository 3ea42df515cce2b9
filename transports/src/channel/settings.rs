//! What a channel is told: where to serve, where to listen, and what proves that one may.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;

/// The fewest and the most characters of a token.
const SHORTEST: usize = 16;
const LONGEST: usize = 1024;

/// How a channel is set up.
#[derive(Clone, Debug, Default)]
pub struct ChannelSettings {
    /// Where this node serves, if it does.
    pub serve: Option<SocketAddr>,
    /// Where it listens: `http://host:port` or `https://host:port` of managers who serve, or `nats://host:port` or
    /// `tls://host:port` of the NATS servers of a cluster.
    pub listen: Vec<String>,
    /// Over NATS: whether this node keeps the list of nodes, asks what they have and hears their reports. Who serves does.
    pub keeps: bool,
    /// Over NATS: the deployments that this node hears of; without any, all.
    pub deployments: Vec<DeploymentName>,
    /// What everybody has to know.
    pub token: Option<Token>,
    /// Over NATS: the user whose password the token is.
    pub user: Option<String>,
    /// The server's certificates, its own first, and its key, as PEM files. Without them it speaks plain HTTP.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Authorities that are trusted beside the system's, as a PEM file.
    pub authorities: Option<PathBuf>,
}

/// What carries a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Http,
    Nats,
}

/// How an address begins, what carries that, and whether it is seen on the way.
const SCHEMES: [(&str, Carrier, bool); 4] = [
    ("http://", Carrier::Http, true),
    ("https://", Carrier::Http, false),
    ("nats://", Carrier::Nats, true),
    ("tls://", Carrier::Nats, false),
];

impl ChannelSettings {
    /// What carries it.
    pub(super) fn carrier(&self) -> Result<Carrier> {
        let Some(url) = self.listen.iter().find(|url| is_of_nats(url)) else {
            return match &self.user {
                Some(user) => {
                    Err(Error::new(ErrorKind::Usage, "a channel over HTTP has a token and no user")
                        .at(user.escape_debug()))
                }
                None => Ok(Carrier::Http),
            };
        };
        let is_server = self.serve.is_some() || self.certificate.is_some();
        if is_server || !self.listen.iter().all(|url| is_of_nats(url)) {
            return Err(Error::new(ErrorKind::Usage, "a channel goes over NATS or over HTTP, not over both")
                .at(url.rsplit('@').next().unwrap_or_default())
                .hint(
                    "with nats:// or tls:// goes no other address, nor a place to serve, nor a certificate for that",
                ));
        }
        if self.user.is_some() && self.token.is_none() {
            return Err(Error::new(ErrorKind::Usage, "a user without a password").hint("it stands in the token file"));
        }
        Ok(Carrier::Nats)
    }

    /// Refuses what is not for this kind of channel, is not safe or makes no sense.
    pub(super) fn check_for(&self, carrier: Carrier) -> Result<()> {
        self.check()?;
        if self.carrier()? == carrier {
            return Ok(());
        }
        let (what, hint) = match carrier {
            Carrier::Http => ("addresses of NATS servers, for a channel over HTTP", "say https://HOST:PORT"),
            Carrier::Nats => ("no address of a NATS server, for a channel over NATS", "say tls://HOST:PORT"),
        };
        Err(Error::new(ErrorKind::Usage, what).hint(hint))
    }

    /// Refuses what is not safe or makes no sense.
    fn check(&self) -> Result<()> {
        if let Some(serve) = self.serve {
            let what = "serving beyond this machine without";
            if !serve.ip().is_loopback() && self.token.is_none() {
                return Err(Error::new(ErrorKind::Usage, format!("{what} a token: anybody could listen")).at(serve));
            }
            if !serve.ip().is_loopback() && self.certificate.is_none() {
                return Err(Error::new(ErrorKind::Usage, format!("{what} a certificate: the token would be seen"))
                    .at(serve)
                    .hint(
                        "name a certificate and its key, or serve on the loopback interface behind a proxy or a tunnel",
                    ));
            }
        }
        self.carrier()?;
        for url in &self.listen {
            let known = parts(url);
            let rest = known.map_or(url.as_str(), |(.., rest)| rest);
            if known.is_none() || rest.is_empty() || rest.contains('@') {
                let what = "a channel's address is http://, https://, nats:// or tls://HOST:PORT";
                return Err(Error::new(ErrorKind::Usage, what).at(rest.rsplit('@').next().unwrap_or_default()));
            }
            if self.token.is_some() {
                unseen(url)?;
            }
        }
        Ok(())
    }
}

/// What carries an address, whether it is seen on the way, and what stands behind the scheme.
fn parts(url: &str) -> Option<(Carrier, bool, &str)> {
    SCHEMES.iter().find_map(|(start, carrier, is_seen)| Some((*carrier, *is_seen, url.strip_prefix(start)?)))
}

/// Whether an address is that of a NATS server.
pub(crate) fn is_of_nats(url: &str) -> bool {
    parts(url).is_some_and(|(carrier, ..)| carrier == Carrier::Nats)
}

/// Refuses an address on whose way a token would be seen.
pub(crate) fn unseen(url: &str) -> Result<()> {
    if parts(url).is_some_and(|(_, is_seen, rest)| !is_seen || is_near(rest)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "the token would be seen on the way")
        .at(url)
        .hint("use https://, or tls:// for NATS, or a tunnel that begins on this machine"))
}

/// Whether what stands behind `http://` or `nats://` begins with this machine.
fn is_near(rest: &str) -> bool {
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match place.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => place.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
}

/// A secret that all nodes of a channel share.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token: printable ASCII without spaces. Space around it goes.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(Self(text.to_owned()));
        }
        let what = format!("a token has {SHORTEST} to {LONGEST} characters, and no space within");
        Err(Error::new(ErrorKind::Usage, what).hint("`head -c 32 /dev/urandom | base64` makes one"))
    }

    /// Reads one from a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::io("read the token", path.display(), source).with_kind(ErrorKind::Usage))?;
        Self::new(&text).map_err(|error| error.at(path.display()))
    }

    /// As it stands behind `Authorization:`.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// As it is.
    #[cfg(feature = "nats")]
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// Whether `header` has it. Takes as long whatever differs.
    pub(super) fn is_in(&self, header: Option<&[u8]>) -> bool {
        let (given, wanted) = (blake3::hash(header.unwrap_or_default()), blake3::hash(self.header().as_bytes()));
        // The comparison of hashes takes the same time for all.
        given == wanted
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_word_that_nobody_sees() {
        let token = Token::new(" 0123456789abcdef+/=\n").expect("a token");
        assert!(!format!("{token:?}").contains("0123"));
        assert!(token.is_in(Some(b"Bearer 0123456789abcdef+/=")));
        for wrong in [None, Some(&b""[..]), Some(b"0123456789abcdef+/="), Some(b"Bearer 0123456789abcdef+/")] {
            assert!(!token.is_in(wrong), "{wrong:?}");
        }
        for bad in ["", "short", "0123456789 abcdef", &"x".repeat(2000), "0123456789abcde\u{e9}"] {
            assert_eq!(Token::new(bad).expect_err(bad).kind(), ErrorKind::Usage);
        }
    }

    #[test]
    fn what_is_not_safe_is_refused() {
        let far = || Some("0.0.0.0:1".parse().expect("an address"));
        let token = || Some(Token::new("0123456789abcdef").expect("a token"));
        let near = ChannelSettings { serve: Some("127.0.0.1:0".parse().expect("an address")), ..Default::default() };
        assert!(near.check().is_ok());
        assert!(ChannelSettings { serve: far(), ..Default::default() }.check().is_err());
        assert!(ChannelSettings { serve: far(), token: token(), ..Default::default() }.check().is_err());
        let certificate = Some(("c".into(), "k".into()));
        assert!(ChannelSettings { serve: far(), token: token(), certificate, ..Default::default() }.check().is_ok());
        for (url, fits) in [
            ("http://127.0.0.1:7070", true),
            ("http://[::1]:7070/x", true),
            ("http://localhost", true),
            ("http://manager:7070", false),
            ("http://127.0.0.1.example:7070", false),
            ("http://localhost.example", false),
            ("https://manager:7070", true),
            ("nats://127.0.0.1:4222", true),
            ("nats://manager:4222", false),
            ("tls://manager:4222", true),
        ] {
            let listens = ChannelSettings { listen: vec![url.to_owned()], token: token(), ..Default::default() };
            assert_eq!(listens.check().is_ok(), fits, "{url}");
        }
        for bad in ["ftp://h", "http://", "h:1", "tls://", "https://user:secret@h", "nats://user:secret@127.0.0.1"] {
            let error = ChannelSettings { listen: vec![bad.to_owned()], ..Default::default() }.check();
            assert!(!error.expect_err(bad).to_string().contains("secret"), "{bad}");
        }
    }

    #[test]
    fn a_channel_goes_over_one_thing() {
        let listens = |urls: &[&str]| ChannelSettings {
            listen: urls.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let (http, nats) = (listens(&["https://a", "http://b"]), listens(&["nats://a", "tls://b"]));
        assert_eq!((http.carrier().expect("HTTP"), nats.carrier().expect("NATS")), (Carrier::Http, Carrier::Nats));
        let token = || Some(Token::new("0123456789abcdef").expect("a token"));
        let user = || Some("web".to_owned());
        let serve = Some("127.0.0.1:0".parse().expect("an address"));
        let certificate = Some(("c".into(), "k".into()));
        assert!(ChannelSettings { user: user(), token: token(), ..nats.clone() }.carrier().is_ok());
        for (bad, what) in [
            (listens(&["nats://a", "https://user:secret@b"]), "not over both"),
            (listens(&["https://b", "nats://user:secret@a"]), "not over both"),
            (ChannelSettings { serve, ..nats.clone() }, "not over both"),
            (ChannelSettings { certificate, ..nats.clone() }, "not over both"),
            (ChannelSettings { user: user(), ..nats }, "without a password"),
            (ChannelSettings { user: user(), token: token(), ..http }, "no user"),
        ] {
            let error = bad.check().expect_err(what).to_string();
            assert!(error.contains(what) && !error.contains("secret"), "{error}");
        }
    }
}
