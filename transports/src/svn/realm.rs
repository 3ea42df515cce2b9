//! The realm of a repository: what it calls the accounts that it asks for.
//!
//! The programs tell it only to somebody whom they ask for a password. So once somebody was not let in, `svn` is run
//! where there is nobody to ask: without a terminal, and with nothing on its stdin. Nothing is sent but the user's name.

use depsync_engine::context::Context;

use super::client::SvnClient;
use super::xml::short;
use crate::child::Program;

/// What stands before it.
const BEFORE: &str = "Authentication realm: ";

/// The most bytes that the program says.
const SAID: usize = 64 << 10;

/// Asks. None if the repository asks nobody, or does not answer.
pub(super) fn ask(cx: &Context, client: &SvnClient) -> Option<String> {
    let program = client.told(Program::new("svn", super::client::PACKAGE).without_terminal()).ok()?;
    let program = program.args(["--force-interactive", "info"]).operand(client.url().pegged(None, None));
    let (ended, _) = program.output(cx, Vec::new(), SAID).ok()?;
    read(&ended.stderr)
}

fn read(stderr: &str) -> Option<String> {
    let realm = stderr.lines().find_map(|line| line.split_once(BEFORE))?.1.trim();
    (!realm.is_empty()).then(|| short(realm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_before_the_question() {
        let said = "Authentication realm: <svn://h:1> The Shop\nPassword for 'a': svn: E170013: Unable\n";
        assert_eq!(read(said).as_deref(), Some("<svn://h:1> The Shop"));
        assert_eq!(read("Authentication realm: \u{1b}[2Jx\n").as_deref(), Some(r"\u{1b}[2Jx"));
        for nothing in ["", "svn: E170013: Unable\n", "Authentication realm: \n"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
