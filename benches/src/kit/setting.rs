//! Where a measurement takes place: a directory of its own, the programs, and the machine's facts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tempfile::TempDir;

use crate::kit::machine::Machine;
use crate::kit::peers::Programs;

/// Longer than any program's doubt of a file that was written just now.
pub(crate) const SETTLE: Duration = Duration::from_millis(100);

/// Where a measurement takes place.
#[derive(Clone, Debug, Args)]
pub(crate) struct SettingArgs {
    /// Where trees and hubs are made, and removed again
    #[arg(long, default_value = "/dev/shm", value_name = "PLACE")]
    dir: PathBuf,
    /// The depsync to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where the ledger is written
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    pub(crate) results: PathBuf,
}

impl SettingArgs {
    /// The same by hand.
    pub(crate) fn new(dir: &Path, program: Option<&Path>, results: &Path) -> Self {
        Self { dir: dir.to_owned(), program: program.map(Path::to_owned), results: results.to_owned() }
    }
}

/// What all measurements of a run share. The directory is removed with it.
pub(crate) struct Setting {
    pub(crate) programs: Programs,
    pub(crate) machine: Machine,
    place: TempDir,
}

impl Setting {
    /// Looks around and makes the directory.
    pub(crate) fn open(args: &SettingArgs) -> Result<Self> {
        let mut programs = Programs::look(args.program.as_deref())?;
        // Absolute: git is told of its directories from within one of them.
        let dir = fs::canonicalize(&args.dir).with_context(|| format!("no place at {}", args.dir.display()))?;
        let machine = Machine::here(&dir, &programs)?;
        let place = tempfile::Builder::new().prefix("depsync-bench.").tempdir_in(&dir)?;
        // A copy: whoever builds in the meantime would replace what is measured.
        let program = place.path().join("depsync");
        fs::copy(&programs.depsync, &program).with_context(|| format!("copying {}", programs.depsync.display()))?;
        programs.depsync = program;
        Ok(Self { programs, machine, place })
    }

    /// The directory.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }
}
