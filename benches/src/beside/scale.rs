//! `scale`: depsync at growing numbers of files: what each operation costs, and how that grows.
//!
//! The same rounds as in `cost`, by depsync alone unless others are asked for. A round at a million files takes
//! minutes and, on tmpfs, some 9 GiB: 4 KiB a file, twice.

use std::{fs, io};

use anyhow::Result;
use clap::{Args, ValueEnum};
use std::io::Write as _;

use crate::beside::growth::Growth;
use crate::beside::round::Round;
use crate::kit::ledger::Ledger;
use crate::kit::peers::{Peer, Site};
use crate::kit::setting::{Setting, SettingArgs};
use crate::kit::tree::{Layout, Shape};

#[derive(Args)]
pub struct ScaleArgs {
    /// Numbers of files
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000],
        value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    sizes: Vec<u32>,
    /// Bytes of a file
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Rounds at each number, each with new hubs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How the files lie
    #[arg(long, value_enum, default_value_t = Layout::Nested)]
    layout: Layout,
    /// Who else does the same
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    beside: Vec<Beside>,
    #[command(flatten)]
    setting: SettingArgs,
}

/// Those who can be measured beside depsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Beside {
    /// `rsync -a`
    Rsync,
    /// A bare walk, for the idle operations
    Walk,
}

/// Measures, prints the tables and writes ledger and picture.
pub(crate) fn run(args: &ScaleArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let mut peers = vec![Peer::Depsync];
    peers.extend(args.beside.iter().map(|beside| match beside {
        Beside::Rsync => Peer::Rsync,
        Beside::Walk => Peer::Walk,
    }));
    peers.sort();
    peers.dedup();
    let mut sizes = args.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let mut rows = Vec::new();
    for files in sizes {
        let shape = Shape { layout: args.layout, files: files as usize, size: args.size };
        let source = setting.place().join("source");
        shape.make(&source)?;
        for round in 0..usize::from(args.rounds) {
            let site = Site::make(setting.place().join("round"), &source)?;
            let (programs, scratch) = (&setting.programs, setting.place());
            Round { programs, peers: &peers, shape, site: &site, scratch, round, rows: &mut rows }.run()?;
            fs::remove_dir_all(&site.top)?;
        }
        fs::remove_dir_all(&source)?;
    }
    setting.machine.ended();
    let growth = Growth::of(&rows, &peers);
    let facts = setting.machine.facts();
    let layout = if args.layout == Layout::Nested { "100 a directory" } else { "one flat directory" };
    let tables = format!("Files of {} bytes, {layout}.\n\n{}", args.size, growth.tables());
    write!(io::stdout().lock(), "{facts}\n{tables}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "scale", &rows)?;
    let picture = ledger.show(&growth.picture()?)?;
    ledger.tell("Scale", &format!("```\n{facts}```\n\n![cost against the number of files]({picture})\n\n{tables}"))
}
