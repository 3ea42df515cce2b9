//! rsync, over the connection there is: files of this side into the hub's `tmp/`, and packs to this side.
//!
//! What a broken-off transfer has brought so far stays in `tmp/.partial`, and is where the next one goes on. A file has
//! its name in `tmp/` only when it is whole.

use std::path::Path;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, Result};
use depsync_engine::path::RelPath;

use super::address::SshSettings;
use super::connection::Connection;
use super::failure;
use crate::child::Program;

/// rsync's statuses for a transfer that has brought all but some files.
const BUT_SOME: [i32; 2] = [23, 24];

/// Where rsync keeps what it has of a file that is not whole, relative to where the file goes.
const PARTIAL: &str = ".partial";

/// Brings the files `names` of the directory `from` into `tmp/`, by one rsync.
pub(super) fn upload(
    cx: &Context,
    connection: &Connection,
    settings: &SshSettings,
    from: &Path,
    names: impl Iterator<Item = String>,
) -> Result<()> {
    let (shell, host) = connection.shell();
    let target = format!("{host}:{}/tmp/", connection.root());
    let mut source = from.as_os_str().to_owned();
    source.push("/");
    let list = names.flat_map(|name| format!("{name}\n").into_bytes()).collect();
    cx.step("ssh.rsync");
    let program = program(&shell, settings).args(["--times", "--omit-dir-times"]);
    let ended = program.operand(source).operand(target).run(cx, list)?;
    if ended.status.success() { Ok(()) } else { Err(failure::of_rsync(ended.status.code(), &ended.stderr)) }
}

/// Brings the files `names` of the hub into the directory `to`, by one rsync. Those that are not to be had are passed
/// over.
pub(super) fn download(
    cx: &Context,
    connection: &Connection,
    settings: &SshSettings,
    names: &[RelPath],
    to: &Path,
) -> Result<()> {
    let (shell, host) = connection.shell();
    let source = format!("{host}:{}/", connection.root());
    let list = names.iter().flat_map(|name| [name.as_bytes(), b"\n"].concat()).collect();
    let ended = program(&shell, settings).arg("--ignore-missing-args").operand(source).operand(to).run(cx, list)?;
    let code = ended.status.code();
    if ended.status.success() || code.is_some_and(|code| BUT_SOME.contains(&code)) {
        tracing::debug!(said = ended.stderr, "rsync has ended");
        return Ok(());
    }
    Err(failure::of_rsync(code, &ended.stderr))
}

/// rsync for a list of names on its stdin.
fn program(shell: &str, settings: &SshSettings) -> Program {
    let program = Program::new("rsync", "rsync")
        .args(["--files-from=-", "--no-implied-dirs"])
        .arg(format!("--partial-dir={PARTIAL}"))
        .arg(format!("--rsh={shell}"));
    match settings.bandwidth_limit {
        Some(limit) => program.arg(format!("--bwlimit={limit}")),
        None => program,
    }
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
