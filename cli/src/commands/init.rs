//! `init`: make this node's state, and the hub if its place is empty.

use depsync_engine::error::Result;

use crate::args::Init;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::text::clean;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Init) -> Result<Answer> {
    let open = session.open(&args.operands)?;
    let outcome = open.node.init(&open.cx, args.role.map(Into::into).or(open.options.role))?;
    let hub = if outcome.created { "made the hub" } else { "found the hub" };
    let text = format!(
        "{hub} {} ({})\nnode {}, state in {}\n",
        clean(&open.hub.transport().endpoint().to_string()),
        outcome.hub_id,
        outcome.node,
        clean(&outcome.state)
    );
    Ok(Answer::deed(&outcome, text, Exit::of_deed(false, false, outcome.created)))
}
