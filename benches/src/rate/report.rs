//! All that people read of a run: made of its rows alone.

use std::path::Path;

use anyhow::{Context, Result};

use super::journal::{Journal, Plan};
use super::scenario;
use super::{Report, picture, table, verdict, write};
use crate::advice::{DAY_S, Goal, Schedule, crossovers, daily, rank};
use crate::kit::ledger::Ledger;
use crate::kit::setting::Setting;
use crate::model::{CostModel, Place, Transport, Workload};

/// What is said about rates out there, with a rate for each: the old documentation's words.
const PUBLISHED: [(&str, f64, &str); 3] = [
    ("low, once a day", 1.0 / DAY_S, "configuration management, or svn"),
    ("medium, once a minute", 1.0 / 60.0, "rsync"),
    ("high, 10 a second", 10.0, "NFS"),
];
/// How often configuration management comes by, in seconds: the default of Puppet's agent.
const COMES_BY: f64 = 1800.0;
/// How often daemons ask beside the channel.
const ASKS: f64 = 10.0;

/// Writes it. `to` is where the model goes, if it is wanted.
pub(super) fn tell(
    to: Option<&Path>,
    setting: &Setting,
    results: &Path,
    (plan, journal): (&Plan, Journal),
    missing: &str,
) -> Result<Report> {
    let rows = journal.finish(plan)?;
    let machine = &setting.machine;
    let cores = u32::try_from(machine.cores)?;
    let measured = format!(
        "{} at commit {}, {} cores, {}",
        machine.date.strftime("%Y-%m-%d"),
        machine.commit,
        machine.cores,
        machine.processor
    );
    let fitted = verdict::fit(&rows, cores, &measured);
    let own = !fitted.transports.is_empty();
    let model = if own { fitted } else { CostModel::built_in().context("the model that comes with the program")? };
    let mut text = format!("{}{missing}\n{}", machine.facts(), table::table(&rows));
    if own {
        text.push_str(&format!("\n{}", verdict::verdict(&model, &rows)));
        text.push_str(&format!("\n{}", published(&model)));
    } else {
        text.push_str(
            "\ntoo few cells to fit a model to: lines and advice are those of the model that comes with the program\n",
        );
    }
    let ledger = Ledger::new(results, machine, "rate", &rows)?;
    ledger.beside("csv", &table::csv(&rows))?;
    let svg = picture::draw(&model, &rows)?;
    let name = ledger.show(&svg)?;
    if let Some(file) = to.filter(|_| own) {
        write(file, &(serde_json::to_string_pretty(&model)? + "\n"))?;
    }
    ledger.write(
        "Rates of change",
        &format!("![time and bytes against the rate of change]({name})\n\n```\n{text}```\n"),
    )?;
    Ok(Report { ledger: ledger.path(), text, cells: rows.len() })
}

/// What is published, beside what the model says of the base: who is quickest, and who moves the fewest bytes a day.
fn published(model: &CostModel) -> String {
    let Some(base) = scenario::full().into_iter().next() else { return String::new() };
    let place = Place::Cluster(2);
    let mut text = format!("what is published, beside this model, for: {}\n", base.workload);
    for (band, rate, advice) in PUBLISHED {
        let of = Workload { rate: Some(rate), ..base.workload };
        let ranking = rank(model, &of, place, Goal::Time, &[]);
        let each: Vec<String> = ranking
            .candidates
            .iter()
            .map(|candidate| format!("{} {}", candidate.transport, seconds(candidate.prediction.p50_s)))
            .collect();
        let day = |transport: Transport, schedule: Schedule| {
            daily(model, transport, &of, place, schedule).map(|day| (day.wire / 1e6, day.p50_s, transport))
        };
        let least = |schedule: Schedule| {
            let days = model.transports.keys().filter_map(|transport| day(*transport, schedule));
            days.min_by(|left, right| left.0.total_cmp(&right.0))
        };
        let shown = |least: Option<(f64, Option<f64>, Transport)>| {
            least.map_or_else(String::new, |(megabytes, p50, transport)| {
                format!("{transport} {megabytes:.1} MB after {}", seconds(p50))
            })
        };
        text.push_str(&format!(
            "{band:<24} published: {advice:<34} quickest: {}; fewest bytes a day: {}; by a command every {} minutes: {}\n",
            each.join(", "),
            shown(least(Schedule::Channel(ASKS))),
            COMES_BY / 60.0,
            shown(least(Schedule::Command(COMES_BY))),
        ));
    }
    for (goal, what) in [(Goal::Time, "quickest"), (Goal::Bytes, "with the fewest bytes for a change")] {
        for crossover in crossovers(model, &base.workload, place, goal, &[]) {
            let name = |transport: Option<Transport>| transport.map_or("none keeps up", Transport::name);
            text.push_str(&format!(
                "{what}: {} below {:.3} changes a second, {} above\n",
                name(crossover.below),
                crossover.rate,
                name(crossover.above)
            ));
        }
    }
    text
}

fn seconds(time: Option<f64>) -> String {
    match time {
        None => "cannot keep up".to_owned(),
        Some(time) if time < 10.0 => format!("{:.0} ms", time * 1000.0),
        Some(time) => format!("{time:.0} s"),
    }
}
