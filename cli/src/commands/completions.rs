//! `completions`: a shell's completion script on stdout.

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::output;

/// Prints the script.
pub(super) fn run(args: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "depsync", &mut script);
    output::to_stdout(&String::from_utf8_lossy(&script));
}
