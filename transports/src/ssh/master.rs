//! A connection without a shell, for rsync alone: an `ssh` that others reach the host through.

use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::error::Result;
use tempfile::TempDir;

use super::connection::{Route, control_directory, socket, through};
use super::failure;
use super::rsync::Far;
use crate::child::Running;

/// How often we look whether it has connected.
const PAUSE: Duration = Duration::from_millis(5);

/// An open connection.
#[derive(Debug)]
pub(super) struct Master {
    ssh: Running,
    control: TempDir,
}

impl Master {
    /// Connects.
    pub(super) fn open(cx: &Context, route: &Route) -> Result<Self> {
        let control = control_directory()?;
        let ssh = route.master(cx, &control).arg("-N").operand(route.address.destination()).start()?;
        let mut master = Self { ssh, control };
        // The socket appears when we are let in.
        while !socket(&master.control).exists() {
            if master.has_ended()? {
                let (_, said) = master.ssh.wait(cx)?;
                return Err(failure::of_ssh(&said, &route.address.to_string()));
            }
            cx.sleep(PAUSE)?;
        }
        Ok(master)
    }

    /// Whether it is of no use any more.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.ssh.status()?.is_some())
    }

    /// Where rsync finds the directory `root` through it.
    pub(super) fn far(&self, route: &Route, root: &str) -> Far {
        Far { shell: through(&self.control), host: route.address.rsync_host(), root: root.to_owned(), has_shell: false }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.ssh.terminate();
    }
}
