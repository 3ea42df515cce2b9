//! rsync, over the connection there is: files of this side into the hub's `tmp/`, and packs to this side.
//!
//! What a broken-off transfer has brought so far stays in `tmp/.partial`, and is where the next one goes on. A file has
//! its name in `tmp/` only when it is whole.

use std::ffi::OsString;
use std::path::Path;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, Result};
use depsync_engine::path::RelPath;

use super::address::SshSettings;
use super::connection::Connection;
use super::failure;
use crate::child::{Finished, Program};

/// rsync's statuses for a transfer that has brought all but some files.
const BUT_SOME: [i32; 2] = [23, 24];

/// Where rsync keeps what it has of a file that is not whole, relative to where the file goes.
const PARTIAL: &str = "--partial-dir=.partial";
/// The most bytes that it says of a transfer.
const SAID: usize = 64 << 10;

/// Brings the files `names` of the directory `from` into `tmp/`, by one rsync.
pub(super) fn upload(
    cx: &Context,
    connection: &Connection,
    settings: &SshSettings,
    from: &Path,
    names: impl Iterator<Item = String>,
) -> Result<()> {
    let far = Far::of(connection);
    let places = (inside(from), far.inside(&format!("{}/tmp", connection.root())));
    let names: Vec<String> = names.collect();
    let list = list(names.iter().map(String::as_bytes));
    let sent = copy(cx, &far, settings, &["--times", "--omit-dir-times", PARTIAL], places, list)?;
    tracing::debug!(sent, "uploaded");
    Ok(())
}

/// Copies the files of `list` from one directory to another, by one rsync: one of the two is on the far side. Gives the
/// bytes that were sent, as far as rsync says.
pub(crate) fn copy(
    cx: &Context,
    far: &Far,
    settings: &SshSettings,
    options: &[&str],
    places: Places,
    list: Vec<u8>,
) -> Result<u64> {
    transfer(cx, program(far, settings).args(options), places, list)?.sent()
}

/// Copies the files of `list`, which are all of the directory: those that come meanwhile may be copied or not. That is
/// not said in a list, which rsync reads byte by byte with two system calls for each.
pub(crate) fn copy_all(
    cx: &Context,
    far: &Far,
    settings: &SshSettings,
    options: &[&str],
    places: Places,
    list: impl FnOnce() -> Vec<u8>,
) -> Result<u64> {
    let program = bare(far, settings).arg("--recursive").args(options);
    let done = transfer(cx, program, places.clone(), Vec::new())?;
    // One of those that came meanwhile was not whole, perhaps.
    if done.all_but_some() { copy(cx, far, settings, options, places, list()) } else { done.sent() }
}

/// Where from and where to.
type Places = (OsString, OsString);

fn transfer(cx: &Context, program: Program, (from, to): Places, list: Vec<u8>) -> Result<Transferred> {
    cx.step("ssh.rsync");
    let program = program.args(["--stats", "--no-human-readable"]);
    let (ended, said) = program.operand(from).operand(to).output(cx, list, SAID)?;
    Ok(Transferred { ended, said: String::from_utf8_lossy(&said).into_owned() })
}

/// How a transfer has ended.
struct Transferred {
    ended: Finished,
    /// What it said of itself.
    said: String,
}

impl Transferred {
    fn all_but_some(&self) -> bool {
        self.ended.status.code().is_some_and(|code| BUT_SOME.contains(&code))
    }

    /// The bytes that were sent, if it went well.
    fn sent(&self) -> Result<u64> {
        let Finished { status, stderr } = &self.ended;
        if status.success() { Ok(sent(&self.said)) } else { Err(failure::of_rsync(status.code(), stderr)) }
    }
}

fn sent(said: &str) -> u64 {
    let said = said.lines().find_map(|line| line.strip_prefix("Total bytes sent: ")).unwrap_or_default();
    said.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// A directory of this side as rsync names what is in it.
pub(crate) fn inside(directory: &Path) -> OsString {
    let mut inside = directory.as_os_str().to_owned();
    inside.push("/");
    inside
}

/// Where rsync finds the hub: its remote shell, the host, and the hub's directory there.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    pub(super) shell: String,
    pub(super) host: String,
    pub(super) root: String,
    /// Whether the account runs a shell, and not `rrsync`, which wants to read what rsync is to do off its command.
    pub(super) has_shell: bool,
}

impl Far {
    /// As a connection to a shell has it.
    pub(crate) fn of(connection: &Connection) -> Self {
        let (shell, host) = connection.shell();
        Self { shell, host, root: connection.root().to_owned(), has_shell: true }
    }

    /// A directory of the far side as rsync names what is in it.
    pub(crate) fn inside(&self, directory: &str) -> OsString {
        format!("{}:{directory}/", self.host).into()
    }

    /// What rsync calls the hub's directory.
    pub(super) fn directory(&self) -> String {
        let slash = if self.root.ends_with('/') { "" } else { "/" };
        format!("{}:{}{slash}", self.host, self.root)
    }
}

/// Brings the files `names` of the hub into the directory `to`, by one rsync. Those that are not to be had are passed
/// over.
pub(super) fn download(cx: &Context, far: &Far, settings: &SshSettings, names: &[RelPath], to: &Path) -> Result<()> {
    let program = program(far, settings).args(["--ignore-missing-args", PARTIAL]);
    let ended = program.operand(far.directory()).operand(to).run(cx, list(names.iter().map(RelPath::as_bytes)))?;
    let code = ended.status.code();
    if ended.status.success() || code.is_some_and(|code| BUT_SOME.contains(&code)) {
        tracing::debug!(said = ended.stderr, "rsync has ended");
        return Ok(());
    }
    Err(failure::of_rsync(code, &ended.stderr))
}

/// rsync for a list of names on its stdin.
pub(super) fn program(far: &Far, settings: &SshSettings) -> Program {
    bare(far, settings).args(["--files-from=-", "--from0", "--no-implied-dirs"])
}

/// The far side's names do not go through its shell if that can be helped: rsync before 3.2.4 does not quote them for
/// it at all, and some later ones (3.2.7 of Debian 12) not all of them.
fn bare(far: &Far, settings: &SshSettings) -> Program {
    let program = Program::new("rsync", "rsync").arg(format!("--rsh={}", far.shell));
    let program = if far.has_shell { program.arg("--protect-args") } else { program };
    match settings.bandwidth_limit {
        Some(limit) => program.arg(format!("--bwlimit={limit}")),
        None => program,
    }
}

/// Names as that rsync reads them.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    names.flat_map(|name| [name, b"\0"].concat()).collect()
}

/// Brings `bytes` to the temporary name `temporary`.
pub(super) fn bring(
    cx: &Context,
    connection: &Connection,
    settings: &SshSettings,
    temporary: &RelPath,
    bytes: &[u8],
) -> Result<()> {
    let failed = |source| Error::io("write", "what is to be sent", source);
    let directory = tempfile::Builder::new().prefix("depsync-").tempdir().map_err(failed)?;
    let name = String::from_utf8_lossy(temporary.name()).into_owned();
    std::fs::write(directory.path().join(&name), bytes).map_err(failed)?;
    upload(cx, connection, settings, directory.path(), std::iter::once(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_read_off() {
        let said = "\nNumber of files: 3\nTotal bytes sent: 1,234\nTotal bytes received: 56\n\nsent 1,234 bytes";
        assert_eq!((sent(said), sent("nothing")), (1234, 0));
    }
}
