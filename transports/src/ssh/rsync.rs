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
    let names: Vec<String> = names.collect();
    cx.step("ssh.rsync");
    let program =
        program(&shell, settings).args(["--times", "--omit-dir-times"]).arg(format!("--partial-dir={PARTIAL}"));
    let ended = program.operand(source).operand(target).run(cx, list(names.iter().map(String::as_bytes)))?;
    if ended.status.success() { Ok(()) } else { Err(failure::of_rsync(ended.status.code(), &ended.stderr)) }
}

/// Where rsync finds the hub: its remote shell, the host, and the hub's directory there.
#[derive(Clone, Debug)]
pub(super) struct Far {
    pub(super) shell: String,
    pub(super) host: String,
    pub(super) root: String,
}

impl Far {
    /// As a connection to a shell has it.
    pub(super) fn of(connection: &Connection) -> Self {
        let (shell, host) = connection.shell();
        Self { shell, host, root: connection.root().to_owned() }
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
    let program = program(&far.shell, settings).arg("--ignore-missing-args").arg(format!("--partial-dir={PARTIAL}"));
    let ended = program.operand(far.directory()).operand(to).run(cx, list(names.iter().map(RelPath::as_bytes)))?;
    let code = ended.status.code();
    if ended.status.success() || code.is_some_and(|code| BUT_SOME.contains(&code)) {
        tracing::debug!(said = ended.stderr, "rsync has ended");
        return Ok(());
    }
    Err(failure::of_rsync(code, &ended.stderr))
}

/// rsync for a list of names on its stdin.
pub(super) fn program(shell: &str, settings: &SshSettings) -> Program {
    let program = Program::new("rsync", "rsync")
        .args(["--files-from=-", "--from0", "--no-implied-dirs"])
        .arg(format!("--rsh={shell}"));
    match settings.bandwidth_limit {
        Some(limit) => program.arg(format!("--bwlimit={limit}")),
        None => program,
    }
}

/// Names as that rsync reads them.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
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
