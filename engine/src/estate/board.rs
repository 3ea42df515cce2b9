//! Who has what to do, and when. Pure: it is told what time it is.
//!
//! Laws:
//! - one deployment is worked on by one at a time; what comes meanwhile is done afterwards, all of it together;
//! - whoever waits longest comes first; one that has failed waits one period, two, four, and so on, at most [`LONGEST`];
//! - one that is not loaded has nothing to do, whatever the hub says;
//! - nobody is worked on before the hub has answered: an empty share is no reason to publish ten thousand directories.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::name::{DeploymentName, random_bytes};
use crate::revdb::RegisterEntry;
use crate::scan::Part;

/// The longest wait after failures.
const LONGEST: Duration = Duration::from_secs(300);
/// How many failures are told apart.
const MOST: u32 = 16;
/// How many paths of a deployment are remembered; of more, everything is looked at.
const PATHS: usize = 4096;

/// What the hub says of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its mark.
    Mark(String),
    /// Nothing, although it has a revision: what was said of it is lost.
    Nothing,
}

impl Said {
    pub(super) fn mark(&self) -> Option<&str> {
        match self {
            Self::Mark(mark) => Some(mark),
            Self::Nothing => None,
        }
    }
}

/// What is to be done for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Job {
    /// The hub says something else of it than when it was in step last: this.
    pub(super) said: Option<Said>,
    /// Everything is looked at.
    pub(super) check: bool,
    /// What has changed here.
    pub(super) part: Part,
    /// It is left alone from now on.
    pub(super) unload: bool,
}

impl Job {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, more: Self) {
        self.said = more.said.or(self.said.take());
        self.check |= more.check;
        self.part.add_all(more.part);
        if self.part.len() > PATHS {
            (self.part, self.check) = (Part::default(), true);
        }
        self.unload = more.unload;
    }
}

/// One deployment.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    /// What is known of it.
    pub(super) entry: RegisterEntry,
    /// What the hub says of it.
    pub(super) head: Option<String>,
    /// When everything in it is looked at next.
    pub(super) check_at: Instant,
    /// Nothing is done before this.
    not_before: Option<Instant>,
    is_busy: bool,
    is_queued: bool,
    job: Job,
}

/// See the module.
pub(super) struct Board {
    tenants: BTreeMap<DeploymentName, Tenant>,
    queue: VecDeque<DeploymentName>,
    period: Duration,
    check: Duration,
    chance: u64,
    busy: usize,
    is_open: bool,
}

impl Board {
    pub(super) fn new(period: Duration, check: Duration) -> crate::error::Result<Self> {
        let chance = u128::from_le_bytes(random_bytes()?) as u64;
        Ok(Self { tenants: BTreeMap::new(), queue: VecDeque::new(), period, check, chance, busy: 0, is_open: false })
    }

