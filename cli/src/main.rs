//! depsync, the program: reads the command line, calls the engine, prints what it answers.
//!
//! The engine never prints, never reads an environment variable and never exits. All of that is here, each in one
//! file: `args` and `config` say what is wanted, `settings` merges them, `session` opens the node (or has an `envoy` do it),
//! `commands` ask it, `output` prints, `exit` says how it ended.

mod advice;
mod args;
mod commands;
mod config;
mod deliveries;
mod demo;
mod doctor;
mod environment;
mod envoy;
mod exit;
mod import;
mod logging;
mod manual;
mod metrics;
mod output;
mod progress;
mod roster;
mod service;
mod session;
mod settings;
mod signals;
mod stubs;
mod tenancy;
mod text;
mod units;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use depsync_engine::context::Cancel;
use depsync_engine::error::{Error, ErrorKind, Result};

use crate::args::Cli;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::output::Printer;
use crate::progress::Bars;
use crate::service::Service;
use crate::session::Session;
use crate::signals::Signals;
use crate::watch::Watch;

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => {
            let exit = run(&cli);
            if cli.global.envoy {
                envoy::report(exit);
            }
            exit
        }
        Err(error) => usage(&error),
    };
    ExitCode::from(exit.code())
}

/// Runs the command and prints how it went.
fn run(cli: &Cli) -> Exit {
    let printer = Printer { json: cli.global.json, quiet: cli.global.quiet };
    let cancel = Cancel::default();
    let signals = match listen(cli, &cancel) {
        Ok(signals) => signals,
        Err(error) => {
            printer.error(&error);
            return Exit::Failed;
        }
    };
    match answer(cli, cancel, &signals, printer) {
        Ok(exit) => exit.unless_detailed(cli.global.detailed_exitcode),
        Err(error) => {
            printer.error(&error);
            if error.kind() == ErrorKind::Cancelled { signals.exit() } else { Exit::of(error.kind()) }
        }
    }
}

fn listen(cli: &Cli, cancel: &Cancel) -> Result<Signals> {
    if !cli.global.envoy {
        return Signals::listen(cancel.clone());
    }
    let signals = Signals::ignore()?;
    envoy::heed(&signals, cancel)?;
    Ok(signals)
}

fn answer(cli: &Cli, cancel: Cancel, signals: &Signals, printer: Printer) -> Result<Exit> {
    let environment = Environment::of_process()?;
    logging::start(&cli.global, environment.log.as_deref())?;
    let bars = progress::wanted(&cli.global).then(Bars::on_stderr);
    let service = Service::new(&environment);
    let watch = Watch::new(bars, service, cli.global.die_at_step, cli.global.stop_at_step.clone());
    let session = Session { global: &cli.global, environment: &environment, cancel, signals, watch };
    let answer = commands::run(&session, &cli.command);
    session.watch.finish();
    let Some(answer) = answer? else { return Ok(Exit::Done) };
    printer.answer(&answer);
    Ok(answer.exit())
}

/// Prints what clap has to say: help and version on stdout, wrong usage as any other error.
fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        output::to_stdout(&error.render().ansi().to_string());
        return Exit::Done;
    }
    // The words did not parse, so whether JSON was wanted is read off them.
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if json {
        let message = error.render().to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        Printer { json, quiet: false }.error(&Error::new(ErrorKind::Usage, message));
    } else {
        output::to_stderr(&error.render().ansi().to_string());
    }
    Exit::Usage
}
