//! The table of `cost`: depsync beside its peers, and what the budgets are set for.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::beside::round::Row;
use crate::kit::machine::Machine;
use crate::kit::peers::{Peer, Task};
use crate::kit::statistics::{median, range, ratio};
use crate::kit::tree::Layout;

/// A run.
pub(crate) struct Report<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) rows: &'a [Row],
}

/// A ratio that a budget is set for: what depsync does, summed, over what a peer does.
struct Budget {
    name: &'static str,
    ours: &'static [Task],
    peer: Peer,
    theirs: &'static [Task],
    budget: &'static str,
}

const fn budget(
    name: &'static str,
    ours: &'static [Task],
    peer: Peer,
    theirs: &'static [Task],
    budget: &'static str,
) -> Budget {
    Budget { name, ours, peer, theirs, budget }
}

const IDLE_PUBLISH: &[Task] = &[Task::IdlePublish];
const IDLE_UPDATE: &[Task] = &[Task::IdleUpdate];
const CHANGE: &[Task] = &[Task::ChangePublish, Task::ChangeUpdate];
const FIRST: &[Task] = &[Task::FirstPublish, Task::FirstUpdate];

/// Section 12 of the design.
const BUDGETS: [Budget; 8] = [
    budget("idle publish / walk", IDLE_PUBLISH, Peer::Walk, IDLE_PUBLISH, "at most 1.3"),
    budget("idle publish / git status", IDLE_PUBLISH, Peer::Git, IDLE_PUBLISH, "below 1"),
    budget("idle publish / rsync -an", IDLE_PUBLISH, Peer::RsyncDry, IDLE_PUBLISH, "below 1"),
    budget("idle update / walk", IDLE_UPDATE, Peer::Walk, IDLE_UPDATE, "at most 1.3"),
    budget("idle update / rsync -an", IDLE_UPDATE, Peer::RsyncDry, IDLE_UPDATE, "below 1"),
    budget("1 KiB changed, both / one rsync -a", CHANGE, Peer::Rsync, &[Task::ChangePublish], "well below 1"),
    budget("1 KiB changed, both / rsync -a twice", CHANGE, Peer::Rsync, CHANGE, "none"),
    budget("first publish and update / rsync -a twice", FIRST, Peer::Rsync, FIRST, "at most 1"),
];
/// Bytes that a change of 1 KiB may write to the hub.
const CHANGE_BUDGET: u64 = 32 * 1024;

impl Report<'_> {
    /// Prints facts and tables.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}", self.text())
    }

    /// Facts and tables.
    pub(crate) fn text(&self) -> String {
        let mut text = self.machine.facts();
        for layout in [Layout::Nested, Layout::Flat] {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.layout == layout).collect();
            if let Some(first) = rows.first() {
                let how = if layout == Layout::Nested { "100 a directory" } else { "one flat directory" };
                let _ = write!(
                    text,
                    "\n{} files of {} bytes, {how}\n{}\n{}",
                    first.files,
                    first.size,
                    table(&rows),
                    budgets(&rows)
                );
            }
        }
        text
    }
}

