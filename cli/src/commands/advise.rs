//! `advise`: which transport suits a deployment, by a model of what changes cost, and how the deployment has changed so far.

use std::fs;

use depsync_bench::advice::{Crossover, DAY_S, Daily, Goal, Ranking, Schedule, crossovers, daily, rank};
use depsync_bench::model::{CostModel, Kind, Link, Place, SCHEMA, Settling, Transport, Workload};
use depsync_engine::engine::Habits;
use depsync_engine::error::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::advice::{say, snippets};
use crate::args::Advise;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;

/// So many of the newest revisions tell how a deployment changes.
const REVISIONS: usize = 200;
/// How often a daemon asks its hub, and configuration management comes by, in seconds.
const ASKS: f64 = 10.0;
const COMES_BY: f64 = 1800.0;
/// Fewer changes a second than one in two hours: a command now and then may do.
const RARE: f64 = 1.0 / 7200.0;

/// What is advised, and why.
#[derive(Serialize)]
pub(crate) struct Facts {
    /// What was asked.
    pub(crate) workload: Workload,
    /// What of that the deployment's revisions have told; none if all was given.
    pub(crate) observed: Option<Habits>,
    /// What was taken for granted.
    pub(crate) assumed: Vec<&'static str>,
    /// The transport; none if none keeps up.
    pub(crate) advice: Option<Transport>,
    /// Those that are as good.
    pub(crate) as_good: Vec<Transport>,
    /// Best first.
    pub(crate) transports: Vec<Choice>,
    /// The rates from which on another one is the best.
    pub(crate) crossovers: Vec<Turn>,
    /// Settings for `depsync.toml`.
    pub(crate) settings: Vec<String>,
    /// Whether configuration management would do, and what it costs.
    pub(crate) by_command: Option<Choice>,
    /// Where the model was measured.
    pub(crate) measured: String,
}

/// A transport and what it takes.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Choice {
    pub(crate) transport: Transport,
    /// Seconds until half of the workers have a change; none if it cannot keep up.
    pub(crate) p50_s: Option<f64>,
    pub(crate) p99_s: Option<f64>,
    /// Bytes on the wire for one change, all nodes.
    pub(crate) change_bytes: f64,
    /// In a day, with what is spent on asking.
    pub(crate) day_bytes: f64,
    pub(crate) day_cpu_s: f64,
    /// The greatest rate.
    pub(crate) most_per_s: f64,
}

/// From this rate on, changes a second, another transport is the best.
#[derive(Serialize)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    pub(crate) below: Option<Transport>,
    pub(crate) above: Option<Transport>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Advise) -> Result<Answer> {
    let model = model(args)?;
    let is_told = args.rate.is_some() && args.bytes.is_some() && args.tree.is_some() && args.nodes.is_some();
    let observed = if is_told { None } else { Some(observe(session, args)?) };
    let (workload, assumed) = workload(args, observed.as_ref())?;
    let facts = advise(&model, args, workload, observed, assumed);
    let text = say::say(&facts, args.by.into());
    Ok(Answer::fact(&facts, text, Exit::Done))
}

/// The model of our own measurements, or another one.
fn model(args: &Advise) -> Result<CostModel> {
    let Some(file) = &args.model else {
        return CostModel::built_in()
            .map_err(|error| Error::new(ErrorKind::Io, format!("the model that is built in: {error}")));
    };
    let text = fs::read_to_string(file).map_err(|source| Error::io("read the model", file.display(), source))?;
    let model: CostModel = serde_json::from_str(&text).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("not a model: {error}"))
            .at(file.display())
            .hint("`depsync bench --local --model FILE` writes one")
    })?;
    if model.schema != SCHEMA || model.transports.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "a model of another version, or of no transport").at(file.display()));
    }
    Ok(model)
}

/// What the deployment's own revisions tell.
fn observe(session: &Session<'_>, args: &Advise) -> Result<Habits> {
    let hint = "what is not given is taken from a deployment: name its directory and hub, or give --rate, --bytes, --tree and --nodes";
    let open = session.open_existing(&args.operands).map_err(|error| match error.kind() {
        ErrorKind::Usage => error.hint(hint),
        _ => error,
    })?;
    open.node.habits(&open.cx, REVISIONS)
}

