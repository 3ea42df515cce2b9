//! Where a hub in a Subversion repository is, as people write it: `svn://`, `svn+ssh://`, `svn+http://`, `svn+https://`
//! and `svn+file:///`.
//!
//! A path may be written as it is or already encoded: `%` with two hex digits is an escape and stays one, every other
//! character stands for itself and is encoded where a URL cannot hold it. `%` alone is a per cent sign. So `a b`,
//! `a%20b` are the same directory, and `100%` is one too.
//!
//! `{deployment}` and `{tenant}` in the path stand for the name of the deployment. Without either of them the address is
//! the deployment itself. A brace that is part of a name is written `%7B`.

use std::fmt;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;

use super::marks::Above;
use super::url::{self, SvnUrl};
use crate::endpoint::redact;

/// How the repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `svn://`: svnserve.
    Svn,
    /// `svn+ssh://`: svnserve at the end of an ssh.
    Ssh,
    /// `svn+http://`: Apache.
    Http,
    /// `svn+https://`: the same behind TLS.
    Https,
    /// `svn+file:///`: a repository on this machine, or on a mount.
    File,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::Svn, Self::Ssh, Self::Http, Self::Https, Self::File];

    /// What people write.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Svn => "svn",
            Self::Ssh => "svn+ssh",
            Self::Http => "svn+http",
            Self::Https => "svn+https",
            Self::File => "svn+file",
        }
    }

    /// What the programs want.
    pub(super) fn for_programs(self) -> &'static str {
        match self {
            Self::Svn | Self::Ssh => self.name(),
            Self::Http => "http",
            Self::Https => "https",
            Self::File => "file",
        }
    }

    /// The port that a canonical URL does not name.
    fn usual_port(self) -> Option<u16> {
        match self {
            Self::Svn => Some(3690),
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Ssh | Self::File => None,
        }
    }
}

/// The place of a hub in a Subversion repository, perhaps with a place for the deployment's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvnAddress {
    /// How the repository is reached.
    pub scheme: Scheme,
    /// The user, if the address names one.
    pub user: Option<String>,
    /// The host; empty for a repository on this machine.
    pub host: String,
    /// The port, if the address names one.
    pub port: Option<u16>,
    /// The path's parts.
    parts: Vec<Vec<Piece>>,
}

/// A piece of a part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    /// The deployment's name, by the word that stands for it.
    Deployment(&'static str),
}

/// The words that stand for the deployment's name.
const PLACEHOLDERS: [&str; 2] = ["deployment", "tenant"];

impl SvnAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|error| error.at(redact(text)))
    }

    fn read(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = Scheme::ALL.into_iter().find(|known| known.name() == scheme);
        let scheme = scheme.ok_or_else(|| wrong("its scheme is none of Subversion's"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let parts = read_path(path)?;
        if scheme == Scheme::File {
            if !matches!(authority, "" | "localhost") {
                return Err(wrong("it names a host; mount the share, or use a server"));
            }
            let address = Self { scheme, user: None, host: String::new(), port: None, parts };
            return if address.parts.is_empty() { Err(wrong("it names no directory")) } else { Ok(address) };
        }
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(refused("a password has no place in an address")
                .hint("put it into a file that only you can read, and name that as `password-file` in `[svn]`; or into DEPSYNC_SVN_PASSWORD"));
        }
        let user = user.map(|user| crate::endpoint::decode(user).and_then(|user| String::from_utf8(user).ok()));
        let user =
            user.map(|user| user.filter(|user| is_user(scheme, user)).ok_or_else(|| wrong("no user is called that")));
        let (host, port) = split_port(place)?;
        if !is_host(host) {
            return Err(wrong("no host is called that"));
        }
        Ok(Self { scheme, user: user.transpose()?, host: host.to_ascii_lowercase(), port, parts })
    }

    /// The place of `deployment`.
    pub fn url(&self, deployment: &DeploymentName) -> SvnUrl {
        let part = |pieces: &Vec<Piece>| {
            let bytes = pieces.iter().flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.as_slice(),
                Piece::Deployment(_) => deployment.as_str().as_bytes(),
            });
            bytes.copied().collect::<Vec<u8>>()
        };
        let path = self.parts.iter().map(|pieces| format!("/{}", url::encode(&part(pieces)))).collect::<String>();
        let port = self.port.filter(|port| Some(*port) != self.scheme.usual_port());
        SvnUrl::new(self.scheme, self.user.clone(), (&self.place(None), port), &path)
    }

    /// Whether the deployment's name is part of the place.
    pub fn names_deployment(&self) -> bool {
        self.parts.iter().flatten().any(|piece| matches!(piece, Piece::Deployment(_)))
    }

    /// The directory that the deployments are in, if they are told apart by a single part of the path.
    pub fn above_deployments(&self) -> Option<Above> {
        let is_name = |piece: &Piece| matches!(piece, Piece::Deployment(_));
        let at = self.parts.iter().position(|pieces| pieces.iter().any(is_name))?;
        let (above, behind) = (self.parts.get(..at)?, self.parts.get(at + 1..)?);
        if above.is_empty() && self.scheme == Scheme::File || behind.iter().flatten().any(is_name) {
            return None;
        }
        let text = |pieces: &[Piece]| {
            let bytes = pieces.iter().flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.as_slice(),
                Piece::Deployment(_) => b"",
            });
            String::from_utf8(bytes.copied().collect()).ok()
        };
        let part = self.parts.get(at)?;
        let name = part.iter().position(is_name)?;
        if part.iter().filter(|piece| is_name(piece)).count() > 1 {
            return None;
        }
        let (before, behind) = (text(part.get(..name)?)?, text(part.get(name + 1..)?)?);
        let above = Self { parts: above.to_vec(), ..self.clone() };
        Some(Above { url: above.url(&DeploymentName::default()), before, behind })
    }

    fn place(&self, port: Option<u16>) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for SvnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.place(self.port))?;
        for pieces in &self.parts {
            f.write_str("/")?;
            for piece in pieces {
                match piece {
                    Piece::Bytes(bytes) => f.write_str(&url::encode(bytes))?,
                    Piece::Deployment(word) => write!(f, "{{{word}}}")?,
                }
            }
        }
        Ok(())
    }
}

