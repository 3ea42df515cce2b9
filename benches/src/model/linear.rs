//! Least squares without negative coefficients, errors relative to what was measured.
//!
//! Few coefficients and few rows: each coefficient in turn is set to its best value, given the others, and not below 0,
//! until nothing moves any more. That converges to the one best answer, since the sum of squares is convex. Columns are
//! scaled before; a small penalty on large coefficients decides between columns that say the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::Features;

/// Rounds after which it stops in any case.
const ROUNDS: usize = 20_000;
/// A round that moves no scaled coefficient by more ends it.
const STILL: f64 = 1e-10;
/// The penalty.
const RIDGE: f64 = 1e-6;

/// A sum of features, each times a coefficient. Those that are 0 are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Linear(pub BTreeMap<String, f64>);

impl Linear {
    /// The coefficients that suit these rows best: features, and what was measured.
    pub(super) fn fit(rows: &[(Features, f64)]) -> Self {
        // An error of so little is none: what is nearly nothing must not rule the others.
        let typical = rows.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
        let weights: Vec<f64> =
            rows.iter().map(|(_, value)| 1.0 / value.abs().max(typical * 1e-3).max(1e-12)).collect();
        let names: Vec<&'static str> = rows.first().map(|(features, _)| features.names().collect()).unwrap_or_default();
        let target: Vec<f64> = rows.iter().zip(&weights).map(|((_, value), weight)| value * weight).collect();
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(names.len());
        let mut scales = Vec::with_capacity(names.len());
        for name in &names {
            let column: Vec<f64> =
                rows.iter().zip(&weights).map(|((features, _), weight)| features.get(name) * weight).collect();
            let scale = column.iter().map(|value| value * value).sum::<f64>().sqrt();
            scales.push(scale);
            columns.push(column.iter().map(|value| if scale > 0.0 { value / scale } else { 0.0 }).collect());
        }
        let found = descend(&columns, &target);
        let named = names.iter().zip(found.iter().zip(&scales));
        let kept = named.filter(|(_, (found, scale))| **found > 0.0 && **scale > 0.0);
        Self(kept.map(|(name, (found, scale))| ((*name).to_owned(), found / scale)).collect())
    }

    /// The sum for these features.
    pub(super) fn of(&self, features: &Features) -> f64 {
        self.0.iter().map(|(name, coefficient)| coefficient * features.get(name)).sum()
    }

    /// The coefficient of a feature.
    pub fn coefficient(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }
}

/// Columns have length 1, or are nothing.
fn descend(columns: &[Vec<f64>], target: &[f64]) -> Vec<f64> {
    let mut found = vec![0.0; columns.len()];
    let mut left = target.to_vec();
    for _ in 0..ROUNDS {
        let mut moved: f64 = 0.0;
        for (column, coefficient) in columns.iter().zip(&mut found) {
            let length: f64 = column.iter().map(|value| value * value).sum();
            if length == 0.0 {
                continue;
            }
            let along: f64 = column.iter().zip(&left).map(|(value, left)| value * left).sum();
            let best = ((along + *coefficient * length) / (length + RIDGE)).max(0.0);
            let step = best - *coefficient;
            if step != 0.0 {
                left.iter_mut().zip(column).for_each(|(left, value)| *left -= step * value);
                *coefficient = best;
                moved = moved.max(step.abs());
            }
        }
        if moved < STILL {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(of: impl Fn(f64, f64) -> f64) -> Vec<(Features, f64)> {
        let grid = (0..6).flat_map(|x| (0..6).map(move |y| (f64::from(x), f64::from(y))));
        grid.map(|(x, y)| (Features::of(&[("1", 1.0), ("x", x), ("y", y)]), of(x, y))).collect()
    }

    proptest! {
        #[test]
        fn what_is_such_a_sum_is_found(base in 0.01..10.0f64, x in 0.0..5.0f64, y in 0.0..5.0f64) {
            let rows = rows(|at, other| base + x * at + y * other);
            let found = Linear::fit(&rows);
            for (features, value) in &rows {
                prop_assert!((found.of(features) - value).abs() < 1e-3 * value, "{found:?}");
            }
        }
    }

    #[test]
    fn nothing_is_negative_and_what_says_nothing_is_left_out() {
        let found = Linear::fit(&rows(|x, _| 10.0 - x));
        assert!(found.0.values().all(|coefficient| *coefficient > 0.0), "{found:?}");
        assert!(found.coefficient("x") == 0.0 && found.coefficient("1") > 5.0, "{found:?}");
        assert_eq!(Linear::fit(&[]), Linear::default());
    }
}
