//! How long to wait before the next attempt: longer and longer, and never all at the same moment.

use std::time::Duration;

use depsync_engine::name::random_bytes;

/// How long to wait at first, and at most; half of it more or less by chance.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Pause {
    pub(super) fn new() -> Self {
        Self(SHORTEST)
    }

    /// It went well: the next wait is short again.
    pub(super) fn reset(&mut self) {
        self.0 = SHORTEST;
    }

    /// How long to wait now.
    pub(super) fn draw(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait / 2 + within(wait)
    }
}

/// Some time below `span`, by chance.
pub(super) fn within(span: Duration) -> Duration {
    span * u32::from(chance()) / (1 << 16)
}

/// Any number.
pub(super) fn chance() -> u16 {
    // Without chance it is the middle: all come at once, which is slow and not wrong.
    random_bytes().map_or(1 << 15, |[low, high, ..]| u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_again() {
        let mut pause = Pause::new();
        for doubled in 0..20 {
            let usual = (SHORTEST * (1 << doubled)).min(LONGEST);
            let drawn = pause.draw();
            assert!(drawn >= usual / 2 && drawn < usual * 3 / 2, "{doubled}: {drawn:?}");
        }
        pause.reset();
        assert!(pause.draw() < SHORTEST * 3 / 2);
    }

    #[test]
    fn chance_is_spread_over_all_of_it() {
        let span = Duration::from_secs(4);
        let mut quarters = [0; 4];
        for _ in 0..400 {
            quarters[usize::try_from(within(span).as_secs()).expect("a small number")] += 1;
        }
        assert!(quarters.iter().all(|count| *count > 20), "{quarters:?}");
    }
}
