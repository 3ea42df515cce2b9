//! Pages that were read and verified, kept decoded: a publish passes over the same pages of a changed tree six times.
//!
//! Law: a page is named by its bytes, so what was verified once is what the name stands for, whatever became of the
//! store since. What a parent says of a page is not part of it and is checked at each reading.
//!
//! What is kept is bounded in bytes. Trees are passed over from end to end, again and again, and of such passes over more
//! than fits, throwing out what was not used for longest keeps nothing: it is thrown out just before its turn. So where
//! there is no room a page is not kept; and once many were turned away, all goes, for it may be an old tree's.
//!
//! A process that stays rests between its turns ([`KeptPages::rest`]): what was of no use in the one before goes, so that
//! the pages of old trees do not gather.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::page::Page;
use crate::hash::Digest;

/// Bytes, about. A tree of 100,000 files has some 9 MiB of decoded pages, and a publish reads two.
const ROOM: usize = 16 << 20;

/// How many times as many as are kept are turned away before those go.
const PATIENCE: usize = 8;

/// See the module.
pub struct KeptPages {
    held: Mutex<Held>,
    room: usize,
}

#[derive(Default)]
struct Held {
    pages: HashMap<Digest, Kept>,
    bytes: usize,
    turned_away: usize,
}

struct Kept {
    page: Arc<Page>,
    is_used: bool,
}

impl Default for KeptPages {
    fn default() -> Self {
        Self::new(ROOM)
    }
}

impl KeptPages {
    /// Nothing yet, and never more than so many bytes, about.
    pub(super) fn new(room: usize) -> Self {
        Self { held: Mutex::default(), room }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page, if it is kept.
    pub(super) fn get(&self, id: &Digest) -> Option<Arc<Page>> {
        let mut held = self.held();
        let kept = held.pages.get_mut(id)?;
        kept.is_used = true;
        Some(Arc::clone(&kept.page))
    }

    /// Keeps a page that was verified, if there is room.
    pub(super) fn keep(&self, id: Digest, page: &Arc<Page>) {
        let mut held = self.held();
        let bytes = page.memory();
        if held.bytes + bytes > self.room {
            held.turned_away += 1;
            if held.turned_away <= PATIENCE * held.pages.len() {
                return;
            }
            *held = Held::default();
        }
        if held.pages.insert(id, Kept { page: Arc::clone(page), is_used: true }).is_none() {
            held.bytes += bytes;
        }
    }

    /// Lets go what was neither read nor kept since the last rest.
    pub fn rest(&self) {
        let mut held = self.held();
        held.pages.retain(|_, kept| std::mem::take(&mut kept.is_used));
        held.pages.shrink_to_fit();
        held.bytes = held.pages.values().map(|kept| kept.page.memory()).sum();
        held.turned_away = 0;
    }
}

impl fmt::Debug for KeptPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPages").finish_non_exhaustive()
    }
}
