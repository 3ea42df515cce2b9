//! depsync beside its peers, side by side in one run.
//!
//! Everything is measured as a whole process: this machine's seconds mean nothing elsewhere, the ratios do. Processor
//! time and bytes come first, the wall clock second. A result that is wrong ends the run without a report, so that a fast
//! wrong answer shows.

mod archive;
mod cost;
mod ghosts;
mod growth;
mod latency;
mod push;
mod report;
mod round;
mod scale;
mod slope;
mod svn;
mod tenants;
mod tomcat;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::kit::{measured, walk};

/// What is measured.
#[derive(Subcommand)]
pub enum Contest {
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
    /// Start a worker with ghosts only and fetch some, beside a full update and Subversion
    Ghosts(ghosts::GhostsArgs),
    /// Keep ten thousand deployments in step by one process on either side
    Tenants(tenants::TenantsArgs),
    /// Walk a directory by handles, with getdents and statx and nothing else, and print the number of entries
    Walk {
        /// The directory
        dir: PathBuf,
    },
    /// Run a program and write what it took to a file (the harness calls itself so)
    #[command(hide = true)]
    Measured(measured::MeasuredArgs),
}

impl Contest {
    /// Measures it.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Cost(args) => cost::run(args),
            Self::Scale(args) => scale::run(args),
            Self::Push(args) => push::run(args),
            Self::Svn(args) => svn::run(args),
            Self::Tomcat(args) => tomcat::run(args),
            Self::Latency(args) => latency::run(args),
            Self::Archive(args) => archive::run(args),
            Self::Ghosts(args) => ghosts::run(args),
            Self::Tenants(args) => tenants::run(args),
            Self::Walk { dir } => Ok(writeln!(io::stdout(), "{}", walk::count(dir)?)?),
            Self::Measured(args) => measured::measure(args),
        }
    }
}
