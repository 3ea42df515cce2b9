//! How a deployment changes, and what is between its nodes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Files that are edited, each sent whole.
    Config,
    /// An archive that is built again with one class edited.
    Archive,
    /// Many files that are replaced at once.
    Release,
    /// Files that are removed.
    Delete,
}

impl Kind {
    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "edit",
            Self::Archive => "archive",
            Self::Release => "release",
            Self::Delete => "delete",
        }
    }
}

/// What is between a node and the hub. Each node has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Seconds there and back.
    pub rtt_s: f64,
    /// Bits a second, each way; none where it does not matter.
    pub bandwidth: Option<f64>,
    /// The share of packets that are lost.
    pub loss: f64,
}

impl Link {
    /// Within a computing centre.
    pub const LAN: Self = Self { rtt_s: 0.000_5, bandwidth: Some(1e9), loss: 0.0 };

    /// Seconds that these bytes take for being so many.
    pub(crate) fn carrying(&self, bytes: f64) -> f64 {
        self.bandwidth.map_or(0.0, |bits| bytes * 8.0 / bits)
    }

    /// Seconds for which lost packets of these bytes are waited for: a lost packet is noticed by what comes behind it, or,
    /// at the end, by a timer.
    pub(crate) fn repeating(&self, bytes: f64) -> f64 {
        const PACKET: f64 = 1448.0;
        const TIMER_S: f64 = 0.2;
        self.loss * (1.0 + bytes / PACKET) * (self.rtt_s + TIMER_S)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.rtt_s * 1000.0)?;
        if let Some(bits) = self.bandwidth {
            write!(f, " {} Mbit/s", bits / 1e6)?;
        }
        if self.loss > 0.0 {
            write!(f, " {} % lost", self.loss * 100.0)?;
        }
        Ok(())
    }
}

/// How a deployment changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What a change is.
    pub kind: Kind,
    /// How many files it is.
    pub files: u32,
    /// How many bytes these have, all together.
    pub bytes: u64,
    /// Files of the deployment.
    pub tree: u64,
    /// Workers.
    pub nodes: u32,
    /// What is between each node and the hub.
    pub link: Link,
    /// Changes a second; none: each comes when all is quiet.
    pub rate: Option<f64>,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} KiB", self.kind.name(), self.bytes.div_ceil(1024))?;
        if self.files > 1 {
            write!(f, " in {} files", self.files)?;
        }
        write!(f, ", {} files, {} workers, {}", self.tree, self.nodes, self.link)?;
        match self.rate {
            Some(rate) => write!(f, ", {rate} a second"),
            None => Ok(()),
        }
    }
}
