//! Time and bytes against the rate of change: the model as lines, what was measured as dots, crossovers marked.

use anyhow::Result;

use super::row::Row;
use super::scenario::{self, Pace};
use crate::advice::{Goal, Schedule, crossovers, daily};
use crate::kit::plot::{Line, Panel, draw as plot};
use crate::model::{CostModel, Place, Workload};

/// Once a week to a thousand a second.
const RATES: (f64, f64) = (1.0 / 604_800.0, 1000.0);
const STEPS: i32 = 12;
/// What people call some rates.
const WORDS: [(f64, &str); 5] = [
    (RATES.0, "a week"),
    (1.0 / 86_400.0, "a day"),
    (1.0 / 3_600.0, "an hour"),
    (1.0 / 60.0, "a minute"),
    (1.0, "a second"),
];
/// Those who are changed so rarely that each change comes alone are drawn here.
const ALONE: f64 = 0.01;

pub(super) fn draw(model: &CostModel, rows: &[Row]) -> Result<String> {
    let Some(base) = scenario::full().into_iter().next() else { return Ok(String::new()) };
    let nodes = rows.first().map_or(base.workload.nodes, |row| row.workload.nodes);
    let base = Workload { nodes, ..base.workload };
    let place = Place::OneMachine(model.cores);
    let factor = 10f64.powf(1.0 / f64::from(STEPS));
    let rates: Vec<f64> =
        std::iter::successors(Some(RATES.0), |rate| Some(rate * factor)).take_while(|rate| *rate <= RATES.1).collect();
    let of = |rate: f64| Workload { rate: Some(rate), ..base };
    let (mut times, mut bytes, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for (transport, known) in &model.transports {
        let time = |rate: &f64| Some((*rate, known.predict(&of(*rate), place, &model.settling).p50_s? * 1000.0));
        let wire = |rate: &f64| {
            let day = daily(model, *transport, &of(*rate), place, Schedule::Channel(10.0))?;
            day.p50_s.map(|_| (*rate, day.wire / 1e6))
        };
        let measured = |row: &&Row| row.transport() == Some(*transport) && same_but_rate(&row.workload, &base);
        let dots = rows.iter().filter(measured).filter_map(|row| match row.pace {
            Pace::Single => Some((ALONE, row.figures.p50_s * 1000.0)),
            Pace::Steady => Some((row.workload.rate?, row.figures.p50_s * 1000.0)),
            Pace::Ramp | Pace::Idle | Pace::Once => None,
        });
        let line = |points, dots| Line { name: transport.name().to_owned(), ours: true, like: None, points, dots };
        times.push(line(rates.iter().filter_map(time).collect(), dots.collect()));
        bytes.push(line(rates.iter().filter_map(wire).collect(), Vec::new()));
        let command = |rate: &f64| {
            let day = daily(model, *transport, &of(*rate), place, Schedule::Command(1800.0))?;
            day.p50_s.map(|_| (*rate, day.wire / 1e6))
        };
        commands.push(Line {
            name: format!("{transport}, a command every 30 min"),
            ours: false,
            like: Some(bytes.len() - 1),
            points: rates.iter().filter_map(command).collect(),
            dots: Vec::new(),
        });
    }
    bytes.append(&mut commands);
    let marks =
        |goal| crossovers(model, &base, place, goal, &[]).iter().map(|crossover| crossover.rate).collect::<Vec<_>>();
    let (quicker, smaller) = (marks(Goal::Time), marks(Goal::Bytes));
    plot(
        "changes a second",
        &[
            Panel {
                title: "milliseconds until half of the workers have a change",
                lines: &times,
                marks: &quicker,
                words: &WORDS,
            },
            Panel { title: "MB a day on the wire, all nodes", lines: &bytes, marks: &smaller, words: &WORDS },
        ],
    )
}

fn same_but_rate(left: &Workload, right: &Workload) -> bool {
    Workload { rate: None, ..*left } == Workload { rate: None, ..*right }
}
