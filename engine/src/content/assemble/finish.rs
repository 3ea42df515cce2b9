//! The last step: every file proves its own hash, or is named with what is wrong.

use rayon::prelude::*;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hash::Digest;

use super::super::recipe::Recipe;
use super::contents::{Content, State};
use super::sources::copy;
use super::{Assembly, contradiction};

/// What was rebuilt.
#[derive(Debug, Default)]
pub struct Finished {
    /// The tags whose staged files are whole and verified, sorted.
    pub complete: Vec<usize>,
    /// The contents that could not be rebuilt.
    pub failed: Vec<Failure>,
    /// The recipes of the whole files that came with one, by content hash: what the next update cuts along.
    pub recipes: Vec<(Digest, Recipe)>,
}

/// A content that could not be rebuilt.
#[derive(Debug)]
pub struct Failure {
    /// Its hash.
    pub hash: Digest,
    /// Who wanted it. Their staged files, if there are any, are worthless.
    pub tags: Vec<usize>,
    /// Why. Names the hash; [`ErrorKind::Damaged`](crate::error::ErrorKind::Damaged) unless a disk failed.
    pub error: Error,
}

impl Finished {
    /// The complete tags if nothing failed, otherwise the first failure.
    pub fn all(self) -> Result<Vec<usize>> {
        match self.failed.into_iter().next() {
            None => Ok(self.complete),
            Some(failure) => Err(failure.error),
        }
    }
}

impl Assembly<'_> {
    /// Verifies every file by its own BLAKE3 and says which are whole.
    ///
    /// Errors are those of writing further copies, and cancellation; a file that is not whole is part of the result.
    pub fn finish(self, cx: &Context) -> Result<Finished> {
        self.handles.close();
        let contents = self.contents.as_slice();
        let verdicts: Vec<Result<()>> =
            contents.par_iter().map(|content| self.conclude(cx, content)).collect::<Result<_>>()?;
        let mut finished = Finished::default();
        for (content, verdict) in contents.iter().zip(verdicts) {
            let tags = self.contents.tags(content);
            match verdict {
                Ok(()) => finished.complete.extend_from_slice(tags),
                Err(error) => finished.failed.push(Failure { hash: content.hash, tags: tags.to_vec(), error }),
            }
        }
        finished.complete.sort_unstable();
        let failed = &finished.failed;
        let whole = |hash: &Digest| failed.binary_search_by(|failure| failure.hash.cmp(hash)).is_err();
        finished.recipes = self.contents.into_recipes().filter(|(hash, _)| whole(hash)).collect();
        Ok(finished)
    }

    /// The outer error ends the work, the inner one is the content's own.
    fn conclude(&self, cx: &Context, content: &Content) -> Result<Result<()>> {
        match content.state() {
            State::Whole => return Ok(Ok(())),
            State::Pieces => {}
            State::Contradicted => {
                return Ok(Err(contradiction(&content.hash, "its recipe gives a piece a length that it has not")));
            }
            State::Unresolved | State::Writing => {
                return Ok(Err(contradiction(&content.hash, "neither its recipe nor its bytes were found")));
            }
        }
        let pieces = content.recipe().map_or(&[][..], Recipe::pieces);
        let missing = pieces.iter().filter(|piece| self.ledger.needs(&piece.hash)).count();
        if missing > 0 {
            let why = format!("{missing} of its {} pieces are missing", pieces.len());
            return Ok(Err(contradiction(&content.hash, &why)));
        }
        let built = match self.staging.reopen(self.contents.first_tag(content)) {
            Ok(built) => built,
            Err(error) => return Ok(Err(error.at(format!("content {}", content.hash)))),
        };
        match copy(cx, &built, None, content)? {
            Ok(hash) if hash == content.hash => {
                self.spread(cx, content, &built)?;
                self.staging.complete(self.contents.first_tag(content), &built).map(Ok)
            }
            Ok(_) => Ok(Err(contradiction(&content.hash, "the file that its recipe makes has another hash"))),
            Err(error) => Ok(Err(error)),
        }
    }
}
