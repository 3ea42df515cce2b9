//! One cell as it is written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scenario::{Pace, Scenario};
use crate::model::{Figures, Observation, Transport, Workload};

/// What was measured. The names are those of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) transport: Transport,
    pub(super) scenario: String,
    pub(super) pace: Pace,
    pub(super) workload: Workload,
    pub(super) held_out: bool,
    /// Whether the link is not real: see [`super::nfs`].
    pub(super) modelled: bool,
    pub(super) figures: Figures,
    /// The greatest rate that was found, where it was looked for.
    pub(super) saturation: Option<f64>,
    /// How many changes were saved.
    pub(super) changes: usize,
    /// Milliseconds of each change and worker, in the order in which they were saved; no more than some hundreds.
    pub(super) ms: Vec<f64>,
    /// What a change asked the hub for, all nodes together.
    pub(super) asked: BTreeMap<String, f64>,
    /// Seconds that the cell took.
    pub(super) took_s: f64,
}

impl Row {
    /// A row without figures.
    pub(super) fn of(transport: Transport, scenario: &Scenario) -> Self {
        Self {
            transport,
            scenario: scenario.name.clone(),
            pace: scenario.pace,
            workload: scenario.workload,
            held_out: scenario.held_out,
            modelled: false,
            figures: Figures::default(),
            saturation: None,
            changes: 0,
            ms: Vec::new(),
            asked: BTreeMap::new(),
            took_s: 0.0,
        }
    }

    /// What a model is fitted to; not of those who only ask.
    pub(super) fn observation(&self) -> Option<Observation> {
        let workload = match self.pace {
            Pace::Single | Pace::Steady => self.workload,
            Pace::Ramp => Workload { rate: self.saturation, ..self.workload },
            Pace::Idle | Pace::Once => return None,
        };
        Some(Observation {
            transport: self.transport,
            workload,
            figures: self.figures,
            saturation: self.saturation,
            held_out: self.held_out,
        })
    }
}
