//! What stands beside: an archive and the directory that it was unpacked into.
//!
//! A file of such a directory is what an entry of the archive inflates to. So its pieces are stored against the entry's
//! data, if the hub has that, or gets it with this publish as it is. The archives are therefore cut first.

use std::collections::HashMap;
use std::rc::Rc;

use rayon::prelude::*;

use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::Entry;

use super::super::archive::Source;
use super::super::deflate;
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
    /// Pieces that this publish has packed, of archives with a directory, and what each is stored against.
    pub(super) packed: HashMap<Digest, Option<Digest>>,
}

impl<'a> Kinship<'a> {
    pub(super) fn new(job: &'a Job<'a>) -> Self {
        Self { job, by_directory: HashMap::new(), packed: HashMap::new() }
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
                let is_usable = match self.packed.get(&twin.hash) {
                    Some(None) => true,
                    // It is itself stored against something of before, and will be in the way then.
                    Some(Some(base)) => self.job.bases.usable(&ObjectId::piece(*base), 2)?,
                    None => self.job.bases.usable(&ObjectId::piece(twin.hash), 1)?,
                };
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
        let data = if twin.inflated.unwrap_or(twin.length) <= MOST { self.data(archive, twin) } else { None };
        let encode = |(id, raw): &(ObjectId, &'b [u8])| {
            let encoded = match data.as_ref().filter(|_| raw.len() >= LEAST) {
                Some(data) => encode(raw, data, twin)?,
                None => Encoded::of(raw)?,
            };
            Ok((*id, encoded))
        };
        objects.par_iter().map(encode).collect()
    }

    /// A file that is just what the entry inflates to, as one piece; none if it is another one.
    pub(super) fn whole(&self, content: Digest, archive: &RelPath, twin: Twin) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some(length) = twin.inflated else { return Ok(None) };
        let Some(data) = self.data(archive, twin) else { return Ok(None) };
        let raw = deflate::inflate(&data, length as usize).filter(|raw| Digest::of(raw) == content);
        Ok(raw.map(|raw| (raw, data)))
    }

    /// The entry's data, if the archive still has it.
    fn data(&self, archive: &RelPath, twin: Twin) -> Option<Vec<u8>> {
        let mut data = vec![0; twin.length as usize];
        let file = self.job.local.open(archive).ok()?;
        Source::read(&file, twin.offset, &mut data).ok()?;
        (Digest::of(&data) == twin.hash).then_some(data)
    }
}

/// `raw` against the data of an entry, if that is smaller.
pub(super) fn encode<'b>(raw: &'b [u8], data: &[u8], twin: Twin) -> Result<Encoded<'b>> {
    let counterpart = Counterpart { base: None, inflated: None, base_inflated: twin.inflated };
    match patch::between(raw, data, &counterpart, EFFORT)? {
        Some(found) => Encoded::of_difference(raw, found.codec, found.bytes, twin.hash),
        None => Encoded::of(raw),
    }
}

/// The entries of an archive whose data is one piece.
fn entries(recipe: &Recipe) -> HashMap<Vec<u8>, Twin> {
    let names = recipe.entries();
    let inflated = recipe.inflated();
    let places = recipe.positions().zip(&inflated).enumerate();
    let twin = places.filter_map(|(number, ((offset, piece), inflated))| {
        let name = names.get(&number)?;
        Some((name.clone(), Twin { hash: piece.hash, offset, length: piece.length, inflated: *inflated }))
    });
    twin.collect()
}
