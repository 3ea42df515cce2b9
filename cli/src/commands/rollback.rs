//! `rollback`: an old revision's tree as a new revision.

use depsync_engine::error::Result;

use super::publish;
use crate::args::{Operands, Rollback};
use crate::output::Answer;
use crate::session::Session;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Rollback) -> Result<Answer> {
    let open = session.open_existing(&Operands::default())?;
    let outcome = open.node.rollback(&open.cx, args.revision, &args.message)?;
    Ok(publish::answer(&outcome, &open.options.deployment, false, session.length()))
}
