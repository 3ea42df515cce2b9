//! What a pack holds, as a sorted list of short names: 20 bytes an object, to be kept for many packs at once.

use super::super::object::{ObjectId, ShortId};
use super::index::{PackIndex, Slot};

/// The names of the objects of one pack.
#[derive(Debug)]
pub struct PackNames(Box<[ShortId]>);

impl PackNames {
    /// What `index` lists, without what this version does not know.
    pub fn of(index: &PackIndex) -> Self {
        // An index is sorted by kind and hash, and so are the short names.
        Self(index.iter().filter_map(Slot::id).map(|id| ShortId::from(&id)).collect())
    }

    /// Whether the pack holds `id`.
    pub fn hold(&self, id: &ObjectId) -> bool {
        self.0.binary_search(&ShortId::from(id)).is_ok()
    }
}
