//! Words on the command line that mean one of several things.

use std::str::FromStr;

use clap::ValueEnum;
use depsync_bench::advice::Goal;
use depsync_bench::model::{Kind, Transport};
use depsync_engine::engine::{DiffSide, Role};

/// A role by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleName {
    /// May publish
    Manager,
    /// Only follows
    Worker,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Manager => Self::ReadWrite,
            RoleName::Worker => Self::ReadOnly,
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// An object a line
    Json,
}

/// What a change is, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindName {
    /// Files that are edited
    Edit,
    /// An archive that is built again
    Archive,
    /// Many files that are replaced at once
    Release,
    /// Files that are removed
    Delete,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Edit => Self::Config,
            KindName::Archive => Self::Archive,
            KindName::Release => Self::Release,
            KindName::Delete => Self::Delete,
        }
    }
}

/// What is to be little, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GoalName {
    /// Until a change is in place
    Time,
    /// On the wire
    Bytes,
    /// Of all nodes and the hub
    Processor,
}

impl From<GoalName> for Goal {
    fn from(name: GoalName) -> Self {
        match name {
            GoalName::Time => Self::Time,
            GoalName::Bytes => Self::Bytes,
            GoalName::Processor => Self::Processor,
        }
    }
}

/// A transport by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportName {
    /// A directory on an NFS mount
    Mount,
    /// A directory behind ssh
    Ssh,
    /// A Subversion repository
    Svn,
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Mount => Self::Mount,
            TransportName::Ssh => Self::Ssh,
            TransportName::Svn => Self::Svn,
        }
    }
}

/// A side of a diff by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SideName(pub(crate) DiffSide);

impl FromStr for SideName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = match text {
            "disk" => DiffSide::Disk,
            "agreement" => DiffSide::Agreement,
            "head" => DiffSide::Head,
            number => match number.parse() {
                Ok(number) if (1..=depsync_engine::name::MAX_REVISION).contains(&number) => DiffSide::Revision(number),
                _ => return Err("use a revision number, `head`, `agreement` or `disk`".to_owned()),
            },
        };
        Ok(Self(side))
    }
}

/// A revision by its number; none is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevisionName(pub(crate) Option<u64>);

impl FromStr for RevisionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match SideName::from_str(text) {
            Ok(SideName(DiffSide::Head)) => Ok(Self(None)),
            Ok(SideName(DiffSide::Revision(number))) => Ok(Self(Some(number))),
            _ => Err("use a revision number or `head`".to_owned()),
        }
    }
}

/// A revision by its number.
pub(super) fn revision_number() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=depsync_engine::name::MAX_REVISION)
}
