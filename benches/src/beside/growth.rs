//! The tables and the picture of `scale`: what each operation costs at each number of files, and the slopes.

use std::fmt::Write as _;

use anyhow::Result;

use crate::beside::round::Row;
use crate::beside::slope::{exponent, last_step};
use crate::kit::peers::{Peer, Task};
use crate::kit::plot::{self, Line, Panel};
use crate::kit::statistics::{median, range};

/// What one peer took for one task, by the number of files.
struct Series {
    task: Task,
    peer: Peer,
    steps: Vec<Step>,
}

/// At one number of files.
struct Step {
    files: usize,
    samples: usize,
    cpu_s: f64,
    least_s: f64,
    most_s: f64,
    wall_s: f64,
    /// The largest sample, bytes.
    peak: f64,
    hub_bytes: Option<u64>,
}

/// All of a run.
pub(crate) struct Growth(Vec<Series>);

/// Exact far beyond any number of files or bytes that is measured here.
#[allow(clippy::cast_precision_loss)]
fn real(number: usize) -> f64 {
    number as f64
}

impl Series {
    fn name(&self) -> String {
        match self.peer {
            Peer::Depsync => self.task.name().to_owned(),
            peer => format!("{} ({})", self.task.name(), peer.name()),
        }
    }

    fn points(&self, of: impl Fn(&Step) -> f64) -> Vec<(f64, f64)> {
        self.steps.iter().map(|step| (real(step.files), of(step))).collect()
    }
}

impl Growth {
    /// Sorts the rows by peer, task and number of files.
    pub(crate) fn of(rows: &[Row], peers: &[Peer]) -> Self {
        let mut all = Vec::new();
        for &peer in peers {
            for task in Task::ALL {
                let these: Vec<&Row> = rows.iter().filter(|row| row.peer == peer && row.task == task).collect();
                let mut numbers: Vec<usize> = these.iter().map(|row| row.files).collect();
                numbers.sort_unstable();
                numbers.dedup();
                let steps: Vec<Step> = numbers.into_iter().filter_map(|files| Step::of(files, &these)).collect();
                if !steps.is_empty() {
                    all.push(Series { task, peer, steps });
                }
            }
        }
        Self(all)
    }

    /// The slopes, and every figure behind them, as markdown.
    pub(crate) fn tables(&self) -> String {
        let mut text = "`e` is the exponent of cost = c · files^e (least squares over the logarithms; what does not grow \
             with the files pulls it below 1). The last step is what one more file costs between the two largest trees.\n\n\
             | operation | e, cpu | last step, cpu µs a file | e, memory | last step, bytes of memory a file |\n\
             |---|---:|---:|---:|---:|\n"
            .to_owned();
        for series in &self.0 {
            let (cpu, peak) = (series.points(|step| step.cpu_s), series.points(|step| step.peak));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                series.name(),
                shown(exponent(&cpu), 2),
                shown(last_step(&cpu).map(|seconds| seconds * 1e6), 2),
                shown(exponent(&peak), 2),
                shown(last_step(&peak), 0),
            );
        }
        text += "\n| operation | files | n | cpu s | least to most | wall s | peak MiB | hub bytes |\n\
                 |---|---:|---:|---:|---:|---:|---:|---:|\n";
        for series in &self.0 {
            for step in &series.steps {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {:.3} | {:.3} to {:.3} | {:.3} | {:.0} | {} |",
                    series.name(),
                    step.files,
                    step.samples,
                    step.cpu_s,
                    step.least_s,
                    step.most_s,
                    step.wall_s,
                    (step.peak / 1024.0 / 1024.0).ceil(),
                    step.hub_bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
                );
            }
        }
        text
    }

    /// Processor time and memory against the number of files.
    pub(crate) fn picture(&self) -> Result<String> {
        let lines = |of: fn(&Step) -> f64| -> Vec<Line> {
            let line = |series: &Series| Line {
                name: series.name(),
                ours: series.peer == Peer::Depsync,
                like: None,
                points: series.points(of),
                dots: series.points(of),
            };
            self.0.iter().map(line).collect()
        };
        let (cpu, peak) = (lines(|step| step.cpu_s), lines(|step| step.peak / 1024.0 / 1024.0));
        plot::draw(
            "files",
            &[
                Panel { title: "processor seconds", lines: &cpu, marks: &[], words: &[] },
                Panel { title: "peak memory, MiB", lines: &peak, marks: &[], words: &[] },
            ],
        )
    }
}

impl Step {
    fn of(files: usize, rows: &[&Row]) -> Option<Self> {
        let rows: Vec<&Row> = rows.iter().copied().filter(|row| row.files == files).collect();
        let cpu: Vec<f64> = rows.iter().map(|row| row.measure.cpu_s()).collect();
        let (least_s, most_s) = range(&cpu)?;
        let peak_kib = rows.iter().map(|row| row.measure.peak_kib).max()?;
        Some(Self {
            files,
            samples: rows.len(),
            cpu_s: median(&cpu)?,
            least_s,
            most_s,
            wall_s: median(&rows.iter().map(|row| row.measure.wall_s).collect::<Vec<_>>())?,
            peak: real(usize::try_from(peak_kib).ok()?) * 1024.0,
            hub_bytes: rows.iter().filter_map(|row| row.hub_bytes).max(),
        })
    }
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::measured::Measure;
    use crate::kit::tree::Layout;

    fn row(peer: Peer, task: Task, files: usize, cpu: f64, peak_kib: i64) -> Row {
        let measure = Measure { user_s: cpu, system_s: 0.0, wall_s: cpu, peak_kib, status: Some(0) };
        let layout = Layout::Nested;
        Row {
            layout,
            files,
            size: 7,
            task,
            peer,
            round: 0,
            repetition: 0,
            hub_bytes: Some(11),
            said_bytes: None,
            measure,
        }
    }

    fn rows() -> Vec<Row> {
        let mut rows = Vec::new();
        for (files, cpu, peak) in [(10_000, 0.02, 20_480), (1_000, 0.002, 10_240), (100_000, 0.2, 30_720)] {
            for noise in [0.9, 1.0, 1.5] {
                rows.push(row(Peer::Depsync, Task::IdlePublish, files, cpu * noise, peak));
            }
        }
        rows.push(row(Peer::Walk, Task::IdlePublish, 1_000, 0.001, 1));
        rows
    }

    #[test]
    fn slopes_are_of_the_medians_and_the_largest_peak() {
        let text = Growth::of(&rows(), &[Peer::Depsync, Peer::Walk]).tables();
        // 0.18 s more for 90,000 files more; 10 MiB more for as many.
        assert!(text.contains("| idle publish | 1.00 | 2.00 | 0.24 | 117 |"), "{text}");
        assert!(text.contains("| idle publish (walk) | - | - | - | - |"), "{text}");
        assert!(text.contains("| idle publish | 10000 | 3 | 0.020 | 0.018 to 0.030 | 0.020 | 20 | 11 |"), "{text}");
        assert!(!text.contains("first update"), "{text}");
    }

    #[test]
    fn the_picture_has_a_line_for_each() {
        let svg = Growth::of(&rows(), &[Peer::Depsync, Peer::Walk]).picture().expect("draws");
        assert!(svg.contains("idle publish (walk)"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 8, "{svg}");
    }
}
