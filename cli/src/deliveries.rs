//! A push on a terminal: a line for each node that is being worked on, and one for all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use depsync_engine::context::Delivering;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::units::counted;

/// Draws the deliveries of one push.
pub(crate) struct Deliveries {
    screen: MultiProgress,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    all: Option<ProgressBar>,
    nodes: HashMap<String, ProgressBar>,
    failed: u64,
}

impl Deliveries {
    /// Lines on stderr.
    pub(crate) fn on_stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(8))
    }

    fn on(target: ProgressDrawTarget) -> Self {
        Self { screen: MultiProgress::with_draw_target(target), lines: Mutex::default() }
    }

    /// Takes a report.
    pub(crate) fn show(&self, node: &str, how_far: Delivering) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match how_far {
            Delivering::Waiting => return lines.all(&self.screen).inc_length(1),
            Delivering::Arriving => "connecting".to_owned(),
            Delivering::Looking => "looking at what is there".to_owned(),
            Delivering::Sending(files) => format!("sending {}", files_of(files)),
            Delivering::Applying(paths) => format!("changing {}", counted(small(paths), "path")),
            Delivering::Done | Delivering::Failed => return lines.end(&self.screen, node, how_far),
        };
        let line = lines.nodes.entry(node.to_owned()).or_insert_with(|| {
            let line = self.screen.add(ProgressBar::new_spinner().with_style(style("{spinner} {prefix}  {msg}")));
            line.enable_steady_tick(Duration::from_millis(250));
            line.with_prefix(node.to_owned())
        });
        line.set_message(text);
    }

    /// Wipes what is drawn.
    pub(crate) fn finish(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, line) in lines.nodes.drain() {
            line.finish_and_clear();
        }
        if let Some(all) = lines.all.take() {
            all.finish_and_clear();
        }
    }
}

impl Lines {
    fn all(&mut self, screen: &MultiProgress) -> &ProgressBar {
        self.all.get_or_insert_with(|| {
            let style = style("{prefix:>9} {wide_bar} {human_pos}/{human_len} nodes {msg}");
            screen.add(ProgressBar::new(0).with_style(style).with_prefix("pushing"))
        })
    }

    fn end(&mut self, screen: &MultiProgress, node: &str, how_far: Delivering) {
        if let Some(line) = self.nodes.remove(node) {
            line.finish_and_clear();
            screen.remove(&line);
        }
        if how_far == Delivering::Failed {
            self.failed += 1;
        }
        let failed = self.failed;
        let all = self.all(screen);
        all.inc(1);
        if failed > 0 {
            all.set_message(format!("({failed} failed)"));
        }
    }
}

fn files_of(count: u64) -> String {
    counted(small(count), "file")
}

fn small(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid, as a test shows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_line_while_it_is_worked_on() {
        let shown = Deliveries::on(ProgressDrawTarget::hidden());
        for node in ["a", "b"] {
            shown.show(node, Delivering::Waiting);
        }
        for how_far in [Delivering::Arriving, Delivering::Looking, Delivering::Sending(1), Delivering::Applying(7)] {
            shown.show("a", how_far);
        }
        let count = |shown: &Deliveries| shown.lines.lock().expect("whole").nodes.len();
        assert_eq!(count(&shown), 1);
        shown.show("a", Delivering::Failed);
        {
            let lines = shown.lines.lock().expect("whole");
            let all = lines.all.as_ref().expect("a line for all");
            assert_eq!((all.position(), all.length(), all.message()), (1, Some(2), "(1 failed)".to_owned()));
        }
        assert_eq!(count(&shown), 0);
        shown.finish();
    }
}
