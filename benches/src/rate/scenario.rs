//! What is measured: workloads by name.
//!
//! One workload is the base, and the others differ from it in one thing or two, so that the model can tell what each
//! thing costs. Those that are held out lie between the others: the model has to foretell them.

use serde::{Deserialize, Serialize};

use crate::model::{Kind, Link, Workload};

/// How a workload is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Pace {
    /// One change after the other, each when the one before is everywhere and all is quiet.
    Single,
    /// At the workload's rate, whoever is still waiting.
    Steady,
    /// At twice the rate every moment, until it is too much.
    Ramp,
    /// Nothing changes, and everybody asks every second.
    Idle,
    /// Commands that are run by hand, or by configuration management, and find nothing new.
    Once,
}

/// A workload with a name.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) workload: Workload,
    pub(super) pace: Pace,
    pub(super) held_out: bool,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn link(rtt_s: f64, megabits: f64, loss: f64) -> Link {
    Link { rtt_s, bandwidth: Some(megabits * 1e6), loss }
}

/// Between two towns, between two continents, and a bad line.
const TOWNS: Link = link(0.02, 100.0, 0.0);
const FAR: Link = link(0.1, 20.0, 0.0);
const BAD: Link = link(0.05, 20.0, 0.01);

const BASE: Workload =
    Workload { kind: Kind::Config, files: 1, bytes: 2 * KIB, tree: 1000, nodes: 4, link: Link::LAN, rate: None };

fn archive(mebibytes: u64) -> Workload {
    Workload { kind: Kind::Archive, bytes: mebibytes * MIB, ..BASE }
}

fn release(files: u32) -> Workload {
    Workload { kind: Kind::Release, files, bytes: u64::from(files) * 4 * KIB, ..BASE }
}

fn delete(files: u32) -> Workload {
    Workload { kind: Kind::Delete, files, bytes: 0, ..BASE }
}

fn at(rate: f64) -> Workload {
    Workload { rate: Some(rate), ..BASE }
}

/// The base alone, and what costs most, for a quick look.
pub(super) fn quick() -> Vec<Scenario> {
    use Pace::{Idle, Ramp, Single, Steady};
    let of = |name: &str, workload, pace| Scenario { name: name.to_owned(), workload, pace, held_out: false };
    let two = |workload: Workload| Workload { nodes: 2, ..workload };
    vec![
        of("base", two(BASE), Single),
        of("archive of 1 MiB", two(archive(1)), Single),
        of("release of 100 files", two(release(100)), Single),
        of("20 ms away", two(Workload { link: TOWNS, ..BASE }), Single),
        of("10 a second", two(at(10.0)), Steady),
        of("100 a second", two(at(100.0)), Steady),
        of("as many as go", two(BASE), Ramp),
        of("idle", two(BASE), Idle),
    ]
}

