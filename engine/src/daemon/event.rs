//! What a daemon tells.

use std::time::Duration;

use serde::Serialize;

use crate::engine::{PublishOutcome, UpdateOutcome};
use crate::error::Error;
use crate::path::RelPath;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Watching the directory.
    Watch,
    /// Publishing.
    Publish,
    /// Looking at the hub, and updating.
    Update,
}

/// Something that has happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The directory is watched.
    Watching {
        /// How many directories there are in it, with itself.
        directories: usize,
    },
    /// The directory is not watched: it is scanned in every period.
    Scanning {
        /// Why.
        why: String,
    },
    /// Something was published, or held back, or is in conflict.
    Published(Box<PublishOutcome>),
    /// Something was applied, or could not be.
    Updated(Box<UpdateOutcome>),
    /// Paths that are changed here again and again are left as they are.
    Rewritten {
        /// Which.
        paths: Vec<RelPath>,
    },
    /// It did not work, and is tried again.
    Failed {
        /// What.
        deed: Deed,
        /// The kind of error.
        kind: &'static str,
        /// What went wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// How often in a row by now.
        failures: u32,
        /// When it is tried again, in milliseconds.
        again_in_ms: u64,
    },
    /// The first turn is over, however it went.
    Ready,
    /// It works again.
    Recovered,
    /// It has ended.
    Stopped,
}

impl Event {
    pub(crate) fn failed(deed: Deed, error: &Error, failures: u32, again_in: Duration) -> Self {
        Self::Failed {
            deed,
            kind: error.kind().name(),
            message: error.to_string(),
            hint: error.advice().map(str::to_owned),
            failures,
            again_in_ms: u64::try_from(again_in.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Whether it tells the same of the watching.
    pub(super) fn is_same_watching(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Watching { .. }, Self::Watching { .. }) => true,
            (Self::Scanning { why }, Self::Scanning { why: before }) => why == before,
            _ => false,
        }
    }
}
