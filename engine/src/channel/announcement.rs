//! What is told of a new revision.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{DeploymentName, HubId, Revision};

/// The version of its form.
const SCHEMA: u32 = 1;
/// The most bytes of one that is read.
pub const MAX_ANNOUNCEMENT: usize = 4 << 10;

/// A deployment of a hub has this revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    schema: u32,
    /// Which hub.
    pub hub: HubId,
    /// Which deployment in it.
    pub deployment: DeploymentName,
    /// The newest revision that whoever says so knows of.
    pub revision: Revision,
    /// The root of its tree.
    pub root: Digest,
}

impl Announcement {
    /// Says that there is a revision.
    pub fn new(hub: HubId, deployment: DeploymentName, revision: Revision, root: Digest) -> Self {
        Self { schema: SCHEMA, hub, deployment, revision, root }
    }

    /// As JSON, on one line.
    pub fn to_text(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::new(ErrorKind::Internal, "an announcement cannot be encoded").because(source))
    }

    /// Reads one. Fields that are not known are passed over.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_ANNOUNCEMENT {
            return Err(Error::new(ErrorKind::Damaged, "damaged announcement: it is longer than 4 KiB"));
        }
        serde_json::from_str(text)
            .map_err(|source| Error::new(ErrorKind::Damaged, "damaged announcement").because(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"schema":1,"hub":"000102030405060708090a0b0c0d0e0f","deployment":"main","revision":{"number":7,"#,
        r#""record":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},"#,
        r#""root":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}"#
    );

    #[test]
    fn golden_text() {
        let read = Announcement::parse(GOLDEN).expect("reads");
        assert_eq!((read.revision.number, read.root), (7, Digest::of(b"")));
        assert_eq!(read.to_text().expect("writes"), GOLDEN);
        let later = GOLDEN.replace("\"root\"", "\"later\":[1],\"root\"");
        assert_eq!(Announcement::parse(&later).expect("reads"), read);
    }

    #[test]
    fn what_is_none_is_damaged() {
        for bad in ["", "{}", &GOLDEN[1..], &GOLDEN.replace("main", "../x"), &format!("{GOLDEN}{}", " ".repeat(5000))] {
            assert_eq!(Announcement::parse(bad).expect_err(bad).kind(), ErrorKind::Damaged);
        }
    }
}
