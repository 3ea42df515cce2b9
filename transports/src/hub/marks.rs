//! What `HEADS` says of all deployments, for whoever asks again and again.
//!
//! It is read whole only if it was written since it was read last: otherwise a question costs a look at its time. A time has
//! grains: what is written twice within one of them looks as if it was written once. So a file that had another time than
//! before is read once more the next time, whatever its time says then.
//!
//! Two publishers of two deployments that write it at the same moment may lose the line of one. Who has published sees that
//! in the next answer, and puts it right ([`Marks::mend`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::{DeploymentName, Revision};
use jiff::Timestamp;

use super::head::{MAX_HEADS, line, line_of_heads, parse_heads};
use super::{identity, layout};
use crate::batch::Call;
use crate::storage::Storage;

/// See the module.
pub struct Marks<S> {
    storage: S,
    last: Mutex<Option<Last>>,
}

/// What was found the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    written: Option<Timestamp>,
    /// Whether it is to be read once more.
    fresh: bool,
}

/// What `HEADS` says of a deployment whose newest revision this is.
pub(crate) fn mark_of(revision: Revision) -> String {
    line(revision).trim_end().to_owned()
}

impl<S: Storage> Marks<S> {
    /// Those of the hub at `storage`. Touches nothing.
    pub fn new(storage: S) -> Self {
        Self { storage, last: Mutex::default() }
    }

    /// The mark of each deployment; none if nothing was written since it was asked last. Where there is no hub it is
    /// [`ErrorKind::NotFound`].
    pub fn read(&self, cx: &Context) -> Result<Option<BTreeMap<DeploymentName, String>>> {
        let failed = |error: Error| error.op("read the heads").at(self.storage.endpoint());
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let heads = layout::heads();
        let written = self.storage.modified(cx, &heads).map_err(failed)?;
        let same = before.is_some_and(|before| before.written == written && !before.fresh);
        if same && written.is_some() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = before;
            return Ok(None);
        }
        let bytes = match self.storage.find(cx, &heads, MAX_HEADS).map_err(failed)? {
            Some(bytes) => bytes,
            None => {
                // A hub in which nothing was published yet, or no hub at all.
                identity::read(cx, &self.storage).map_err(failed)?;
                Vec::new()
            }
        };
        let fresh = before.is_none_or(|before| before.written != written);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Last { written, fresh });
        let marks = parse_heads(&bytes).into_iter().map(|(name, head)| (name, mark_of(head)));
        Ok(Some(marks.collect()))
    }

    /// Makes sure that `HEADS` says this of a deployment, or something newer.
    pub fn mend(&self, cx: &Context, name: &DeploymentName, revision: Revision) -> Result<()> {
        let failed = |error: Error| error.op("put the heads right").at(self.storage.endpoint());
        let bytes = self.storage.find(cx, &layout::heads(), MAX_HEADS).map_err(failed)?.unwrap_or_default();
        let said = parse_heads(&bytes).into_iter().find(|(deployment, _)| deployment == name);
        if said.is_some_and(|(_, said)| said.number >= revision.number) {
            return Ok(());
        }
        cx.step("hub.heads");
        let line = line_of_heads(name, revision);
        let set = self.storage.perform(cx, &[Call::SetLine(layout::heads(), &line)], &mut Vec::new());
        match set {
            // Who may only read leaves it to others.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            set => set.map_err(failed),
        }
    }
}
