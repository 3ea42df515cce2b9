//! `upgrade-hub`: give an old hub what a new one has.
//!
//! Nobody but the operator knows whether a node is left that could not follow: so it takes a word.

use depsync_engine::error::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::args::{Operands, UpgradeHub};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;

#[derive(Serialize)]
struct Facts {
    added: Vec<String>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &UpgradeHub) -> Result<Answer> {
    let open = session.open_existing(&Operands::default())?;
    let lacks = open.hub.lacks(&open.cx)?;
    if !lacks.is_empty() && !args.yes {
        return Err(Error::new(
            ErrorKind::Refused,
            "nodes with an older depsync could no longer read this hub or publish to it; nothing was changed",
        )
        .at(open.hub.transport().endpoint())
        .hint(format!(
            "once all nodes have this version, `depsync upgrade-hub --yes` adds {}; there is no way back",
            lacks.join(", ")
        )));
    }
    let added = if lacks.is_empty() { lacks } else { open.hub.upgrade(&open.cx)? };
    let text = if added.is_empty() {
        "nothing to do: the hub has all that a new one has\n".to_owned()
    } else {
        format!(
            "the hub has {} now: the next revision of each archive goes up whole, those after it as what has changed in it\n",
            added.join(", ")
        )
    };
    let exit = Exit::of_deed(false, false, !added.is_empty());
    Ok(Answer::deed(&Facts { added }, text, exit))
}
