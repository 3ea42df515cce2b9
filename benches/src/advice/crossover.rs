//! The rates at which another transport becomes the best.

use super::{CLOSE, Goal, Ranking, rank};
use crate::model::{CostModel, Place, Transport, Workload};

/// The lowest rate that is looked at: once in four months; and the highest.
const RATES: (f64, f64) = (1e-7, 1e5);
/// Steps of a decade.
const STEPS: u32 = 16;

/// A rate, and the best transport below and above it; none where none can keep up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossover {
    /// Changes a second.
    pub rate: f64,
    /// The best below.
    pub below: Option<Transport>,
    /// The best above.
    pub above: Option<Transport>,
}

/// All of them, lowest first. `of` says all but the rate. One that is better by so little that it may be none is passed
/// over.
pub fn crossovers(model: &CostModel, of: &Workload, place: Place, goal: Goal, only: &[Transport]) -> Vec<Crossover> {
    let ranked = |rate: f64| rank(model, &Workload { rate: Some(rate), ..*of }, place, goal, only);
    let cost = |ranking: &Ranking, of: Transport| {
        ranking.candidates.iter().find(|candidate| candidate.transport == of).and_then(|candidate| candidate.cost)
    };
    // Whether another one than `current` is better, by more than `margin`.
    let is_beaten = |rate: f64, current: Option<Transport>, margin: f64| {
        let ranking = ranked(rate);
        match (ranking.best().and_then(|best| best.cost), current) {
            (None, None) => false,
            (Some(best), Some(current)) => cost(&ranking, current).is_none_or(|cost| cost > best * (1.0 + margin)),
            (None, Some(_)) | (Some(_), None) => true,
        }
    };
    let factor = 10f64.powf(1.0 / f64::from(STEPS));
    let mut found = Vec::new();
    let (mut rate, mut begun) = (RATES.0, RATES.0);
    let mut current = ranked(rate).best().map(|best| best.transport);
    while rate < RATES.1 {
        rate *= factor;
        if !is_beaten(rate, current, 0.0) {
            begun = rate;
        }
        if is_beaten(rate, current, CLOSE) {
            // Where it began to be.
            let (mut low, mut high) = (begun, rate);
            for _ in 0..30 {
                let middle = (low * high).sqrt();
                if is_beaten(middle, current, 0.0) { high = middle } else { low = middle }
            }
            let above = ranked(rate).best().map(|best| best.transport);
            found.push(Crossover { rate: high, below: current, above });
            (current, begun) = (above, rate);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Link};

    const FIXTURE: &str = include_str!("../../../tests/fixtures/advice/model.json");

    #[test]
    fn the_best_changes_where_it_is_said_and_nowhere_else() {
        let model: CostModel = serde_json::from_str(FIXTURE).expect("a model");
        let of = Workload {
            kind: Kind::Config,
            files: 1,
            bytes: 2048,
            tree: 2000,
            nodes: 4,
            link: Link { rtt_s: 0.03, bandwidth: Some(1e8), loss: 0.0 },
            rate: None,
        };
        for goal in [Goal::Time, Goal::Bytes, Goal::Processor] {
            let turns = crossovers(&model, &of, Place::Cluster(2), goal, &[]);
            assert!(turns.windows(2).all(|pair| pair[0].rate < pair[1].rate && pair[0].above == pair[1].below));
            assert_eq!(turns.last().map(|last| last.above), Some(None), "in the end nobody keeps up: {turns:?}");
            for turn in &turns {
                let best = |rate: f64| {
                    rank(&model, &Workload { rate: Some(rate), ..of }, Place::Cluster(2), goal, &[])
                        .best()
                        .map(|best| best.transport)
                };
                assert_eq!(best(turn.rate * 0.999), turn.below, "{goal:?} {turn:?}");
                assert_ne!(best(turn.rate * 1.001), turn.below, "{goal:?} {turn:?}");
            }
        }
    }
}
