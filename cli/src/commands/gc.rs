//! `gc`: remove from the hub what no kept revision needs.

use depsync_engine::error::Result;
use depsync_transports::hub::{Collected, Retention};
use serde::Serialize;

use crate::args::{Gc, Operands};
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::Session;
use crate::units::counted;

#[derive(Serialize)]
struct Facts {
    condemned: u64,
    deleted: u64,
    pardoned: u64,
    leftovers: u64,
    waiting: u64,
    renewed: u64,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Gc) -> Result<Answer> {
    let open = session.open_existing(&Operands::default())?;
    let retention = Retention {
        keep_revisions: args.keep_revisions,
        keep_age: args.keep_age.0,
        grace: args.grace.0,
        raw: args.raw,
    };
    let Collected { condemned, deleted, pardoned, leftovers, waiting, renewed } = open.hub.gc(&open.cx, &retention)?;
    let facts = Facts { condemned, deleted, pardoned, leftovers, waiting, renewed };
    let exit = Exit::of_deed(false, false, condemned + deleted + leftovers + renewed > 0);
    Ok(Answer::deed(&facts, say(&facts, args.grace), exit))
}

fn say(facts: &Facts, grace: crate::units::Span) -> String {
    let packs = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "pack");
    let mut out = format!("{} removed, {} condemned", packs(facts.deleted), packs(facts.condemned));
    if facts.pardoned > 0 {
        out.push_str(&format!(", {} needed again", packs(facts.pardoned)));
    }
    if facts.leftovers > 0 {
        let leftovers = counted(usize::try_from(facts.leftovers).unwrap_or(usize::MAX), "leftover");
        out.push_str(&format!(", {leftovers} of broken-off uploads removed"));
    }
    if facts.renewed > 0 {
        let renewed = counted(usize::try_from(facts.renewed).unwrap_or(usize::MAX), "object");
        out.push_str(&format!(", {renewed} written whole"));
    }
    out.push('\n');
    if facts.waiting > 0 {
        out.push_str(&format!("{} to be removed by a run after the grace period ({grace})\n", packs(facts.waiting)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_says_what_went_and_what_waits() {
        let facts = Facts { condemned: 2, deleted: 0, pardoned: 1, leftovers: 1, waiting: 2, renewed: 3 };
        assert_eq!(
            say(&facts, "1d".parse().expect("a span")),
            "0 packs removed, 2 packs condemned, 1 pack needed again, 1 leftover of broken-off uploads removed, \
             3 objects written whole\n\
             2 packs to be removed by a run after the grace period (1d)\n"
        );
    }
}
