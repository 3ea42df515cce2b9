//! What is said out there about rates of change and transports, beside what the model says.
//!
//! The words are those of the documentation of the synchronizer that this one replaces: NFS for a high rate of change, rsync
//! for a medium one, configuration management or Subversion for a low one. It gives no numbers; the rates are ours.

use std::fmt::Write as _;

use super::scenario;
use crate::advice::{DAY_S, Goal, Schedule, crossovers, daily, rank};
use crate::model::{CostModel, Link, Place, Transport, Workload};

/// A rate, and what is said of it.
struct Band {
    name: &'static str,
    rate: f64,
    says: &'static str,
    transport: Transport,
    /// Whether a command now and then is what is said, too.
    command: bool,
}

const BANDS: [Band; 3] = [
    Band {
        name: "low: once a day",
        rate: 1.0 / DAY_S,
        says: "configuration management, svn",
        transport: Transport::Svn,
        command: true,
    },
    Band { name: "medium: once a minute", rate: 1.0 / 60.0, says: "rsync", transport: Transport::Ssh, command: false },
    Band { name: "high: 10 a second", rate: 10.0, says: "NFS", transport: Transport::Mount, command: false },
];

/// Between two towns.
const AWAY: Link = Link { rtt_s: 0.02, bandwidth: Some(1e8), loss: 0.0 };
/// How often configuration management comes by, in seconds: the default of Puppet's agent.
const COMES_BY: f64 = 1800.0;
/// How often daemons ask beside the channel.
const ASKS: f64 = 10.0;
/// Cores of the hub.
const CORES: u32 = 2;

/// Both, for the base, within a computing centre and away from the hub.
pub(super) fn beside(model: &CostModel) -> String {
    let Some(base) = scenario::full().into_iter().next() else { return String::new() };
    let base = base.workload;
    let mut text = format!("what is published, beside this model, for: {base}; and 20 ms away\n");
    let _ = writeln!(
        text,
        "{:<24} {:<30} {:<10} {:<26} {:<44} agrees: time, bytes",
        "rate", "published", "hub is at", "quickest", "fewest bytes a day"
    );
    for band in &BANDS {
        for (place, link) in [("0.5 ms", base.link), ("20 ms", AWAY)] {
            line(&mut text, model, band, place, &Workload { rate: Some(band.rate), link, ..base });
        }
    }
    text.push('\n');
    for (goal, what) in [(Goal::Time, "the quickest"), (Goal::Bytes, "that with the fewest bytes for a change")] {
        for (place, link) in [("0.5 ms", base.link), ("20 ms", AWAY)] {
            let name = |transport: Option<Transport>| transport.map_or("none keeps up", Transport::name);
            for turn in crossovers(model, &Workload { link, ..base }, Place::Cluster(CORES), goal, &[]) {
                let (below, above) = (name(turn.below), name(turn.above));
                let rate = turn.rate;
                let _ = writeln!(text, "{what}, at {place}: {below} up to {rate:.3} changes a second, then {above}");
            }
        }
    }
    text
}

fn line(text: &mut String, model: &CostModel, band: &Band, place: &str, of: &Workload) {
    let cluster = Place::Cluster(CORES);
    let ranking = rank(model, of, cluster, Goal::Time, &[]);
    let quickest = ranking.best().map(|best| (best.transport, best.prediction.p50_s));
    let schedules = [(Schedule::Channel(ASKS), false), (Schedule::Command(COMES_BY), true)];
    let days = model.transports.keys().flat_map(|transport| {
        let day = |(schedule, command)| Some((daily(model, *transport, of, cluster, schedule)?, *transport, command));
        schedules.into_iter().filter_map(day)
    });
    let least = days.min_by(|left, right| left.0.wire.total_cmp(&right.0.wire));
    let is_quickest = quickest.is_some_and(|(transport, _)| transport == band.transport);
    let is_least = least.as_ref().is_some_and(|(_, transport, command)| {
        (band.command && *command) || (*transport == band.transport && *command == band.command)
    });
    let yes = |is_so: bool| if is_so { "yes" } else { "no" };
    let quickest = quickest.map_or_else(String::new, |(transport, time)| format!("{transport}, {}", seconds(time)));
    let least = least.map_or_else(String::new, |(day, transport, command)| {
        let how = if command { ", a command every 30 min" } else { "" };
        format!("{transport}{how}, {:.1} MB", day.wire / 1e6)
    });
    let _ = writeln!(
        text,
        "{:<24} {:<30} {place:<10} {quickest:<26} {least:<44} {}, {}",
        band.name,
        band.says,
        yes(is_quickest),
        yes(is_least)
    );
}

fn seconds(time: Option<f64>) -> String {
    match time {
        None => "cannot keep up".to_owned(),
        Some(time) if time < 10.0 => format!("{:.0} ms", time * 1000.0),
        Some(time) => format!("{time:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_is_held_beside_the_model_twice() {
        let model = CostModel::built_in().expect("a model");
        let text = beside(&model);
        assert!(BANDS.iter().all(|band| text.matches(band.name).count() == 2), "{text}");
        assert!(text.contains("yes") && text.contains("then none keeps up"), "{text}");
    }
}
