//! `gc`: remove from the hub what no kept revision needs.

use depsync_engine::error::Result;
use depsync_transports::GcOptions;

use crate::args::{Gc, Operands};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Gc) -> Result<Answer> {
    let open = session.open(&Operands::default())?;
    let options = GcOptions {
        keep_revisions: args.keep_revisions,
        keep_age: args.keep_age.0,
        grace: args.grace.0,
        dry_run: args.dry_run,
    };
    let outcome = open.hub.gc(&open.cx, &options)?;
    Ok(Answer::deed(&outcome, String::new(), Exit::Done))
}
