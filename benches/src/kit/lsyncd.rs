//! lsyncd: one process beside the directory, which starts an rsync over ssh for each worker when inotify tells of
//! something.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use depsync_tests::sshd::{HOST, Sshd};

use super::crew::Crew;

/// Starts it for all workers, each behind a port of its own: the server's, or that of a line to it.
pub(crate) fn start(
    crew: &mut Crew,
    place: &Path,
    program: &Path,
    sshd: &Sshd,
    source: &Path,
    workers: &[(PathBuf, u16)],
) -> Result<()> {
    let mut config = String::from("settings { nodaemon = true, insist = true }\n");
    for (worker, port) in workers {
        // It gathers events for 15 seconds unless it is told to wait for nothing.
        writeln!(
            config,
            "sync {{ default.rsyncssh, source = {source:?}, host = \"{}@{HOST}\", targetdir = {worker:?}, delay = 0,\n  \
             rsync = {{ archive = true }},\n  \
             ssh = {{ port = {}, identityFile = {:?}, options = {{ UserKnownHostsFile = {:?} }} }} }}",
            sshd.user(),
            port,
            sshd.identity(),
            sshd.known_hosts(),
        )?;
    }
    let file = place.join("lsyncd.lua");
    fs::write(&file, config)?;
    crew.start(Command::new(program).arg(&file).current_dir(place), &place.join("lsyncd.log"))
}
