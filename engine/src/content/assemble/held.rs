//! What is here and wanted to make something else of: the bases of what the hub stores.

use std::iter;
use std::os::unix::fs::FileExt;

use crate::hash::Digest;

use super::super::recipe::Recipe;
use super::{Assembly, LocalFile};

/// At how many places a piece is looked for.
const TRIES: usize = 4;

/// Where the pieces of the local files are, by the beginning of their names.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<Place>);

/// Where a piece is: it begins as the one that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    beginning: u64,
    pub(super) source: u32,
    pub(super) length: u32,
    pub(super) offset: u64,
}

fn beginning(hash: &Digest) -> u64 {
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("because a hash has 32 bytes"))
}

impl Held {
    fn of(sources: &[LocalFile]) -> Self {
        let mut places = Vec::new();
        for (source, file) in (0..).zip(sources) {
            match &file.recipe {
                Some(recipe) => places.extend(recipe.positions().map(|(offset, piece)| Place {
                    beginning: beginning(&piece.hash),
                    source,
                    length: piece.length,
                    offset,
                })),
                None => places.extend(u32::try_from(file.size).ok().map(|length| Place {
                    beginning: beginning(&file.hash),
                    source,
                    length,
                    offset: 0,
                })),
            }
        }
        places.sort_unstable_by_key(|place| (place.beginning, place.source, place.offset));
        Self(places)
    }

    /// Where a piece of this name and length may be: the place that comes first behind `at` of `source`, before others.
    pub(super) fn nearest(&self, hash: &Digest, length: u32, (source, at): (u32, u64)) -> impl Iterator<Item = Place> {
        let wanted = beginning(hash);
        let behind =
            self.0.partition_point(|place| (place.beginning, place.source, place.offset) < (wanted, source, at));
        let is_it = move |place: &&Place| place.beginning == wanted && place.length == length;
        let near = self.0.get(behind).into_iter().filter(is_it);
        let all = move || {
            let first = self.0.partition_point(|place| place.beginning < wanted);
            self.0[first..].iter().take(TRIES)
        };
        near.chain(iter::once_with(all).flatten().filter(is_it)).copied()
    }

    fn places(&self, hash: &Digest) -> impl Iterator<Item = &Place> {
        let wanted = beginning(hash);
        let first = self.0.partition_point(|place| place.beginning < wanted);
        self.0[first..].iter().take_while(move |place| place.beginning == wanted)
    }
}

impl Assembly<'_> {
    /// Where the pieces of the local files are.
    pub(super) fn held(&self) -> &Held {
        self.held.get_or_init(|| Held::of(&self.sources))
    }

    /// How a local file of this content is cut, if there is one and that is known.
    pub fn held_recipe(&self, content: &Digest) -> Option<&Recipe> {
        let first = self.sources.partition_point(|source| source.hash < *content);
        let same = self.sources[first..].iter().take_while(|source| source.hash == *content);
        same.into_iter().find_map(|source| source.recipe.as_ref())
    }

    /// Whether a local file has a piece that is called so, as last measured.
    pub fn holds_piece(&self, hash: &Digest) -> bool {
        self.held().places(hash).next().is_some()
    }

    /// The bytes of a piece that a local file has, or one that is being rebuilt has got; verified.
    pub fn held_piece(&self, hash: &Digest) -> Option<Vec<u8>> {
        self.piece_of_sources(hash).or_else(|| self.piece_of_staged(hash))
    }

    fn piece_of_staged(&self, hash: &Digest) -> Option<Vec<u8>> {
        if self.ledger.needs(hash) {
            return None;
        }
        self.ledger.places(hash).find_map(|place| {
            let content = self.contents.get(place.content);
            let mut bytes = vec![0; content.length_of(place.part)?];
            let tag = self.contents.first_tag(content);
            let file = self.handles.get(place.content, content, tag, self.staging).ok()?;
            file.read_exact_at(&mut bytes, place.offset).ok()?;
            (Digest::of(&bytes) == *hash).then_some(bytes)
        })
    }

    fn piece_of_sources(&self, hash: &Digest) -> Option<Vec<u8>> {
        self.held().places(hash).find_map(|place| {
            let source = self.sources.get(place.source as usize)?;
            let file = self.local.open(&source.path).ok()?;
            let length = u64::from(place.length);
            // It may be another file by now: no more is claimed than is there.
            file.metadata().ok().filter(|known| known.len() >= place.offset.saturating_add(length))?;
            let mut bytes = vec![0; place.length as usize];
            file.read_exact_at(&mut bytes, place.offset).ok()?;
            (Digest::of(&bytes) == *hash).then_some(bytes)
        })
    }
}
