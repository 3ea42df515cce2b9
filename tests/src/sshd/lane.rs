//! What a relay does to the bytes of one direction.

use std::time::{Duration, Instant};

use crate::dice::Dice;

/// The bytes of a packet, and how long a sender waits at least before it takes the last one for lost.
const PACKET: usize = 1448;
const TIMER: Duration = Duration::from_millis(200);

/// A line between a client and a server, as a network would make it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// There and back.
    pub rtt: Duration,
    /// Bits a second, each way and all connections together; none: as many as come.
    pub bandwidth: Option<f64>,
    /// The share of packets that are lost. TCP brings them all the same, later: each is waited for, and a sender who loses
    /// many sends slowly (Mathis et al., 1997).
    pub loss: f64,
    /// Where the numbers of chance begin.
    pub seed: u64,
}

impl Line {
    /// How long these bytes take for being so many: a connection of its own is no faster than losses let it.
    fn takes(&self, bytes: usize) -> Duration {
        let lossy = (self.loss > 0.0 && !self.rtt.is_zero()).then(|| {
            let packets = 1.22 / (self.rtt.as_secs_f64() * self.loss.sqrt());
            packets * PACKET as f64 * 8.0
        });
        let bits = lossy.into_iter().chain(self.bandwidth).fold(f64::INFINITY, f64::min);
        Duration::from_secs_f64(bytes as f64 * 8.0 / bits)
    }

    /// For how long some bytes are waited for because of packets that were lost. What is lost among many is noticed by
    /// what comes behind it; the last of few, by a timer.
    fn repeats(&self, bytes: usize, dice: &mut Dice) -> Duration {
        let mut wait = Duration::ZERO;
        if self.loss > 0.0 {
            let packets = bytes.div_ceil(PACKET);
            for number in 0..packets {
                if (dice.roll() >> 11) as f64 / (1u64 << 53) as f64 <= self.loss {
                    wait = wait.max(if number + 3 < packets { self.rtt } else { TIMER + self.rtt });
                }
            }
        }
        wait
    }
}

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
    /// What the line is like, if it is like anything, and its dice.
    line: Option<(Line, Dice)>,
    /// When the last of the bytes that came in before is on the line.
    busy_until: Option<Instant>,
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
    /// Makes the direction one of such a line.
    pub(super) fn lay(&mut self, line: Line) {
        self.delay = line.rtt / 2;
        self.line = Some((line, Dice::new(line.seed)));
    }

    /// When bytes that come in now are on the line, all of them. `begun` is when the client began to connect: the relay
    /// has taken it at once, the line would not have.
    pub(super) fn send(&mut self, count: usize, way: Way, begun: Instant) -> Instant {
        let now = Instant::now();
        let Some((line, dice)) = &mut self.line else { return now };
        let sent = self.busy_until.map_or(now, |busy| busy.max(now)) + line.takes(count);
        self.busy_until = Some(sent);
        // The client may speak when it was answered, the server when the client has said that it was.
        let shaken = begun + if way == Way::Up { line.rtt } else { line.rtt * 3 / 2 };
        sent.max(shaken) + line.repeats(count, dice)
    }

    /// The turn of `count` bytes that came in at `since`. Those that pass are counted.
    pub(super) fn turn(&mut self, count: usize, since: Instant) -> Turn {
        let early = (since + self.delay).saturating_duration_since(Instant::now());
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