/// Processor seconds of each repetition, summed over the tasks.
fn processor(rows: &[&Row], peer: Peer, tasks: &[Task]) -> Vec<f64> {
    let of =
        |task: Task| rows.iter().filter(move |row| row.peer == peer && row.task == task).map(|row| row.measure.cpu_s());
    let mut sums: Vec<f64> = tasks.first().map(|task| of(*task).collect()).unwrap_or_default();
    for task in tasks.iter().skip(1) {
        let more: Vec<f64> = of(*task).collect();
        sums.truncate(more.len());
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    sums
}

fn table(rows: &[&Row]) -> String {
    let mut text = format!(
        "{:<24}{:<11}{:>3}{:>10}{:>18}{:>9}{:>11}{:>13}{:>17}\n",
        "task", "who", "n", "cpu s", "least to most", "wall s", "peak MiB", "hub bytes", "depsync/who cpu"
    );
    for task in Task::ALL {
        let ours = processor(rows, Peer::Depsync, &[task]);
        for peer in Peer::ALL {
            let these: Vec<&Row> = rows.iter().copied().filter(|row| row.peer == peer && row.task == task).collect();
            let theirs = processor(rows, peer, &[task]);
            let (Some(cpu), Some((least, most))) = (median(&theirs), range(&theirs)) else { continue };
            let wall = median(&these.iter().map(|row| row.measure.wall_s).collect::<Vec<_>>()).unwrap_or_default();
            let peak = these.iter().map(|row| row.measure.peak_kib).max().unwrap_or_default();
            let bytes = these.iter().filter_map(|row| row.hub_bytes).max();
            let _ = writeln!(
                text,
                "{:<24}{:<11}{:>3}{cpu:>10.3}{:>18}{wall:>9.3}{:>11}{:>13}{:>17}",
                task.name(),
                peer.name(),
                these.len(),
                format!("{least:.3} to {most:.3}"),
                peak.cast_unsigned().div_ceil(1024),
                bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
                times(ratio(&ours, &theirs).filter(|_| peer != Peer::Depsync)),
            );
        }
    }
    text
}

fn budgets(rows: &[&Row]) -> String {
    let mut text = format!("{:<44}{:>8}   budget (for 100,000 files)\n", "processor time", "ratio");
    for Budget { name, ours, peer, theirs, budget } in BUDGETS {
        let found = ratio(&processor(rows, Peer::Depsync, ours), &processor(rows, peer, theirs));
        let _ = writeln!(text, "{name:<44}{:>8}   {budget}", times(found));
    }
    let changed = rows.iter().filter(|row| row.peer == Peer::Depsync && row.task == Task::ChangePublish);
    if let Some(bytes) = changed.filter_map(|row| row.hub_bytes).max() {
        let _ = writeln!(text, "{:<44}{bytes:>8}   at most {CHANGE_BUDGET}", "1 KiB changed, bytes to the hub (most)");
    }
    text
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::measured::Measure;

    fn row(peer: Peer, task: Task, cpu: f64) -> Row {
        let measure = Measure { user_s: cpu, system_s: 0.0, wall_s: cpu, peak_kib: 1025, status: Some(0) };
        let (layout, files, size, hub_bytes) = (Layout::Flat, 5, 7, Some(11));
        Row { layout, files, size, task, peer, round: 0, repetition: 0, hub_bytes, said_bytes: None, measure }
    }

    fn rows() -> Vec<Row> {
        use Task::{ChangePublish, ChangeUpdate};
        let cpu = [
            (Peer::Depsync, ChangePublish, [1.0, 2.0]),
            (Peer::Depsync, ChangeUpdate, [0.5, 0.5]),
            (Peer::Rsync, ChangePublish, [3.0, 10.0]),
        ];
        cpu.into_iter().flat_map(|(peer, task, cpu)| cpu.map(|cpu| row(peer, task, cpu))).collect()
    }

    #[test]
    fn sums_are_of_the_same_repetition() {
        let rows = rows();
        let rows: Vec<&Row> = rows.iter().collect();
        let both = processor(&rows, Peer::Depsync, &[Task::ChangePublish, Task::ChangeUpdate]);
        assert_eq!(both, [1.5, 2.5]);
        assert!(processor(&rows, Peer::Git, &[Task::ChangePublish]).is_empty());
        // 1.5 / 3 and 2.5 / 10: the middle is 0.375.
        assert!(budgets(&rows).contains("one rsync -a             0.38x   well below 1"), "{}", budgets(&rows));
        assert!(budgets(&rows).contains("idle publish / git status                          -   below 1"));
    }

    #[test]
    fn the_table_has_a_line_for_each_who_was_measured() {
        let rows = rows();
        let text = table(&rows.iter().collect::<Vec<_>>());
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.contains(
                "rsync -a     2     6.500   3.000 to 10.000    6.500          2           11            0.27x"
            ),
            "{text}"
        );
    }
}
