//! Where a hub behind ssh is, and how it is to be reached.

use std::fmt;
use std::path::PathBuf;

use depsync_engine::error::{Error, ErrorKind, Result};

/// The place of a hub behind ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAddress {
    /// The user, if the address names one; otherwise ssh's own configuration decides.
    pub user: Option<String>,
    /// The host, or an alias that ssh's configuration knows.
    pub host: String,
    /// The port, if the address names one.
    pub port: Option<u16>,
    /// The directory; relative to the account's home if it does not begin with a slash.
    pub path: String,
}

impl SshAddress {
    /// Reads `[user@]host[:port]/path`, what stands behind `rsync+ssh://`, with `%xx` undone in the path. Beneath the
    /// account's home: `host/~/path`.
    pub fn parse(text: &str) -> Result<Self> {
        let (authority, path) = text.split_once('/').ok_or_else(|| wrong("it names no directory"))?;
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            let why = "a password has no place in an address";
            return Err(Error::new(ErrorKind::Usage, why).hint("use a key, with ssh's agent or `identity` in `[ssh]`"));
        }
        let (host, port) = split_port(place)?;
        let path = crate::endpoint::decode(path).and_then(|path| String::from_utf8(path).ok());
        let path = path.ok_or_else(|| wrong("a `%` without two hex digits, %00, or a path that is not UTF-8"))?;
        let path = match path.strip_prefix("~/") {
            Some(beneath_home) => beneath_home.trim_start_matches('/').to_owned(),
            None => format!("/{}", path.trim_start_matches('/')),
        };
        let address = Self { user: user.map(str::to_owned), host: host.to_owned(), port, path };
        address.flaw().map_or(Ok(address), |flaw| Err(wrong(flaw)))
    }

    /// Why nothing is to be started with this address: ssh or rsync could take its user or host for an option, or a shell
    /// for a command, or its path is none. Every way to write an address asks this.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        let plain = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.chars().all(|c| c.is_ascii_graphic() && !"'\"\\`$;&|<>()[]/".contains(c))
        };
        if self.path.is_empty() || self.path.chars().any(char::is_control) {
            return Some("a directory with control characters in its name, or none");
        }
        let mut words = [self.user.as_deref(), Some(&self.host)].into_iter().flatten();
        if words.all(plain) { None } else { Some("no user or host is called that") }
    }

    /// What ssh is to connect to.
    pub(crate) fn destination(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }

    /// The same for rsync, which reads a colon as the end of the host.
    pub(crate) fn rsync_host(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.user.as_ref().map_or(host.clone(), |user| format!("{user}@{host}"))
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        f.write_str("rsync+ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if self.path.starts_with('/') { f.write_str(&self.path) } else { write!(f, "/~/{}", self.path) }
    }
}

fn split_port(place: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| wrong("a `[` without `]`"))?;
            (host, behind.strip_prefix(':'))
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("a port that is none")));
    Ok((host, port.transpose()?))
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::Usage, why)
        .hint("rsync+ssh://[user@]host[:port]/path, or …/~/path beneath the home directory")
}

/// How to reach a hub behind ssh, beside what ssh's own configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshSettings {
    /// The private key to use.
    pub identity: Option<PathBuf>,
    /// The file that host keys are looked up in.
    pub known_hosts: Option<PathBuf>,
    /// The port, where the address names none.
    pub port: Option<u16>,
    /// The most KiB a second that a transfer may take.
    pub bandwidth_limit: Option<u32>,
    /// Whether ssh compresses. Packs are compressed already.
    pub compress: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for (text, user, host, port, path) in [
            ("host/srv/hub", None, "host", None, "/srv/hub"),
            ("ops@host:2222/srv/a%20b", Some("ops"), "host", Some(2222), "/srv/a b"),
            ("[::1]:22/~/hub", None, "::1", Some(22), "hub"),
            ("a@b@host//srv//hub/", Some("a@b"), "host", None, "/srv//hub/"),
        ] {
            let address = SshAddress::parse(text).expect(text);
            assert_eq!(
                (address.user.as_deref(), &*address.host, address.port, &*address.path),
                (user, host, port, path)
            );
            let shown = address.to_string();
            let again = shown.strip_prefix("rsync+ssh://").expect("its scheme").replace(' ', "%20");
            assert_eq!(SshAddress::parse(&again).expect(&again), address);
        }
    }

    #[test]
    fn what_ssh_could_take_for_an_option_or_a_command_is_refused() {
        for text in [
            "host",
            "/path",
            "-oProxyCommand=x/path",
            "-x@host/p",
            "ops:secret@host/p",
            "host:0/p",
            "host:99999/p",
            "host:x/p",
            "[::1/p",
            "ho st/p",
            "h;id/p",
            "[a[b]/p",
            "host/~/",
            "host/a%0ab",
            "host/a%ff",
            "@host/p",
        ] {
            let error = SshAddress::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let advice = SshAddress::parse("ops:secret@host/p").expect_err("a password").advice().map(str::to_owned);
        assert_eq!(advice.as_deref(), Some("use a key, with ssh's agent or `identity` in `[ssh]`"));
    }
}
