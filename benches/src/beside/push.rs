//! `push`: depsync to nodes behind real sshds, beside the cron job's loop of `rsync --delete -a` over ssh to other
//! directories behind the same servers.
//!
//! Both sides are on this machine: the processor time of the far side is that of the servers' sessions, in hundredths of
//! a second; bytes are those that pass a relay before each server, in both directions, with everything that ssh adds.
//! The loop goes to one node after the other, as it does in cron; depsync to several at a time. After each task all
//! directories are compared, byte by byte.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use depsync_tests::sshd::{HOST, Relay, Sshd, Way};
use serde::Serialize;

use crate::kit::ledger::Ledger;
use crate::kit::measured::{Invocation, Measure, run as measured};
use crate::kit::setting::{Setting, SettingArgs};
use crate::kit::statistics::{bytes, median, ratio};
use crate::kit::tree::{Layout, Shape, equal};

#[derive(Args)]
pub struct PushArgs {
    /// Files of the tree
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
    files: u32,
    /// Bytes of a file
    #[arg(long, default_value_t = 2048)]
    size: usize,
    /// Nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// How often each task is done, but for the first push
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    #[command(flatten)]
    setting: SettingArgs,
}

/// What is to be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    First,
    Nothing,
    One,
    Thousand,
}

impl Task {
    const ALL: [Self; 4] = [Self::First, Self::Nothing, Self::One, Self::Thousand];

    fn name(self) -> &'static str {
        match self {
            Self::First => "first push",
            Self::Nothing => "nothing changed",
            Self::One => "one file changed",
            Self::Thousand => "1,000 files changed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Who {
    Depsync,
    Rsync,
}

/// One push to all nodes.
#[derive(Clone, Debug, Serialize)]
struct Row {
    files: usize,
    size: usize,
    nodes: usize,
    task: Task,
    who: Who,
    repetition: usize,
    /// What it took on this side.
    #[serde(flatten)]
    measure: Measure,
    /// Seconds of processor time on the far sides.
    far_cpu_s: f64,
    /// Bytes on the wire, to the nodes and from them.
    up: u64,
    down: u64,
}

/// A server, what counts before it, and the directories behind it.
struct Node {
    sshd: Sshd,
    relay: Relay,
    place: PathBuf,
}

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &PushArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let shape = Shape { layout: Layout::Nested, files: args.files as usize, size: args.size };
    let source = setting.place().join("source");
    shape.make(&source)?;
    let nodes = (0..args.nodes).map(|number| node(setting.place(), number)).collect::<Result<Vec<_>>>()?;
    let [ours, theirs] = write_down(setting.place(), &setting.programs.depsync, &source, &nodes)?;
    let mut rows = Vec::new();
    let mut version = 0;
    for task in Task::ALL {
        for repetition in 0..if task == Task::First { 1 } else { usize::from(args.rounds) } {
            version += 1;
            match task {
                Task::First | Task::Nothing => {}
                Task::One => shape.change(&source, version)?,
                Task::Thousand => shape.change_many(&source, version, 1000)?,
            }
            let mut order = [(Who::Depsync, &ours), (Who::Rsync, &theirs)];
            order.rotate_left(repetition % 2);
            for (who, invocation) in order {
                let before = passed(&nodes);
                let (measure, _) = measured(invocation, setting.place())?;
                let after = passed(&nodes);
                let (far_cpu_s, up, down) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
                rows.push(Row {
                    files: shape.files,
                    size: shape.size,
                    nodes: nodes.len(),
                    task,
                    who,
                    repetition,
                    measure,
                    far_cpu_s,
                    up,
                    down,
                });
                for node in &nodes {
                    let got = node.place.join(if who == Who::Depsync { "depsync" } else { "rsync" });
                    equal(&source, &got).with_context(|| format!("after {} by {who:?}", task.name()))?;
                }
            }
        }
    }
    setting.machine.ended();
    let text = format!("{}\n{}", setting.machine.facts(), table(&rows));
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "push", &rows)?;
    ledger.tell("Push", &format!("```\n{text}```\n"))
}

