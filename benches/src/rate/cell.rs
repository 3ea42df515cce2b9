//! One workload, on a cluster that is there.
//!
//! The clock runs from before a change is saved until the kernel tells that the last of its files has its name at a
//! worker. A change is made before those that count. In the end all directories are compared, byte by byte, and a
//! difference ends the run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use depsync_tests::dice::Dice;

use super::Stop;
use super::ground::{Ground, Taken};
use super::load::Load;
use super::nfs;
use super::row::{Row, Who};
use super::scenario::{Pace, Scenario};
use super::witness::{Arrival, Witness};
use crate::kit::statistics::quantile;

/// How long a change may take to arrive.
const PATIENCE: Duration = Duration::from_secs(180);
/// Changes before those that count.
const BEFORE: usize = 1;
/// So many single changes count at least; more only if they do not take longer than that.
const LEAST: usize = 3;
const ENOUGH: Duration = Duration::from_secs(6);
/// Samples that are written down.
const SAMPLES: usize = 400;
/// How long one step of a ramp takes, and where it begins and ends.
const STEP: Duration = Duration::from_millis(1200);
const FIRST_RATE: f64 = 32.0;
const LAST_RATE: f64 = 4096.0;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    /// Single changes.
    pub(super) changes: usize,
    /// For how long changes come at a rate, or nobody does anything.
    pub(super) time: Duration,
}

impl Amount {
    pub(super) const FULL: Self = Self { changes: 7, time: Duration::from_secs(3) };
    pub(super) const QUICK: Self = Self { changes: 3, time: Duration::from_millis(1500) };
}

/// Directories that are kept in step, who looks at them, and what happens to them.
pub(super) struct Stage {
    pub(super) ground: Box<dyn Ground>,
    pub(super) witness: Witness,
    pub(super) load: Load,
    pub(super) dice: Dice,
    pub(super) stop: Stop,
}

impl Stage {
    /// Runs a scenario.
    pub(super) fn run(&mut self, who: Who, scenario: &Scenario, amount: Amount) -> Result<Row> {
        let begun = Instant::now();
        self.ground.lay(&scenario.workload.link, self.dice.roll());
        let mut row = match scenario.pace {
            Pace::Single => self.single(who, scenario, amount),
            Pace::Steady => self.steady(who, scenario, amount),
            Pace::Ramp => self.ramp(who, scenario),
            Pace::Idle => self.idle(who, scenario, amount),
            Pace::Once => self.once(who, scenario, amount),
        }?;
        self.ground.check()?;
        self.ground.verify().context("what has arrived is not what was saved")?;
        row.took_s = begun.elapsed().as_secs_f64();
        Ok(row)
    }

    /// One change after the other.
    fn single(&mut self, who: Who, scenario: &Scenario, amount: Amount) -> Result<Row> {
        let workload = &scenario.workload;
        let mut arrivals = Vec::new();
        let mut taken = Totals::default();
        let begun = Instant::now();
        for number in 0..BEFORE + amount.changes {
            if number >= BEFORE + LEAST && begun.elapsed() > ENOUGH {
                break;
            }
            let change = self.load.next(workload)?;
            self.rest();
            let before = self.ground.taken()?;
            self.witness.expect(&change);
            change.save(self.ground.source())?;
            self.arrive()?;
            self.settle()?;
            let after = self.ground.taken()?;
            let arrived = self.witness.take();
            if number >= BEFORE {
                arrivals.extend(arrived);
                taken.add(&before, &after);
            }
            if let Some(back) = self.load.restore() {
                self.witness.expect(&back);
                back.save(self.ground.source())?;
                self.arrive()?;
                self.witness.take();
            }
        }
        Ok(self.finish(Row::of(who, scenario), &arrivals, &taken))
    }

    /// Changes at a rate.
    fn steady(&mut self, who: Who, scenario: &Scenario, amount: Amount) -> Result<Row> {
        let workload = &scenario.workload;
        let rate = workload.rate.context("a rate")?;
        self.warm_up(scenario)?;
        let before = self.ground.taken()?;
        // A few, at least, of a low rate.
        let time = amount.time.max(Duration::from_secs_f64(4.0 / rate));
        self.save_at(scenario, rate, time)?;
        self.arrive()?;
        self.settle()?;
        let mut taken = Totals::default();
        taken.add(&before, &self.ground.taken()?);
        let arrivals = self.witness.take();
        Ok(self.finish(Row::of(who, scenario), &arrivals, &taken))
    }

