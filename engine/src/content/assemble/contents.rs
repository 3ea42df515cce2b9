//! What is wanted: the distinct contents, who wants each, and how far it has come.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

use super::super::recipe::Recipe;
use super::{WantedFile, contradiction};

/// How far a content has come.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Neither its recipe nor its bytes are known.
    Unresolved = 0,
    /// Somebody has its bytes and is writing them.
    Writing = 1,
    /// Its recipe is known; the pieces come one by one.
    Pieces = 2,
    /// Every tag has it, verified.
    Whole = 3,
    /// Its recipe gives a piece another length than the piece has: it makes nothing.
    Contradicted = 4,
}

/// One distinct content.
pub(super) struct Content {
    pub(super) hash: Digest,
    pub(super) size: u64,
    /// Where its tags begin in the list of all tags, and how many there are.
    tags: (u32, u32),
    state: AtomicU8,
    recipe: Option<Box<Recipe>>,
    /// Whether what local files have was written.
    composed: AtomicBool,
}

impl Content {
    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Unresolved,
            1 => State::Writing,
            2 => State::Pieces,
            3 => State::Whole,
            _ => State::Contradicted,
        }
    }

    /// Goes from one state to another; `false` when it is not in the first.
    pub(super) fn pass(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(super) fn recipe(&self) -> Option<&Recipe> {
        self.recipe.as_deref()
    }

    /// Whether nobody has begun to write what local files have of it; from now on somebody has.
    pub(super) fn is_to_be_composed(&self) -> bool {
        self.state() == State::Pieces && !self.composed.swap(true, Ordering::AcqRel)
    }

    /// The length that the recipe says its part number `part` has.
    pub(super) fn length_of(&self, part: u32) -> Option<usize> {
        self.recipe().and_then(|recipe| recipe.pieces().get(part as usize)).map(|piece| piece.length as usize)
    }
}

/// All distinct contents, sorted by hash.
pub(super) struct Contents {
    list: Vec<Content>,
    tags: Vec<usize>,
    total: u64,
}

impl Contents {
    pub(super) fn of(mut wanted: Vec<WantedFile>) -> Result<Self> {
        if u32::try_from(wanted.len()).is_err() {
            return Err(Error::new(ErrorKind::Unsupported, "there are too many files to rebuild at once"));
        }
        wanted.sort_unstable_by_key(|file| (file.hash, file.tag));
        let empty = Digest::of(b"");
        let mut contents = Self { list: Vec::new(), tags: Vec::with_capacity(wanted.len()), total: 0 };
        for file in wanted {
            if (file.size == 0) != (file.hash == empty) {
                return Err(contradiction(&file.hash, "no content of this hash has this size"));
            }
            let at = u32::try_from(contents.tags.len()).expect("because the number of files was checked");
            match contents.list.last_mut() {
                Some(last) if last.hash == file.hash && last.size != file.size => {
                    return Err(contradiction(&file.hash, "it is wanted with two sizes"));
                }
                Some(last) if last.hash == file.hash => last.tags.1 += 1,
                _ => {
                    contents.total = contents.total.saturating_add(file.size);
                    let state = AtomicU8::new(State::Unresolved as u8);
                    contents.list.push(Content {
                        hash: file.hash,
                        size: file.size,
                        tags: (at, 1),
                        state,
                        recipe: None,
                        composed: AtomicBool::new(false),
                    });
                }
            }
            contents.tags.push(file.tag);
        }
        Ok(contents)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Content> {
        self.list.iter()
    }

    pub(super) fn as_slice(&self) -> &[Content] {
        &self.list
    }

    pub(super) fn find(&self, hash: &Digest) -> Option<u32> {
        self.list.binary_search_by(|content| content.hash.cmp(hash)).ok().map(|at| at as u32)
    }

    pub(super) fn get(&self, index: u32) -> &Content {
        &self.list[index as usize]
    }

    /// Those who want it; at least one.
    pub(super) fn tags(&self, content: &Content) -> &[usize] {
        let start = content.tags.0 as usize;
        &self.tags[start..start + content.tags.1 as usize]
    }

    /// The tag whose staged file is built from pieces; the others are copies of it.
    pub(super) fn first_tag(&self, content: &Content) -> usize {
        self.tags[content.tags.0 as usize]
    }

    /// How many bytes the distinct contents have.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn resolve(&mut self, index: u32, recipe: Recipe) {
        let content = &mut self.list[index as usize];
        content.recipe = Some(Box::new(recipe));
        content.pass(State::Unresolved, State::Pieces);
    }

    /// The recipes that were used, with the hashes of their files.
    pub(super) fn into_recipes(self) -> impl Iterator<Item = (Digest, Recipe)> {
        self.list.into_iter().filter_map(|content| content.recipe.map(|recipe| (content.hash, *recipe)))
    }
}