/// What was given, else observed, else usual; and what is only usual.
fn workload(args: &Advise, observed: Option<&Habits>) -> Result<(Workload, Vec<&'static str>)> {
    let mut assumed = Vec::new();
    let rate = match args.rate {
        Some(rate) => rate.0,
        None => observed.and_then(|habits| habits.rate).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "fewer than three revisions say nothing of how often there will be another")
                .hint("give --rate, such as 3/day")
        })?,
    };
    let kind = args.kind.map(Kind::from).unwrap_or_else(|| match observed {
        Some(habits) if habits.archives > 0.5 => Kind::Archive,
        Some(habits) if habits.removals > 0.5 => Kind::Delete,
        Some(habits) if habits.files > 20 => Kind::Release,
        Some(_) => Kind::Config,
        None => {
            assumed.push("--kind edit");
            Kind::Config
        }
    });
    let files = args.files.or_else(|| u32::try_from(observed?.files.max(1)).ok()).unwrap_or(1);
    let bytes = args.bytes.map(|size| size.0).or_else(|| observed.map(|habits| habits.bytes)).unwrap_or_default();
    let tree = args.tree.or_else(|| observed.map(|habits| habits.tree_entries)).unwrap_or_default();
    // This node's own report is among them, and the manager needs none.
    let nodes = args.nodes.or_else(|| u32::try_from(observed?.nodes.saturating_sub(1)).ok()).unwrap_or(1).max(1);
    if args.rtt.is_none() {
        assumed.push("--rtt 1ms");
    }
    if args.bandwidth.is_none() {
        assumed.push("--bandwidth 1000");
    }
    let link = Link {
        rtt_s: args.rtt.map_or(0.001, |span| span.0.as_secs_f64()),
        bandwidth: Some(f64::from(args.bandwidth.unwrap_or(1000)) * 1e6),
        loss: args.loss.unwrap_or(0.0) / 100.0,
    };
    Ok((Workload { kind, files, bytes, tree: tree.max(1), nodes, link, rate: Some(rate) }, assumed))
}

fn advise(
    model: &CostModel,
    args: &Advise,
    workload: Workload,
    observed: Option<Habits>,
    assumed: Vec<&'static str>,
) -> Facts {
    let place = Place::Cluster(args.hub_cores.unwrap_or(2));
    let goal = Goal::from(args.by);
    let among: Vec<Transport> = args.among.iter().map(|name| (*name).into()).collect();
    let ranking = rank(model, &workload, place, goal, &among);
    let choose = |transport: Transport, schedule: Schedule| -> Option<Choice> {
        let day: Daily = daily(model, transport, &workload, place, schedule)?;
        let told = model.transports.get(&transport)?.predict(&workload, place, &model.settling);
        Some(Choice {
            transport,
            p50_s: day.p50_s,
            p99_s: match schedule {
                Schedule::Command(every) | Schedule::Poll(every) => told.p99_s.map(|time| time + every * 0.99),
                Schedule::Channel(_) => told.p99_s,
            },
            change_bytes: told.wire(workload.nodes),
            day_bytes: day.wire,
            day_cpu_s: day.cpu_s,
            most_per_s: told.saturation,
        })
    };
    let best = ranking.best().map(|best| best.transport);
    let rate = workload.rate.unwrap_or(0.0);
    let by_command = best.filter(|_| rate < RARE).and_then(|best| choose(best, Schedule::Command(COMES_BY)));
    let turns = crossovers(model, &workload, place, goal, &among);
    Facts {
        workload,
        observed,
        assumed,
        advice: best,
        as_good: ranking.as_good(),
        transports: each(&ranking, |transport| choose(transport, Schedule::Channel(ASKS))),
        crossovers: turns
            .iter()
            .map(|Crossover { rate, below, above }| Turn { per_second: *rate, below: *below, above: *above })
            .collect(),
        settings: settings(rate, &model.settling),
        by_command,
        measured: model.measured.clone(),
    }
}

fn each(ranking: &Ranking, choose: impl Fn(Transport) -> Option<Choice>) -> Vec<Choice> {
    ranking.candidates.iter().filter_map(|candidate| choose(candidate.transport)).collect()
}

/// What belongs into `depsync.toml` at such a rate.
fn settings(rate: f64, measured: &Settling) -> Vec<String> {
    let mut lines = Vec::new();
    if rate * measured.quiet_s > 1.0 {
        // The model was measured so.
        lines.push(format!(
            "[run] max-debounce = \"{:.0}ms\": changes never pause for {:.0} ms, and would wait for 2 s otherwise",
            measured.at_most_s * 1000.0,
            measured.quiet_s * 1000.0
        ));
    }
    if rate < RARE {
        lines.push(format!(
            "[run] period = \"5m\": {} a day; asking every {ASKS:.0} s is most of the bytes",
            snippets::amount(rate * DAY_S)
        ));
    } else {
        lines.push("[channel] serve on the manager, listen on the others: nobody waits for his period".to_owned());
    }
    lines
}