    /// At twice the rate each time, until what is on its way grows and grows.
    fn ramp(&mut self, who: Who, scenario: &Scenario) -> Result<Row> {
        self.warm_up(scenario)?;
        let before = self.ground.taken()?;
        let mut row = Row::of(who, scenario);
        let (mut all, mut rate) = (Vec::new(), FIRST_RATE);
        // The longest of the first step: so long it may take at any rate.
        let mut usual = None;
        loop {
            let begun = Instant::now();
            let saved = self.save_at(scenario, rate, STEP)?;
            let (lag, time) = (self.witness.lag(), begun.elapsed());
            self.arrive()?;
            let arrivals = self.witness.take();
            let until_all_were_there = arrivals.iter().filter_map(|arrival| {
                Some(arrival.saved.saturating_duration_since(begun) + arrival.after.iter().flatten().max().copied()?)
            });
            let whole = until_all_were_there.max().unwrap_or(time);
            let usual = *usual.get_or_insert_with(|| slowest(&arrivals));
            let carried = saved as f64 / whole.saturating_sub(usual).max(time).as_secs_f64();
            all.extend(arrivals);
            if lag > STEP / 2 + usual || carried < 0.7 * rate || rate >= LAST_RATE {
                row.saturation = Some(carried.min(rate));
                break;
            }
            rate *= 2.0;
        }
        self.settle()?;
        let mut taken = Totals::default();
        taken.add(&before, &self.ground.taken()?);
        Ok(self.finish(row, &all, &taken))
    }

    /// Nothing happens.
    fn idle(&mut self, who: Who, scenario: &Scenario, amount: Amount) -> Result<Row> {
        self.rest();
        self.settle()?;
        let before = self.ground.taken()?;
        let begun = Instant::now();
        thread::sleep(amount.time * 2);
        let seconds = begun.elapsed().as_secs_f64();
        let mut taken = Totals::default();
        taken.add(&before, &self.ground.taken()?);
        // A look of one node is what it has taken in a second.
        let nodes = f64::from(scenario.workload.nodes + 1);
        let mut row = self.finish(Row::of(who, scenario), &[], &taken);
        let figures = &mut row.figures;
        figures.operations = taken.operations() / nodes / seconds;
        figures.down = if self.ground.is_modelled() {
            nfs::wire(row_requests(&taken) / nodes / seconds, 0.0)
        } else {
            taken.passed.iter().sum::<f64>() / nodes / seconds
        };
        figures.cpu_worker_s =
            taken.cpu_s.iter().skip(1).sum::<f64>() / f64::from(scenario.workload.nodes.max(1)) / seconds;
        figures.cpu_hub_s = taken.hub_cpu_s / nodes / seconds;
        Ok(row)
    }

    /// `depsync update` beside the daemon of the first worker, which finds nothing to do.
    fn once(&mut self, who: Who, scenario: &Scenario, amount: Amount) -> Result<Row> {
        self.rest();
        self.settle()?;
        let mut samples = Vec::new();
        let before = self.ground.taken()?;
        let spent = children();
        for _ in 0..amount.changes {
            let begun = Instant::now();
            self.ground.run(1, &["--quiet", "update"])?;
            samples.push(begun.elapsed().as_secs_f64());
        }
        let spent = children() - spent;
        self.settle()?;
        let mut taken = Totals::default();
        taken.add(&before, &self.ground.taken()?);
        let mut row = Row::of(who, scenario);
        let runs = amount.changes.max(1) as f64;
        row.changes = amount.changes;
        row.ms = samples.iter().map(|seconds| seconds * 1000.0).collect();
        row.figures.p50_s = quantile(&samples, 0.5).unwrap_or_default();
        row.figures.p99_s = quantile(&samples, 0.99).unwrap_or_default();
        row.modelled = self.ground.is_modelled();
        row.figures.down = if row.modelled {
            // One read of the hub (`tests/tests/costs.rs`).
            nfs::wire(nfs::requests(&BTreeMap::from([("get".to_owned(), 1.0)])), 0.0)
        } else {
            taken.passed.get(1).copied().unwrap_or_default() / runs
        };
        row.figures.cpu_worker_s = spent / runs;
        row.figures.cpu_hub_s = taken.hub_cpu_s / runs;
        Ok(row)
    }

