//! The commands, one file each: call the engine, say what it answered.

pub(crate) mod advise;
#[cfg(feature = "bench")]
mod bench;
mod carbon;
mod completions;
mod diff;
mod doctor;
mod estate;
mod evict;
mod fetch;
mod gc;
mod import;
mod init;
mod log;
mod ls;
mod man;
mod publish;
mod push;
mod resolve;
mod rollback;
mod run;
mod status;
mod tenants;
mod update;
mod upgrade_hub;
mod verify;
mod wait;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use depsync_engine::error::Result;
use depsync_engine::path::RelPath;

use crate::args::Command;
use crate::output::Answer;
use crate::session::Session;

/// Runs a command. `run`, `completions` and `man` print as they go and answer nothing.
pub(crate) fn run(session: &Session<'_>, command: &Command) -> Result<Option<Answer>> {
    let answer = match command {
        Command::Init(args) => init::run(session, args)?,
        Command::Publish(args) => publish::run(session, args)?,
        Command::Update(args) => update::run(session, args)?,
        Command::Status(args) => status::run(session, args)?,
        Command::Doctor(args) => doctor::run(session, args)?,
        Command::Tenants(args) => tenants::run(session, args)?,
        Command::Wait(args) => wait::run(session, args)?,
        Command::Ls(args) => ls::run(session, args)?,
        Command::Fetch(args) => fetch::run(session, args)?,
        Command::Evict(args) => evict::run(session, args)?,
        Command::Log(args) => log::run(session, args)?,
        Command::Diff(args) => diff::run(session, args)?,
        Command::Verify(args) => verify::run(session, args)?,
        Command::Rollback(args) => rollback::run(session, args)?,
        Command::Push(args) => push::run(session, args)?,
        Command::Resolve(args) => resolve::run(session, args)?,
        Command::Gc(args) => gc::run(session, args)?,
        Command::UpgradeHub(args) => upgrade_hub::run(session, args)?,
        Command::Import(args) => import::run(session, args)?,
        Command::Advise(args) => advise::run(session, args)?,
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(session, args)?,
        Command::Run(args) => return run::run(session, args).map(|()| None),
        Command::Demo(args) => return crate::demo::run(session, args).map(Some),
        Command::Completions(args) => {
            completions::run(args);
            return Ok(None);
        }
        Command::Man(args) => return man::run(session, args),
    };
    Ok(Some(answer))
}

/// Paths as somebody typed them; `.` is all of the deployment, which no path names.
fn typed_paths(texts: &[OsString]) -> Result<Vec<RelPath>> {
    if texts.iter().any(|text| matches!(text.as_bytes(), b"." | b"./")) {
        return Ok(Vec::new());
    }
    texts.iter().map(|text| typed_path(text)).collect()
}

/// A path below the deployment as somebody typed it; a slash that the shell's completion left behind is forgiven.
fn typed_path(text: &OsStr) -> Result<RelPath> {
    let bytes = text.as_bytes();
    let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
    RelPath::new(bytes.strip_suffix(b"/").unwrap_or(bytes))
        .map_err(|error| error.hint("give the path as it stands below the deployment directory, such as conf/web.xml"))
}
