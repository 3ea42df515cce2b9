//! What stands beside: an archive and the directory that it was unpacked into.
//!
//! A file of such a directory is what an entry of the archive inflates to. So its pieces are stored against the entry's
//! data, if the hub has that, or gets it with this publish as it is. The archives are therefore cut first.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rayon::prelude::*;

use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::Entry;

use super::super::archive::Source;
use super::super::effort::Effort;
use super::super::kin;
use super::super::object::ObjectId;
use super::super::pack::Encoded;
use super::super::patch;
use super::super::recipe::{Counterpart, Recipe};
use super::Job;

/// A piece of fewer bytes is sent as it is.
const LEAST: usize = 128;
/// An entry that inflates to more bytes is nothing to store against: each piece of the file would inflate all of it again.
const MOST: u32 = 1 << 20;
/// Nearly always the file is just what the entry inflates to, and that is soon found.
const EFFORT: Effort = Effort::Fast;

/// The data of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twin {
    hash: Digest,
    offset: u64,
    length: u32,
    inflated: Option<u32>,
}

/// An archive beside a directory, and its entries by name.
struct Archive {
    path: RelPath,
    entries: HashMap<Vec<u8>, Twin>,
}

/// What is known of archives and their directories.
pub(super) struct Kinship<'a> {
    job: &'a Job<'a>,
    by_directory: HashMap<RelPath, Option<Rc<Archive>>>,
    /// Pieces that this publish has packed as they are, of archives with a directory.
    pub(super) whole: HashSet<Digest>,
}

impl<'a> Kinship<'a> {
    pub(super) fn new(job: &'a Job<'a>) -> Self {
        Self { job, by_directory: HashMap::new(), whole: HashSet::new() }
    }

    /// The directory that the archive at `path` was unpacked into, if there is one.
    pub(super) fn unpacked(&self, path: &RelPath) -> Result<Option<RelPath>> {
        let Some(directory) = kin::unpacked(path) else { return Ok(None) };
        let is_there = matches!(self.job.tree.get(&directory)?, Some(Entry::Directory { .. }));
        Ok(is_there.then_some(directory))
    }

    /// The entry that the file at `path` was unpacked from, and the archive. `cut` are the recipes of files that this
    /// publish has cut.
    pub(super) fn twin(&mut self, path: &RelPath, cut: &[(Digest, Recipe)]) -> Result<Option<(RelPath, Twin)>> {
        for directory in path.ancestors() {
            if !self.by_directory.contains_key(&directory) {
                let found = self.look(&directory, cut)?.map(Rc::new);
                self.by_directory.insert(directory.clone(), found);
            }
            if let Some(archive) = self.by_directory.get(&directory).cloned().flatten() {
                let twin = archive.entries.get(kin::entry_of(path, &directory)).copied();
                let Some(twin) = twin else { return Ok(None) };
                let id = ObjectId::piece(twin.hash);
                let is_usable = self.whole.contains(&twin.hash) || self.job.bases.usable(&[id])?.contains(&id);
                return Ok(is_usable.then(|| (archive.path.clone(), twin)));
            }
        }
        Ok(None)
    }

    fn look(&self, directory: &RelPath, cut: &[(Digest, Recipe)]) -> Result<Option<Archive>> {
        for path in kin::packed(directory) {
            let Some((hash, _)) = self.job.tree.get(&path)?.as_ref().and_then(Entry::content) else { continue };
            let here = cut.iter().find(|(content, _)| *content == hash).map(|(_, recipe)| recipe);
            if let Some(recipe) = here {
                return Ok(Some(Archive { path, entries: entries(recipe) }));
            }
            if let Some(recipe) = self.job.bases.recipe(&hash, true)?.filter(|recipe| recipe.is_archive()) {
                return Ok(Some(Archive { path, entries: entries(&recipe) }));
            }
        }
        Ok(None)
    }

    /// The pieces of a file, each against the entry's data if that is smaller.
    pub(super) fn encode<'b>(
        &self,
        objects: &[(ObjectId, &'b [u8])],
        archive: &RelPath,
        twin: Twin,
    ) -> Result<Vec<(ObjectId, Encoded<'b>)>> {
        let mut data = vec![0; twin.length as usize];
        let read = self.job.local.open(archive).is_ok_and(|file| Source::read(&file, twin.offset, &mut data).is_ok());
        let is_same = read && Digest::of(&data) == twin.hash;
        let counterpart = Counterpart { base: None, inflated: None, base_inflated: twin.inflated };
        let encode = |(id, raw): &(ObjectId, &'b [u8])| {
            let difference =
                if is_same && raw.len() >= LEAST { patch::between(raw, &data, &counterpart, EFFORT)? } else { None };
            let encoded = match difference {
                Some(found) => Encoded::of_difference(raw, found.codec, found.bytes, twin.hash)?,
                None => Encoded::of(raw)?,
            };
            Ok((*id, encoded))
        };
        objects.par_iter().map(encode).collect()
    }
}

/// The entries of an archive whose data is one piece.
fn entries(recipe: &Recipe) -> HashMap<Vec<u8>, Twin> {
    let names = recipe.entries();
    let inflated = recipe.inflated();
    let places = recipe.positions().zip(&inflated).enumerate();
    let twin = places.filter_map(|(number, ((offset, piece), inflated))| {
        let name = names.get(&number)?;
        if inflated.unwrap_or(piece.length) > MOST {
            return None;
        }
        Some((name.clone(), Twin { hash: piece.hash, offset, length: piece.length, inflated: *inflated }))
    });
    twin.collect()
}