    fn finish(&self, row: Row, arrivals: &[Arrival], taken: &Totals) -> Row {
        finish(row, arrivals, taken, self.ground.is_modelled())
    }

    fn warm_up(&mut self, scenario: &Scenario) -> Result<()> {
        for _ in 0..BEFORE {
            let change = self.load.next(&scenario.workload)?;
            self.witness.expect(&change);
            change.save(self.ground.source())?;
            self.arrive()?;
            self.rest();
        }
        self.settle()?;
        self.witness.take();
        Ok(())
    }

    /// Saves changes at a rate for a time: each at its moment, or as soon as the one before is saved. How many.
    fn save_at(&mut self, scenario: &Scenario, rate: f64, time: Duration) -> Result<usize> {
        let begun = Instant::now();
        let mut saved = 0;
        loop {
            let due = Duration::from_secs_f64(saved as f64 / rate);
            if due >= time || begun.elapsed() >= time * 2 {
                return Ok(saved);
            }
            let change = self.load.next(&scenario.workload)?;
            thread::sleep(due.saturating_sub(begun.elapsed()));
            self.witness.expect(&change);
            change.save(self.ground.source())?;
            saved += 1;
        }
    }

    fn arrive(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !self.witness.wait(Duration::from_millis(300))? {
            ensure!(!self.stop.load(Ordering::SeqCst), "interrupted");
            self.ground.check()?;
            if begun.elapsed() > PATIENCE {
                bail!("a change has not arrived in {} s: {}", PATIENCE.as_secs(), self.ground.told());
            }
        }
        Ok(())
    }

    /// Lets everybody write his report.
    fn settle(&self) -> Result<()> {
        thread::sleep(Duration::from_millis(60));
        Ok(())
    }

    /// A moment, by chance, so that nobody's period falls in with changes.
    fn rest(&mut self) {
        thread::sleep(Duration::from_millis(80 + self.dice.roll() % 120));
    }
}

/// What was taken from one moment to another.
#[derive(Clone, Debug, Default)]
struct Totals {
    cpu_s: Vec<f64>,
    hub_cpu_s: f64,
    passed: Vec<f64>,
    grown: f64,
    asked: Vec<BTreeMap<String, f64>>,
    content: Vec<f64>,
}

impl Totals {
    fn add(&mut self, before: &Taken, after: &Taken) {
        let add = |sums: &mut Vec<f64>, differences: Vec<f64>| {
            sums.resize(differences.len(), 0.0);
            sums.iter_mut().zip(differences).for_each(|(sum, difference)| *sum += difference);
        };
        let differ =
            |after: &[f64], before: &[f64]| after.iter().zip(before).map(|(after, before)| after - before).collect();
        add(&mut self.cpu_s, differ(&after.cpu_s, &before.cpu_s));
        add(&mut self.content, differ(&after.content, &before.content));
        let passed = after.passed.iter().zip(&before.passed).map(|(after, before)| (after - before) as f64);
        add(&mut self.passed, passed.collect());
        self.hub_cpu_s += after.hub_cpu_s - before.hub_cpu_s;
        self.grown += after.hub_size as f64 - before.hub_size as f64;
        self.asked.resize(after.asked.len(), BTreeMap::new());
        for ((sums, after), before) in self.asked.iter_mut().zip(&after.asked).zip(&before.asked) {
            let before: BTreeMap<&str, f64> = before.iter().map(|(name, count)| (name.as_str(), *count)).collect();
            for (name, count) in after {
                let more = count - before.get(name.as_str()).copied().unwrap_or_default();
                if more > 0.0 {
                    *sums.entry(name.clone()).or_default() += more;
                }
            }
        }
    }

