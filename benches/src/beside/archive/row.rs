//! What is measured: a process, and what it carried.

use serde::Serialize;

use crate::kit::measured::Measure;

/// Who brings an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
    Depsync,
    Rsync,
    Xdelta3,
    Casync,
    Zstd,
}

impl Who {
    pub(super) const PEERS: [Self; 4] = [Self::Rsync, Self::Xdelta3, Self::Casync, Self::Zstd];

    /// What the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Depsync => "depsync",
            Self::Rsync => "rsync",
            Self::Xdelta3 => "xdelta3 -9",
            Self::Casync => "casync",
            Self::Zstd => "zstd -19",
        }
    }

    /// Debian's package with its program, which has the same name.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Depsync => "depsync",
            Self::Rsync => "rsync",
            Self::Xdelta3 => "xdelta3",
            Self::Casync => "casync",
            Self::Zstd => "zstd",
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// The old archive, where there is nothing yet.
    FirstPublish,
    FirstUpdate,
    /// The new one, where the old one is.
    Publish,
    Update,
    /// The newest one on a worker that was several versions behind.
    Behind,
    /// The newest one on a worker that has nothing.
    Fresh,
    /// Back to an older one, and a worker's update to that.
    Rollback,
    Return,
    /// A peer makes what it carries, and the new archive of it again.
    Make,
    Unmake,
}

/// Which part of the benchmark it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    Pairs,
    Chain,
    Fat,
}

/// One process.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) part: Part,
    pub(super) archive: String,
    /// Of a chain: the version that the archive has then.
    pub(super) version: Option<usize>,
    pub(super) who: Who,
    pub(super) step: Step,
    /// Bytes of the archive that is there then.
    pub(super) whole: u64,
    /// Bytes that were carried: what depsync says that it sent or fetched, what a peer has made.
    pub(super) bytes: u64,
    /// By how many bytes the files in the hub have grown, all together, and what they have then.
    pub(super) hub_grown: Option<i64>,
    pub(super) hub: Option<u64>,
    #[serde(flatten)]
    pub(super) measure: Measure,
}
