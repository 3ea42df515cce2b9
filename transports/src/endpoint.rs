//! A hub's address: what it says, and how it is shown without its secrets.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use depsync_engine::error::{Error, ErrorKind, Result};

use crate::ssh::SshAddress;
use crate::svn::SvnAddress;

/// Where a hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A mounted directory.
    Mount {
        /// The directory.
        path: PathBuf,
        /// Whether it must be on a live network mount (`nfs://`).
        network: bool,
    },
    /// A directory on another host, behind ssh.
    Ssh(SshAddress),
    /// A directory in a Subversion repository.
    Svn(SvnAddress),
}

impl Endpoint {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self> {
        let usage = |why: &str| {
            Error::new(ErrorKind::Usage, format!("not the address of a hub: {why}")).at(redact(text)).hint(
                "give a directory, or file:///path, nfs:///path, rsync+ssh://[user@]host[:port]/path, or svn://, \
                     svn+ssh://, svn+http://, svn+https://[user@]host[:port]/path, svn+file:///path",
            )
        };
        if text.is_empty() || text.contains('\0') {
            return Err(usage("it is empty or holds a NUL"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Mount { path: PathBuf::from(text), network: false });
        };
        match scheme {
            "file" | "nfs" => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                if !path.starts_with('/') {
                    return Err(usage("it names a host; mount the share and name the directory"));
                }
                let path = decode(path).ok_or_else(|| usage("a `%` without two hex digits, or %00"))?;
                Ok(Self::Mount { path: PathBuf::from(OsString::from_vec(path)), network: scheme == "nfs" })
            }
            "rsync+ssh" => SshAddress::parse(rest).map(Self::Ssh).map_err(|error| error.at(redact(text))),
            "svn" | "svn+ssh" | "svn+http" | "svn+https" | "svn+file" => SvnAddress::parse(text).map(Self::Svn),
            _ => Err(usage("its scheme is unknown")),
        }
    }
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            let byte = u8::from_str_radix(digits, 16).ok().filter(|&byte| byte != 0 && !digits.starts_with('+'))?;
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    Some(bytes)
}

/// An address for people: the password is replaced, control characters are escaped.
pub fn redact(text: &str) -> String {
    let shown = match text.split_once("://") {
        None => text.to_owned(),
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(authority_ends(rest));
            match authority.rsplit_once('@') {
                Some((user, host)) => {
                    let user = user.split_once(':').map_or(user.to_owned(), |(user, _)| format!("{user}:***"));
                    format!("{scheme}://{user}@{host}{path}")
                }
                None => text.to_owned(),
            }
        }
    };
    let mut escaped = String::with_capacity(shown.len());
    for character in shown.chars() {
        if character.is_control() { escaped.extend(character.escape_default()) } else { escaped.push(character) }
    }
    escaped
}

/// Where user, password and host end: at the first slash, or behind one that is part of a password.
fn authority_ends(rest: &str) -> usize {
    let slash = rest.find('/').unwrap_or(rest.len());
    let port = rest[..slash].split_once(':').map(|(_, port)| port);
    let is_none = |port: &str| !port.bytes().all(|byte| byte.is_ascii_digit());
    if rest[..slash].contains('@') || rest.starts_with('[') || !port.is_some_and(is_none) {
        return slash;
    }
    rest.rfind('@').map_or(slash, |at| rest[at..].find('/').map_or(rest.len(), |slash| at + slash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(path: &str, network: bool) -> Endpoint {
        Endpoint::Mount { path: path.into(), network }
    }

    #[test]
    fn reads_the_three_ways_to_name_a_directory() {
        assert_eq!(Endpoint::parse("/srv/hub").expect("path"), mount("/srv/hub", false));
        assert_eq!(Endpoint::parse("file:///srv/a%20b").expect("file"), mount("/srv/a b", false));
        assert_eq!(Endpoint::parse("nfs:///mnt/hub").expect("nfs"), mount("/mnt/hub", true));
        for bad in ["", "nfs://server/export", "file://", "file:///a%2", "file:///%00", "file:///%+1", "ftp://x/y"] {
            assert_eq!(Endpoint::parse(bad).expect_err(bad).kind(), ErrorKind::Usage, "{bad}");
        }
    }

    #[test]
    fn what_is_refused_keeps_its_password_to_itself() {
        assert!(matches!(Endpoint::parse("svn+https://ops@svn.example/repo"), Ok(Endpoint::Svn(_))));
        let error = Endpoint::parse("svn+https://ops:s3cret@svn.example/repo").expect_err("svn");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("ops:***@svn.example/repo") && !error.to_string().contains("s3cret"));
        assert_eq!(redact("svn://svn@host/a@b"), "svn://svn@host/a@b");
        assert_eq!(redact("svn://host:80/a@b"), "svn://host:80/a@b");
        assert_eq!(redact("svn://ops:s3/cr@et@host/a"), "svn://ops:***@host/a");
        let error = Endpoint::parse("ftp://u:s3@cret@h/").expect_err("ftp");
        assert!(!error.to_string().contains("cret"), "{error}");
    }
}
