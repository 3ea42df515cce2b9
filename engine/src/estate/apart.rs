//! One deployment that does not lie where the others do: its directory has a watch of its own, and a thread that waits for it.
//!
//! What is ignored there is not watched. Where the directory is missing, or another one by now, that is noticed in the next
//! period; where it cannot be watched, that is tried again in the next period of checks, in which everything is looked at anyway.

use std::path::Path;
use std::time::Instant;

use super::Estate;
use super::board::Job;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::name::DeploymentName;
use crate::watch::{Hint, Lookout};

impl Estate<'_> {
    /// Watches the directory of one until the context is cancelled.
    pub(super) fn look_after(&self, cx: &Context, name: &DeploymentName, directory: &Path) {
        match self.attend(cx, name, directory) {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                tracing::warn!(%error, %name, "it is not watched: it is looked at in every period of checks");
            }
            _ => {}
        }
    }

    fn attend(&self, cx: &Context, name: &DeploymentName, directory: &Path) -> Result<()> {
        let mut lookout = Lookout::new()?;
        let mut not_before = Instant::now();
        loop {
            cx.check()?;
            lookout.check(directory);
            let now = Instant::now();
            if lookout.blind().is_some() && not_before <= now && directory.is_dir() {
                let opened = self.household.open(cx, name).and_then(|node| node.watch(cx, &mut lookout));
                if let Err(error) = &opened {
                    tracing::warn!(%error, %name, "it is not watched");
                }
                if lookout.blind().is_some() {
                    not_before = now + self.duties.check;
                }
            }
            if lookout.blind().is_none() && !lookout.unseen().is_empty() {
                self.discover(vec![name.clone()], now)?;
                let job = match lookout.unseen() {
                    Hint::Paths(part) => Job { part: part.clone(), ..Job::default() },
                    Hint::Everything(_) => Job { check: true, ..Job::default() },
                };
                lookout.seen([]);
                self.board().want(name, job);
                self.bell.notify_all();
            }
            lookout.wait(cx, self.duties.settling, now + self.duties.period)?;
        }
    }
}
