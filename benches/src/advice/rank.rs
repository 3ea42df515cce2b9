//! The transports for a workload, best first.

use crate::model::{CostModel, Place, Prediction, Transport, TransportModel, Workload};

/// What is to be little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The time until half of the workers have a change.
    Time,
    /// Bytes on the wire, of all nodes.
    Bytes,
    /// Processor seconds, of all nodes and the hub.
    Processor,
}

/// A transport that is no more than so much worse is as good.
pub const CLOSE: f64 = 0.1;

/// A transport, and what a change would take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Which.
    pub transport: Transport,
    /// What a change takes.
    pub prediction: Prediction,
    /// What the goal counts; none where changes come faster than they can go.
    pub cost: Option<f64>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// Best first. Those that cannot keep up come last.
    pub candidates: Vec<Candidate>,
}

impl Ranking {
    /// The best one, if any can keep up.
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|candidate| candidate.cost.is_some())
    }

    /// Those that are as good as the best one.
    pub fn as_good(&self) -> Vec<Transport> {
        let Some(best) = self.best().and_then(|best| best.cost) else { return Vec::new() };
        let close = |candidate: &&Candidate| candidate.cost.is_some_and(|cost| cost <= best * (1.0 + CLOSE));
        self.candidates.iter().skip(1).filter(close).map(|candidate| candidate.transport).collect()
    }
}

/// Puts the transports of the model in order, or those in `only`.
pub fn rank(model: &CostModel, of: &Workload, place: Place, goal: Goal, only: &[Transport]) -> Ranking {
    let those = model.transports.iter().filter(|(transport, _)| only.is_empty() || only.contains(transport));
    let candidate = |(transport, known): (&Transport, &TransportModel)| {
        let prediction = known.predict(of, place, &model.settling);
        let cost = match goal {
            Goal::Time => prediction.p50_s,
            Goal::Bytes => prediction.p50_s.map(|_| prediction.wire(of.nodes)),
            Goal::Processor => prediction.p50_s.map(|_| prediction.cpu_s(of.nodes)),
        };
        Candidate { transport: *transport, prediction, cost }
    };
    let mut candidates: Vec<Candidate> = those.map(candidate).collect();
    let order = |candidate: &Candidate| candidate.cost.unwrap_or(f64::INFINITY);
    candidates.sort_by(|left, right| {
        let fuller = right.prediction.saturation.total_cmp(&left.prediction.saturation);
        order(left).total_cmp(&order(right)).then(fuller)
    });
    Ranking { candidates }
}
