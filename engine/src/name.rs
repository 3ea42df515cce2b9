//! The names that end up in hub paths and records: deployments, nodes, hubs, revisions.
//!
//! They are validated where they are made, so that none of them can climb out of its directory, hide behind a dot or
//! need quoting anywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

/// The most characters of a deployment name or a node id.
pub const MAX_NAME: usize = 64;

fn check(what: &str, text: &str) -> Result<()> {
    let fits = (1..=MAX_NAME).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if fits {
        return Ok(());
    }
    let shown: String = text.chars().take(100).collect();
    Err(Error::new(ErrorKind::Usage, format!("not a {what}"))
        .at(shown.escape_debug())
        .hint("use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, not beginning with a dot"))
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// A deployment's name in its hub: `[a-z0-9._-]{1,64}`, no leading dot. The default is `main`.
    DeploymentName,
    "deployment name"
);
checked_name!(
    /// A node's id: `[a-z0-9._-]{1,64}`, no leading dot.
    NodeId,
    "node id"
);

impl Default for DeploymentName {
    fn default() -> Self {
        Self("main".to_owned())
    }
}

/// A hub's identity: 32 hex digits, drawn when the hub is made and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HubId([u8; 16]);

impl HubId {
    /// Draws a new identity.
    pub fn random() -> Result<Self> {
        random_bytes().map(Self)
    }
}

/// Sixteen bytes from the operating system's generator: a hub id, a nonce.
pub fn random_bytes() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|source| Error::new(ErrorKind::Io, "no random bytes from the system").because(source))?;
    Ok(bytes)
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for HubId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        let id = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        id.ok_or_else(|| Error::new(ErrorKind::Usage, "not a hub id: 32 lower-case hex digits wanted"))
    }
}

impl TryFrom<String> for HubId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<HubId> for String {
    fn from(id: HubId) -> Self {
        id.to_string()
    }
}

/// The highest revision number: twelve digits, so that names sort as numbers.
pub const MAX_REVISION: u64 = 999_999_999_999;

/// A published revision: its number and the hash of its record.
///
/// The number is for people and for file names. Identity is the hash: two hubs may both have a revision 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// The number, from 1.
    pub number: u64,
    /// The hash of the record's payload ([`crate::hash::Domain::Record`]).
    pub record: Digest,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number, self.record.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_climb_or_hide() {
        for bad in ["", ".", "..", ".a", "a/b", "A", "a b", "a\n", &"a".repeat(65), "ä"] {
            assert!(bad.parse::<DeploymentName>().is_err(), "{bad:?}");
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?}");
        }
        for good in ["a", "web-1.example_2", "-", &"a".repeat(64)] {
            assert_eq!(good.parse::<NodeId>().expect(good).as_str(), good);
        }
    }

    #[test]
    fn a_hub_id_is_drawn_and_read_back() {
        let id = HubId::random().expect("random");
        assert_eq!(id.to_string().parse::<HubId>().expect("hex"), id);
        assert_ne!(id, HubId::random().expect("random"));
    }
}
