//! The harness: a deployment is changed at given rates, over each transport, and what that takes is measured, and fitted.
//!
//! Every node is a `depsync run` of its own, the manager serves the channel, and hubs are real: a directory, an sshd, an
//! svnserve, on loopback, each node behind a line of its own that has the round trip, bandwidth and losses of the scenario.
//! A mount is a directory with what a network would have added ([`nfs`]); such cells say that they are modelled.
//!
//! A cell that is done is written down at once: a run that was stopped goes on where it was. When all are there, the
//! ledger, the table, the model with its errors, and the picture are made of what is written, and of nothing else.
//!
//! | file | is |
//! |---|---|
//! | `scenario` | what is measured |
//! | `hub`, `cluster` | [`LocalHub`](hub::LocalHub), [`Cluster`](cluster::Cluster): the parts |
//! | `load`, `witness` | what is saved, and when it has arrived |
//! | `cell`, `row` | one scenario, measured and written down |
//! | `nfs` | what a network would add to a directory |
//! | `journal` | what is done |
//! | `report`, `table`, `verdict`, `picture` | what people read |

mod cell;
mod cluster;
mod hub;
mod journal;
mod load;
mod nfs;
mod picture;
mod report;
mod row;
mod scenario;
mod table;
mod verdict;
mod witness;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use depsync_tests::dice::Dice;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use self::cell::{Amount, Stage};
use self::cluster::Cluster;
use self::hub::LocalHub;
use self::journal::{Journal, Plan};
use self::load::Load;
#[cfg(test)]
use self::row::Row;
use self::scenario::{Pace, Scenario};
use self::witness::Witness;
use crate::kit::setting::{Setting, SettingArgs};
use crate::model::Transport;

/// How often daemons ask, where nobody is to notice, and where that is what is measured.
const PERIOD: Duration = Duration::from_secs(30);
const IDLE_PERIOD: Duration = Duration::from_secs(1);

/// What is to be measured, and how.
#[derive(Clone, Debug, Args)]
pub struct RateArgs {
    /// Start a server for each transport on this machine, on loopback
    #[arg(long)]
    local: bool,
    /// A quick look, of about two minutes, instead of all of it
    #[arg(long)]
    quick: bool,
    /// Which transports
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [TransportName::Mount, TransportName::Ssh, TransportName::Svn])]
    transports: Vec<TransportName>,
    /// Only scenarios with this in their name
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// Drop what an unfinished run has left, and begin anew
    #[arg(long)]
    fresh: bool,
    /// Where the model goes that is fitted, for `depsync advise --model`
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where the numbers of chance begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where directories and hubs are made, and removed again
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    place: PathBuf,
    /// The depsync to measure [default: this one]
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Where rows, table, picture and what is done so far are written [default: here]
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
}

/// What a run has come to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The rows, the machine's facts first.
    pub ledger: PathBuf,
    /// What people read.
    #[serde(skip)]
    pub text: String,
    /// How many cells there are.
    pub cells: usize,
}

/// A transport on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportName {
    /// A directory, as on an NFS mount
    Mount,
    /// A directory behind ssh
    Ssh,
    /// A Subversion repository behind svnserve
    Svn,
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Mount => Self::Mount,
            TransportName::Ssh => Self::Ssh,
            TransportName::Svn => Self::Svn,
        }
    }
}

/// Raised from outside, it ends the run between two changes.
pub type Stop = Arc<AtomicBool>;

/// Measures what is not there yet, and makes the report. Stopped, it fails, and goes on the next time. `bar` shows how far
/// it is, on stderr.
pub fn run(args: &RateArgs, stop: &Stop, bar: bool) -> Result<Report> {
    ensure!(args.local, "no hub is named: `--local` starts one of each kind on this machine");
    let results = args.results.clone().unwrap_or_else(|| PathBuf::from("."));
    let mut setting = Setting::open(&SettingArgs::new(&args.place, args.program.as_deref(), &results))?;
    let scenarios = chosen(args)?;
    let transports: Vec<Transport> = args.transports.iter().map(|name| Transport::from(*name)).collect();
    let plan = Plan::of(args, &setting, &transports, &scenarios)?;
    let mut journal = Journal::open(&results, &plan, args.fresh)?;
    let bar = if bar { progress(&journal, plan.cells()) } else { ProgressBar::hidden() };
    for transport in &transports {
        // Neighbours share a cluster.
        for group in scenarios.chunk_by(|left, right| ground(left) == ground(right)) {
            let missing: Vec<&Scenario> =
                group.iter().filter(|scenario| !journal.has(*transport, &scenario.name)).collect();
            if missing.is_empty() {
                continue;
            }
            let mut stage = stage(args, &setting, *transport, missing[0], stop)?;
            for scenario in missing {
                bar.set_message(format!("{transport}: {}", scenario.name));
                let amount = if args.quick { Amount::QUICK } else { Amount::FULL };
                let row = stage.run(*transport, scenario, amount);
                if stop.load(Ordering::SeqCst) {
                    bar.finish_and_clear();
                    bail!(
                        "interrupted: {} of {} cells are written down, and the same command goes on there",
                        journal.len(),
                        plan.cells()
                    );
                }
                let row = row.with_context(|| format!("{transport}: {}", scenario.name))?;
                journal.add(row)?;
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    setting.machine.ended();
    report::tell(args.model.as_deref(), &setting, &results, (&plan, journal))
}

/// What scenarios have in common that share a cluster.
fn ground(scenario: &Scenario) -> (u64, u32, bool) {
    (scenario.workload.tree, scenario.workload.nodes, scenario.pace == Pace::Idle)
}

fn chosen(args: &RateArgs) -> Result<Vec<Scenario>> {
    let mut scenarios = if args.quick { scenario::quick() } else { scenario::full() };
    if let Some(word) = &args.only {
        scenarios.retain(|scenario| scenario.name.contains(word.as_str()));
        ensure!(!scenarios.is_empty(), "no scenario has `{word}` in its name");
    }
    Ok(scenarios)
}

fn stage(args: &RateArgs, setting: &Setting, transport: Transport, scenario: &Scenario, stop: &Stop) -> Result<Stage> {
    let (tree, workers, idle) = ground(scenario);
    let place = tempfile::tempdir_in(setting.place())?;
    let load = Load::of(tree, args.seed)?;
    let hub = LocalHub::open(transport, place.path(), 1 + usize::try_from(workers)?)?;
    let period = if idle { IDLE_PERIOD } else { PERIOD };
    let cluster = Cluster::start(&setting.programs.depsync, place, hub, workers, &load, period)?;
    let witness = Witness::of(cluster.workers(), &load.directories())?;
    Ok(Stage { witness, cluster, load, dice: Dice::new(args.seed), stop: Arc::clone(stop) })
}

/// A bar, with what is left by what a cell has taken so far.
fn progress(journal: &Journal, cells: usize) -> ProgressBar {
    let bar = ProgressBar::new(cells as u64);
    let style = "{wide_msg} {pos}/{len} cells, {elapsed} gone, about {eta} left";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(journal.len() as u64);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// A row of any kind, for tests.
#[cfg(test)]
fn sample(transport: Transport, scenario: &Scenario) -> Row {
    Row::of(transport, scenario)
}
