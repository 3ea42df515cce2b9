//! What the hub has of earlier revisions, to hold new content against.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::hash::Digest;

use super::super::object::ObjectId;
use super::super::recipe::Recipe;

/// Where a publisher gets what was there before. Asked from one thread only.
///
/// Only what another object may be stored against is given: the hub has it, will keep it, and the chain of what it is
/// itself stored against can grow by one.
pub trait Bases {
    /// The recipe of this content. Unless `far`, only if it is remembered here.
    fn recipe(&self, content: &Digest, far: bool) -> Result<Option<Arc<Recipe>>>;

    /// Whether the hub has this object, and the chain of what it is stored against can grow by so many.
    fn usable(&self, object: &ObjectId, steps: usize) -> Result<bool>;

    /// Those of these pieces that can be had.
    fn pieces(&self, wanted: &[Digest]) -> Result<HashMap<Digest, Vec<u8>>>;
}

/// A hub against whose objects nothing is stored.
pub struct NoBases;

impl Bases for NoBases {
    fn recipe(&self, _: &Digest, _: bool) -> Result<Option<Arc<Recipe>>> {
        Ok(None)
    }

    fn usable(&self, _: &ObjectId, _: usize) -> Result<bool> {
        Ok(false)
    }

    fn pieces(&self, _: &[Digest]) -> Result<HashMap<Digest, Vec<u8>>> {
        Ok(HashMap::new())
    }
}
