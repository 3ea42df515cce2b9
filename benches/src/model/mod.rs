//! What a change costs over each transport: a model, fitted to what [`crate::rate`] has measured.
//!
//! A change is what somebody saves at once: a file, an archive, a release of many files. Of a [`Workload`] the model says
//! how long a change takes until it is in place ([`Prediction`]), how many bytes it moves, how often the hub is asked, and
//! whose processor it keeps busy.
//!
//! It is as simple as physics allows. Bytes, requests and processor seconds are sums of what is fixed and what grows with
//! files, bytes and tree. Time is a sum of what is fixed, round trips, bytes over bandwidth, what was lost on the way,
//! processor time, and waiting for others who use the same processors. All coefficients are fitted, none may be negative,
//! and errors count relative to what was measured. What a rate does to that: changes that come faster than
//! they pause wait for `max-debounce`; what comes while a round is under way waits for the next one, and goes with all that
//! has come meanwhile; so rounds grow, and from some rate on they grow without end.
//!
//! | file | is |
//! |---|---|
//! | `workload` | [`Workload`], [`Link`], [`Kind`] |
//! | `transport` | [`Transport`] |
//! | `observation` | [`Observation`]: what was measured in one cell |
//! | `linear` | least squares without negative coefficients |
//! | `features` | what coefficients belong to |
//! | `fit` | observations to a model |
//! | `predict` | a model and a workload to a [`Prediction`] |
//! | `fitted.json` | the model of the last full run of ours ([`CostModel::built_in`]) |

mod features;
mod fit;
mod linear;
mod observation;
mod predict;
mod transport;
mod workload;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use linear::Linear;
pub use observation::{Figures, Observation};
pub use predict::{Place, Prediction};
pub use transport::Transport;
pub use workload::{Kind, Link, Workload};

/// What one node's look at an unchanged hub costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Bytes on the wire, both ways.
    pub wire: f64,
    /// Requests.
    pub operations: f64,
    /// Processor seconds, the hub's share included.
    pub cpu_s: f64,
}

/// The model of one transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportModel {
    /// Bytes of a change on the wire between manager and hub, both ways.
    pub up: Linear,
    /// The same between hub and one worker.
    pub down: Linear,
    /// By how many bytes the hub grows.
    pub hub_bytes: Linear,
    /// Requests of the manager, and of one worker.
    pub operations: Linear,
    /// Processor seconds of the manager.
    pub cpu_manager: Linear,
    /// Of one worker.
    pub cpu_worker: Linear,
    /// Of the hub's server, for each node.
    pub cpu_hub: Linear,
    /// Seconds until half of the workers have it.
    pub p50: Linear,
    /// Seconds until all but one in a hundred have it.
    pub p99: Linear,
    /// By how much of itself the time grows where a round is always under way, for half of the workers.
    pub busy_p50: f64,
    /// The same for all but one in a hundred.
    pub busy_p99: f64,
    /// How many times as many changes go as if each round began when the one before is everywhere.
    pub overlap: f64,
    /// A look at an unchanged hub.
    pub look: Look,
    /// A run of `depsync update` by hand, or by configuration management, that finds nothing new.
    pub once: Look,
}

/// How a daemon waits for changes to pause before it publishes, in seconds: `debounce` and `max-debounce`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settling {
    /// So long nothing has to change.
    pub quiet_s: f64,
    /// It waits no longer than that.
    pub at_most_s: f64,
}

/// The models of all transports that were measured, and where that was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostModel {
    /// Which format this is.
    pub schema: u32,
    /// When, on which machine and at which commit it was measured, for people.
    pub measured: String,
    /// Cores of that machine: all nodes and the hub's server were on it.
    pub cores: u32,
    /// How the manager's daemon waits for changes to pause.
    pub settling: Settling,
    /// The transports.
    pub transports: BTreeMap<Transport, TransportModel>,
}

/// The format of [`CostModel`].
pub const SCHEMA: u32 = 1;

impl CostModel {
    /// The model that comes with the program.
    ///
    /// # Errors
    /// None, as long as the tests of this crate pass.
    pub fn built_in() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("fitted.json"))
    }
}
