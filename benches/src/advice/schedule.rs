//! The lowest rates: a node that looks at the hub now and then, kept in step by a daemon that polls or by a command that
//! cron or configuration management runs.

use crate::model::{CostModel, Place, Transport, Workload};

/// Seconds of a day.
pub const DAY_S: f64 = 86_400.0;

/// How nodes hear of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// They run `depsync run` and hear of it over a channel; they ask as well, every so many seconds.
    Channel(f64),
    /// They run `depsync run` and ask every so many seconds.
    Poll(f64),
    /// `depsync update` is started every so many seconds.
    Command(f64),
}

/// What keeping a cluster in step takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Daily {
    /// Seconds until half of the workers have a change; none where changes come faster than they can go.
    pub p50_s: Option<f64>,
    /// Bytes on the wire in a day, of all nodes.
    pub wire: f64,
    /// How much of that is spent on looking whether there is anything.
    pub looking: f64,
    /// Processor seconds in a day, of all nodes and the hub.
    pub cpu_s: f64,
}

/// What a day of such a workload takes; none if the model knows nothing of the transport.
pub fn daily(
    model: &CostModel,
    transport: Transport,
    of: &Workload,
    place: Place,
    schedule: Schedule,
) -> Option<Daily> {
    let known = model.transports.get(&transport)?;
    let rate = of.rate.unwrap_or(0.0);
    // Who looks rarely finds many changes at once: they cost what one change of so many files costs.
    let (every, look, wait) = match schedule {
        Schedule::Channel(every) => (every, known.look, 0.0),
        Schedule::Poll(every) => (every, known.look, every / 2.0),
        Schedule::Command(every) => (every, known.once, every / 2.0),
    };
    let prediction = known.predict(of, place, &model.settling);
    let nodes = f64::from(of.nodes);
    let looks = DAY_S / every * nodes;
    let changes = rate * DAY_S;
    // A worker brings what it finds at a look.
    let brought = if wait > 0.0 { changes.min(DAY_S / every) } else { changes };
    let looking = looks * look.wire;
    Some(Daily {
        p50_s: prediction.p50_s.map(|p50| p50 + wait),
        wire: looking + changes * prediction.up + brought * nodes * prediction.down,
        looking,
        cpu_s: looks * look.cpu_s
            + changes * prediction.cpu_manager_s
            + brought * (nodes * prediction.cpu_worker_s + prediction.cpu_hub_s),
    })
}
