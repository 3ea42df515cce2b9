//! Rows as a table, and as CSV.

use std::fmt::Write;

use super::row::Row;
use super::scenario::Pace;
use crate::kit::statistics::quantile;

/// Scenarios, and beneath each its transports.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<38} {:<10} {:>9} {:>9} {:>6} {:>11} {:>11} {:>11} {:>6} {:>8} {:>8} {:>8} {:>8}\n",
        "scenario",
        "transport",
        "p50 ms",
        "p99 ms",
        "+-%",
        "up B",
        "down B",
        "hub B",
        "asked",
        "cpu m ms",
        "cpu w ms",
        "cpu h ms",
        "most/s"
    );
    let mut last = "";
    for row in rows {
        let figures = &row.figures;
        let millis = |seconds: f64| if seconds > 0.0 { format!("{:.1}", seconds * 1000.0) } else { "-".to_owned() };
        let _ = writeln!(
            text,
            "{:<38} {:<10} {:>9} {:>9} {:>6} {:>11.0} {:>11.0} {:>11.0} {:>6.1} {:>8} {:>8} {:>8} {:>8}{}",
            if row.scenario == last { "" } else { &row.scenario },
            row.who,
            millis(figures.p50_s),
            millis(figures.p99_s),
            noise(row).map_or_else(|| "-".to_owned(), |noise| format!("{noise:.0}")),
            figures.up,
            figures.down,
            figures.hub_bytes,
            figures.operations,
            millis(figures.cpu_manager_s),
            millis(figures.cpu_worker_s),
            millis(figures.cpu_hub_s),
            row.saturation.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
            if row.modelled { " *" } else { "" },
        );
        last = &row.scenario;
    }
    text.push_str(
        "\nof one change: up, between manager and hub; down, between hub and one worker; cpu of the manager, one worker, the hub's\n\
         server; most/s, the rate from which on what is under way grows; idle and by hand: of one look\n\
         +-%: half of the samples are no further from p50\n\
         *: a local directory, with the round trips and bytes of NFS added by a model\n",
    );
    text
}

/// How far half of the samples are from the middle, in hundredths of it.
fn noise(row: &Row) -> Option<f64> {
    let middle = quantile(&row.ms, 0.5)?;
    let off: Vec<f64> = row.ms.iter().map(|ms| (ms - middle).abs()).collect();
    quantile(&off, 0.5).map(|off| off / middle * 100.0)
}

/// The same for machines.
pub(super) fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "scenario,transport,pace,kind,files,bytes,tree,nodes,rtt_s,bandwidth,loss,rate,held_out,modelled,changes,p50_s,p99_s,up,down,hub_bytes,\
         operations,cpu_manager_s,cpu_worker_s,cpu_hub_s,saturation\n",
    );
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for row in rows {
        let (workload, figures) = (&row.workload, &row.figures);
        let pace = match row.pace {
            Pace::Single => "single",
            Pace::Steady => "steady",
            Pace::Ramp => "ramp",
            Pace::Idle => "idle",
            Pace::Once => "once",
        };
        let _ = writeln!(
            text,
            "\"{}\",{},{pace},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.scenario,
            row.who,
            workload.kind.name(),
            workload.files,
            workload.bytes,
            workload.tree,
            workload.nodes,
            workload.link.rtt_s,
            optional(workload.link.bandwidth),
            workload.link.loss,
            optional(workload.rate),
            row.held_out,
            row.modelled,
            row.changes,
            figures.p50_s,
            figures.p99_s,
            figures.up,
            figures.down,
            figures.hub_bytes,
            figures.operations,
            figures.cpu_manager_s,
            figures.cpu_worker_s,
            figures.cpu_hub_s,
            optional(row.saturation),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::row::Who;
    use super::*;
    use crate::model::Transport;
    use crate::rate::{sample, scenario};

    #[test]
    fn every_cell_has_a_line() {
        let rows: Vec<Row> =
            scenario::quick().iter().map(|scenario| sample(Who::Depsync(Transport::Svn), scenario)).collect();
        let text = table(&rows);
        assert_eq!(text.lines().take_while(|line| !line.is_empty()).count(), rows.len() + 1, "{text}");
        let text = csv(&rows);
        let columns = text.lines().next().expect("names").split(',').count();
        assert!(text.lines().skip(1).all(|line| line.split(',').count() == columns), "{text}");
    }

    #[test]
    fn noise_is_how_far_half_of_them_are_off() {
        let mut row = sample(Who::Depsync(Transport::Svn), &scenario::quick()[0]);
        assert_eq!(noise(&row), None);
        row.ms = vec![90.0, 100.0, 100.0, 110.0, 200.0];
        assert_eq!(noise(&row), Some(10.0));
    }
}
