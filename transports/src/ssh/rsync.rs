//! rsync, over the connection there is.
//!
//! What a broken-off transfer has brought so far stays in a directory `.partial` beside where the file goes, and is where
//! the next one goes on. A file has its name only when it is whole.

use std::ffi::OsString;
use std::path::Path;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, Result};
use depsync_engine::path::RelPath;

use super::address::SshSettings;
use super::connection::Connection;
use super::failure;
use crate::child::Program;

/// Where rsync keeps what it has of a file that is not whole, relative to where the file goes.
const PARTIAL: &str = ".partial";

/// The files named in `list`, each name behind it a NUL, from one directory to another, by one rsync: one of the two
/// directories is on the far side.
pub(crate) fn copy(
    cx: &Context,
    connection: &Connection,
    settings: &SshSettings,
    options: &[&str],
    (from, to): (OsString, OsString),
    list: Vec<u8>,
) -> Result<Moved> {
    let mut program = Program::new("rsync", "rsync")
        .args(["--files-from=-", "--from0", "--no-implied-dirs", "--stats", "--no-human-readable"])
        .arg(format!("--partial-dir={PARTIAL}"))
        .arg(format!("--rsh={}", connection.shell()));
    if let Some(limit) = settings.bandwidth_limit {
        program = program.arg(format!("--bwlimit={limit}"));
    }
    cx.step("ssh.rsync");
    let ended = program.args(options).operand(from).operand(to).run(cx, list)?;
    if !ended.status.success() {
        return Err(failure::of_rsync(ended.status.code(), &ended.stderr));
    }
    Ok(Moved::of(&String::from_utf8_lossy(&ended.stdout)))
}

/// What rsync says it has moved, in bytes; nothing where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// To the far side.
    pub(crate) sent: u64,
    /// From the far side.
    pub(crate) received: u64,
}

impl Moved {
    fn of(said: &str) -> Self {
        let number = |what: &str| {
            let said = said.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
            said.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
        };
        Self { sent: number("Total bytes sent: "), received: number("Total bytes received: ") }
    }
}

/// A directory as rsync names what is in it.
pub(crate) fn inside(directory: &Path) -> OsString {
    let mut inside = directory.as_os_str().to_owned();
    inside.push("/");
    inside
}

/// Brings the files `names` of the directory `from` into the hub's `tmp/`, by one rsync.
pub(super) fn upload(
    cx: &Context,
    connection: &Connection,
    settings: &SshSettings,
    from: &Path,
    names: impl Iterator<Item = String>,
) -> Result<()> {
    let places = (inside(from), connection.far(&format!("{}/tmp", connection.root())));
    let list = names.flat_map(|name| format!("{name}\0").into_bytes()).collect();
    let moved = copy(cx, connection, settings, &["--times", "--omit-dir-times"], places, list)?;
    tracing::debug!(sent = moved.sent, received = moved.received, "uploaded");
    Ok(())
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
    fn what_was_moved_is_read_off() {
        let said = "\nNumber of files: 3\nTotal bytes sent: 1,234\nTotal bytes received: 56\n\nsent 1,234 bytes";
        assert_eq!(Moved::of(said), Moved { sent: 1234, received: 56 });
        assert_eq!(Moved::of("nothing"), Moved::default());
    }
}