/// Reads a path: its parts, without those that say nothing.
fn read_path(path: &str) -> Result<Vec<Vec<Piece>>> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let mut read = Vec::new();
    for part in parts {
        let pieces = read_part(part)?;
        match pieces.as_slice() {
            [Piece::Bytes(bytes)] if bytes == b"." => {}
            [Piece::Bytes(bytes)] if bytes == b".." => return Err(wrong("`..` in its path")),
            _ => read.push(pieces),
        }
    }
    Ok(read)
}

fn read_part(part: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = part;
    while let Some(open) = rest.find(['{', '}']) {
        let word = rest[open..].strip_prefix('{').and_then(|behind| behind.split_once('}'));
        let known =
            word.and_then(|(word, behind)| Some((PLACEHOLDERS.into_iter().find(|name| *name == word)?, behind)));
        let (name, behind) = known.ok_or_else(|| {
            refused("a placeholder that is none")
                .hint("`{deployment}` or `{tenant}`; a brace of a name is written `%7B` or `%7D`")
        })?;
        pieces.extend(read_bytes(&rest[..open])?);
        pieces.push(Piece::Deployment(name));
        rest = behind;
    }
    pieces.extend(read_bytes(rest)?);
    Ok(pieces)
}

/// A text without placeholders: its escapes are undone.
fn read_bytes(text: &str) -> Result<Option<Piece>> {
    let bytes = url::undo_escapes(text);
    if bytes.contains(&b'/') || bytes.iter().any(u8::is_ascii_control) || std::str::from_utf8(&bytes).is_err() {
        return Err(wrong("a name in its path that Subversion cannot hold: %2F, a control character, or not UTF-8"));
    }
    Ok((!bytes.is_empty()).then_some(Piece::Bytes(bytes)))
}

fn split_port(place: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| wrong("a `[` without `]`"))?;
            if !host.contains(':') || !(behind.is_empty() || behind.starts_with(':')) {
                return Err(wrong("no host is called that"));
            }
            (host, behind.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
    let port = port.map(|port| number(port).filter(|port| *port > 0).ok_or_else(|| wrong("a port that is none")));
    Ok((host, port.transpose()?))
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain)
}

/// Whether it may be the name of a user. Behind `svn+ssh://` it becomes a word of ssh's command line.
fn is_user(scheme: Scheme, user: &str) -> bool {
    let for_ssh = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+@=~%\\".contains(&byte);
    !user.is_empty()
        && !user.starts_with('-')
        && !user.chars().any(char::is_control)
        && (scheme != Scheme::Ssh || user.bytes().all(for_ssh))
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("not the address of a hub: {why}"))
}

fn wrong(why: &str) -> Error {
    refused(why).hint(
        "svn://[user@]host[:port]/path, svn+ssh://…, svn+http://…, svn+https://…, or svn+file:///path; \
         `{deployment}` in the path stands for the deployment's name",
    )
}

#[cfg(test)]
mod tests;
