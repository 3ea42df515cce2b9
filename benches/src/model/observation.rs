//! What was measured in one cell.

use serde::{Deserialize, Serialize};

use super::{Transport, Workload};

/// What one change took, on average unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds until half of the workers had it, of all changes.
    pub p50_s: f64,
    /// Seconds until all but one in a hundred had it.
    pub p99_s: f64,
    /// Bytes on the wire between manager and hub, both ways.
    pub up: f64,
    /// The same between hub and one worker.
    pub down: f64,
    /// By how many bytes the hub grew.
    pub hub_bytes: f64,
    /// Requests to the hub, of the manager and of one worker.
    pub operations: f64,
    /// Processor seconds of the manager.
    pub cpu_manager_s: f64,
    /// Of one worker.
    pub cpu_worker_s: f64,
    /// Of the hub's server, all together.
    pub cpu_hub_s: f64,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Which transport.
    pub transport: Transport,
    /// What happened.
    pub workload: Workload,
    /// What that took.
    pub figures: Figures,
    /// The greatest rate at which the time of a change did not grow; only where that was looked for.
    pub saturation: Option<f64>,
    /// Kept back: the model is judged by it, not fitted to it.
    pub held_out: bool,
}
