//! Packs on their way to the hub: kept on this side until they are sent together, by one rsync.
//!
//! rsync brings them into the hub's `tmp/`, each whole before it has a name there ([`rsync`]). Packs are named by their
//! content, so whoever starts the next transfer goes on with what a broken-off one has brought. Only then the far
//! side's shell gives them their names.

use std::path::PathBuf;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;

use super::address::SshSettings;
use super::connection::Connection;
use super::shell::SWEPT;
use super::wire::Request;
use super::{failure, rsync};

/// So many bytes are sent without waiting for more: what the spool may take of this side's disk.
const FULL: u64 = 1 << 30;
/// Packs up to so many bytes, all together, go with the requests instead of by rsync.
pub(super) const FEW: u64 = 64 << 10;
/// How many packs are named in one request.
const NAMED: usize = 200;

/// Files that are to be sent.
#[derive(Debug, Default)]
pub(super) struct Spool {
    waiting: Vec<(RelPath, u64)>,
    bytes: u64,
    directory: Option<tempfile::TempDir>,
}

impl Spool {
    /// Takes a file. Whether it is time to send.
    pub(super) fn put(&mut self, name: &RelPath, bytes: &[u8]) -> Result<bool> {
        if self.waiting.iter().any(|(waiting, _)| waiting == name) {
            return Ok(false);
        }
        let failed = |source| Error::io("write", "a pack that is to be sent", source);
        let directory = match &mut self.directory {
            Some(directory) => directory,
            none => none.insert(tempfile::Builder::new().prefix("depsync-").tempdir().map_err(failed)?),
        };
        std::fs::write(directory.path().join(spooled(name)), bytes).map_err(failed)?;
        self.bytes += bytes.len() as u64;
        self.waiting.push((name.clone(), bytes.len() as u64));
        Ok(self.bytes >= FULL)
    }

    /// A waiting file's bytes.
    pub(super) fn get(&self, name: &RelPath) -> Option<Vec<u8>> {
        self.waiting.iter().find(|(waiting, _)| waiting == name)?;
        std::fs::read(self.directory.as_ref()?.path().join(spooled(name))).ok()
    }

    /// Whether nothing is waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends what is waiting, once. It is durable under its names when this returns.
    pub(super) fn send(&self, cx: &Context, connection: &mut Connection, settings: &SshSettings) -> Result<()> {
        let Some(directory) = self.directory.as_ref().filter(|_| !self.waiting.is_empty()) else { return Ok(()) };
        let from: PathBuf = directory.path().to_owned();
        let mut requests = Vec::new();
        if self.bytes <= FEW {
            for (name, _) in &self.waiting {
                let failed = |source| Error::io("read", "a pack that is to be sent", source);
                let bytes = std::fs::read(from.join(spooled(name))).map_err(failed)?;
                requests.push(Request::call("stage").arg(temporary(name))?.bytes(&bytes));
            }
        } else {
            rsync::upload(cx, connection, settings, &from, self.waiting.iter().map(|(name, _)| spooled(name)))?;
        }
        for group in self.waiting.chunks(NAMED) {
            let mut request = Request::call("packs");
            for (name, length) in group {
                request = request.arg(temporary(name))?.arg(name.as_bytes())?.number(*length);
            }
            requests.push(request.gated());
        }
        cx.step("ssh.place-packs");
        // The first one does not depend on whatever was asked before.
        let answers = connection.ask(cx, &[&[Request::call("true")], &requests[..]].concat())?;
        if let Some(failed) = answers.iter().find(|answer| answer.status != 0) {
            let error = match failed.status {
                SWEPT => Error::new(ErrorKind::Unreachable, "what was uploaded is gone again")
                    .hint("`depsync gc` ran meanwhile; try again"),
                _ => failure::of_far_side(&failed.message),
            };
            return Err(error.op("upload"));
        }
        Ok(())
    }
}

/// A pack's name in the spool, and in `tmp/`.
fn spooled(name: &RelPath) -> String {
    String::from_utf8_lossy(name.name()).into_owned()
}

fn temporary(name: &RelPath) -> String {
    format!("tmp/{}", spooled(name))
}
