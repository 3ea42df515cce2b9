//! The measurements, as a program of their own; the rate-of-change harness is `depsync bench` as well.

use anyhow::Result;
use clap::{Parser, Subcommand};
use depsync_bench::beside::Contest;
use depsync_bench::rate::RateArgs;

#[derive(Parser)]
#[command(name = "depsync-bench", about = "Measures depsync beside its peers", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Beside(Contest),
    /// Change a deployment at given rates, over each transport, and fit what that costs
    Rate(RateArgs),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Beside(contest) => contest.run(),
        Command::Rate(args) => depsync_bench::rate::run(&args, &depsync_bench::rate::Stop::default()),
    }
}
