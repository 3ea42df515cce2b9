//! Observations to a model.
//!
//! First what a change moves and computes, then how long it takes: that is a function of what the first says, not of what
//! was measured, so that it can be asked of any workload. Cells that were held out are not looked at.

use std::collections::BTreeMap;

use super::features::Features;
use super::{CostModel, Figures, Linear, Look, Observation, Place, SCHEMA, Settling, Transport, TransportModel};

/// The fewest single changes, of all kinds, that a model can be fitted to.
const LEAST: usize = 12;

impl CostModel {
    /// The model that suits these cells best; transports of which there are too few are left out. `looks` are what a look
    /// at an unchanged hub costs, of a daemon and of a command.
    pub fn fit(
        cells: &[Observation],
        looks: &BTreeMap<Transport, (Look, Look)>,
        (cores, settling): (u32, Settling),
        measured: impl Into<String>,
    ) -> Self {
        let fitted = Transport::ALL.into_iter().filter_map(|transport| {
            let of = |cell: &&Observation| cell.transport == transport && !cell.held_out;
            let cells: Vec<&Observation> = cells.iter().filter(of).collect();
            let (look, once) = looks.get(&transport).copied().unwrap_or_default();
            Some((transport, TransportModel { look, once, ..fit(&cells, Place::OneMachine(cores), &settling)? }))
        });
        Self { schema: SCHEMA, measured: measured.into(), cores, settling, transports: fitted.collect() }
    }
}

fn fit(cells: &[&Observation], place: Place, settling: &Settling) -> Option<TransportModel> {
    let (single, many): (Vec<&Observation>, Vec<&Observation>) =
        cells.iter().copied().partition(|cell| cell.workload.rate.is_none());
    if single.len() < LEAST {
        return None;
    }
    let work = |of: fn(&Figures) -> f64| {
        let rows = single.iter().map(|cell| (Features::work(&cell.workload), of(&cell.figures)));
        Linear::fit(&rows.collect::<Vec<_>>())
    };
    let hub = single
        .iter()
        .map(|cell| (Features::work(&cell.workload), cell.figures.cpu_hub_s / f64::from(cell.workload.nodes + 1)));
    let mut model = TransportModel {
        up: work(|figures| figures.up),
        down: work(|figures| figures.down),
        hub_bytes: work(|figures| figures.hub_bytes),
        operations: work(|figures| figures.operations),
        cpu_manager: work(|figures| figures.cpu_manager_s),
        cpu_worker: work(|figures| figures.cpu_worker_s),
        cpu_hub: Linear::fit(&hub.collect::<Vec<_>>()),
        p50: Linear::default(),
        p99: Linear::default(),
        busy_p50: 0.0,
        busy_p99: 0.0,
        overlap: 1.0,
        look: Look::default(),
        once: Look::default(),
    };
    let time = |of: fn(&Figures) -> f64| {
        let row = |cell: &&Observation| {
            (Features::time(&cell.workload, &model.effort(&cell.workload, place)), of(&cell.figures))
        };
        Linear::fit(&single.iter().map(row).collect::<Vec<_>>())
    };
    let (p50, p99) = (time(|figures| figures.p50_s), time(|figures| figures.p99_s));
    (model.p50, model.p99) = (p50, p99);
    // A cell that was looked at for its greatest rate says how many rounds go side by side.
    let overlaps = cells.iter().filter_map(|cell| Some(cell.saturation? * model.each(&cell.workload, place)));
    model.overlap = median(overlaps.collect()).unwrap_or(1.0);
    let steady: Vec<&Observation> = many.into_iter().filter(|cell| cell.saturation.is_none()).collect();
    model.busy_p50 = busy(&model, &steady, place, settling, false);
    model.busy_p99 = busy(&model, &steady, place, settling, true);
    Some(model)
}

