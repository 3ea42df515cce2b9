//! The rows as a table: for each way, task and step a line of each of the two, and their ratios.

use std::fmt::Write as _;

use super::access::Access;
use super::{Row, Step, Task, Who};
use crate::kit::statistics::{bytes, median, ratio};

/// Everything that was measured.
pub(super) fn table(rows: &[Row], mebibytes: u16) -> String {
    let mut text = String::new();
    if let Some(first) = rows.first() {
        let _ = writeln!(text, "{} files of {} bytes; archive of {mebibytes} MiB", first.files, first.size);
    }
    for access in [Access::File, Access::Svn, Access::Http] {
        if rows.iter().any(|row| row.access == access) {
            let _ = writeln!(
                text,
                "\n{:<18}{:<9}{:<9}{:>2}{:>9}{:>10}{:>9}{:>12}{:>12}{:>12}{:>9}{:>9}",
                access.name(),
                "step",
                "who",
                "n",
                "cpu s",
                "far cpu s",
                "wall s",
                "bytes up",
                "bytes down",
                "hub bytes",
                "cpu",
                "wall"
            );
            for task in Task::ALL {
                for step in [Step::Publish, Step::Update] {
                    let of = |row: &&Row| row.access == access && row.task == task && row.step == step;
                    pair(&mut text, task, step, &rows.iter().filter(of).collect::<Vec<_>>());
                }
            }
        }
    }
    text
}

/// Two lines, the second one with the ratios.
fn pair(text: &mut String, task: Task, step: Step, rows: &[&Row]) {
    let of = |who: Who, what: fn(&Row) -> f64| -> Vec<f64> {
        rows.iter().filter(|row| row.who == who).map(|row| what(row)).collect()
    };
    for who in Who::BOTH {
        let middle = |what| median(&of(who, what)).unwrap_or_default();
        let times = |what| -> String {
            let times = ratio(&of(Who::Depsync, what), &of(Who::Svn, what)).filter(|_| who == Who::Svn);
            times.map_or(String::new(), |times| format!("{times:.2}x"))
        };
        let cpu = |row: &Row| row.measure.cpu_s() + row.far_cpu_s;
        let wall = |row: &Row| row.measure.wall_s;
        let line = format!(
            "{:<18}{:<9}{:<9}{:>2}{:>9.3}{:>10.2}{:>9.2}{:>12.0}{:>12.0}{:>12.0}{:>9}{:>9}",
            task.name(),
            if step == Step::Publish { "publish" } else { "update" },
            who.name(),
            of(who, wall).len(),
            middle(|row| row.measure.cpu_s()),
            middle(|row| row.far_cpu_s),
            middle(wall),
            middle(|row| bytes(row.up)),
            middle(|row| bytes(row.down)),
            middle(|row| bytes(row.grown.max(0).cast_unsigned())),
            times(cpu),
            times(wall),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
