//! What a workload will take.
//!
//! The model was measured with all nodes on one machine, where workers wait for each other's processors. In a cluster
//! each has its own, and they wait for the hub's alone: [`Place`] says which it is.
//!
//! A round is a publish and its updates. Its time grows with the changes that it carries, `first + (n - 1) * each`. At a
//! rate, a round carries what has come since the one before began.

use super::features::{Effort, Features, exact};
use super::{Linear, Settling, TransportModel, Workload};

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

/// Changes that the time of one more is taken from.
const MORE: f64 = 100.0;

/// Rounds at a rate.
pub(super) struct Rounds {
    /// How many changes one carries.
    pub(super) changes: f64,
    /// How much of the time a round is under way.
    pub(super) busy: f64,
    /// For how long changes wait for a pause, beside what a single one waits: half of them, and the last.
    pub(super) pausing: (f64, f64),
}

impl TransportModel {
    /// What `of` takes.
    pub fn predict(&self, of: &Workload, place: Place, settling: &Settling) -> Prediction {
        let rounds = self.rounds(of, place, settling);
        let carried = rounds.as_ref().map_or(1.0, |rounds| rounds.changes);
        let round = together(of, carried);
        let time = Features::time(&round, &self.effort(&round, place));
        let times = rounds.map(|rounds| {
            let p50 = self.p50.of(&time) * (1.0 + self.busy_p50 * rounds.busy) + rounds.pausing.0;
            let p99 = self.p99.of(&time) * (1.0 + self.busy_p99 * rounds.busy) + rounds.pausing.1;
            // The slowest are no faster than most.
            (p50, p99.max(p50))
        });
        let work = Features::work(&round);
        let each = |whole: &Linear| whole.of(&work) / carried;
        Prediction {
            p50_s: times.map(|(p50, _)| p50),
            p99_s: times.map(|(_, p99)| p99),
            up: each(&self.up),
            down: each(&self.down),
            hub_bytes: each(&self.hub_bytes),
            operations: each(&self.operations),
            cpu_manager_s: each(&self.cpu_manager),
            cpu_worker_s: each(&self.cpu_worker),
            cpu_hub_s: each(&self.cpu_hub) * f64::from(of.nodes + 1),
            saturation: self.overlap / self.each(of, place),
        }
    }

    /// The rounds at the workload's rate; none where they would grow without end.
    pub(super) fn rounds(&self, of: &Workload, place: Place, settling: &Settling) -> Option<Rounds> {
        let rate = of.rate.unwrap_or(0.0);
        let (first, each) =
            (self.p50.of(&Features::time(of, &self.effort(of, place))), self.each(of, place) / self.overlap);
        if rate * each >= 1.0 {
            return None;
        }
        // Changes that come so fast that there is no pause between them are cut off.
        let pauses = rate * settling.quiet_s <= 1.0;
        let least = if pauses { 0.0 } else { settling.at_most_s };
        let grown = rate * (first - each).max(0.0) / (1.0 - rate * each);
        let changes = grown.max(rate * least).max(1.0);
        let (half, last) = (settling.at_most_s / 2.0 - settling.quiet_s, settling.at_most_s - settling.quiet_s);
        let pausing = if pauses { (0.0, 0.0) } else { (half.max(0.0), last.max(0.0)) };
        Some(Rounds { changes, busy: (rate * first).min(1.0), pausing })
    }

    /// Seconds by which a round grows with one more change.
    pub(super) fn each(&self, of: &Workload, place: Place) -> f64 {
        let time = |count: f64| {
            let round = together(of, count);
            self.p50.of(&Features::time(&round, &self.effort(&round, place)))
        };
        ((time(1.0 + MORE) - time(1.0)) / MORE).max(1e-6)
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
}

/// So many changes at once.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn together(of: &Workload, count: f64) -> Workload {
    let files = (f64::from(of.files) * count).round() as u32;
    Workload { files, bytes: (exact(of.bytes) * count) as u64, ..*of }
}