/// By how much of itself the time grows where rounds are under way, beside what the model says already.
fn busy(model: &TransportModel, cells: &[&Observation], place: Place, settling: &Settling, slowest: bool) -> f64 {
    let rows = cells.iter().filter_map(|cell| {
        let told = model.predict(&cell.workload, place, settling);
        let rounds = model.rounds(&cell.workload, place, settling)?;
        let (told, measured, pausing) = if slowest {
            (told.p99_s?, cell.figures.p99_s, rounds.pausing.1)
        } else {
            (told.p50_s?, cell.figures.p50_s, rounds.pausing.0)
        };
        Some((rounds.busy, (measured - pausing) / (told - pausing) - 1.0))
    });
    // All errors count alike: where nobody waits there is nothing to be relative to.
    let (along, length) =
        rows.fold((0.0, 0.0), |(along, length), (busy, more)| (along + busy * more, length + busy * busy));
    if length > 0.0 { (along / length).max(0.0) } else { 0.0 }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Link, Workload};
    use super::*;

    /// A world that is as the model thinks.
    fn world(of: &Workload) -> Figures {
        let (files, bytes) = (f64::from(of.files), super::super::features::exact(of.bytes));
        let (up, down) = (2000.0 + files * 100.0 + bytes * 0.5, 1000.0 + files * 90.0 + bytes * 0.5);
        let (cpu_manager_s, cpu_worker_s) = (0.01 + files * 1e-4, 0.005 + files * 2e-4);
        let waiting = f64::from(of.nodes - 1) * cpu_worker_s / 2.0;
        let p50_s =
            0.06 + of.link.rtt_s * 5.0 + of.link.carrying(up + down) + cpu_manager_s + cpu_worker_s + waiting * 0.5;
        Figures {
            p50_s,
            p99_s: p50_s * 1.5,
            up,
            down,
            hub_bytes: up,
            operations: 12.0,
            cpu_manager_s,
            cpu_worker_s,
            cpu_hub_s: 0.0,
        }
    }

    fn workload(files: u32, nodes: u32, rtt_s: f64) -> Workload {
        let link = Link { rtt_s, bandwidth: Some(5e7), loss: 0.0 };
        Workload { kind: Kind::Config, files, bytes: u64::from(files) * 2048, tree: 1000, nodes, link, rate: None }
    }

    #[test]
    fn a_world_as_the_model_thinks_is_foretold() {
        let cell = |workload: Workload| Observation {
            transport: Transport::Ssh,
            figures: world(&workload),
            workload,
            saturation: None,
            held_out: false,
        };
        let mut cells = Vec::new();
        for files in [1, 30, 300] {
            for nodes in [1, 4, 12] {
                for rtt in [0.0005, 0.02, 0.1] {
                    cells.push(cell(workload(files, nodes, rtt)));
                }
            }
        }
        let ramp = workload(1, 4, 0.0005);
        cells.push(Observation { saturation: Some(1500.0), ..cell(Workload { rate: Some(2000.0), ..ramp }) });
        let busy = Workload { rate: Some(15.0), ..ramp };
        let mut figures = world(&ramp);
        figures.p50_s *= 1.6;
        cells.push(Observation { figures, ..cell(busy) });
        let settling = Settling { quiet_s: 0.05, at_most_s: 0.4 };
        let model = CostModel::fit(&cells, &BTreeMap::new(), (2, settling), "by hand");
        assert_eq!(model.transports.keys().collect::<Vec<_>>(), [&Transport::Ssh]);
        let ssh = &model.transports[&Transport::Ssh];
        for unseen in [workload(100, 8, 0.05), workload(1, 2, 0.0005), workload(3, 6, 0.2)] {
            let (told, is) = (ssh.predict(&unseen, Place::OneMachine(2), &settling), world(&unseen));
            let off = |told: f64, is: f64| (told / is - 1.0).abs();
            assert!(off(told.p50_s.expect("no rate"), is.p50_s) < 0.1, "{unseen}: {told:?} {is:?}");
            assert!(off(told.up, is.up) < 0.05 && off(told.cpu_worker_s, is.cpu_worker_s) < 0.05, "{unseen}: {told:?}");
            // Who has processors of his own does not wait.
            assert!(ssh.predict(&unseen, Place::Cluster(2), &settling).p50_s <= told.p50_s);
        }
        let told = ssh.predict(&busy, Place::OneMachine(2), &settling);
        assert!((told.saturation / 1500.0 - 1.0).abs() < 0.05, "{told:?}");
        assert!((told.p50_s.expect("below") / (world(&ramp).p50_s * 1.6) - 1.0).abs() < 0.15, "{told:?}");
        assert_eq!(ssh.predict(&Workload { rate: Some(3000.0), ..ramp }, Place::OneMachine(2), &settling).p50_s, None);
        // Without a pause they wait for the longest.
        let fast = ssh.predict(&Workload { rate: Some(100.0), ..ramp }, Place::OneMachine(2), &settling);
        assert!(fast.p50_s > told.p50_s.map(|time| time + 0.1), "{fast:?} {told:?}");
        // What goes together costs less each.
        let alone = ssh.predict(&ramp, Place::OneMachine(2), &settling);
        assert!(fast.up < alone.up && fast.operations < alone.operations, "{fast:?}");
    }

    #[test]
    fn too_few_cells_are_no_model() {
        let settling = Settling { quiet_s: 0.05, at_most_s: 0.4 };
        let cell = Observation {
            transport: Transport::Svn,
            workload: workload(1, 1, 0.0),
            figures: world(&workload(1, 1, 0.0)),
            saturation: None,
            held_out: false,
        };
        assert!(CostModel::fit(&vec![cell; LEAST - 1], &BTreeMap::new(), (2, settling), "").transports.is_empty());
    }
}
