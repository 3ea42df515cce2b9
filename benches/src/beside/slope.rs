//! How a cost grows with the number of files: the exponent, and what one more file costs in the end.

/// The exponent `e` of the best `y = c * x^e`: least squares over the logarithms. None without two different `x`.
pub(crate) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> =
        points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = f64::from(u32::try_from(logs.len()).ok()?);
    let (x_mean, y_mean) =
        (logs.iter().map(|(x, _)| x).sum::<f64>() / count, logs.iter().map(|(_, y)| y).sum::<f64>() / count);
    let spread: f64 = logs.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let shared: f64 = logs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    (spread > 1e-9).then(|| shared / spread)
}

/// What one more `x` costs between the last two points: what does not grow falls out. None without two points.
pub(crate) fn last_step(points: &[(f64, f64)]) -> Option<f64> {
    let [.., before, last] = points else { return None };
    (last.0 > before.0).then(|| (last.1 - before.1) / (last.0 - before.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_the_power() {
        let of = |power: f64| [1e3_f64, 1e4, 1e5, 1e6].map(|x| (x, 7.0 * x.powf(power)));
        for power in [0.0, 0.5, 1.0, 2.0] {
            let found = exponent(&of(power)).expect("a slope");
            assert!((found - power).abs() < 1e-9, "{power}: {found}");
        }
        // One step up in two, and none in the next: half of it.
        let found = exponent(&[(1.0, 1.0), (10.0, 10.0), (100.0, 10.0)]).expect("a slope");
        assert!((found - 0.5).abs() < 1e-9, "{found}");
        assert_eq!(exponent(&[(1.0, 2.0)]), None);
        assert_eq!(exponent(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(exponent(&[]), None);
    }

    #[test]
    fn the_last_step_forgets_what_does_not_grow() {
        let found = last_step(&[(1.0, 900.0), (10.0, 1_020.0), (110.0, 1_220.0)]).expect("a step");
        assert!((found - 2.0).abs() < 1e-9, "{found}");
        assert_eq!(last_step(&[(1.0, 2.0)]), None);
        assert_eq!(last_step(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }
}
