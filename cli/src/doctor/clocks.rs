//! This node's clock, the hub's, and what becomes of the times of files.

use super::hub::in_time;
use super::{Check, Patient, disk, judge};

/// All of them.
pub(super) fn look(patient: &Patient<'_>) -> Vec<Check> {
    vec![own(patient), of_hub(patient), of_files(patient)]
}

/// This node's clock, held against what others have dated.
fn own(patient: &Patient<'_>) -> Check {
    let now = patient.cx.now();
    let record = patient.head.map(|(head, time)| (format!("revision {}", head.number), time));
    let own = patient.node.as_ref().map(|(node, _)| node.identity().node);
    let reports = patient.nodes.iter().filter(|node| Some(&node.report.node) != own.as_ref());
    let reports = reports.map(|node| (format!("the report of {}", node.report.node), node.report.time));
    judge::clock(now, &record.into_iter().chain(reports).collect::<Vec<_>>())
}

fn of_hub(patient: &Patient<'_>) -> Check {
    const NAME: &str = "hub-clock";
    let Some((_, hub)) = patient.node.as_ref().filter(|_| patient.hub_answers) else {
        return Check::skipped(NAME, "the hub was not opened");
    };
    let before = patient.cx.now();
    match hub.clock(&in_time(&patient.cx)) {
        Ok(Some(clock)) => judge::hub_clock(before, patient.cx.now(), clock),
        Ok(None) => Check::skipped(NAME, "it cannot be told, since this node cannot write there"),
        Err(error) => Check::skipped(NAME, error.to_string()),
    }
}

fn of_files(patient: &Patient<'_>) -> Check {
    match disk::kept_nanoseconds(disk::nearest(&patient.places.dir)) {
        Some(nanoseconds) => judge::file_times(nanoseconds),
        None => Check::skipped("file-times", "they cannot be tried out in the directory's file system"),
    }
}
