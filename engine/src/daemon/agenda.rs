//! When something is due. Pure: it is told what time it is.
//!
//! No two nodes that were started together ask the hub together for long: each period is a tenth longer or shorter by
//! chance. After failures the next attempt comes after one period, two, four, and so on, at most [`LONGEST`].

use std::time::{Duration, Instant};

use super::Duties;
use crate::error::{ErrorKind, Result};
use crate::name::random_bytes;

/// The longest wait after failures.
const LONGEST: Duration = Duration::from_secs(300);
/// How long to wait for somebody who has the lock.
const BUSY: Duration = Duration::from_secs(1);
/// How long nothing is heeded after a false alarm; twice as long after each other one.
const ALARM: Duration = Duration::from_millis(10);
/// How many failures are told apart.
const MOST: u32 = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Agenda {
    period: Duration,
    scan: Duration,
    poll_at: Instant,
    scan_at: Instant,
    /// Nothing is done before this.
    not_before: Option<Instant>,
    failures: u32,
    is_first: bool,
    /// Announcements are not heeded before this; and how many in a row said nothing new.
    deaf_until: Instant,
    alarms: u32,
    chance: u64,
}

impl Agenda {
    /// Everything is due at once, but for one that has failed before: that waits as long as it would have.
    pub(super) fn new(duties: &Duties, now: Instant, failures: u32) -> Result<Self> {
        let chance = u128::from_le_bytes(random_bytes()?) as u64;
        let mut agenda = Self {
            period: duties.period,
            scan: duties.scan,
            poll_at: now,
            scan_at: now,
            not_before: None,
            failures: failures.min(MOST),
            is_first: true,
            deaf_until: now,
            alarms: 0,
            chance,
        };
        if agenda.failures > 0 {
            agenda.not_before = now.checked_add(agenda.delay());
        }
        Ok(agenda)
    }

    /// When to wake up, if nothing happens before.
    pub(super) fn next(&self) -> Instant {
        let next = self.poll_at.min(self.scan_at);
        self.not_before.map_or(next, |not_before| not_before.max(next))
    }

    /// Whether nothing is to be done yet.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|not_before| now < not_before)
    }

    pub(super) fn is_poll_due(&self, now: Instant) -> bool {
        self.poll_at <= now
    }

    pub(super) fn is_scan_due(&self, now: Instant) -> bool {
        self.scan_at <= now
    }

    /// Whether an announcement is heeded. For one that is not, the hub is asked a little later.
    pub(super) fn heeds(&mut self, now: Instant) -> bool {
        let heeds = self.deaf_until <= now;
        if !heeds {
            self.poll_at = self.poll_at.min(self.deaf_until);
        }
        heeds
    }

    /// Takes note whether the hub had anything new after an announcement.
    pub(super) fn was_alarm(&mut self, now: Instant, was_false: bool) {
        self.alarms = if was_false { (self.alarms + 1).min(MOST) } else { 0 };
        let deaf = if was_false { ALARM.saturating_mul(1 << self.alarms).min(self.period) } else { Duration::ZERO };
        self.deaf_until = now + deaf;
    }

    /// Whether nothing has gone well yet.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes note of a turn. Says whether it was the first one after failures.
    pub(super) fn went_well(&mut self, now: Instant, scanned: bool, asked: bool) -> bool {
        if scanned {
            self.scan_at = now + self.about(self.scan);
        }
        if asked || self.failures > 0 {
            self.poll_at = now + self.about(self.period);
        }
        let recovered = self.failures > 0;
        (self.not_before, self.failures, self.is_first) = (None, 0, false);
        recovered
    }

    /// Takes note of a failure. Gives the time until the next attempt.
    pub(super) fn failed(&mut self, now: Instant, kind: ErrorKind) -> Duration {
        let delay = if kind == ErrorKind::Locked {
            self.about(BUSY)
        } else {
            self.failures = (self.failures + 1).min(MOST);
            self.delay()
        };
        // What was due stays due.
        self.poll_at = now;
        self.not_before = Some(now + delay);
        delay
    }

    fn delay(&mut self) -> Duration {
        let longest = LONGEST.max(self.period);
        let delay = self.period.saturating_mul(1 << (self.failures - 1)).min(longest);
        self.about(delay)
    }

    /// A tenth more or less.
    pub(super) fn about(&mut self, time: Duration) -> Duration {
        // Splitmix64.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandths = 900 + ((mixed ^ (mixed >> 31)) % 201) as u32;
        time.saturating_mul(thousandths) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn agenda(now: Instant, failures: u32) -> Agenda {
        Agenda::new(&Duties::default(), now, failures).expect("an agenda")
    }

    fn is_about(time: Duration, seconds: u32) -> bool {
        let wanted = SECOND * seconds;
        (wanted * 9 / 10..=wanted * 11 / 10).contains(&time)
    }

    #[test]
    fn periods_are_kept_about() {
        let now = Instant::now();
        let mut agenda = agenda(now, 0);
        assert!(agenda.is_poll_due(now) && agenda.is_scan_due(now) && !agenda.waits(now) && agenda.is_first());
        assert!(!agenda.went_well(now, true, true));
        assert!(is_about(agenda.next() - now, 10) && !agenda.is_first());
        let later = now + SECOND * 12;
        assert!(agenda.is_poll_due(later) && !agenda.is_scan_due(later));
        // A change here puts nothing off.
        let before = agenda.next();
        agenda.went_well(now + SECOND, false, false);
        assert_eq!(agenda.next(), before);
        let waits: std::collections::BTreeSet<Duration> = (0..20).map(|_| agenda.about(SECOND)).collect();
        assert!(waits.len() > 10 && waits.iter().all(|wait| is_about(*wait, 1)));
    }

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let now = Instant::now();
        let mut agenda = agenda(now, 0);
        for wanted in [10, 20, 40, 80, 160, 300, 300] {
            let delay = agenda.failed(now, ErrorKind::Unreachable);
            assert!(is_about(delay, wanted), "{delay:?}, not about {wanted}");
            assert_eq!(agenda.next(), now + delay);
            assert!(agenda.waits(now + delay / 2) && !agenda.waits(now + delay));
        }
        // Who has the lock is not a failure of ours.
        assert!(is_about(agenda.failed(now, ErrorKind::Locked), 1));
        assert_eq!(agenda.failures(), 7);
        assert!(agenda.went_well(now, false, true) && agenda.failures() == 0);
        assert!(!agenda.went_well(now, false, true) && !agenda.waits(now));
    }

    #[test]
    fn false_alarms_are_heeded_less_and_less() {
        let mut now = Instant::now();
        let mut agenda = agenda(now, 0);
        let mut heeded = 0;
        for _ in 0..60_000 {
            now += Duration::from_millis(1);
            if agenda.heeds(now) {
                agenda.was_alarm(now, true);
                heeded += 1;
            }
        }
        assert!((10..=16).contains(&heeded), "{heeded} in a minute");
        agenda.was_alarm(now, false);
        assert!(agenda.heeds(now));
    }

    #[test]
    fn one_that_is_started_again_waits_as_long() {
        let now = Instant::now();
        let again = agenda(now, 3);
        assert!(again.waits(now) && is_about(again.next() - now, 40));
        assert!(is_about(agenda(now, u32::MAX).next() - now, 300));
    }
}
