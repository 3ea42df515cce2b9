//! The rows as a table: a line for each way.

use std::fmt::Write as _;

use super::ways::Way;
use super::{LatencyArgs, Row};
use crate::kit::statistics::{median, quantile};

/// Everything that was measured.
pub(super) fn table(rows: &[Row], args: &LatencyArgs) -> String {
    let mut text = format!(
        "{} files of 1 KiB, {} workers; depsync waits {} ms for more, and asks every {} s\n\n",
        args.files, args.workers, args.debounce, args.period
    );
    let _ = writeln!(
        text,
        "{:<24}{:>7}{:>9}{:>9}{:>9}{:>9}{:>13}{:>13}{:>13}",
        "way", "edits", "p50 ms", "p90 ms", "p99 ms", "max ms", "all, p50 ms", "all, p99 ms", "cpu s, edit"
    );
    for way in Way::ALL {
        let of: Vec<&Row> = rows.iter().filter(|row| row.way == way).collect();
        if !of.is_empty() {
            line(&mut text, way, &of);
        }
    }
    text
}

/// A line for each way's program.
pub(super) fn versions(rows: &[Row]) -> String {
    let first = |way: Way| rows.iter().find(|row| row.way == way && !matches!(way, Way::Channel | Way::Polling));
    Way::ALL.into_iter().filter_map(first).map(|row| format!("{}: {}\n", row.way.name(), row.version)).collect()
}

fn line(text: &mut String, way: Way, rows: &[&Row]) {
    let each: Vec<f64> = rows.iter().flat_map(|row| row.ms.iter().copied()).collect();
    let all: Vec<f64> = rows.iter().map(|row| row.ms.iter().copied().fold(0.0, f64::max)).collect();
    let at = |values: &[f64], share| quantile(values, share).unwrap_or_default();
    let cpu: Vec<f64> = rows.iter().map(|row| row.cpu_s).collect();
    let _ = writeln!(
        text,
        "{:<24}{:>7}{:>9.0}{:>9.0}{:>9.0}{:>9.0}{:>13.0}{:>13.0}{:>13.2}",
        way.name(),
        rows.len(),
        at(&each, 0.5),
        at(&each, 0.9),
        at(&each, 0.99),
        at(&each, 1.0),
        at(&all, 0.5),
        at(&all, 0.99),
        median(&cpu).unwrap_or_default(),
    );
}
