//! The harness: a deployment is changed at given rates, over each transport, and what that takes is measured, and fitted.
//!
//! Every node is a `depsync run` of its own, the manager serves the channel, and hubs are real: a directory, an sshd, an
//! svnserve, on loopback, each node behind a line of its own that has the round trip, bandwidth and losses of the scenario.
//! A mount is a directory with what a network would have added (`nfs`); such cells say that they are modelled.
//!
//! A cell that is done is written down at once: a run that was stopped goes on where it was. When all are there, the
//! ledger, the table, the model with its errors, and the picture are made of what is written, and of nothing else.
//!
//! | file | is |
//! |---|---|
//! | `scenario` | what is measured |
//! | `ground` | `Ground`: directories that somebody keeps in step |
//! | `hub`, `cluster` | `LocalHub`, `Cluster`: ours |
//! | `rivals` | `Camp`: those of others |
//! | `load`, `witness` | what is saved, and when it has arrived |
//! | `cell`, `row` | one scenario, measured and written down |
//! | `nfs` | what a network would add to a directory |
//! | `journal` | what is done |
//! | `report`, `table`, `verdict`, `published`, `picture` | what people read |

mod cell;
mod cluster;
mod ground;
mod hub;
mod journal;
mod load;
mod nfs;
mod picture;
mod published;
mod report;
mod rivals;
mod row;
mod scenario;
mod table;
mod verdict;
mod witness;

use std::collections::BTreeMap;
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
use self::ground::Ground;
use self::hub::LocalHub;
use self::journal::{Journal, Plan};
use self::load::Load;
use self::rivals::{Camp, Rival};
#[cfg(test)]
use self::row::Row;
use self::row::Who;
use self::scenario::{Pace, Scenario};
use self::witness::Witness;
use crate::kit::setting::{Setting, SettingArgs};
use crate::model::{Link, Transport};

/// How often daemons ask, where nobody is to notice, and where that is what is measured.
const PERIOD: Duration = Duration::from_secs(30);
const IDLE_PERIOD: Duration = Duration::from_secs(1);

