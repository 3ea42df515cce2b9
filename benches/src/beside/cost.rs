//! `cost`: everything beside its peers, at one size, in both layouts.

use std::{fs, io};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::beside::report::Report;
use crate::beside::round::Round;
use crate::kit::ledger::Ledger;
use crate::kit::peers::{Peer, Site};
use crate::kit::setting::{Setting, SettingArgs};
use crate::kit::tree::{Layout, Shape};

#[derive(Args)]
pub struct CostArgs {
    /// Files of the tree
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    files: u32,
    /// Bytes of a file
    #[arg(long, default_value_t = 8192)]
    size: usize,
    /// Rounds, each with new hubs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How the files lie [default: both, one after the other]
    #[arg(long)]
    layout: Option<Layout>,
    #[command(flatten)]
    setting: SettingArgs,
}

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &CostArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let layouts = args.layout.map_or(Layout::value_variants().to_vec(), |layout| vec![layout]);
    let mut rows = Vec::new();
    for layout in layouts {
        let shape = Shape { layout, files: args.files as usize, size: args.size };
        let source = setting.place().join("source");
        shape.make(&source)?;
        for round in 0..usize::from(args.rounds) {
            let site = Site::make(setting.place().join("round"), &source)?;
            let (programs, peers) = (&setting.programs, &Peer::ALL[..]);
            Round { programs, peers, shape, site: &site, scratch: setting.place(), round, rows: &mut rows }.run()?;
            fs::remove_dir_all(&site.top)?;
        }
        fs::remove_dir_all(&source)?;
    }
    setting.machine.ended();
    let report = Report { machine: &setting.machine, rows: &rows };
    report.print(&mut io::stdout().lock())?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "cost", &rows)?;
    ledger.tell("Cost", &format!("```\n{}```\n", report.text()))
}
