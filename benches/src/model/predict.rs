//! What a workload will take.
//!
//! The model was measured with all nodes on one machine, where workers wait for each other's processors. In a cluster
//! each has its own, and they wait for the hub's alone: [`Place`] says which it is.

use super::features::{Effort, Features};
use super::{Response, TransportModel, Workload};

/// Where the nodes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// All on one machine of so many cores, as where the model was measured.
    OneMachine(u32),
    /// Each on its own; the hub's server has so many cores.
    Cluster(u32),
}

/// What one change takes, on average unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Seconds until half of the workers have it; none where changes come faster than they can go.
    pub p50_s: Option<f64>,
    /// Seconds until all but one in a hundred have it.
    pub p99_s: Option<f64>,
    /// Bytes on the wire between manager and hub.
    pub up: f64,
    /// The same between hub and one worker.
    pub down: f64,
    /// By how many bytes the hub grows.
    pub hub_bytes: f64,
    /// Requests to the hub, of the manager and of one worker.
    pub operations: f64,
    /// Processor seconds of the manager.
    pub cpu_manager_s: f64,
    /// Of one worker.
    pub cpu_worker_s: f64,
    /// Of the hub's server, all together.
    pub cpu_hub_s: f64,
    /// The greatest number of changes a second.
    pub saturation: f64,
}

impl Prediction {
    /// Bytes on the wire of all nodes.
    pub fn wire(&self, nodes: u32) -> f64 {
        self.up + self.down * f64::from(nodes)
    }

    /// Processor seconds of all nodes and the hub.
    pub fn cpu_s(&self, nodes: u32) -> f64 {
        self.cpu_manager_s + self.cpu_worker_s * f64::from(nodes) + self.cpu_hub_s
    }
}

/// At a rate of which this is the share of the greatest one, nothing is predicted any more.
const FULL: f64 = 0.98;

impl TransportModel {
    /// What `of` takes.
    pub fn predict(&self, of: &Workload, place: Place) -> Prediction {
        let time = Features::time(of, &self.effort(of, place));
        let (p50, p99) = (self.p50.of(&time), self.p99.of(&time));
        let saturation = self.saturation(of, place);
        let share = of.rate.unwrap_or(0.0) / saturation;
        let slower = |single: f64, response: &Response| {
            (share < FULL).then(|| single * (1.0 + response.at(of.rate.unwrap_or(0.0) * p50, share)))
        };
        let (p50_s, p99_s) = (slower(p50, &self.response_p50), slower(p99, &self.response_p99));
        // What comes while a round is under way goes together.
        let together = (of.rate.unwrap_or(0.0) * p50_s.unwrap_or(p50)).max(1.0);
        let round = together_with(of, together);
        let work = Features::work(&round);
        let each = |whole: &super::Linear| whole.of(&work) / together;
        Prediction {
            p50_s,
            // The slowest are no faster than most.
            p99_s: p99_s.zip(p50_s).map(|(p99, p50)| p99.max(p50)),
            up: each(&self.up),
            down: each(&self.down),
            hub_bytes: each(&self.hub_bytes),
            operations: each(&self.operations),
            cpu_manager_s: each(&self.cpu_manager),
            cpu_worker_s: each(&self.cpu_worker),
            cpu_hub_s: each(&self.cpu_hub) * f64::from(of.nodes + 1),
            saturation,
        }
    }

    /// The greatest number of changes a second.
    pub(super) fn saturation(&self, of: &Workload, place: Place) -> f64 {
        1.0 / self.spacing.of(&Features::spacing(of, &self.marginal(of, place))).max(1e-6)
    }

    /// What a change takes that comes alone.
    pub(super) fn effort(&self, of: &Workload, place: Place) -> Effort {
        let work = Features::work(of);
        let (cpu_worker, cpu_hub) = (self.cpu_worker.of(&work), self.cpu_hub.of(&work));
        let others = f64::from(of.nodes.saturating_sub(1));
        let contention = match place {
            Place::OneMachine(cores) => others * (cpu_worker + cpu_hub) / f64::from(cores.max(1)),
            Place::Cluster(cores) => others * cpu_hub / f64::from(cores.max(1)),
        };
        Effort {
            up: self.up.of(&work),
            down: self.down.of(&work),
            cpu_manager: self.cpu_manager.of(&work),
            cpu_worker,
            contention,
        }
    }

    /// What one more change takes in a long round.
    pub(super) fn marginal(&self, of: &Workload, place: Place) -> Effort {
        const MORE: f64 = 100.0;
        let (one, many) = (self.effort(of, place), self.effort(&together_with(of, 1.0 + MORE), place));
        let each = |of: fn(&Effort) -> f64| (of(&many) - of(&one)).max(0.0) / MORE;
        Effort {
            up: each(|effort| effort.up),
            down: each(|effort| effort.down),
            cpu_manager: each(|effort| effort.cpu_manager),
            cpu_worker: each(|effort| effort.cpu_worker),
            contention: each(|effort| effort.contention),
        }
    }
}

impl Response {
    /// By how much of itself the time grows, where so many changes come in the time that one takes, and the rate is this
    /// share of the greatest.
    pub(super) fn at(&self, meanwhile: f64, share: f64) -> f64 {
        self.busy * meanwhile.min(1.0) + self.crowded * share / (1.0 - share).max(1.0 - FULL)
    }
}

/// So many changes at once.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn together_with(of: &Workload, count: f64) -> Workload {
    let files = (f64::from(of.files) * count).round() as u32;
    Workload { files, bytes: (super::features::exact(of.bytes) * count) as u64, ..*of }
}
