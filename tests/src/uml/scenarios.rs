//! Several checks in one machine: a boot costs more than most of them.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Collects how scenarios ended, and says it as they do.
#[derive(Debug, Default)]
pub struct Scenarios {
    failed: Vec<String>,
    run: usize,
}

impl Scenarios {
    /// Runs one; what it panics with is said, and the next ones are run all the same.
    pub fn run(&mut self, name: &str, work: impl FnOnce()) {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(work));
        self.run += 1;
        let word = if done.is_ok() { "ok    " } else { "FAILED" };
        let _ = writeln!(std::io::stdout(), "{word} {name} ({:.1} s)", began.elapsed().as_secs_f32());
        if done.is_err() {
            self.failed.push(name.to_owned());
        }
    }

    /// Fails if any did.
    pub fn end(self) {
        assert!(self.run > 0, "nothing was run");
        assert!(self.failed.is_empty(), "{} of {} failed: {}", self.failed.len(), self.run, self.failed.join(", "));
    }
}

/// A figure for those who read what went through.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "       {line}");
}
