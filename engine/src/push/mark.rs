//! What a push leaves beside a destination, so that the next one knows whose work it finds.
//!
//! The mark and the record that the pushing node keeps must tell the same; otherwise somebody else was there, or the
//! machine was set up anew, and everything is looked at. It is one line: `settled REVISION ROOT` or `busy NONCE`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::hash::Digest;

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The directory had this revision.
    Settled {
        /// Its number.
        number: u64,
        /// Its root.
        root: Digest,
    },
    /// Somebody began to change the directory, and has not finished.
    Busy {
        /// Drawn for that change.
        nonce: String,
    },
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled { number, root } => write!(f, "settled {number} {root}"),
            Self::Busy { nonce } => write!(f, "busy {nonce}"),
        }
    }
}

impl FromStr for Mark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mark = match words[..] {
            ["settled", number, root] => {
                number.parse().ok().zip(root.parse().ok()).map(|(number, root)| Self::Settled { number, root })
            }
            ["busy", nonce] => Some(Self::Busy { nonce: nonce.to_owned() }),
            _ => None,
        };
        mark.ok_or_else(|| Error::new(ErrorKind::Damaged, "what the last push left here does not read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_nonsense_does_not() {
        for mark in [Mark::Settled { number: 7, root: Digest::of(b"x") }, Mark::Busy { nonce: "0f".into() }] {
            assert_eq!(mark.to_string().parse::<Mark>().expect("reads"), mark);
        }
        for bad in ["", "settled", "settled 7", "settled x y", "busy", "busy a b"] {
            assert!(bad.parse::<Mark>().is_err(), "{bad:?}");
        }
    }
}
