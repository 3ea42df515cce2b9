//! Whose turn it is to collect garbage.
//!
//! A collector takes the next number by creating `gc/turns/<number>` exclusively, *before* it walks. Laws:
//! - of two who want the same number one gets it, and the other stops;
//! - a list that somebody has begun to sweep (a turn was taken since it was written) is left to that collector for a
//!   grace period; then it has died, and the next one takes over. So nobody deletes under the hands of another one, and
//!   one that was killed holds nobody up for ever;
//! - a collector looks whether a higher number was taken before everything that others will believe or that cannot be
//!   taken back, and stops if so.
//!
//! Why that is enough: nobody relies anew on what is condemned, so what an older walk found dead a newer one, which
//! began after it, finds dead too. What is left is a collector that stalls for longer than the grace period between its
//! look and the one call after it.

use depsync_engine::error::{Error, ErrorKind, Result};
use jiff::Timestamp;

use super::condemned::Condemned;
use super::reading::Reading;
use super::{index, layout};
use crate::storage::Placed;

/// Bounds for the listing: one name stays, and those of collectors that died.
const MAX_NAMES: usize = 10_000;

/// The turns that were taken, as they were seen.
#[derive(Debug)]
pub(super) struct Turns {
    taken: Vec<u64>,
    next: u64,
}

/// A turn that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn(u64);

impl Turns {
    /// Looks which turns were taken.
    pub(super) fn look(hub: &Reading<'_>, condemned: &Condemned) -> Result<Self> {
        let taken = taken(hub)?;
        // Before there were turns, the generations were counted alone.
        let pointer = index::read_pointer(hub)?.map_or(0, |pointer| pointer.generation);
        let newest = taken.iter().copied().max().unwrap_or(0);
        Ok(Self { taken, next: 1 + newest.max(pointer).max(condemned.generation()) })
    }

    /// Whether somebody has begun to sweep `condemned`, and not so long ago that it must have died.
    pub(super) fn somebody_sweeps(
        &self,
        hub: &Reading<'_>,
        condemned: &Condemned,
        old: impl Fn(Timestamp) -> bool,
    ) -> Result<bool> {
        let Some(&newest) = self.taken.iter().max().filter(|&&newest| newest > condemned.generation()) else {
            return Ok(false);
        };
        Ok(hub.storage.modified(hub.cx, &layout::turn(newest))?.is_none_or(|since| !old(since)))
    }

    /// Takes the next turn, unless somebody has taken it since.
    pub(super) fn take(self, hub: &Reading<'_>) -> Result<Turn> {
        hub.cx.check()?;
        hub.cx.step("gc.turn");
        if hub.storage.create_exclusive(hub.cx, &layout::turn(self.next), b"taken\n")? != Placed::Created {
            return Err(overtaken(hub));
        }
        for old in self.taken {
            hub.storage.remove(hub.cx, &layout::turn(old))?;
        }
        Ok(Turn(self.next))
    }
}

impl Turn {
    /// The number: the generation of what is written in this turn.
    pub(super) fn generation(self) -> u64 {
        self.0
    }

    /// Fails if another collector has taken a turn since.
    pub(super) fn check(self, hub: &Reading<'_>) -> Result<()> {
        hub.cx.check()?;
        if taken(hub)?.into_iter().any(|number| number > self.0) { Err(overtaken(hub)) } else { Ok(()) }
    }

    /// What went wrong while another collector was at work is its doing.
    pub(super) fn blame(self, hub: &Reading<'_>, error: Error) -> Error {
        match (error.kind(), self.check(hub)) {
            (ErrorKind::NotFound | ErrorKind::Damaged, Err(overtaken)) => overtaken,
            _ => error,
        }
    }
}

fn taken(hub: &Reading<'_>) -> Result<Vec<u64>> {
    let listed = hub.storage.list(hub.cx, Some(&layout::turns()), MAX_NAMES)?;
    Ok(listed.iter().filter_map(|listed| layout::record_number(&listed.name)).collect())
}

fn overtaken(hub: &Reading<'_>) -> Error {
    Error::new(ErrorKind::Locked, "another `depsync gc` has begun since, and goes on from here")
        .at(hub.storage.endpoint())
        .hint("nothing is lost and nothing is left to do; one collector for a hub is enough")
}
