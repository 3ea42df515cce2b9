//! What a relay does to the bytes of one direction.

use std::time::{Duration, Instant};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server.
    Up,
    /// From the server to clients.
    Down,
}

/// How a direction is at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// Bytes handed on since the beginning.
    pub(super) passed: u64,
    /// How many more may pass before everything is cut.
    pub(super) left: Option<u64>,
    /// Whether nothing passes.
    pub(super) stalled: bool,
    /// How long each byte is under way.
    pub(super) delay: Duration,
}

/// What may happen to some bytes now.
pub(super) enum Turn {
    /// Nothing, until something changes.
    Wait,
    /// Nothing, for this long.
    WaitFor(Duration),
    /// So many of them pass; behind the last of them all connections are cut.
    Pass { count: usize, is_last: bool },
}

impl Lane {
    /// The turn of `count` bytes that came in at `since`. Those that pass are counted.
    pub(super) fn turn(&mut self, count: usize, since: Instant) -> Turn {
        let early = self.delay.saturating_sub(since.elapsed());
        if self.stalled || self.left == Some(0) {
            return Turn::Wait;
        }
        if !early.is_zero() {
            return Turn::WaitFor(early);
        }
        let limit = self.left.map_or(count, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let count = count.min(limit);
        let passing = u64::try_from(count).expect("a count of bytes");
        self.passed += passing;
        self.left = self.left.map(|left| left - passing);
        Turn::Pass { count, is_last: self.left == Some(0) }
    }

    /// Lifts everything that is set.
    pub(super) fn clear(&mut self) {
        *self = Self { passed: self.passed, ..Self::default() };
    }
}
