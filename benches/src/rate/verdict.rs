//! How good the model is: its errors in the cells that it was not fitted to, and what its advice would have cost there.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::cluster::SETTLING;
use super::row::Row;
use super::scenario::Pace;
use crate::advice::{CLOSE, Goal, rank};
use crate::kit::statistics::quantile;
use crate::model::{CostModel, Look, Observation, Place, Prediction, Transport};

/// Something that is told: what was measured of it, and what the model says.
type Quantity = (&'static str, fn(&Row) -> f64, fn(&Prediction) -> Option<f64>);

/// The advice of one scenario, beside what was measured.
struct Choice<'a> {
    scenario: &'a str,
    advised: Transport,
    best: Transport,
    /// How much worse the advised one was than the best, of which 0.1 is a tenth.
    loss: f64,
    /// What was told and measured of each.
    each: Vec<(Transport, Option<f64>, f64)>,
}

/// The model that suits these rows.
pub(super) fn fit(rows: &[Row], cores: u32, measured: &str) -> CostModel {
    let observations: Vec<Observation> = rows.iter().filter_map(Row::observation).collect();
    let mut looks: BTreeMap<Transport, (Look, Look)> = BTreeMap::new();
    for row in rows {
        let figures = &row.figures;
        let look = Look {
            wire: figures.down,
            operations: figures.operations,
            cpu_s: figures.cpu_worker_s + figures.cpu_hub_s,
        };
        let Some(transport) = row.transport() else { continue };
        let of = looks.entry(transport).or_default();
        match row.pace {
            Pace::Idle => of.0 = look,
            Pace::Once => of.1 = look,
            Pace::Single | Pace::Steady | Pace::Ramp => {}
        }
    }
    CostModel::fit(&observations, &looks, (cores, SETTLING), measured)
}

/// What is told of the held-out rows, for people.
pub(super) fn verdict(model: &CostModel, rows: &[Row]) -> String {
    let held: Vec<&Row> = rows.iter().filter(|row| row.held_out && row.changes > 0).collect();
    let place = Place::OneMachine(model.cores);
    let told =
        |row: &Row| Some(model.transports.get(&row.transport()?)?.predict(&row.workload, place, &model.settling));
    let mut text = format!("the model in cells that it has not seen, of {} transports\n", model.transports.len());
    let _ = writeln!(text, "{:<10} {:<14} {:>12} {:>12} {:>6}", "transport", "of", "median error", "worst", "cells");
    let quantities: [Quantity; 6] = [
        ("p50", |row| row.figures.p50_s, |told| told.p50_s),
        ("p99", |row| row.figures.p99_s, |told| told.p99_s),
        ("up", |row| row.figures.up, |told| Some(told.up)),
        ("down", |row| row.figures.down, |told| Some(told.down)),
        ("cpu, manager", |row| row.figures.cpu_manager_s, |told| Some(told.cpu_manager_s)),
        ("cpu, worker", |row| row.figures.cpu_worker_s, |told| Some(told.cpu_worker_s)),
    ];
    for transport in model.transports.keys() {
        for (name, measured, told_of) in &quantities {
            let those = held.iter().filter(|row| row.transport() == Some(*transport) && measured(row) > 0.0);
            let errors: Vec<f64> = those
                .map(|row| {
                    told(row)
                        .and_then(|told| told_of(&told))
                        .map_or(f64::INFINITY, |told| (told / measured(row) - 1.0).abs())
                })
                .collect();
            let percent = |share| {
                quantile(&errors, share).map_or_else(|| "-".to_owned(), |error| format!("{:.0} %", error * 100.0))
            };
            let _ = writeln!(
                text,
                "{transport:<10} {name:<14} {:>12} {:>12} {:>6}",
                percent(0.5),
                percent(1.0),
                errors.len()
            );
        }
    }
    let choices = choices(model, &held, place);
    let good = choices.iter().filter(|choice| choice.loss <= CLOSE).count();
    let _ = writeln!(
        text,
        "\nadvice for the shortest time, beside the best that was measured: p50 in ms, told and measured"
    );
    for choice in &choices {
        let each: Vec<String> = choice
            .each
            .iter()
            .map(|(transport, told, measured)| {
                let told = told.map_or_else(|| "too much".to_owned(), |told| format!("{:.0}", told * 1000.0));
                format!("{transport} {told} / {:.0}", measured * 1000.0)
            })
            .collect();
        let _ = writeln!(
            text,
            "{:<38} {:<10} {:<10} {:>5.0} % worse   {}",
            choice.scenario,
            choice.advised,
            choice.best,
            choice.loss * 100.0,
            each.join(", ")
        );
    }
    let _ = writeln!(text, "within {:.0} % of the best: {good} of {}", CLOSE * 100.0, choices.len());
    text
}

/// The advice where every transport of the model was measured.
fn choices<'a>(model: &CostModel, held: &[&'a Row], place: Place) -> Vec<Choice<'a>> {
    let mut scenarios: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in held {
        scenarios.entry(row.scenario.as_str()).or_default().push(row);
    }
    let choice = |(scenario, rows): (&'a str, Vec<&Row>)| {
        if rows.len() < model.transports.len().max(2) {
            return None;
        }
        let ranking = rank(model, &rows[0].workload, place, Goal::Time, &[]);
        let advised = ranking.candidates.first()?.transport;
        let measured =
            |transport| rows.iter().find(|row| row.transport() == Some(transport)).map(|row| row.figures.p50_s);
        let best = rows.iter().min_by(|left, right| left.figures.p50_s.total_cmp(&right.figures.p50_s))?;
        let each = ranking.candidates.iter().filter_map(|candidate| {
            Some((candidate.transport, candidate.prediction.p50_s, measured(candidate.transport)?))
        });
        Some(Choice {
            scenario,
            advised,
            best: best.transport()?,
            loss: measured(advised)? / best.figures.p50_s - 1.0,
            each: each.collect(),
        })
    };
    scenarios.into_iter().filter_map(choice).collect()
}
