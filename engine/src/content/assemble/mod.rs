//! The receiver's side: rebuild files in staging, from pieces of local files and those that are delivered.
//!
//! The flow, each step once:
//! 1. [`Assembly::begin`] takes the wanted files and the local ones. Contents that a local file has whole are copied;
//! 2. [`Assembly::unresolved`] names the contents about which nothing is known yet. For each the caller finds either
//!    its recipe in the hub ([`Assembly::recipe`]) or the one piece that has its name ([`Assembly::piece`]);
//! 3. [`Assembly::copy_local`] writes the pieces that local files have, and what stands between pieces (`compose`);
//! 4. [`Assembly::needed`] names those that must be fetched; [`Assembly::piece`] writes them where they belong, in any
//!    order and from any thread. Those that nobody needs are ignored, repeated ones harmless. What the hub stores against
//!    something that a local file has is made of that ([`Assembly::held_piece`], [`Assembly::held_recipe`]);
//! 5. [`Assembly::finish`] reads back every file of several pieces, and says which files are whole.
//!
//! Laws:
//! - nothing is written that was not verified: a piece by its name, a file by its own BLAKE3 before it counts as whole;
//! - a local file that changed under us is no error: its pieces simply become needed;
//! - the same content wanted by several tags is fetched once and built for each;
//! - memory follows the number of pieces (about 130 bytes each), and at most 32 staged files are held open, beside one
//!   or two for each thread that is writing.

mod compose;
mod contents;
mod finish;
mod handles;
mod held;
mod ledger;
mod sources;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;

use self::contents::{Contents, State};
use self::handles::Handles;
use self::held::Held;
use self::ledger::Ledger;
use super::local::LocalContent;
use super::object::{ObjectId, Piece};
use super::recipe::Recipe;

pub use finish::{Failure, Finished};

/// Where files are rebuilt. A tag names one wanted file.
pub trait Staging: Sync {
    /// Makes the staged file of `tag`, empty and open for reading and writing; one that is there is emptied.
    ///
    /// `size` is how many bytes it will get.
    fn create(&self, tag: usize, size: u64) -> Result<File>;

    /// Opens a file that [`Staging::create`] made, for reading and writing.
    fn reopen(&self, tag: usize) -> Result<File>;

    /// Takes note that `file`, the staged file of `tag`, has all its bytes: it is not written to any more.
    fn complete(&self, tag: usize, file: &File) -> Result<()>;
}

/// A file to rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedFile {
    /// The caller's name for it; no two wanted files share one.
    pub tag: usize,
    /// The hash of its content.
    pub hash: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A file of this node that may hold what is wanted. What is said of it is checked by reading it.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// Where it is.
    pub path: RelPath,
    /// The hash of its content, as last measured.
    pub hash: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How it is cut, if that is known. Without it, the file is of use as a whole only.
    pub recipe: Option<Recipe>,
}

/// Files being rebuilt. See the module for the flow.
pub struct Assembly<'a> {
    staging: &'a dyn Staging,
    local: &'a dyn LocalContent,
    sources: Vec<LocalFile>,
    contents: Contents,
    ledger: Ledger,
    handles: Handles,
    written: AtomicU64,
    /// Where the pieces of the local files are; made when it is asked for.
    held: OnceLock<Held>,
}

impl<'a> Assembly<'a> {
    /// Takes the wanted files, and copies those whose content a local file has whole.
    ///
    /// [`ErrorKind::Damaged`] when what is wanted contradicts itself: one hash with two sizes, bytes in the empty file.
    pub fn begin(
        cx: &Context,
        wanted: Vec<WantedFile>,
        staging: &'a dyn Staging,
        local: &'a dyn LocalContent,
        sources: Vec<LocalFile>,
    ) -> Result<Self> {
        cx.check()?;
        let contents = Contents::of(wanted)?;
        let mut assembly = Self {
            staging,
            local,
            sources,
            contents,
            ledger: Ledger::default(),
            handles: Handles::default(),
            written: AtomicU64::new(0),
            held: OnceLock::new(),
        };
        assembly.sources.sort_by_key(|source| source.hash);
        assembly.copy_whole(cx)?;
        Ok(assembly)
    }

