//! Which nodes of a list are meant.

use std::fmt;
use std::str::FromStr;

use depsync_engine::error::{Error, Result};

use super::{Addressee, wrong};

/// What somebody typed to choose nodes: a name, a host, or `LABEL=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Choice);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// The node of this id, or those on this host.
    Name(String),
    /// Those with this label.
    Label(String, String),
}

impl Selector {
    /// Whether the node is meant.
    pub fn matches(&self, addressee: &Addressee) -> bool {
        match &self.0 {
            Choice::Name(name) => {
                let host = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
                addressee.id.as_str() == name || addressee.address.host.eq_ignore_ascii_case(host)
            }
            Choice::Label(label, value) => addressee.labels.get(label) == Some(value),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Choice::Name(name) => f.write_str(name),
            Choice::Label(label, value) => write!(f, "{label}={value}"),
        }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let choice = match text.split_once('=') {
            // As it stands in the list.
            Some(("name", name)) => Choice::Name(name.to_owned()),
            Some((option @ ("port" | "key" | "staging"), _)) => {
                return Err(wrong(format!("`{option}=` is no label")).hint(HINT));
            }
            Some((label, value)) if !label.is_empty() && !value.is_empty() => {
                Choice::Label(label.to_owned(), value.to_owned())
            }
            Some(_) => return Err(wrong("a label without a name or a value").hint(HINT)),
            None => Choice::Name(text.to_owned()),
        };
        if choice == Choice::Name(String::new()) {
            return Err(wrong("an empty choice of nodes").hint(HINT));
        }
        Ok(Self(choice))
    }
}

const HINT: &str = "choose nodes by NAME, by HOST or by LABEL=VALUE as the list has them";
