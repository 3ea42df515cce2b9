//! The nodes list: which directories on which hosts a push goes to.
//!
//! One node a line, `[user@]host:path`, as rsync writes it, and behind it, separated by white space, what is to be known
//! about the node:
//!
//! ```text
//! # the shop
//! ops@web-1:/srv/deploy   name=web-1 zone=a
//! ops@web-2:deploy        port=2222 key=~/.ssh/web-2   # beneath the home of ops
//! [::1]:/srv/deploy/      staging=/srv/.stage
//! "ops@web-3:/srv/my shop"
//! ```
//!
//! | option | meaning |
//! |---|---|
//! | `port=N` | ssh's port |
//! | `key=FILE` | the private key; relative to the list, `~/` is the caller's home |
//! | `name=ID` | the node's id; else it is made of the address, and stays while the address stays |
//! | `staging=DIR` | where the far side stages, if not beside the directory; must be on the same file system |
//! | any other `word=value` | a label, to select by ([`Selector`]) |
//!
//! A path without a leading slash, or with `~/`, is beneath the account's home on that host. A slash at the end changes
//! nothing: it is the directory that becomes equal, never one made inside it (`rsync` looks at the slash of the source,
//! too; here there is none to look at). `#` begins a comment at the beginning of a line and after white space.
//!
//! What ssh or rsync could take for an option, or a shell for a command, is refused; so is the root, a whole home, and a
//! path with `..`: a push makes a directory equal to another, and these are never meant. Whatever is wrong is said with
//! file and line.

mod line;
mod selector;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::NodeId;

use crate::ssh::SshAddress;
pub use selector::Selector;

/// The most bytes of a list.
pub const MAX_BYTES: usize = 1 << 20;
/// The most characters of a host's name that go into an id.
const MAX_HOST: usize = 50;

/// A node of the list: a directory on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The node's id: as the list says, or made of the address.
    pub id: NodeId,
    /// Where the directory is. The path has no slash at its end, no `.`, no `..` and no doubled slashes.
    pub address: SshAddress,
    /// The private key, if the list names one.
    pub identity: Option<PathBuf>,
    /// Where the far side stages, if not beside the directory; relative to the account's home if it does not begin
    /// with a slash.
    pub staging: Option<String>,
    /// What the list says beside that.
    pub labels: BTreeMap<String, String>,
    /// The line of the list, from 1.
    pub line: usize,
}

impl Addressee {
    /// The node for people: `user@host:path`, with `~/` where the path is beneath the home.
    pub fn shown(&self) -> String {
        format!("{}:{}", self.address.rsync_host(), from_home(&self.address.path))
    }
}

/// The node as a line of a list. An id that follows from the address is left out.
impl fmt::Display for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line::word(&self.shown()))?;
        if let Some(port) = self.address.port {
            write!(f, " port={port}")?;
        }
        if let Some(key) = &self.identity {
            write!(f, " key={}", line::word(&key.to_string_lossy()))?;
        }
        if self.id != id_of(&self.address) {
            write!(f, " name={}", self.id)?;
        }
        if let Some(staging) = &self.staging {
            write!(f, " staging={}", line::word(&from_home(staging)))?;
        }
        for (label, value) in &self.labels {
            write!(f, " {label}={}", line::word(value))?;
        }
        Ok(())
    }
}

/// Reads the list in `file`. `home` is the caller's home, for keys.
pub fn read(file: &Path, home: Option<&Path>) -> Result<Vec<Addressee>> {
    let place = file.display().to_string();
    let unreadable =
        |source: std::io::Error| Error::io("read the nodes list", &place, source).with_kind(ErrorKind::Usage);
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        // A character that the bound cut in two is a matter of length.
        if bytes.len() > MAX_BYTES { too_long(&place) } else { wrong("not UTF-8").at(format!("{place}:{line}")) }
    })?;
    parse(text, &place, file.parent().unwrap_or(Path::new("/")), home)
}

/// Reads a list that stands in `file`; relative keys are below `base`, `~/` is `home`.
pub fn parse(text: &str, file: &str, base: &Path, home: Option<&Path>) -> Result<Vec<Addressee>> {
    if text.len() > MAX_BYTES {
        return Err(too_long(file));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found: Vec<Addressee> = Vec::new();
    let (mut places, mut names) = (HashMap::new(), HashMap::new());
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let at = |error: Error| error.found_at(format!("{file}:{number}"));
        let Some(addressee) = line::read(line, number, base, home).map_err(at)? else { continue };
        let SshAddress { user, host, port, path } = addressee.address.clone();
        if let Some(before) = places.insert((user, host.to_ascii_lowercase(), port, path), number) {
            return Err(at(wrong(format!("the same directory as in line {before}")).hint("take one of them out")));
        }
        if let Some(before) = names.insert(addressee.id.clone(), number) {
            return Err(at(wrong(format!("the same name as in line {before}: {}", addressee.id))
                .hint("give one of them another `name=`")));
        }
        found.push(addressee);
    }
    if found.is_empty() {
        return Err(wrong("the list names no node").found_at(file).hint(EXAMPLE));
    }
    Ok(found)
}

const EXAMPLE: &str = "one node a line: [user@]host:/path, and behind it port=, key=, name=, staging= or labels";

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, why)
}

fn too_long(file: &str) -> Error {
    wrong("longer than 1 MiB: not a nodes list").found_at(file).hint(EXAMPLE)
}

/// A path as it stands in a list: what is beneath the home says so.
fn from_home(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("~/{path}") }
}

/// The id of a node that the list gives no name: readable by its host, and its own by the rest of its address.
fn id_of(address: &SshAddress) -> NodeId {
    let SshAddress { user, host, port, path } = address;
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => c,
        _ => '-',
    };
    let mut host_part: String = host.chars().take(MAX_HOST).map(letter).collect();
    if host_part.starts_with('.') {
        host_part.replace_range(..1, "-");
    }
    let user = user.as_ref().map_or(String::new(), |user| format!("{user}@"));
    let port = port.map_or(String::new(), |port| port.to_string());
    let digest = Digest::of(format!("{user}{}:{port}:{path}", host.to_ascii_lowercase()).as_bytes()).to_string();
    format!("{host_part}-{}", &digest[..8]).parse().expect("at most 59 letters that an id may have, the first no dot")
}
