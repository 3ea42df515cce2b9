//! `wait`: until nodes have a revision.

use depsync_engine::engine::WaitOutcome;
use depsync_engine::error::Result;

use crate::args::Wait;
use crate::exit::Exit;
use crate::output::Answer;
use crate::roster;
use crate::session::Session;
use crate::text::{GOOD, Length, WARN, styled};
use crate::units::{counted, milliseconds};

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Wait) -> Result<Answer> {
    let open = session.open_existing(&args.operands)?;
    let outcome = open.node.wait(&open.cx, args.revision.0, &args.nodes)?;
    let exit = if outcome.done { Exit::Done } else { Exit::TryAgain };
    Ok(Answer::deed(&outcome, say(&outcome, session.length()), exit))
}

fn say(outcome: &WaitOutcome, length: Length) -> String {
    let has = |count: usize| if count == 1 { "has" } else { "have" };
    let count = outcome.have.len();
    let time = milliseconds(outcome.duration_ms);
    let mut out = format!("{} {} revision {} ({time})\n", counted(count, "node"), has(count), outcome.revision);
    if outcome.done {
        return styled(GOOD, out);
    }
    let missing = outcome.waiting.len() + outcome.unheard.len();
    let what = format!("{} {} it not", counted(missing, "node"), has(missing));
    out.push_str(&format!("{}\n", styled(WARN, what)));
    out.push_str(&roster::table(&outcome.waiting, length));
    for node in &outcome.unheard {
        out.push_str(&format!("{node} has never reported\n"));
    }
    out
}