fn node(place: &Path, number: u8) -> Result<Node> {
    let place = place.join(format!("node-{number}"));
    fs::create_dir(&place)?;
    let sshd = Sshd::start();
    let relay = Relay::to(sshd.port());
    Ok(Node { sshd, relay, place })
}

/// Processor seconds of the far sides, and bytes to and from them.
fn passed(nodes: &[Node]) -> (f64, u64, u64) {
    nodes.iter().fold((0.0, 0, 0), |(cpu, up, down), node| {
        (cpu + node.sshd.spent(), up + node.relay.passed(Way::Up), down + node.relay.passed(Way::Down))
    })
}

/// Writes the nodes list and the configuration, and the loop as cron has it. Gives how both are run.
fn write_down(place: &Path, depsync: &Path, source: &Path, nodes: &[Node]) -> Result<[Invocation; 2]> {
    let (mut known, mut list, mut script) = (String::new(), String::new(), String::from("#!/bin/sh\nset -e\n"));
    let known_hosts = place.join("known_hosts");
    for node in nodes {
        let (server, port) = (node.sshd.port().to_string(), node.relay.port());
        known.push_str(&fs::read_to_string(node.sshd.known_hosts())?.replace(&server, &port.to_string()));
        let (user, key) = (node.sshd.user(), node.sshd.identity().display());
        let to = format!("{user}@{HOST}:{}", node.place.display());
        writeln!(list, "{to}/depsync port={port} key={key}")?;
        writeln!(
            script,
            "rsync --delete -a -e 'ssh -i {key} -p {port} -o UserKnownHostsFile={}' {}/ {to}/rsync",
            known_hosts.display(),
            source.display()
        )?;
    }
    fs::write(&known_hosts, known)?;
    fs::write(place.join("nodes-list.txt"), list)?;
    fs::write(place.join("loop.sh"), script)?;
    let config = format!(
        "dir = '{}'\nnodes = 'nodes-list.txt'\nstate = 'state'\n[ssh]\nknown-hosts = 'known_hosts'\n",
        source.display()
    );
    fs::write(place.join("depsync.toml"), config)?;
    let ours = Invocation::of(depsync).arg("push").arg("--config").arg(place.join("depsync.toml"));
    Ok([ours, Invocation::of("sh").arg(place.join("loop.sh"))])
}

/// A line for each task and each of the two, and the ratio of their processor seconds, both sides together.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    if let Some(first) = rows.first() {
        let _ = writeln!(text, "{} files of {} bytes, to {} nodes", first.files, first.size, first.nodes);
    }
    let _ = writeln!(
        text,
        "{:<22}{:<9}{:>3}{:>10}{:>10}{:>9}{:>13}{:>13}{:>15}",
        "task", "who", "n", "cpu s", "far cpu s", "wall s", "bytes up", "bytes down", "depsync/rsync"
    );
    for task in Task::ALL {
        let of = |who: Who, what: fn(&Row) -> f64| -> Vec<f64> {
            rows.iter().filter(|row| row.task == task && row.who == who).map(what).collect()
        };
        for who in [Who::Depsync, Who::Rsync] {
            let middle = |what| median(&of(who, what)).unwrap_or_default();
            let both = |row: &Row| row.measure.cpu_s() + row.far_cpu_s;
            let times = ratio(&of(Who::Depsync, both), &of(Who::Rsync, both)).filter(|_| who == Who::Rsync);
            let _ = writeln!(
                text,
                "{:<22}{:<9}{:>3}{:>10.3}{:>10.2}{:>9.2}{:>13.0}{:>13.0}{:>15}",
                task.name(),
                format!("{who:?}").to_lowercase(),
                of(who, both).len(),
                middle(|row| row.measure.cpu_s()),
                middle(|row| row.far_cpu_s),
                middle(|row| row.measure.wall_s),
                middle(|row| bytes(row.up)),
                middle(|row| bytes(row.down)),
                times.map_or(String::new(), |times| format!("{times:.2}x")),
            );
        }
    }
    text
}
