//! A hub on another host, reached by ssh: `rsync+ssh://[user@]host[:port]/path`.
//!
//! The far side needs sshd, a POSIX shell and rsync, and nothing of ours. One connection carries everything: requests
//! to a shell there (`shell`, `wire`, `shell.sh`, `hub.sh`) for records, hints and parts of packs, and rsync for packs on their
//! way up (`spool`) and down (`ahead`). Where the account's key runs rsync and nothing else (`rrsync`), everything is
//! read by rsync (`plain`), and nothing can be published. The layout is that of every directory hub: the same directory
//! may be mounted elsewhere at the same time.
//!
//! Laws:
//! - what the far side lets us do is found out by the first call, and remembered;
//! - the far side's words are never trusted: lengths are bounded, and what is read is verified by its name above.
//!
//! [Sharing](../../../engine/doc/rsync-ssh.md): new files take over the mode of the hub's root.

mod address;
mod ahead;
pub(crate) mod connection;
pub(crate) mod failure;
mod listing;
mod master;
mod plain;
pub(crate) mod rsync;
mod shell;
mod spool;
pub(crate) mod wire;

use std::fmt;
use std::sync::OnceLock;

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::Result;
use depsync_engine::path::RelPath;
use jiff::Timestamp;

pub use address::{SshAddress, SshSettings};
use connection::Route;
use plain::Plain;
use shell::Shell;
use wire::FarShell;

use crate::batch::{Answer, Call};
use crate::storage::{Listed, Placed, Probe, Staged, Storage};

/// A directory behind ssh as a hub's place.
#[derive(Debug)]
pub struct SshStorage {
    route: Route,
    shown: String,
    shell: Shell,
    /// Whether the far side gives us a shell, once that is known: `None` if it does.
    found: OnceLock<Option<Plain>>,
}

impl SshStorage {
    /// The directory at `address`. Touches nothing.
    pub fn new(address: SshAddress, settings: SshSettings) -> Result<Self> {
        let far = FarShell { functions: include_str!("hub.sh"), variables: vec![("R", address.path.clone())] };
        let shown = address.to_string();
        let route = Route { address, shown: shown.clone(), settings, far };
        let shell = Shell::new(route.clone());
        Ok(Self { route, shown, shell, found: OnceLock::new() })
    }

    /// How often this process has sent something to a shell of the far side's and waited for the answer.
    pub fn round_trips(&self) -> u64 {
        self.shell.round_trips()
    }

    /// Who does what is asked.
    fn side(&self, cx: &Context) -> Result<&dyn Storage> {
        cx.check()?;
        let found = match self.found.get() {
            Some(found) => found,
            None => {
                let plain = match self.shell.connect(cx)? {
                    Ok(()) => None,
                    // Somebody who may run rsync and nothing else is told so by the far side when he runs something else.
                    Err(refused) => Some(Plain::open(cx, &self.route, &refused)?),
                };
                self.found.get_or_init(|| plain)
            }
        };
        Ok(found.as_ref().map_or(&self.shell as &dyn Storage, |plain| plain))
    }
}

impl Storage for SshStorage {
    fn endpoint(&self) -> &dyn fmt::Display {
        &self.shown
    }

    fn make(&self, cx: &Context) -> Result<()> {
        self.side(cx)?.make(cx)
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        self.side(cx)?.probe(cx)
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.side(cx)?.get(cx, name, limit)
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        self.side(cx)?.find(cx, name, limit)
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.side(cx)?.get_range(cx, name, offset, length)
    }

    fn prefetch(&self, cx: &Context, packs: &[(RelPath, u64)]) {
        // Whoever cannot get there hears it from what is read.
        if let Ok(side) = self.side(cx) {
            side.prefetch(cx, packs);
        }
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        self.side(cx)?.put_if_absent(cx, name, bytes)
    }

    fn flush(&self, cx: &Context) -> Result<()> {
        self.side(cx)?.flush(cx)
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        self.side(cx)?.stage(cx, staged, bytes)
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        self.side(cx)?.commit(cx, staged, name)
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        self.side(cx)?.replace(cx, name, bytes)
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        self.side(cx)?.list(cx, directory, limit)
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        self.side(cx)?.remove(cx, name)
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        self.side(cx)?.modified(cx, name)
    }

    fn perform(&self, cx: &Context, calls: &[Call<'_>], answers: &mut Vec<Answer>) -> Result<()> {
        self.side(cx)?.perform(cx, calls, answers)
    }
}