    fn operations(&self) -> f64 {
        self.asked.iter().flat_map(BTreeMap::values).sum()
    }
}

fn row_requests(taken: &Totals) -> f64 {
    taken.asked.iter().map(nfs::requests).sum()
}

/// What none has exceeded.
fn slowest(arrivals: &[Arrival]) -> Duration {
    arrivals.iter().flat_map(|arrival| arrival.after.iter().flatten().copied()).max().unwrap_or_default()
}

/// The figures of a row.
fn finish(mut row: Row, arrivals: &[Arrival], taken: &Totals, modelled: bool) -> Row {
    let changes = arrivals.len().max(1) as f64;
    let workers = f64::from(row.workload.nodes.max(1));
    let average = |of: &[f64]| of.iter().skip(1).sum::<f64>() / workers / changes;
    let first = |of: &[f64]| of.first().copied().unwrap_or_default() / changes;
    let operations = |asked: &BTreeMap<String, f64>| asked.values().sum::<f64>();
    let calls: Vec<f64> = taken.asked.iter().map(operations).collect();
    let mut seconds: Vec<f64> =
        arrivals.iter().flat_map(|arrival| arrival.after.iter().flatten().map(Duration::as_secs_f64)).collect();
    let figures = &mut row.figures;
    if modelled {
        // A directory: what a mount would have added.
        let requests: Vec<f64> = taken.asked.iter().map(nfs::requests).collect();
        let (up, down) = (first(&requests), average(&requests));
        let content = (first(&taken.content), average(&taken.content));
        (figures.up, figures.down) = (nfs::wire(up, content.0), nfs::wire(down, content.1));
        // Who comes with others waits for all the requests of their round, but not for the reports behind it.
        let rounds = taken.asked.first().and_then(|asked| asked.get("commit")).copied().unwrap_or(changes).max(1.0);
        let reports: Vec<f64> =
            taken.asked.iter().enumerate().map(|(node, asked)| reports(node, asked, rounds)).collect();
        let together = changes / rounds;
        let way = |requests: f64, reports: f64, content: f64| {
            nfs::seconds(&row.workload.link, (requests - reports) * together, content * together)
        };
        let more = way(up, first(&reports), content.0) + way(down, average(&reports), content.1);
        seconds.iter_mut().for_each(|second| *second += more);
        row.modelled = true;
    } else if taken.passed.is_empty() {
        // Nobody counts what passes there: content alone.
        (figures.up, figures.down) = (first(&taken.content), average(&taken.content));
    } else {
        (figures.up, figures.down) = (first(&taken.passed), average(&taken.passed));
    }
    (figures.cpu_manager_s, figures.cpu_worker_s) = (first(&taken.cpu_s), average(&taken.cpu_s));
    figures.cpu_hub_s = taken.hub_cpu_s / changes;
    figures.hub_bytes = (taken.grown / changes).max(0.0);
    // The sum of nothing is less than nothing by a sign.
    figures.operations = first(&calls) + average(&calls) + 0.0;
    figures.p50_s = quantile(&seconds, 0.5).unwrap_or_default();
    figures.p99_s = quantile(&seconds, 0.99).unwrap_or_default();
    for asked in &taken.asked {
        for (name, count) in asked {
            *row.asked.entry(name.clone()).or_default() += count / changes;
        }
    }
    row.changes = arrivals.len();
    let every = seconds.len().div_ceil(SAMPLES).max(1);
    row.ms = seconds.iter().step_by(every).map(|second| (second * 1e6).round() / 1000.0).collect();
    row
}

/// How many of a node's requests were for its reports: what workers replace is nothing else, managers replace the head
/// besides.
fn reports(node: usize, asked: &BTreeMap<String, f64>, rounds: f64) -> f64 {
    let replaced = asked.get("replace").copied().unwrap_or_default();
    let reported = if node == 0 { (replaced - rounds).max(0.0) } else { replaced };
    nfs::requests(&BTreeMap::from([("replace".to_owned(), reported)]))
}

/// Seconds of processor time of all children that have ended.
fn children() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0.0, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        micros as f64 / 1e6
    })
}
