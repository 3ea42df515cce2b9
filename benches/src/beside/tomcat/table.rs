//! The rows as a table: a line for each way and task.

use std::fmt::Write as _;

use super::ways::Way;
use super::{Row, Task, TomcatArgs};
use crate::kit::statistics::{median, range};

/// Everything that was measured.
pub(super) fn table(rows: &[Row], args: &TomcatArgs) -> String {
    let mut text = format!(
        "archive of {} MiB; slow: {} MiB/s; stalled: {} s in the middle\n",
        args.archive, args.pace, args.stall
    );
    for task in Task::ALL {
        let _ = writeln!(
            text,
            "\n{:<21}{:>3}{:>12}{:>9}{:>10}{:>9}{:>10}{:>10}{:>13}{:>8}",
            task.name(),
            "n",
            "brought s",
            "shown s",
            "requests",
            "refused",
            "absent s",
            "at most",
            "deployments",
            "failed"
        );
        for way in Way::ALL {
            line(&mut text, way, &rows.iter().filter(|row| row.task == task && row.way == way).collect::<Vec<_>>());
        }
    }
    text
}

fn line(text: &mut String, way: Way, rows: &[&Row]) {
    let seconds =
        |what: fn(&Row) -> f64| median(&rows.iter().map(|row| what(row)).collect::<Vec<_>>()).unwrap_or_default();
    let sum = |what: fn(&Row) -> usize| rows.iter().map(|row| what(row)).sum::<usize>();
    let absent: Vec<f64> = rows.iter().filter_map(|row| row.absent_s).collect();
    let shown = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    let _ = writeln!(
        text,
        "{:<21}{:>3}{:>12.2}{:>9.2}{:>10}{:>9}{:>10}{:>10}{:>13}{:>8}",
        way.name(),
        rows.len(),
        seconds(|row| row.brought_s),
        seconds(|row| row.shown_s),
        sum(|row| row.requests),
        sum(|row| row.refused),
        shown(median(&absent)),
        shown(range(&absent).map(|(_, greatest)| greatest)),
        sum(|row| row.deployments),
        sum(|row| row.failed),
    );
}
