//! `resolve`: end a conflict.

use depsync_engine::engine::Side;
use depsync_engine::error::Result;
use depsync_engine::path::RelPath;
use serde::Serialize;

use super::typed_path;
use crate::args::{Operands, Resolve};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;

#[derive(Serialize)]
struct Facts<'a> {
    path: &'a RelPath,
    resolved: &'static str,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Resolve) -> Result<Answer> {
    let path = typed_path(&args.path)?;
    let open = session.open_existing(&Operands::default())?;
    open.node.resolve(&open.cx, &path, args.side())?;
    let (resolved, next) = match args.side() {
        Side::Mine => ("mine", "the next `depsync publish` publishes what is here"),
        Side::Theirs => ("theirs", "the next `depsync update` brings the hub's, and keeps what is here aside"),
    };
    let text = format!("{path}: {resolved} wins; {next}\n");
    Ok(Answer::deed(&Facts { path: &path, resolved }, text, Exit::Changed))
}
