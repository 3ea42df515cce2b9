//! Measures depsync beside its peers, and checks what they did.
//!
//! Everything is measured as a whole process, side by side in one run: this machine's seconds mean nothing elsewhere,
//! the ratios do. Processor time and bytes come first, the wall clock second. A result that is wrong ends the run
//! without a report, so that a fast wrong answer shows.

mod answer;
mod archive;
mod cost;
mod crew;
mod growth;
mod latency;
mod ledger;
mod machine;
mod measured;
mod peers;
mod plot;
mod push;
mod report;
mod round;
mod scale;
mod setting;
mod slope;
mod statistics;
mod svn;
mod tomcat;
mod tree;
mod walk;
mod written;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "depsync-bench", about = "Measures depsync beside its peers", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure publish and update beside rsync, git, find and a bare walk, and write the ledger
    Cost(cost::CostArgs),
    /// Measure depsync at growing numbers of files, and draw how its cost grows
    Scale(scale::ScaleArgs),
    /// Measure a push to nodes behind sshd beside the plain loop of rsync over ssh
    Push(push::PushArgs),
    /// Measure depsync through a Subversion repository beside working copies
    Svn(svn::SvnArgs),
    /// Bring new versions to a real Tomcat that somebody asks without pause, beside `cp` and `rsync`
    Tomcat(tomcat::TomcatArgs),
    /// Save files in one directory and time when they are in the others, beside lsyncd and syncthing
    Latency(latency::LatencyArgs),
    /// Bring rebuilt archives, beside rsync, xdelta3, casync and zstd --patch-from
    #[command(after_help = archive::HOW)]
    Archive(archive::ArchiveArgs),
    /// Walk a directory by handles, with getdents and statx and nothing else, and print the number of entries
    Walk {
        /// The directory
        dir: PathBuf,
    },
    /// Run a program and write what it took to a file (the harness calls itself so)
    #[command(hide = true)]
    Measured(measured::MeasuredArgs),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Cost(args) => cost::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Svn(args) => svn::run(&args),
        Command::Tomcat(args) => tomcat::run(&args),
        Command::Latency(args) => latency::run(&args),
        Command::Archive(args) => archive::run(&args),
        Command::Walk { dir } => Ok(writeln!(io::stdout(), "{}", walk::count(&dir)?)?),
        Command::Measured(args) => measured::measure(&args),
    }
}