    /// Puts one on the board; what is known of one that is there already stays.
    pub(super) fn enter(&mut self, entry: RegisterEntry, now: Instant) {
        // Those that were looked at before are looked at again spread over the period.
        let wait = if entry.checked.is_some() { self.share_of(self.check) } else { Duration::ZERO };
        self.tenants.entry(entry.name.clone()).or_insert(Tenant {
            head: None,
            check_at: now + wait,
            not_before: None,
            is_busy: false,
            is_queued: false,
            job: Job::default(),
            entry,
        });
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    pub(super) fn len(&self) -> usize {
        self.tenants.len()
    }

    pub(super) fn get(&self, name: &DeploymentName) -> Option<&Tenant> {
        self.tenants.get(name)
    }

    /// Loads one: from now on it is kept in step.
    pub(super) fn load(&mut self, name: &DeploymentName, entry: &RegisterEntry) {
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        tenant.entry.used = entry.used.max(tenant.entry.used);
        if entry.loaded && !tenant.entry.loaded {
            tenant.entry.loaded = true;
            self.want(name, Job { check: true, ..Job::default() });
        }
    }

    /// Takes note of what the hub says: who is loaded and not in step has something to do.
    pub(super) fn heard(&mut self, name: &DeploymentName, mark: &str, now: Instant) {
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        if tenant.head.as_deref() != Some(mark) {
            tenant.head = Some(mark.to_owned());
        }
        let is_waiting = tenant.job.said.as_ref().is_some_and(|said| said.mark() == Some(mark));
        if tenant.entry.loaded && tenant.entry.mark.as_deref() != Some(mark) && !is_waiting {
            // One look for both.
            let check = tenant.check_at <= now && !tenant.is_busy;
            self.want(name, Job { said: Some(Said::Mark(mark.to_owned())), check, ..Job::default() });
        }
    }

    /// Takes note of what the hub says of all: who has a revision and is not among them is looked after. Somebody else has
    /// written at the same moment, and what was said of him is lost.
    pub(super) fn missed(&mut self, marks: &BTreeMap<DeploymentName, String>) {
        let entries = self.tenants.values().map(|tenant| &tenant.entry);
        let missed = entries.filter(|entry| entry.applied.is_some() && !marks.contains_key(&entry.name));
        let missed: Vec<DeploymentName> = missed.map(|entry| entry.name.clone()).collect();
        for name in missed {
            self.want(&name, Job { said: Some(Said::Nothing), ..Job::default() });
        }
    }

    /// Lets the work begin: the hub has answered. Until then nobody is worked on.
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// Gives one something to do.
    pub(super) fn want(&mut self, name: &DeploymentName, job: Job) {
        let Some(tenant) = self.tenants.get_mut(name).filter(|tenant| tenant.entry.loaded) else { return };
        tenant.job.add(job);
        if !tenant.is_busy && !tenant.is_queued {
            tenant.is_queued = true;
            self.queue.push_back(name.clone());
        }
    }

    /// Gives those something to do who are to be looked at by now, and those that nobody uses any more, as `is_idle` says.
    pub(super) fn remind(&mut self, now: Instant, is_idle: impl Fn(&RegisterEntry) -> bool) {
        let due = |tenant: &&Tenant| tenant.entry.loaded && !tenant.is_busy;
        let checks = self.tenants.values().filter(due).filter(|tenant| tenant.check_at <= now && !tenant.job.check);
        let checks: Vec<DeploymentName> = checks.map(|tenant| tenant.entry.name.clone()).collect();
        let idle = self.tenants.values().filter(due).filter(|tenant| !tenant.job.unload && is_idle(&tenant.entry));
        let idle: Vec<DeploymentName> = idle.map(|tenant| tenant.entry.name.clone()).collect();
        for name in checks {
            self.want(&name, Job { check: true, ..Job::default() });
        }
        for name in idle {
            self.want(&name, Job { unload: true, ..Job::default() });
        }
    }

    /// Who is to be worked on now, and at what.
    pub(super) fn take(&mut self, now: Instant) -> Option<(DeploymentName, Job)> {
        if !self.is_open {
            return None;
        }
        for _ in 0..self.queue.len() {
            let name = self.queue.pop_front()?;
            let Some(tenant) = self.tenants.get_mut(&name) else { continue };
            if tenant.not_before.is_some_and(|not_before| now < not_before) {
                self.queue.push_back(name);
                continue;
            }
            (tenant.is_queued, tenant.is_busy) = (false, true);
            self.busy += 1;
            return Some((name, std::mem::take(&mut tenant.job)));
        }
        None
    }

    /// When somebody who waits may be worked on; none if nobody waits.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.queue.iter().filter_map(|name| self.tenants.get(name));
        waiting.filter_map(|tenant| tenant.not_before).min()
    }

    /// Whether somebody is worked on, or waits and has not failed.
    pub(super) fn is_at_work(&self) -> bool {
        let waits = |name| self.tenants.get(name).is_some_and(|tenant| tenant.not_before.is_none());
        self.is_open && (self.busy > 0 || self.queue.iter().any(waits))
    }

    /// Takes note of how work on one has ended: well, or with what is to be done again.
    pub(super) fn done(&mut self, entry: RegisterEntry, failed: Option<Job>, checked: bool, now: Instant) {
        let name = entry.name.clone();
        let (check, delay) = (self.about(self.check), self.delay(entry.failures));
        let Some(tenant) = self.tenants.get_mut(&name) else { return };
        self.busy = self.busy.saturating_sub(1);
        tenant.is_busy = false;
        let used = tenant.entry.used.max(entry.used);
        tenant.entry = RegisterEntry { used, ..entry };
        if checked {
            tenant.check_at = now + check;
        }
        let again = std::mem::take(&mut tenant.job);
        tenant.not_before = failed.is_some().then(|| now + delay);
        let mut job = failed.unwrap_or_default();
        job.add(again);
        // What the hub has said meanwhile may be what has just been done.
        if job.said.as_ref().is_some_and(|said| said.mark() == tenant.entry.mark.as_deref()) {
            job.said = None;
        }
        if !job.is_empty() {
            self.want(&name, job);
        }
    }

    fn delay(&mut self, failures: u32) -> Duration {
        let doubled = self.period.saturating_mul(1 << failures.clamp(1, MOST).saturating_sub(1));
        self.about(doubled.min(LONGEST.max(self.period)))
    }

    /// A tenth more or less.
    fn about(&mut self, time: Duration) -> Duration {
        time * 9 / 10 + self.share_of(time / 5)
    }