/// All of them.
pub(super) fn full() -> Vec<Scenario> {
    use Pace::{Idle, Once, Ramp, Single, Steady};
    let of = |name: &str, workload, pace| Scenario { name: name.to_owned(), workload, pace, held_out: false };
    let held = |name: &str, workload, pace| Scenario { held_out: true, ..of(name, workload, pace) };
    vec![
        of("base", BASE, Single),
        of("64 KiB", Workload { bytes: 64 * KIB, ..BASE }, Single),
        of("archive of 1 MiB", archive(1), Single),
        of("archive of 4 MiB", archive(4), Single),
        of("release of 100 files", release(100), Single),
        of("release of 500 files", release(500), Single),
        of("delete 50 files", delete(50), Single),
        of("20 ms away", Workload { link: TOWNS, ..BASE }, Single),
        of("100 ms away", Workload { link: FAR, ..BASE }, Single),
        of("bad line", Workload { link: BAD, ..BASE }, Single),
        of("archive, 20 ms away", Workload { link: TOWNS, ..archive(4) }, Single),
        of("release, 100 ms away", Workload { link: FAR, ..release(50) }, Single),
        of("release, bad line", Workload { link: BAD, ..release(30) }, Single),
        of("1 a second", at(1.0), Steady),
        of("5 a second", at(5.0), Steady),
        of("50 a second", at(50.0), Steady),
        of("300 a second", at(300.0), Steady),
        of("as many as go", BASE, Ramp),
        of("as many as go, 20 ms away", Workload { link: TOWNS, ..BASE }, Ramp),
        held("100 a second", at(100.0), Steady),
        held("50 ms away", Workload { link: link(0.05, 50.0, 0.0), ..BASE }, Single),
        held("archive of 2 MiB, 40 ms away", Workload { link: link(0.04, 50.0, 0.0), ..archive(2) }, Single),
        of("idle", BASE, Idle),
        of("by hand", BASE, Once),
        of("100 files in all", Workload { tree: 100, ..BASE }, Single),
        of("10,000 files in all", Workload { tree: 10_000, ..BASE }, Single),
        of("10,000 files, release of 500", Workload { tree: 10_000, ..release(500) }, Single),
        held("3,000 files in all", Workload { tree: 3000, ..BASE }, Single),
        held("3,000 files, 30 a second", Workload { tree: 3000, ..at(30.0) }, Steady),
        of("1 worker", Workload { nodes: 1, ..BASE }, Single),
        of("1 worker, release of 100 files", Workload { nodes: 1, ..release(100) }, Single),
        of("1 worker, as many as go", Workload { nodes: 1, ..BASE }, Ramp),
        of("1 worker, archive, 100 ms away", Workload { nodes: 1, link: FAR, ..archive(1) }, Single),
        of("12 workers", Workload { nodes: 12, ..BASE }, Single),
        of("12 workers, release of 100 files", Workload { nodes: 12, ..release(100) }, Single),
        of("12 workers, 10 a second", Workload { nodes: 12, ..at(10.0) }, Steady),
        of("12 workers, as many as go", Workload { nodes: 12, ..BASE }, Ramp),
        held("8 workers", Workload { nodes: 8, ..BASE }, Single),
        held("8 workers, delete 20 files", Workload { nodes: 8, ..delete(20) }, Single),
        held("8 workers, 10 ms away", Workload { nodes: 8, link: link(0.01, 200.0, 0.0), ..BASE }, Single),
        held("2 workers, release of 200 files", Workload { nodes: 2, ..release(200) }, Single),
        held("2 workers, archive of 3 MiB", Workload { nodes: 2, ..archive(3) }, Single),
        held(
            "2 workers, release, 30 ms away",
            Workload { nodes: 2, link: link(0.03, 50.0, 0.0), ..release(50) },
            Single,
        ),
        held(
            "2 workers, 16 KiB, bad line",
            Workload { nodes: 2, bytes: 16 * KIB, link: link(0.03, 20.0, 0.005), ..BASE },
            Single,
        ),
        held("2 workers, 20 a second", Workload { nodes: 2, ..at(20.0) }, Steady),
        held("2 workers, 5 a second, 20 ms away", Workload { nodes: 2, link: TOWNS, ..at(5.0) }, Steady),
    ]
}

/// Those that others are measured at, too.
pub(super) fn for_rivals(all: &[Scenario]) -> Vec<Scenario> {
    const THEIRS: [&str; 6] =
        ["base", "archive of 1 MiB", "release of 100 files", "delete 50 files", "20 ms away", "5 a second"];
    all.iter().filter(|scenario| THEIRS.contains(&scenario.name.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_names_and_enough_is_held_out() {
        for all in [quick(), full()] {
            let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
            assert_eq!(names.len(), all.len());
            // Neighbours share a cluster: each is set up once.
            let mut grounds: Vec<(u64, u32)> =
                all.iter().map(|scenario| (scenario.workload.tree, scenario.workload.nodes)).collect();
            grounds.dedup();
            let distinct: BTreeSet<(u64, u32)> = grounds.iter().copied().collect();
            assert_eq!(grounds.len(), distinct.len(), "{grounds:?}");
        }
        let held = full().iter().filter(|scenario| scenario.held_out).count();
        assert!(held * 4 >= full().len(), "{held} of {}", full().len());
    }
}
