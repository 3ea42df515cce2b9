//! The rates at which another transport becomes the best.

use super::{Goal, rank};
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

/// All of them, lowest first. `of` says all but the rate.
pub fn crossovers(model: &CostModel, of: &Workload, place: Place, goal: Goal, only: &[Transport]) -> Vec<Crossover> {
    let best = |rate: f64| {
        let of = Workload { rate: Some(rate), ..*of };
        rank(model, &of, place, goal, only).best().map(|best| best.transport)
    };
    let factor = 10f64.powf(1.0 / f64::from(STEPS));
    let mut found = Vec::new();
    let (mut rate, mut below) = (RATES.0, best(RATES.0));
    while rate < RATES.1 {
        let above = best(rate * factor);
        if above != below {
            let (mut low, mut high) = (rate, rate * factor);
            for _ in 0..20 {
                let middle = (low * high).sqrt();
                if best(middle) == below { low = middle } else { high = middle }
            }
            found.push(Crossover { rate: high, below, above });
        }
        (rate, below) = (rate * factor, above);
    }
    found
}
