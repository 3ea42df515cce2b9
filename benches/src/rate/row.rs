//! One cell as it is written down.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::rivals::Rival;
use super::scenario::{Pace, Scenario};
use crate::model::{Figures, Observation, Transport, Workload};

/// Who keeps directories in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Who {
    /// We, over a transport.
    Depsync(Transport),
    /// Somebody else.
    Rival(Rival),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depsync(transport) => transport.fmt(f),
            Self::Rival(rival) => rival.fmt(f),
        }
    }
}

/// What was measured. The names are those of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) who: Who,
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
    pub(super) fn of(who: Who, scenario: &Scenario) -> Self {
        Self {
            who,
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

    /// The transport, if it is ours.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self.who {
            Who::Depsync(transport) => Some(transport),
            Who::Rival(_) => None,
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
            transport: self.transport()?,
            workload,
            figures: self.figures,
            saturation: self.saturation,
            held_out: self.held_out,
        })
    }
}
