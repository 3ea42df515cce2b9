//! The measurements, as a program of their own; the rate-of-change harness is `depsync bench` as well.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use clap::{Parser, Subcommand};
use depsync_bench::beside::Contest;
use depsync_bench::rate::{self, RateArgs, Stop};
use tokio::signal::unix::{SignalKind, signal};

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
        Command::Rate(mut args) => {
            args.results.get_or_insert_with(|| concat!(env!("CARGO_MANIFEST_DIR"), "/results").into());
            let stop = Stop::default();
            raise_at_signals(&stop)?;
            let report = rate::run(&args, &stop, io::stderr().is_terminal())?;
            Ok(write!(io::stdout(), "{}\nkept in {}\n", report.text, report.ledger.display())?)
        }
    }
}

/// What is under way then ends between two changes, and is taken down.
fn raise_at_signals(stop: &Stop) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        runtime.block_on(async {
            let Ok(mut ended) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = ended.recv() => {}
            }
            stop.store(true, Ordering::SeqCst);
        });
    });
    Ok(())
}
