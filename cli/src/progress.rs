//! Progress bars: on stderr, on a terminal, and nowhere else.
//!
//! The engine reports from many threads and often, so a report is an atomic store; indicatif draws a few times a
//! second. Bars are wiped when a later phase begins and when the work ends: the answer stands alone.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depsync_engine::context::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Global;

/// Bars only where a person looks at them, and not between the lines of a log.
pub(crate) fn wanted(global: &Global) -> bool {
    let unwanted = global.no_progress || global.quiet || global.json || global.verbose > 0;
    !unwanted && std::io::stderr().is_terminal()
}

/// Draws the phases of one command.
pub(crate) struct Bars {
    slots: [OnceLock<ProgressBar>; 4],
    current: AtomicUsize,
    target: fn() -> ProgressDrawTarget,
}

impl Bars {
    /// Bars on stderr.
    pub(crate) fn on_stderr() -> Self {
        Self::on(|| ProgressDrawTarget::stderr_with_hz(8))
    }

    fn on(target: fn() -> ProgressDrawTarget) -> Self {
        Self { slots: Default::default(), current: AtomicUsize::new(0), target }
    }

    /// Takes a report.
    pub(crate) fn show(&self, progress: Progress) {
        let Some((slot, name, unit)) = phase(progress.phase) else { return };
        let bar = self.slots[slot].get_or_init(|| new_bar(name, unit, (self.target)()));
        if let Some(total) = progress.total
            && bar.length() != Some(total)
        {
            bar.set_style(style(unit, true));
            bar.set_length(total);
        }
        bar.set_position(progress.done);
        if self.current.swap(slot, Ordering::Relaxed) != slot {
            for (other, bar) in self.slots.iter().enumerate() {
                if let Some(bar) = bar.get().filter(|_| other != slot) {
                    bar.finish_and_clear();
                }
            }
        }
    }

    /// Wipes what is drawn.
    pub(crate) fn finish(&self) {
        for bar in self.slots.iter().filter_map(OnceLock::get) {
            bar.finish_and_clear();
        }
    }
}

/// What a phase counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Things,
    Bytes,
}

fn phase(phase: Phase) -> Option<(usize, &'static str, Unit)> {
    match phase {
        Phase::Scan => Some((0, "scanning", Unit::Things)),
        Phase::Upload => Some((1, "sending", Unit::Bytes)),
        Phase::Stage => Some((2, "fetching", Unit::Bytes)),
        Phase::Commit => Some((3, "applying", Unit::Things)),
        _ => None,
    }
}

fn new_bar(name: &'static str, unit: Unit, target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target).with_prefix(name).with_style(style(unit, false));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn style(unit: Unit, bounded: bool) -> ProgressStyle {
    let template = match (unit, bounded) {
        (Unit::Things, false) => "{prefix:>9} {spinner} {human_pos}",
        (Unit::Things, true) => "{prefix:>9} {wide_bar} {human_pos}/{human_len}",
        (Unit::Bytes, false) => "{prefix:>9} {spinner} {binary_bytes} {binary_bytes_per_sec}",
        (Unit::Bytes, true) => {
            "{prefix:>9} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
        }
    };
    ProgressStyle::with_template(template).expect("the templates above are valid, as a test shows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_a_bar_and_the_end_wipes_all() {
        let bars = Bars::on(ProgressDrawTarget::hidden);
        for phase in [Phase::Scan, Phase::Upload, Phase::Stage, Phase::Commit] {
            bars.show(Progress { phase, done: 1, total: None });
            bars.show(Progress { phase, done: 2, total: Some(10) });
        }
        assert_eq!(bars.slots[3].get().expect("a bar").position(), 2);
        assert_eq!(bars.slots[3].get().expect("a bar").length(), Some(10));
        assert!(bars.slots[0].get().expect("a bar").is_finished());
        assert!(!bars.slots[3].get().expect("a bar").is_finished());
        bars.finish();
        assert!(bars.slots.iter().all(|bar| bar.get().expect("a bar").is_finished()));
    }
}