    /// Any part of it.
    pub(super) fn share_of(&mut self, time: Duration) -> Duration {
        // Splitmix64.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandths = ((mixed ^ (mixed >> 31)) % 1001) as u32;
        time.saturating_mul(thousandths) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn name(text: &str) -> DeploymentName {
        text.parse().expect("a name")
    }

    fn board(now: Instant, loaded: &[&str]) -> Board {
        let mut board = Board::new(10 * SECOND, 900 * SECOND).expect("a board");
        board.open();
        for one in loaded {
            board.enter(RegisterEntry { loaded: true, ..RegisterEntry::new(name(one)) }, now);
        }
        board
    }

    fn well(board: &mut Board, taken: &(DeploymentName, Job), now: Instant) {
        let mut entry = board.get(&taken.0).expect("on the board").entry.clone();
        if let Some(said) = &taken.1.said {
            entry.mark = said.mark().map(str::to_owned);
        }
        entry.failures = 0;
        board.done(entry, None, taken.1.check, now);
    }

    #[test]
    fn what_is_new_is_done_once_and_one_after_the_other() {
        let now = Instant::now();
        let mut board = board(now, &["a", "b"]);
        board.enter(RegisterEntry::new(name("asleep")), now);
        for round in 0..3 {
            for one in ["a", "b", "asleep"] {
                board.heard(&name(one), "7", now);
            }
            assert_eq!(board.is_at_work(), round == 0);
            let mut taken = Vec::new();
            while let Some(one) = board.take(now) {
                board.heard(&one.0, "7", now);
                well(&mut board, &one, now);
                taken.push(one.0.to_string());
            }
            assert_eq!(taken, if round == 0 { vec!["a", "b"] } else { vec![] }, "{round}");
        }
        // While one is worked on, what comes waits, and is done together.
        board.heard(&name("a"), "8", now);
        let first = board.take(now).expect("a");
        board.heard(&name("a"), "9", now);
        board.want(&name("a"), Job { check: true, ..Job::default() });
        assert_eq!(board.take(now), None);
        well(&mut board, &first, now);
        let second = board.take(now).expect("a again").1;
        assert_eq!((second.said, second.check), (Some(Said::Mark("9".to_owned())), true));
    }

    #[test]
    fn nobody_is_worked_on_before_the_hub_has_answered() {
        let now = Instant::now();
        let mut board = Board::new(10 * SECOND, 900 * SECOND).expect("a board");
        board.enter(RegisterEntry { loaded: true, ..RegisterEntry::new(name("a")) }, now);
        board.remind(now, |_| false);
        assert_eq!((board.take(now), board.is_at_work()), (None, false));
        board.open();
        assert!(board.is_at_work());
        assert_eq!(board.take(now).expect("a").0, name("a"));
    }

    #[test]
    fn one_with_a_revision_of_which_the_hub_says_nothing_is_looked_after_until_it_does() {
        let now = Instant::now();
        let mut board = board(now, &["new"]);
        let mark = Some("7".to_owned());
        let published = RegisterEntry { loaded: true, applied: Some(7), mark, ..RegisterEntry::new(name("a")) };
        board.enter(published, now);
        board.missed(&BTreeMap::new());
        let taken = board.take(now).expect("a");
        assert_eq!((taken.0.as_str(), &taken.1.said), ("a", &Some(Said::Nothing)));
        well(&mut board, &taken, now);
        assert_eq!(board.take(now), None);
        board.missed(&BTreeMap::from([(name("a"), "7".to_owned())]));
        assert_eq!(board.take(now), None);
        board.heard(&name("a"), "7", now);
        assert_eq!(board.take(now).expect("a").1.said, Some(Said::Mark("7".to_owned())));
    }

    #[test]
    fn failures_are_tried_again_later_and_later_and_keep_nobody_else() {
        let now = Instant::now();
        let mut board = board(now, &["a", "b"]);
        board.heard(&name("a"), "1", now);
        let (_, job) = board.take(now).expect("a");
        let mut entry = board.get(&name("a")).expect("on the board").entry.clone();
        entry.failures = 3;
        board.done(entry, Some(job), false, now);
        board.heard(&name("b"), "1", now);
        assert_eq!(board.take(now).expect("b").0, name("b"));
        assert_eq!(board.take(now), None);
        let next = board.next().expect("a waits") - now;
        assert!(next >= 36 * SECOND && next <= 44 * SECOND, "{next:?}");
        assert_eq!(board.take(now + 45 * SECOND).expect("a").1.said, Some(Said::Mark("1".to_owned())));
    }

    #[test]
    fn everybody_is_looked_at_now_and_then_and_idle_ones_are_let_go() {
        let now = Instant::now();
        let mut board = board(now, &["a"]);
        board.remind(now, |_| false);
        let first = board.take(now).expect("never looked at");
        assert!(first.1.check);
        well(&mut board, &first, now);
        board.remind(now + 800 * SECOND, |_| false);
        assert_eq!(board.take(now + 800 * SECOND), None);
        board.remind(now + 991 * SECOND, |_| true);
        let second = board.take(now + 991 * SECOND).expect("due").1;
        assert!(second.check && second.unload);
        // One that is put on the board after it was looked at waits for its share of the period.
        let seen = RegisterEntry { checked: Some(jiff::Timestamp::UNIX_EPOCH), ..RegisterEntry::new(name("c")) };
        board.enter(seen, now);
        assert!(board.get(&name("c")).expect("c").check_at <= now + 900 * SECOND);
    }

    #[test]
    fn one_that_is_loaded_is_looked_at() {
        let now = Instant::now();
        let mut board = board(now, &[]);
        board.enter(RegisterEntry::new(name("a")), now);
        board.want(&name("a"), Job { check: true, ..Job::default() });
        assert_eq!(board.take(now), None);
        board.load(&name("a"), &RegisterEntry { loaded: true, ..RegisterEntry::new(name("a")) });
        assert!(board.take(now).expect("loaded").1.check);
    }
}