    /// The contents of which neither a recipe nor the bytes are known: hash and size.
    pub fn unresolved(&self) -> Vec<(Digest, u64)> {
        let unknown = self.contents.iter().filter(|content| content.state() == State::Unresolved);
        unknown.map(|content| (content.hash, content.size)).collect()
    }

    /// Takes the recipe of the file with this content hash. One that nobody needs is ignored.
    ///
    /// [`ErrorKind::Damaged`] when it makes a file of another size.
    pub fn recipe(&mut self, hash: Digest, recipe: Recipe) -> Result<()> {
        let Some(index) = self.contents.find(&hash) else { return Ok(()) };
        let content = self.contents.get(index);
        if content.state() != State::Unresolved {
            return Ok(());
        }
        if recipe.size() != content.size {
            let why = format!("it makes {} bytes of a file of {}", recipe.size(), content.size);
            return Err(Error::damaged(ObjectId::recipe(hash), why));
        }
        self.ledger.enter(index, &recipe).map_err(|error| error.at(ObjectId::recipe(hash)))?;
        self.contents.resolve(index, recipe);
        Ok(())
    }

    /// Takes a piece and writes it wherever it belongs; `false` when nobody needs it (any more). Errors are those of
    /// staging.
    pub fn piece(&self, cx: &Context, piece: &Piece<'_>) -> Result<bool> {
        cx.check()?;
        let (hash, bytes) = (piece.hash(), piece.bytes());
        if self.wants(&hash, bytes.len()) { self.deliver(cx, &hash, bytes) } else { Ok(false) }
    }

    /// The pieces that are still to be fetched, each once, in the order of the files that they are first part of.
    pub fn needed(&self) -> Vec<ObjectId> {
        self.ledger.needed(&self.contents).map(ObjectId::piece).collect()
    }

    /// Whether a piece of this name and length would be written somewhere.
    fn wants(&self, hash: &Digest, length: usize) -> bool {
        let whole = self.contents.find(hash).map(|index| self.contents.get(index));
        whole.is_some_and(|content| content.state() == State::Unresolved && content.size == length as u64)
            || self.ledger.needs(hash)
    }

    /// Writes a verified piece wherever it belongs.
    fn deliver(&self, cx: &Context, hash: &Digest, bytes: &[u8]) -> Result<bool> {
        let mut written = self.deliver_whole(cx, hash, bytes)?;
        if self.ledger.needs(hash) {
            for place in self.ledger.places(hash) {
                if self.ledger.is_written(place.content, place.part) {
                    continue;
                }
                let content = self.contents.get(place.content);
                if content.length_of(place.part) != Some(bytes.len()) {
                    content.pass(State::Pieces, State::Contradicted);
                    continue;
                }
                let file = self.handles.get(place.content, content, self.contents.first_tag(content), self.staging)?;
                file.write_all_at(bytes, place.offset).map_err(|source| write_failed(hash, source))?;
                self.ledger.book(place.content, place.part);
                self.advance(cx, bytes.len() as u64);
                written = true;
            }
        }
        Ok(written)
    }

    /// Writes the files of which a verified piece is the whole content.
    fn deliver_whole(&self, cx: &Context, hash: &Digest, bytes: &[u8]) -> Result<bool> {
        let Some(index) = self.contents.find(hash) else { return Ok(false) };
        let content = self.contents.get(index);
        if content.size != bytes.len() as u64 || !content.pass(State::Unresolved, State::Writing) {
            return Ok(false);
        }
        let result = self.contents.tags(content).iter().try_for_each(|&tag| {
            let file = self.staging.create(tag, content.size)?;
            file.write_all_at(bytes, 0).map_err(|source| write_failed(hash, source))?;
            self.staging.complete(tag, &file)
        });
        content.pass(State::Writing, if result.is_ok() { State::Whole } else { State::Unresolved });
        result?;
        self.advance(cx, content.size);
        Ok(true)
    }

    fn advance(&self, cx: &Context, bytes: u64) {
        let total = self.contents.total();
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        cx.progress(Phase::Stage, before.saturating_add(bytes).min(total), Some(total));
    }
}

fn write_failed(hash: &Digest, source: std::io::Error) -> Error {
    Error::io("write the staged content", hash, source)
}

fn contradiction(hash: &Digest, why: &str) -> Error {
    Error::new(ErrorKind::Damaged, why).at(format!("content {hash}"))
}