/// What is to be measured, and how.
#[derive(Clone, Debug, Args)]
pub struct RateArgs {
    /// Hubs to measure, one of each kind at the most: empty places, or such as can be thrown away, for what is published
    /// stays there
    #[arg(value_name = "HUB", conflicts_with_all = ["local", "transports"])]
    hubs: Vec<String>,
    /// How those are reached: a file with the tables `[ssh]` and `[svn]` of a depsync.toml
    #[arg(long, value_name = "FILE", requires = "hubs")]
    access: Option<PathBuf>,
    /// Start a server for each transport on this machine, on loopback
    #[arg(long)]
    local: bool,
    /// A quick look, of about two minutes, instead of all of it
    #[arg(long)]
    quick: bool,
    /// Which transports
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [TransportName::Mount, TransportName::Ssh, TransportName::Svn])]
    transports: Vec<TransportName>,
    /// Who else, in some of the scenarios; none by default with --quick
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHO,…")]
    beside: Vec<Rival>,
    /// Nobody else
    #[arg(long, conflicts_with = "beside")]
    alone: bool,
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
    ensure!(args.local || !args.hubs.is_empty(), "no hub is named: `--local` starts one of each kind on this machine");
    let hubs = hubs(args)?;
    let results = args.results.clone().unwrap_or_else(|| PathBuf::from("."));
    let mut setting = Setting::open(&SettingArgs::new(&args.place, args.program.as_deref(), &results))?;
    let scenarios = chosen(args)?;
    let (groups, missing) = groups(args, &hubs, scenarios);
    let cells = groups.iter().flat_map(|(who, group)| group.iter().map(|scenario| (*who, scenario.name.clone())));
    let plan = Plan::of(args, &setting, cells.collect());
    let mut journal = Journal::open(&results, &plan, args.fresh)?;
    let bar = if bar { progress(&journal, plan.cells()) } else { ProgressBar::hidden() };
    for (who, group) in &groups {
        let missing: Vec<&Scenario> = group.iter().filter(|scenario| !journal.has(*who, &scenario.name)).collect();
        if missing.is_empty() {
            continue;
        }
        let mut stage =
            stage(args, (&setting, &hubs), *who, missing[0], stop).with_context(|| format!("{who}: setting up"))?;
        for scenario in missing {
            bar.set_message(format!("{who}: {}", scenario.name));
            let amount = if args.quick { Amount::QUICK } else { Amount::FULL };
            let row = stage.run(*who, scenario, amount);
            if stop.load(Ordering::SeqCst) {
                bar.finish_and_clear();
                let (done, all) = (journal.len(), plan.cells());
                bail!("interrupted: {done} of {all} cells are written down, and the same command goes on there");
            }
            let row = row.with_context(|| format!("{who}: {}", scenario.name))?;
            journal.add(row)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    setting.machine.ended();
    report::tell(args.model.as_deref(), &setting, &results, (&plan, journal), &missing)
}

/// Where hubs are that somebody has named.
type Hubs = BTreeMap<Transport, String>;

fn hubs(args: &RateArgs) -> Result<Hubs> {
    let mut found = Hubs::new();
    for address in &args.hubs {
        let transport = hub::transport_of(address)?;
        if let Some(other) = found.insert(transport, address.clone()) {
            bail!("{other} and {address}: one hub of a kind");
        }
    }
    Ok(found)
}

/// What the configurations of nodes say of how hubs are reached.
fn access(args: &RateArgs) -> Result<String> {
    let Some(file) = &args.access else { return Ok(String::new()) };
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// All of them, unless some are named, or it is to be quick.
fn rivals(args: &RateArgs) -> Vec<Rival> {
    if !args.beside.is_empty() {
        args.beside.clone()
    } else if args.alone || args.quick || !args.hubs.is_empty() {
        Vec::new()
    } else {
        Rival::ALL.to_vec()
    }
}

/// Who is measured at what: neighbours share a cluster. And who is not there.
fn groups(args: &RateArgs, hubs: &Hubs, mut scenarios: Vec<Scenario>) -> (Vec<(Who, Vec<Scenario>)>, String) {
    let mut found = Vec::new();
    let mut transports: Vec<Transport> = args.transports.iter().map(|name| (*name).into()).collect();
    if !hubs.is_empty() {
        // What is between here and there is as it is.
        transports = hubs.keys().copied().collect();
        scenarios.retain(|scenario| scenario.workload.link == Link::LAN);
    }
    for transport in transports {
        // Where the link is not real, rounds do not grow as they would.
        let is_real = |scenario: &&Scenario| {
            transport != Transport::Mount || scenario.workload.link == Link::LAN || scenario.pace == Pace::Single
        };
        let scenarios: Vec<Scenario> = scenarios.iter().filter(is_real).cloned().collect();
        for group in scenarios.chunk_by(|left, right| ground(left) == ground(right)) {
            found.push((Who::Depsync(transport), group.to_vec()));
        }
    }
    let (theirs, mut missing) = (scenario::for_rivals(&scenarios), String::new());
    for rival in Rival::ALL.into_iter().filter(|rival| rivals(args).contains(rival) && !theirs.is_empty()) {
        match rival.lacks() {
            None => found.push((Who::Rival(rival), theirs.clone())),
            Some(package) => missing.push_str(&format!("MISSING: {rival}: apt-get install {package}\n")),
        }
    }
    (found, missing)
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

fn stage(
    args: &RateArgs,
    (setting, hubs): (&Setting, &Hubs),
    who: Who,
    scenario: &Scenario,
    stop: &Stop,
) -> Result<Stage> {
    let (tree, workers, idle) = ground(scenario);
    let place = tempfile::tempdir_in(setting.place())?;
    let load = Load::of(tree, args.seed)?;
    let ground: Box<dyn Ground> = match who {
        Who::Depsync(transport) => {
            let hub = match hubs.get(&transport) {
                Some(address) => LocalHub::elsewhere(address, &access(args)?)?,
                None => LocalHub::open(transport, place.path(), 1 + usize::try_from(workers)?)?,
            };
            let period = if idle { IDLE_PERIOD } else { PERIOD };
            Box::new(Cluster::start(&setting.programs.depsync, place, hub, workers, &load, period)?)
        }
        Who::Rival(rival) => Box::new(Camp::start(rival, place, workers, &load)?),
    };
    let witness = Witness::of(ground.workers(), &load.directories())?;
    Ok(Stage { witness, ground, load, dice: Dice::new(args.seed), stop: Arc::clone(stop) })
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
fn sample(who: Who, scenario: &Scenario) -> Row {
    Row::of(who, scenario)
}
